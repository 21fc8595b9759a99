//! When to wake for the next arrival: for each at its instant, unless there are
//! so many that waking for some at a time is worth more than half a millisecond.

use std::time::{Duration, Instant};

/// From how many arrivals in a tick on, some share a wake-up: 4 000 a second.
const MANY: u32 = 400;
/// Between two wake-ups that are shared: the most that an arrival is late by it.
const APART: Duration = Duration::from_micros(750);

/// A wake-up that is no further away is worth no other one before it.
const SOON: Duration = Duration::from_millis(1);

/// Whether `wake` is so soon that what comes before it may wait for it.
pub(crate) fn is_soon(wake: Instant, now: Instant) -> bool {
    wake.saturating_duration_since(now) <= SOON
}

/// The wake-ups of one driver.
#[derive(Debug)]
pub(crate) struct Rhythm {
    woken: Instant,
    arrivals: u32,
    many: bool,
}

impl Rhythm {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            woken: now,
            arrivals: 0,
            many: false,
        }
    }

    /// When to wake for an arrival that is due then.
    pub(crate) fn wake(&self, due: Instant) -> Instant {
        match self.many && due > self.woken {
            true => due.max(self.woken + APART),
            // One at a time, or behind already.
            false => due,
        }
    }

    /// Woken for arrivals, which were so many.
    pub(crate) fn woken(&mut self, now: Instant, arrivals: u32) {
        self.woken = now;
        self.arrivals += arrivals;
    }

    /// A tenth of a second has passed.
    pub(crate) const fn tick(&mut self) {
        self.many = self.arrivals >= MANY;
        self.arrivals = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_a_second_are_soon() {
        let now = Instant::now();
        assert!(is_soon(now + Duration::from_millis(1), now));
        assert!(!is_soon(now + Duration::from_micros(1_001), now));
        assert!(is_soon(now, now + Duration::from_secs(1)), "it is overdue");
    }

    #[test]
    fn few_are_woken_for_one_by_one_and_many_together() {
        let start = Instant::now();
        let at = |us| start + Duration::from_micros(us);
        let mut rhythm = Rhythm::new(start);
        rhythm.woken(at(0), MANY - 1);
        rhythm.tick();
        assert_eq!(rhythm.wake(at(50)), at(50));
        rhythm.woken(at(100), MANY);
        rhythm.tick();
        assert_eq!(
            rhythm.wake(at(150)),
            at(850),
            "it shares the wake-up of others"
        );
        assert_eq!(rhythm.wake(at(900)), at(900), "nobody is before it");
        assert_eq!(rhythm.wake(at(100)), at(100), "it is overdue");
    }
}
