//! A limit on calls at a time that follows what the dependency can bear: the gradient of its
//! response times (Envoy's adaptive concurrency filter).
//!
//! From time to time few calls are let through, and their median is how long a call takes that
//! waits for nobody. Between that, the limit grows as long as calls take about that long, and
//! shrinks as they take longer, because what is over that is time spent in queues.

use std::time::{Duration, Instant};

/// How often the limit is judged anew.
const WINDOW: Duration = Duration::from_millis(100);
/// Below so many calls a window goes on.
const WINDOW_CALLS_MIN: usize = 10;
/// The most times of a window that are kept; of more calls, the first count.
const WINDOW_CALLS_MAX: usize = 1_000;
/// How long a measured time without queues holds, but for the jitter.
const REMEASURED_AFTER: Duration = Duration::from_secs(60);
/// What may be added to that, in percent, so that instances do not measure at the same time.
const JITTER_PERCENT: u32 = 15;
/// How many calls tell the time without queues.
const MEASURED_CALLS: usize = 50;
/// How long it may take to measure that, where calls are few.
const MEASURED_WITHIN: Duration = Duration::from_secs(10);
/// How much longer than without queues calls may take.
const HEADROOM: f64 = 1.25;
/// How much the limit changes at most at a time.
const GRADIENT_MIN: f64 = 0.5;
const GRADIENT_MAX: f64 = 2.0;

/// The limit and what it rests on. Time is a parameter; the chance of the jitter is a hash of
/// `seed` and how often it was measured.
#[derive(Debug)]
pub struct AdaptiveLimit {
    min: usize,
    max: usize,
    seed: u64,
    limit: f64,
    phase: Phase,
    /// Of this window or measurement, in nanoseconds.
    times_ns: Vec<u64>,
    /// The most that ran at once when a call of this window ended.
    running: usize,
    measured: u64,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Few calls at a time, to see how long one takes without queues.
    Measuring { since: Instant },
    Following {
        /// How long a call takes without queues, in nanoseconds.
        alone_ns: u64,
        window_since: Instant,
        measure_at: Instant,
    },
}

impl AdaptiveLimit {
    /// A limit between `min`, at which it begins, and `max`.
    pub fn new(min: usize, max: usize, seed: u64, now: Instant) -> Self {
        let min = min.max(1);
        Self {
            min,
            max: max.max(min),
            seed,
            limit: min as f64,
            phase: Phase::Measuring { since: now },
            times_ns: Vec::new(),
            running: 0,
            measured: 0,
        }
    }

    /// How many calls may run at once.
    pub fn limit(&self) -> usize {
        match self.phase {
            Phase::Measuring { .. } => self.min,
            Phase::Following { .. } => (self.limit as usize).clamp(self.min, self.max),
        }
    }

    /// How long a call takes without queues, as last measured.
    pub fn alone(&self) -> Option<Duration> {
        match self.phase {
            Phase::Measuring { .. } => None,
            Phase::Following { alone_ns, .. } => Some(Duration::from_nanos(alone_ns)),
        }
    }

    /// Changes the bounds.
    pub fn set_bounds(&mut self, min: usize, max: usize) {
        self.min = min.max(1);
        self.max = max.max(self.min);
        self.limit = self.limit.clamp(self.min as f64, self.max as f64);
    }

    /// A call that took `took` has ended at `now`, when `running` ran with it; gives the limit from
    /// here on. Calls that failed at once say nothing of queues: leave them out. Those that timed
    /// out took at least that long: count them.
    pub fn ended(&mut self, now: Instant, took: Duration, running: usize) -> usize {
        if let Phase::Measuring { since } = self.phase
            && now.saturating_duration_since(since) < took
        {
            // It began before, and may have waited for many.
            return self.limit();
        }
        if self.times_ns.len() < WINDOW_CALLS_MAX {
            self.times_ns.push(crate::clock::nanos(took));
        }
        self.running = self.running.max(running);
        match self.phase {
            Phase::Measuring { since } => self.measure(now, since),
            Phase::Following {
                alone_ns,
                window_since,
                measure_at,
            } => {
                let is_over = now.saturating_duration_since(window_since) >= WINDOW;
                if is_over && self.times_ns.len() >= WINDOW_CALLS_MIN {
                    self.follow(now, alone_ns, measure_at);
                }
            }
        }
        self.limit()
    }

    fn measure(&mut self, now: Instant, since: Instant) {
        let waited = now.saturating_duration_since(since) >= MEASURED_WITHIN;
        self.running = 0;
        if self.times_ns.len() < MEASURED_CALLS && !waited {
            return;
        }
        let alone_ns = self.take_median().max(1);
        self.measured += 1;
        self.phase = Phase::Following {
            alone_ns,
            window_since: now,
            measure_at: now + REMEASURED_AFTER + self.jitter(),
        };
    }

    fn follow(&mut self, now: Instant, alone_ns: u64, measure_at: Instant) {
        let running = std::mem::take(&mut self.running);
        let median_ns = self.take_median().max(1);
        // Callers who want less than half of the limit say nothing about the limit.
        if running as f64 * 2.0 >= self.limit {
            let gradient = alone_ns as f64 * HEADROOM / median_ns as f64;
            let gradient = gradient.clamp(GRADIENT_MIN, GRADIENT_MAX);
            let grown = self.limit * gradient + self.limit.sqrt();
            self.limit = grown.clamp(self.min as f64, self.max as f64);
        }
        self.phase = if now >= measure_at {
            Phase::Measuring { since: now }
        } else {
            Phase::Following {
                alone_ns,
                window_since: now,
                measure_at,
            }
        };
    }

    fn take_median(&mut self) -> u64 {
        let mut times_ns = std::mem::take(&mut self.times_ns);
        let middle = times_ns.len() / 2;
        if times_ns.is_empty() {
            return 0;
        }
        let (_, median, _) = times_ns.select_nth_unstable(middle);
        let median = *median;
        times_ns.clear();
        self.times_ns = times_ns;
        median
    }

    fn jitter(&self) -> Duration {
        // The finaliser of splitmix64.
        let mut mixed = self.seed ^ self.measured.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        (REMEASURED_AFTER * JITTER_PERCENT / 100).mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    const ALONE: Duration = Duration::from_millis(20);

    /// A dependency that works on `capacity` calls at a time and takes `ALONE` for each, and
    /// callers who want `wanted` calls at a time; each step is as long as a call takes.
    struct Simulated {
        limit: AdaptiveLimit,
        now: Instant,
        capacity: usize,
        wanted: usize,
    }

    impl Simulated {
        fn new(max: usize, capacity: usize, wanted: usize) -> Self {
            let now = Instant::now();
            Self {
                limit: AdaptiveLimit::new(3, max, 7, now),
                now,
                capacity,
                wanted,
            }
        }

        fn run(&mut self, seconds: u64) {
            let end = self.now + Duration::from_secs(seconds);
            while self.now < end {
                let running = self.limit.limit().min(self.wanted);
                let queued = running.max(self.capacity) as f64 / self.capacity as f64;
                let took = ALONE.mul_f64(queued);
                self.now += took;
                for _ in 0..running {
                    self.limit.ended(self.now, took, running);
                }
            }
        }

        /// Until it does not measure.
        fn settled(&mut self) -> usize {
            while self.limit.alone().is_none() {
                self.run(1);
            }
            self.run(5);
            self.limit.limit()
        }
    }

    /// Where `L = HEADROOM C + sqrt(L)`, and one more for each rounding.
    fn most(capacity: usize) -> usize {
        let mut limit = capacity as f64 * HEADROOM;
        for _ in 0..50 {
            limit = capacity as f64 * HEADROOM + limit.sqrt();
        }
        limit as usize + 2
    }

    #[test]
    fn it_finds_what_the_dependency_can_bear_and_follows_it() {
        let mut simulated = Simulated::new(1000, 40, 500);
        simulated.run(5);
        let found = simulated.settled();
        assert!((40..=most(40)).contains(&found), "{found}");
        simulated.capacity = 10;
        simulated.run(5);
        let found = simulated.settled();
        assert!(
            (10..=most(10)).contains(&found),
            "half of it broke: {found}"
        );
        simulated.capacity = 80;
        simulated.run(20);
        let found = simulated.settled();
        assert!((80..=most(80)).contains(&found), "it is back: {found}");
    }

    /// Measured while it is overloaded, a limit without queues still is one without queues.
    #[test]
    fn an_hour_of_overload_moves_it_nowhere() {
        let mut simulated = Simulated::new(1000, 40, 500);
        simulated.run(3600);
        let found = simulated.settled();
        assert!((40..=most(40)).contains(&found), "{found}");
        assert_eq!(simulated.limit.alone(), Some(ALONE));
        let measured = simulated.limit.measured;
        assert!(
            (50..=60).contains(&measured),
            "every 60 to 69 s: {measured}"
        );
    }

    #[test]
    fn callers_who_want_little_raise_it_little() {
        let mut simulated = Simulated::new(1000, 40, 5);
        simulated.run(60);
        let found = simulated.settled();
        // Twice as many are followed, and one step more.
        assert!(found <= 16, "{found}");
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 300,
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(25),
            ..ProptestConfig::default()
        })]

        #[test]
        fn it_keeps_its_bounds_whatever_calls_take(
            min in 0..20usize,
            max in 0..100usize,
            calls in proptest::collection::vec((0..u64::MAX, 0..10_000usize, 0..500u64), 1..400),
        ) {
            let mut now = Instant::now();
            let mut limit = AdaptiveLimit::new(min, max, 1, now);
            for (took_ns, running, ms) in calls {
                now += Duration::from_millis(ms);
                let found = limit.ended(now, Duration::from_nanos(took_ns), running);
                prop_assert!(found >= min.max(1) && found <= max.max(min).max(1), "{}", found);
                prop_assert!(limit.times_ns.len() <= WINDOW_CALLS_MAX);
            }
        }
    }
}
