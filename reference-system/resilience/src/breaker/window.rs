//! The rolling count of successes and errors a breaker decides on.

use std::time::{Duration, Instant};

/// Calls that counted, and how many of them failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// Successes, failures, timeouts and rejections.
    pub total: u64,
    /// All of them but the successes.
    pub errors: u64,
}

impl Health {
    /// Errors in whole percent of all calls, cut off, as Hystrix computes it: 99 of 200 is 49.
    pub fn error_percentage(self) -> u8 {
        if self.total == 0 {
            return 0;
        }
        u8::try_from(self.errors * 100 / self.total).unwrap_or(100)
    }
}

/// A ring of buckets. Only completed buckets count, so a decision is up to one bucket late and
/// never rests on a bucket that is a few calls old.
#[derive(Debug)]
pub struct HealthWindow {
    origin: Instant,
    bucket: Duration,
    /// One more than the window has, for the bucket being filled.
    buckets: Box<[Health]>,
    /// The number of the bucket being filled, counted from the origin.
    current: u64,
}

impl HealthWindow {
    /// An empty window that begins at `origin`: as if nothing had been called for ages.
    pub fn new(origin: Instant, bucket: Duration, buckets: u64) -> Self {
        let len = usize::try_from(buckets).unwrap_or(1).max(1) + 1;
        Self {
            origin,
            bucket: bucket.max(Duration::from_millis(1)),
            buckets: vec![Health::default(); len].into_boxed_slice(),
            current: 0,
        }
    }

    /// Counts a call that ended at `now`.
    pub fn record(&mut self, now: Instant, ok: bool) {
        self.roll(now);
        let slot = self.slot(self.current);
        self.buckets[slot].total += 1;
        self.buckets[slot].errors += u64::from(!ok);
    }

    /// What the completed buckets say at `now`.
    pub fn health(&mut self, now: Instant) -> Health {
        self.roll(now);
        let filling = self.slot(self.current);
        let completed = self
            .buckets
            .iter()
            .enumerate()
            .filter(|(slot, _)| *slot != filling);
        completed.fold(Health::default(), |sum, (_, bucket)| Health {
            total: sum.total + bucket.total,
            errors: sum.errors + bucket.errors,
        })
    }

    /// When the bucket being filled at the last call is complete.
    pub fn next_change(&self) -> Instant {
        self.origin + Duration::from_nanos(nanos(self.bucket).saturating_mul(self.current + 1))
    }

    /// Forgets every call.
    pub fn reset(&mut self) {
        self.buckets.fill(Health::default());
    }

    fn slot(&self, number: u64) -> usize {
        usize::try_from(number % self.buckets.len() as u64).unwrap_or(0)
    }

    /// Clears the buckets between the last call and `now`. A `now` of the past, as threads that
    /// race can give, counts into the bucket being filled.
    fn roll(&mut self, now: Instant) {
        let number = nanos(now.saturating_duration_since(self.origin)) / nanos(self.bucket);
        if number <= self.current {
            return;
        }
        if number - self.current >= self.buckets.len() as u64 {
            self.reset();
        } else {
            for passed in self.current + 1..=number {
                let slot = self.slot(passed);
                self.buckets[slot] = Health::default();
            }
        }
        self.current = number;
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(origin: Instant) -> HealthWindow {
        HealthWindow::new(origin, Duration::from_millis(500), 20)
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_bucket_counts_only_once_it_is_complete() {
        let t0 = Instant::now();
        let mut window = window(t0);
        window.record(t0, false);
        window.record(t0 + ms(499), true);
        assert_eq!(window.health(t0 + ms(499)), Health::default());
        assert_eq!(
            window.health(t0 + ms(500)),
            Health {
                total: 2,
                errors: 1
            }
        );
    }

    #[test]
    fn a_call_leaves_after_twenty_completed_buckets() {
        let t0 = Instant::now();
        let mut window = window(t0);
        window.record(t0 + ms(100), false);
        assert_eq!(window.health(t0 + ms(10_499)).total, 1);
        assert_eq!(window.health(t0 + ms(10_500)).total, 0);
    }

    #[test]
    fn a_long_silence_empties_the_window() {
        let t0 = Instant::now();
        let mut window = window(t0);
        window.record(t0, false);
        assert_eq!(window.health(t0 + ms(3_600_000)), Health::default());
        window.record(t0, true);
        assert_eq!(
            window.health(t0 + ms(3_600_500)),
            Health {
                total: 1,
                errors: 0
            }
        );
    }

    #[test]
    fn percentages_are_cut_off() {
        assert_eq!(
            Health {
                total: 200,
                errors: 99
            }
            .error_percentage(),
            49
        );
        assert_eq!(
            Health {
                total: 0,
                errors: 0
            }
            .error_percentage(),
            0
        );
        assert_eq!(
            Health {
                total: 3,
                errors: 3
            }
            .error_percentage(),
            100
        );
    }
}
