//! What a breaker says about itself.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Breaker, BreakerState, Explanation, Health, lock};

impl Breaker {
    /// What a caller meets at `now`: forced and disabled breakers included, a window that has
    /// crossed the threshold since the last call too.
    pub fn state(&self, now: Instant) -> BreakerState {
        let rules = **self.0.rules.load();
        if !rules.enabled {
            return BreakerState::Closed;
        }
        if rules.force_open {
            return BreakerState::Open;
        }
        self.0.evaluate(self.0.since_origin(now));
        if rules.force_closed {
            BreakerState::Closed
        } else {
            self.0.mirror.read().state()
        }
    }

    /// What the completed buckets of the window say at `now`.
    pub fn health(&self, now: Instant) -> Health {
        self.0.window.health(self.0.since_origin(now)).0
    }

    /// Why it admits or refuses calls at `now`.
    pub fn explain(&self, now: Instant) -> Explanation {
        let shared = &self.0;
        let state = self.state(now);
        let shown = shared.mirror.read();
        let ramps = shown.is_ramping() && state == BreakerState::Closed;
        let now_ns = shared.since_origin(now);
        Explanation {
            state,
            rules: **shared.rules.load(),
            health: shared.window.health(now_ns).0,
            window: shared.window_length,
            opened_by: lock(&shared.changes)
                .opened_by
                .filter(|_| state != BreakerState::Closed),
            next_probe_in: self.next_probe_in(now),
            admitted_percentage: ramps.then(|| shared.ramp.percentage(now_ns)),
        }
    }

    /// How often it went from closed to open.
    pub fn opened_count(&self) -> u64 {
        self.0.opened_count.load(Ordering::Acquire)
    }

    /// How long until a call may be let through as a probe; none while closed, zero when the next
    /// call will be it.
    pub fn next_probe_in(&self, now: Instant) -> Option<Duration> {
        if self.state(now) == BreakerState::Closed {
            return None;
        }
        let due_ns = self.0.probe_due_ns.load(Ordering::Acquire);
        Some(Duration::from_nanos(
            due_ns.saturating_sub(self.0.since_origin(now)),
        ))
    }
}
