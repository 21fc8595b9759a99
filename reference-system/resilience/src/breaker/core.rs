//! The seam behind which a three-state machine can be swapped.

use std::time::{Duration, Instant};

use super::BreakerState;

/// A three-state machine: closed, open for a while, half-open.
///
/// It knows nothing of windows, probes or forced states: [`Breaker`](super::Breaker) decides when
/// to ask, calls one method at a time, and only in the state named. Every method returns the state
/// the machine is in afterwards.
pub trait BreakerCore: Send + Sync + 'static {
    /// Closed: stop admitting calls for `sleep_window`.
    fn trip(&self, now: Instant, sleep_window: Duration) -> BreakerState;

    /// Open: become half-open if the sleep window has passed at `now`.
    fn try_half_open(&self, now: Instant) -> BreakerState;

    /// Half-open: the probe succeeded, admit every call again.
    fn probe_succeeded(&self, now: Instant) -> BreakerState;

    /// Half-open: the probe failed or was given up; wait `sleep_window`, counted from when the probe
    /// was sent.
    fn probe_failed(&self, probe_sent: Instant, sleep_window: Duration) -> BreakerState;
}
