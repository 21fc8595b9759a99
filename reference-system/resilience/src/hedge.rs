//! When a second attempt is sent beside one that has not been answered yet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::nanos;

/// How long what was learnt of the latencies holds, in nanoseconds: looking costs too much for
/// every call.
const LEARN_NS: u64 = 1_000_000_000;

/// So many calls must have ended before their latencies say anything.
const SAMPLES_MIN: u64 = 100;

/// A percentile of the latencies of a command, learnt anew once a second by the call that first
/// asks.
#[derive(Debug)]
pub(crate) struct HedgeDelay {
    origin: Instant,
    due_ns: AtomicU64,
    /// 0 where too little is known.
    learnt_ns: AtomicU64,
}

impl HedgeDelay {
    pub(crate) fn new(origin: Instant) -> Self {
        Self {
            origin,
            due_ns: AtomicU64::new(0),
            learnt_ns: AtomicU64::new(0),
        }
    }

    /// What is known at `now`; `latency` tells how many latencies there are, and the percentile of
    /// them.
    pub(crate) fn learnt(
        &self,
        now: Instant,
        latency: impl FnOnce() -> (u64, Duration),
    ) -> Option<Duration> {
        let now_ns = nanos(now.saturating_duration_since(self.origin));
        let due_ns = self.due_ns.load(Ordering::Acquire);
        let is_mine = |due_ns| {
            let next_ns = now_ns.saturating_add(LEARN_NS);
            let (ok, fail) = (Ordering::AcqRel, Ordering::Relaxed);
            let due = &self.due_ns;
            due.compare_exchange(due_ns, next_ns, ok, fail).is_ok()
        };
        if now_ns >= due_ns && is_mine(due_ns) {
            let (samples, latency) = latency();
            let learnt_ns = if samples < SAMPLES_MIN {
                0
            } else {
                nanos(latency).max(1)
            };
            self.learnt_ns.store(learnt_ns, Ordering::Release);
        }
        let learnt_ns = self.learnt_ns.load(Ordering::Acquire);
        (learnt_ns > 0).then(|| Duration::from_nanos(learnt_ns))
    }

    /// Forgets, because another percentile is asked for.
    pub(crate) fn forget(&self) {
        self.learnt_ns.store(0, Ordering::Release);
        self.due_ns.store(0, Ordering::Release);
    }
}

/// The delay by the settings: the percentile, but not before `after_ms`; that alone where no
/// percentile is asked for, or none is known and it is not 0.
pub(crate) fn delay(
    after_ms: u64,
    percentile: u8,
    learnt: impl FnOnce() -> Option<Duration>,
) -> Option<Duration> {
    let after = (after_ms > 0).then(|| Duration::from_millis(after_ms));
    if percentile == 0 {
        return after;
    }
    learnt().max(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_percentile_is_learnt_once_a_second_and_of_enough_calls() {
        let t0 = Instant::now();
        let delay = HedgeDelay::new(t0);
        let learnt = |after_ms: u32, latencies| delay.learnt(t0 + after_ms * MS, || latencies);
        assert_eq!(learnt(0, (99, 5 * MS)), None);
        assert_eq!(learnt(999, (100, 5 * MS)), None);
        assert_eq!(learnt(1000, (100, 5 * MS)), Some(5 * MS));
        assert_eq!(learnt(1999, (100, 9 * MS)), Some(5 * MS));
        assert_eq!(learnt(2000, (100, 9 * MS)), Some(9 * MS));
        assert_eq!(learnt(60_000, (3, 9 * MS)), None, "they are too old");
        assert_eq!(learnt(61_000, (100, 7 * MS)), Some(7 * MS));
        delay.forget();
        assert_eq!(learnt(61_001, (100, 8 * MS)), Some(8 * MS));
    }

    #[test]
    fn a_fixed_delay_is_the_least_and_stands_in_for_what_is_unknown() {
        assert_eq!(delay(0, 0, || Some(MS)), None, "hedging is off");
        assert_eq!(delay(7, 0, || Some(MS)), Some(7 * MS));
        assert_eq!(delay(0, 95, || None), None);
        assert_eq!(delay(0, 95, || Some(3 * MS)), Some(3 * MS));
        assert_eq!(delay(7, 95, || None), Some(7 * MS));
        assert_eq!(delay(7, 95, || Some(3 * MS)), Some(7 * MS));
        assert_eq!(delay(7, 95, || Some(9 * MS)), Some(9 * MS));
    }
}
