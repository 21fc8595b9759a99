//! The states of a breaker and the rules it goes by.

use std::num::NonZero;
use std::time::Duration;

/// The state of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BreakerState {
    /// Every call is admitted.
    Closed = 0,
    /// Every call is refused.
    Open = 1,
    /// One call, the probe, is on its way to see whether the dependency is back.
    HalfOpen = 2,
}

impl BreakerState {
    /// `CLOSED`, `OPEN` or `HALF_OPEN`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Open => "OPEN",
            Self::HalfOpen => "HALF_OPEN",
        }
    }

    pub(super) fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::Closed,
            1 => Self::Open,
            _ => Self::HalfOpen,
        }
    }
}

/// What a breaker goes by; may change while it runs. Each rule that is set opens it by itself.
/// The defaults are Hystrix 1.5.18's, and what Hystrix has not is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRules {
    /// Off: every call is admitted and the breaker never opens.
    pub enabled: bool,
    /// Refuse every call. Wins over `force_closed`.
    pub force_open: bool,
    /// Refuse no call. While it is so the breaker does not open; what is counted meanwhile is judged
    /// when it ends.
    pub force_closed: bool,
    /// Calls in the window below which neither errors nor slow calls open it.
    pub request_volume_threshold: u64,
    /// Errors in the window, in percent, from which it opens.
    pub error_threshold_percentage: u8,
    /// Slow calls in the window, from which it opens.
    pub slow_calls: Option<SlowCalls>,
    /// Failures one after the other, at which it opens at once.
    pub consecutive_failures: Option<NonZero<u32>>,
    /// So many calls, whenever they were, of which `error_threshold_percentage` failed: it opens
    /// at once. Judged from when there are so many.
    pub last_calls: Option<NonZero<u32>>,
    /// How long it stays open before a probe.
    pub sleep_window: Duration,
    /// How long a probe may stay out before another call may take its place; not shorter than the
    /// sleep window. Only a probe that neither ends nor is dropped ever meets it.
    pub probe_lease: Duration,
    /// What a probe that is dropped means.
    pub on_probe_cancel: OnProbeCancel,
    /// How long after it has closed it takes until every call is admitted: from a tenth of the
    /// calls to all of them, so that a dependency that is back is not flooded. Zero: at once.
    pub ramp_up: Duration,
}

/// When calls are too slow (resilience4j's slow call rate).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowCalls {
    /// Calls that take longer are slow, whether they succeed or not.
    pub longer_than: Duration,
    /// Slow calls in the window, in percent, from which the breaker opens.
    pub threshold_percentage: u8,
}

/// What a probe that was given up by its caller says of the dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnProbeCancel {
    /// That it is not back: the next probe goes a sleep window after this one was sent. A caller
    /// gives up mostly because it waits too long.
    #[default]
    Reopen,
    /// Nothing: the next call becomes the probe.
    Release,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            enabled: true,
            force_open: false,
            force_closed: false,
            request_volume_threshold: 20,
            error_threshold_percentage: 50,
            slow_calls: None,
            consecutive_failures: None,
            last_calls: None,
            sleep_window: Duration::from_secs(5),
            probe_lease: Duration::from_secs(5),
            on_probe_cancel: OnProbeCancel::Reopen,
            ramp_up: Duration::ZERO,
        }
    }
}

/// The longest sleep window and lease; longer ones are cut to it. Sums of it and a time of the
/// process are always a time.
pub(super) const SLEEP_MAX: Duration = Duration::from_secs(365 * 86_400);

impl BreakerRules {
    /// With times that can be added to any time.
    pub(super) fn capped(mut self) -> Self {
        self.sleep_window = self.sleep_window.min(SLEEP_MAX);
        self.probe_lease = self.probe_lease.min(SLEEP_MAX);
        self
    }

    /// Whether they let it open by itself.
    pub(super) fn may_trip(&self) -> bool {
        self.enabled && !self.force_closed
    }

    /// Whether they say more than when to open.
    pub(super) fn is_by_hand(&self) -> bool {
        self.force_open || self.force_closed || !self.enabled
    }

    /// Whether a window in which no call failed or was slow may open it.
    pub(super) fn need_no_errors(&self) -> bool {
        let slow = |slow: SlowCalls| slow.threshold_percentage == 0;
        self.error_threshold_percentage == 0 || self.slow_calls.is_some_and(slow)
    }

    /// Whether calls have to be kept in their order.
    pub(super) fn need_order(&self) -> bool {
        self.consecutive_failures.is_some() || self.last_calls.is_some()
    }
}
