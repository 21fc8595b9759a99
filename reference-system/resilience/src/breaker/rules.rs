//! The states of a breaker and the rules it goes by.

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

/// What a breaker goes by; may change while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRules {
    /// Off: every call is admitted and the breaker never opens.
    pub enabled: bool,
    /// Refuse every call. Wins over `force_closed`.
    pub force_open: bool,
    /// Refuse no call; the statistics go on underneath.
    pub force_closed: bool,
    /// Calls in the window below which it never opens.
    pub request_volume_threshold: u64,
    /// Errors, in percent, from which it opens.
    pub error_threshold_percentage: u8,
    /// How long it stays open before a probe.
    pub sleep_window: Duration,
    /// How long a probe may stay out before another call may take its place; not shorter than the
    /// sleep window. Only a probe that neither ends nor is dropped ever meets it.
    pub probe_lease: Duration,
}

impl BreakerRules {
    /// Whether they say more than when to open.
    pub(super) fn is_by_hand(&self) -> bool {
        self.force_open || self.force_closed || !self.enabled
    }
}
