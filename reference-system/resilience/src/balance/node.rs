//! One instance as its balancer sees it: what runs there, how it went, and how fast it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::rules::LoadMeasure;
use super::success_rate::Tally;
use crate::clock::nanos;

/// How long a peak of the latency takes to fade to a third, in nanoseconds (Finagle's 10 s).
const FADE_NS: u64 = 10_000_000_000;

/// The latency of an instance nothing is known of but that something runs there, or failed, in
/// nanoseconds.
const UNKNOWN_NS: u64 = 1_000_000_000;

/// The share of choices that an instance takes part in just after it has returned, in thousandths.
const RAMP_FIRST: u64 = 100;

/// What `ramp_from_ns` says of an instance that has not returned from anywhere.
const NO_RAMP: u64 = u64::MAX;

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// An instance at one place; its history outlives a change of the place.
pub(super) struct Node<T> {
    pub(super) stats: Arc<Stats>,
    pub(super) zone: Arc<str>,
    pub(super) target: T,
}

/// What is counted of an instance without a lock.
#[derive(Debug)]
pub(super) struct Stats {
    /// Its identity in this process; no choice depends on it.
    pub(super) number: u64,
    pub(super) name: Arc<str>,
    in_flight: AtomicUsize,
    attempts: AtomicU64,
    failures: AtomicU64,
    /// Grows with each ejection and each return; attempts of an earlier epoch judge nothing.
    epoch: AtomicU64,
    streak: AtomicU32,
    /// Attempts of this interval in the upper half, failures in the lower.
    tally: AtomicU64,
    latency_ns: AtomicU64,
    latency_at_ns: AtomicU64,
    ramp_from_ns: AtomicU64,
}

impl Stats {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            name,
            in_flight: AtomicUsize::new(0),
            attempts: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            streak: AtomicU32::new(0),
            tally: AtomicU64::new(0),
            latency_ns: AtomicU64::new(0),
            latency_at_ns: AtomicU64::new(0),
            ramp_from_ns: AtomicU64::new(NO_RAMP),
        }
    }

    /// An attempt begins; gives the epoch it belongs to.
    pub(super) fn begin(&self) -> u64 {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.epoch.load(Ordering::Acquire)
    }

    /// An attempt has ended, however.
    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Counts how an attempt of `epoch` went; gives the failures in a row that it is the last of.
    pub(super) fn judge(&self, epoch: u64, ok: bool) -> u32 {
        if !ok {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        if !self.is_in(epoch) {
            return 0;
        }
        self.tally
            .fetch_add((1 << 32) | u64::from(!ok), Ordering::Relaxed);
        if !ok {
            return self.streak.fetch_add(1, Ordering::Relaxed) + 1;
        }
        // Most of the time it is zero: no need to take the cache line from the others.
        if self.streak.load(Ordering::Relaxed) != 0 {
            self.streak.store(0, Ordering::Relaxed);
        }
        0
    }

    pub(super) fn is_in(&self, epoch: u64) -> bool {
        self.epoch.load(Ordering::Acquire) == epoch
    }

    pub(super) fn forget_streak(&self) {
        self.streak.store(0, Ordering::Relaxed);
    }

    /// What happened since this was last asked.
    pub(super) fn take_tally(&self) -> Tally {
        let tally = self.tally.swap(0, Ordering::Relaxed);
        Tally {
            attempts: u32::try_from(tally >> 32).unwrap_or(u32::MAX),
            failures: u32::try_from(tally & u64::from(u32::MAX)).unwrap_or(u32::MAX),
        }
    }

    /// It was ejected, or has returned: what was before counts no more.
    pub(super) fn begin_epoch(&self, ramp_from_ns: Option<u64>) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.ramp_from_ns
            .store(ramp_from_ns.unwrap_or(NO_RAMP), Ordering::Relaxed);
        self.forget_streak();
        self.take_tally();
    }

    /// How many of a thousand choices it takes part in.
    pub(super) fn ramp(&self, now_ns: u64, length: Duration) -> u64 {
        let from_ns = self.ramp_from_ns.load(Ordering::Relaxed);
        let length_ns = nanos(length);
        if from_ns == NO_RAMP || length_ns == 0 {
            return 1000;
        }
        let passed = u128::from(now_ns.saturating_sub(from_ns)) * u128::from(1000 - RAMP_FIRST);
        let passed = u64::try_from(passed / u128::from(length_ns)).unwrap_or(1000);
        RAMP_FIRST + passed.min(1000 - RAMP_FIRST)
    }

    /// Learns from an attempt that took so long.
    pub(super) fn learn(&self, now_ns: u64, took: Duration, ok: bool) {
        let known = self.latency_ns.load(Ordering::Relaxed);
        let took = nanos(took).max(1);
        let learnt = match (ok, known) {
            (false, 0) => took.max(UNKNOWN_NS),
            (false, _) => known.max(took),
            (true, _) if took >= known => took,
            (true, _) => {
                let kept = self.kept(now_ns);
                whole(real(known) * kept + real(took) * (1.0 - kept)).max(1)
            }
        };
        self.latency_ns.store(learnt, Ordering::Relaxed);
        self.latency_at_ns.store(now_ns, Ordering::Relaxed);
    }

    /// How bad a choice it is.
    pub(super) fn cost(&self, measure: LoadMeasure, now_ns: u64) -> f64 {
        let in_flight = real(u64::try_from(self.in_flight()).unwrap_or(u64::MAX));
        match measure {
            LoadMeasure::InFlight => in_flight,
            LoadMeasure::PeakEwma => match self.latency_ns.load(Ordering::Relaxed) {
                0 => in_flight * real(UNKNOWN_NS),
                known => (in_flight + 1.0) * real(known) * self.kept(now_ns),
            },
        }
    }

    /// What is left of a latency since it was learnt.
    fn kept(&self, now_ns: u64) -> f64 {
        let passed = now_ns.saturating_sub(self.latency_at_ns.load(Ordering::Relaxed));
        (-real(passed) / real(FADE_NS)).exp()
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is compared, not counted")]
fn real(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between two numbers of nanoseconds"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn stats() -> Stats {
        Stats::new(Arc::from("one"))
    }

    fn cost(stats: &Stats, now_ns: u64) -> f64 {
        stats.cost(LoadMeasure::PeakEwma, now_ns) / real(nanos(MS))
    }

    #[test]
    fn a_peak_counts_at_once_and_fades() {
        let stats = stats();
        assert!(cost(&stats, 0).abs() < 1e-9, "nothing is known, try it");
        stats.learn(0, 10 * MS, true);
        stats.learn(0, 100 * MS, true);
        assert!((cost(&stats, 0) - 100.0).abs() < 0.01);
        stats.learn(FADE_NS, 10 * MS, true);
        let faded = 100.0 / 1_f64.exp() + 10.0 * (1.0 - 1.0 / 1_f64.exp());
        assert!((cost(&stats, FADE_NS) - faded).abs() < 0.01);
        stats.begin();
        assert!((cost(&stats, FADE_NS) - 2.0 * faded).abs() < 0.01);
        assert!(cost(&stats, 40 * FADE_NS) < 0.01, "it is tried again");
    }

    #[test]
    fn a_quick_failure_makes_nobody_look_fast() {
        let stats = stats();
        stats.learn(0, MS, false);
        assert!((cost(&stats, 0) - 1000.0).abs() < 0.01);
        let stats = self::stats();
        stats.learn(0, 50 * MS, true);
        stats.learn(0, MS, false);
        assert!((cost(&stats, 0) - 50.0).abs() < 0.01);
    }

    #[test]
    fn the_ramp_goes_from_a_tenth_to_all() {
        let stats = stats();
        assert_eq!(stats.ramp(5, MS), 1000);
        stats.begin_epoch(Some(0));
        let at = |now_ns| stats.ramp(now_ns, MS);
        assert_eq!([at(0), at(500_000), at(1_000_000)], [100, 550, 1000]);
        assert_eq!(stats.ramp(0, Duration::ZERO), 1000);
        stats.begin_epoch(None);
        assert_eq!(at(0), 1000);
    }

    #[test]
    fn attempts_of_an_earlier_epoch_judge_nothing() {
        let stats = stats();
        let epoch = stats.begin();
        assert_eq!(stats.judge(epoch, false), 1);
        assert_eq!(stats.judge(epoch, false), 2);
        stats.begin_epoch(None);
        assert_eq!(stats.judge(epoch, false), 0);
        assert_eq!(stats.take_tally(), Tally::default());
        assert_eq!(stats.judge(epoch + 1, false), 1);
        assert_eq!(stats.judge(epoch + 1, true), 0);
        assert_eq!(stats.judge(epoch + 1, false), 1);
        let tally = Tally {
            attempts: 3,
            failures: 2,
        };
        assert_eq!(stats.take_tally(), tally);
        assert_eq!(stats.failures(), 5);
    }
}
