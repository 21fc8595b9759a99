//! A counting semaphore that never waits: a call either gets a permit now or is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bounds how many calls run at once. Cloning shares the permits.
#[derive(Debug, Clone)]
pub struct Bulkhead(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    limit: AtomicUsize,
    active: AtomicUsize,
    /// The most that were active since the last [`Bulkhead::take_peak`].
    peak: AtomicUsize,
}

impl Bulkhead {
    /// A bulkhead of `limit` permits.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Counts {
            limit: AtomicUsize::new(limit),
            active: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        }))
    }

    /// Takes a permit, or says at once how many are allowed.
    ///
    /// # Errors
    /// All permits are taken.
    pub fn try_acquire(&self) -> Result<Permit, BulkheadFull> {
        let limit = self.limit();
        let taken = self
            .0
            .active
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |active| {
                (active < limit).then_some(active + 1)
            });
        match taken {
            Ok(before) => {
                self.0.peak.fetch_max(before + 1, Ordering::Relaxed);
                Ok(Permit(self.clone()))
            }
            Err(_) => Err(BulkheadFull { limit }),
        }
    }

    /// Changes the number of permits. Calls that already run keep theirs.
    pub fn set_limit(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::Release);
    }

    /// How many calls may run at once.
    pub fn limit(&self) -> usize {
        self.0.limit.load(Ordering::Acquire)
    }

    /// How many run now.
    pub fn active(&self) -> usize {
        self.0.active.load(Ordering::Acquire)
    }

    /// The most that ran at once since this was last asked.
    pub(crate) fn take_peak(&self) -> usize {
        self.0.peak.swap(self.active(), Ordering::Relaxed)
    }
}

/// The right to run one call; given back when dropped.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once bounds nothing"]
pub struct Permit(Bulkhead);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.active.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Every permit is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all {limit} permits are taken")]
pub struct BulkheadFull {
    /// How many calls may run at once.
    pub limit: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_permit_can_be_taken_again() {
        let bulkhead = Bulkhead::new(2);
        let first = bulkhead.try_acquire().unwrap();
        let _second = bulkhead.try_acquire().unwrap();
        assert_eq!(
            bulkhead.try_acquire().unwrap_err(),
            BulkheadFull { limit: 2 }
        );
        drop(first);
        assert!(bulkhead.try_acquire().is_ok());
        assert_eq!(bulkhead.active(), 1);
        assert_eq!(bulkhead.take_peak(), 2);
        assert_eq!(bulkhead.take_peak(), 1);
    }

    #[test]
    fn a_smaller_limit_waits_for_the_calls_that_run() {
        let bulkhead = Bulkhead::new(2);
        let first = bulkhead.try_acquire().unwrap();
        let _second = bulkhead.try_acquire().unwrap();
        bulkhead.set_limit(1);
        drop(first);
        assert!(bulkhead.try_acquire().is_err());
    }

    #[test]
    fn threads_never_hold_more_than_the_limit() {
        let bulkhead = Bulkhead::new(3);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        if let Ok(_permit) = bulkhead.try_acquire() {
                            assert!(bulkhead.active() <= 3);
                        }
                    }
                });
            }
        });
        assert_eq!(bulkhead.active(), 0);
    }
}
