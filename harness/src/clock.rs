//! The run's clock: monotonic, counted from time zero.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Now, by the clock that the runtime sleeps by: a test that pauses its time
/// pauses this one too.
#[must_use]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Stamps instants with microseconds since time zero. Until time zero is
/// known, stamps count up towards it from the longest the preparation may
/// take: their order and their differences hold, and all are negative.
#[derive(Debug, Clone)]
pub struct RunClock {
    start: Instant,
    preparation_max: Duration,
    zero: Arc<OnceLock<Instant>>,
}

impl RunClock {
    /// A clock for a run that starts now and whose time zero is at most
    /// `preparation_max` away.
    #[must_use]
    pub fn start(preparation_max: Duration) -> Self {
        Self {
            start: now(),
            preparation_max,
            zero: Arc::new(OnceLock::new()),
        }
    }

    /// Announces time zero. The first call counts.
    pub fn set_zero(&self, zero: Instant) {
        let _ = self.zero.set(zero);
    }

    /// Time zero, once it is known.
    #[must_use]
    pub fn zero(&self) -> Option<Instant> {
        self.zero.get().copied()
    }

    /// When the run started.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.start
    }

    /// Microseconds from time zero to `at`.
    #[must_use]
    pub fn stamp(&self, at: Instant) -> i64 {
        match self.zero() {
            Some(zero) => signed_us(at, zero),
            None => (signed_us(at, self.start) - micros(self.preparation_max)).min(-1),
        }
    }
}

fn signed_us(at: Instant, origin: Instant) -> i64 {
    match at.checked_duration_since(origin) {
        Some(after) => micros(after),
        None => -micros(origin.duration_since(at)),
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_negative_before_zero_and_keep_their_order() {
        let clock = RunClock::start(Duration::from_secs(60));
        let first = clock.stamp(clock.started() + Duration::from_secs(1));
        let second = clock.stamp(clock.started() + Duration::from_secs(2));
        assert_eq!((first, second), (-59_000_000, -58_000_000));
        let zero = clock.started() + Duration::from_secs(5);
        clock.set_zero(zero);
        assert_eq!(clock.stamp(zero + Duration::from_millis(1)), 1_000);
        assert_eq!(clock.stamp(zero - Duration::from_millis(1)), -1_000);
    }
}
