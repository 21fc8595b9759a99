//! When the generator itself stood still: stopped, suspended or starved.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Longer than the driver ever sleeps when it gets the processor.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// Sums up the time in which the load's thread did not run although it was
/// due. The driver tells that it runs; whoever asks sees a stall that has just
/// ended too, before the driver has had its turn.
#[derive(Debug)]
pub(crate) struct Stalls {
    seen_at: Cell<Instant>,
    total: Cell<Duration>,
    /// When the last one ended, and how long it was.
    last: Cell<Option<(Instant, Duration)>>,
}

impl Stalls {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            seen_at: Cell::new(now),
            total: Cell::new(Duration::ZERO),
            last: Cell::new(None),
        }
    }

    /// The driver has a turn; returns the stall that it ends, if it ends one.
    pub(crate) fn turn(&self, now: Instant) -> Option<Duration> {
        let stall = self.since_turn(now);
        self.total.set(self.total.get() + stall);
        self.seen_at.set(now);
        if !stall.is_zero() {
            self.last.set(Some((now, stall)));
        }
        (!stall.is_zero()).then_some(stall)
    }

    /// All stalls until `at`, which may lie before or within the last one. The
    /// difference between two moments is what of the time between them was
    /// squall's own.
    pub(crate) fn total(&self, at: Instant) -> Duration {
        let (ended, stall) = self.last.get().unwrap_or((at, Duration::ZERO));
        let later = ended.saturating_duration_since(at).min(stall);
        (self.total.get() + self.since_turn(at)).saturating_sub(later)
    }

    /// Whether a stall has ended since an instant, which is why it may be late.
    pub(crate) fn ended_since(&self, instant: Instant) -> bool {
        self.last.get().is_some_and(|(ended, _)| instant <= ended)
    }

    fn since_turn(&self, now: Instant) -> Duration {
        let pause = now.saturating_duration_since(self.seen_at.get());
        match pause > PAUSE_MAX {
            // The driver may have slept by right for a part of it, at most
            // half of what is not called a stall yet.
            true => pause - PAUSE_MAX / 2,
            false => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_no_longer_than_a_sleep_is_no_stall() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let stalls = Stalls::new(start);
        assert_eq!(stalls.turn(at(100)), None);
        assert_eq!(stalls.turn(at(300)), None);
        assert_eq!(stalls.total(at(450)), Duration::ZERO);
    }

    #[test]
    fn a_stall_is_seen_before_the_driver_has_its_turn_and_counts_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let stalls = Stalls::new(start);
        let before = stalls.total(at(50));
        assert_eq!(
            stalls.total(at(4_000)) - before,
            Duration::from_millis(3_900)
        );
        assert_eq!(stalls.turn(at(4_000)), Some(Duration::from_millis(3_900)));
        assert_eq!(stalls.total(at(4_001)), Duration::from_millis(3_900));
    }

    /// The kernel says when an answer came: it may have lain there for all of a
    /// stall, which then was none of its time.
    #[test]
    fn what_came_before_a_stall_has_nothing_of_it() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let stalls = Stalls::new(start);
        stalls.turn(at(100));
        stalls.turn(at(4_100));
        let all = Duration::from_millis(3_900);
        assert_eq!(stalls.total(at(4_150)), all);
        assert_eq!(stalls.total(at(3_100)), all - Duration::from_secs(1));
        assert_eq!(stalls.total(at(150)), Duration::ZERO);
    }
}
