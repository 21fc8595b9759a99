//! The right to make one call, and the duty to say how it ended.

use std::time::Instant;

use super::{Breaker, Shared};

/// A call that was admitted. Report its end; a guard that is dropped gives the probe back.
#[derive(Debug)]
#[must_use = "a guard that is dropped at once gives up its call"]
pub struct CallGuard {
    pub(super) breaker: Option<Breaker>,
    pub(super) epoch: u64,
    pub(super) is_probe: bool,
}

impl CallGuard {
    /// The call succeeded at `now`.
    pub fn success(self, now: Instant) {
        self.end(|shared, guard| {
            if guard.is_probe {
                shared.probe_succeeded(guard.epoch, now)
            } else {
                shared.record(guard.epoch, now, true)
            }
        });
    }

    /// The call failed, timed out or was rejected at `now`.
    pub fn failure(self, now: Instant) {
        self.end(|shared, guard| {
            if guard.is_probe {
                shared.probe_gave_up(guard.epoch, now)
            } else {
                shared.record(guard.epoch, now, false)
            }
        });
    }

    /// Whether this call decides over the breaker.
    pub fn is_probe(&self) -> bool {
        self.is_probe
    }

    fn end(mut self, report: impl FnOnce(&Shared, &Self)) {
        if let Some(breaker) = self.breaker.take() {
            report(&breaker.0, &self);
        }
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        if let Some(breaker) = self.breaker.take().filter(|_| self.is_probe) {
            breaker.0.probe_dropped(self.epoch);
        }
    }
}
