//! Why a breaker is as it is, for people.

use std::fmt;
use std::time::Duration;

use super::{BreakerRules, BreakerState, Health};

/// Why a breaker changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Too many calls of the window failed.
    Errors {
        /// What the window held.
        health: Health,
        /// From which percentage it opens.
        threshold_percentage: u8,
    },
    /// Too many calls of the window were slow.
    SlowCalls {
        /// What the window held.
        health: Health,
        /// From which percentage it opens.
        threshold_percentage: u8,
    },
    /// So many calls failed one after the other.
    ConsecutiveFailures(u32),
    /// Too many of the last calls failed.
    LastCalls {
        /// How many failed.
        errors: u32,
        /// Of how many.
        calls: u32,
        /// From which percentage it opens.
        threshold_percentage: u8,
    },
    /// A failure policy of the `failsafe` crate said so.
    Policy,
    /// It was time for a probe.
    ProbeSent,
    /// The probe succeeded.
    ProbeSucceeded,
    /// The probe failed.
    ProbeFailed,
    /// The probe succeeded, but as slowly as calls that count as slow.
    ProbeSlow,
    /// The probe was given up by its caller.
    ProbeDropped,
}

impl Why {
    /// Why a window opens a breaker that goes by these rules, if it does.
    pub(super) fn of_window(health: Health, rules: &BreakerRules) -> Option<Self> {
        if health.total < rules.request_volume_threshold {
            return None;
        }
        let threshold_percentage = rules.error_threshold_percentage;
        if health.error_percentage() >= threshold_percentage {
            return Some(Self::Errors {
                health,
                threshold_percentage,
            });
        }
        let threshold_percentage = rules.slow_calls?.threshold_percentage;
        (health.slow_percentage() >= threshold_percentage).then_some(Self::SlowCalls {
            health,
            threshold_percentage,
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Errors {
                health,
                threshold_percentage,
            } => write!(
                f,
                "{} % of {} calls failed, it opens at {threshold_percentage} %",
                health.error_percentage(),
                health.total
            ),
            Self::SlowCalls {
                health,
                threshold_percentage,
            } => write!(
                f,
                "{} % of {} calls were slow, it opens at {threshold_percentage} %",
                health.slow_percentage(),
                health.total
            ),
            Self::ConsecutiveFailures(failures) => {
                write!(f, "{failures} calls failed one after the other")
            }
            Self::LastCalls {
                errors,
                calls,
                threshold_percentage,
            } => write!(
                f,
                "{errors} of the last {calls} calls failed, it opens at {threshold_percentage} %"
            ),
            Self::Policy => f.write_str("its failure policy said so"),
            Self::ProbeSent => f.write_str("a probe was sent"),
            Self::ProbeSucceeded => f.write_str("the probe succeeded"),
            Self::ProbeFailed => f.write_str("the probe failed"),
            Self::ProbeSlow => f.write_str("the probe was slow"),
            Self::ProbeDropped => f.write_str("the probe was given up"),
        }
    }
}

/// Why a breaker admits or refuses calls at one instant. `Display` writes a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// What a caller meets.
    pub state: BreakerState,
    /// The rules in force.
    pub rules: BreakerRules,
    /// What the window holds.
    pub health: Health,
    /// How long that window is.
    pub window: Duration,
    /// Why it opened, unless it is closed.
    pub opened_by: Option<Why>,
    /// How long until the next probe may go; none while closed.
    pub next_probe_in: Option<Duration>,
    /// The share of calls admitted, where it has just closed and not all are.
    pub admitted_percentage: Option<u8>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.rules.enabled {
            return f.write_str("switched off: every call is admitted");
        }
        if self.rules.force_open {
            return f.write_str("forced open: every call is refused");
        }
        if self.rules.force_closed {
            return f.write_str("forced closed: every call is admitted");
        }
        match self.state {
            BreakerState::Closed => self.closed(f),
            BreakerState::Open => {
                f.write_str("open")?;
                self.cause(f)?;
                match self.next_probe_in {
                    Some(left) if left > Duration::ZERO => write!(f, "; a probe goes in {left:?}"),
                    _ => f.write_str("; the next call is the probe"),
                }
            }
            BreakerState::HalfOpen => {
                f.write_str("half-open, its probe is on the way")?;
                self.cause(f)
            }
        }
    }
}

impl Explanation {
    fn cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.opened_by {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }

    fn closed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rules,
            health,
            window,
            ..
        } = self;
        let (total, volume) = (health.total, rules.request_volume_threshold);
        if total < volume {
            write!(
                f,
                "closed: {total} calls in {window:?}, it judges from {volume} on"
            )?;
        } else {
            write!(
                f,
                "closed: {} % of {total} calls in {window:?} failed, it opens at {} %",
                health.error_percentage(),
                rules.error_threshold_percentage
            )?;
            if let Some(slow) = rules.slow_calls {
                write!(
                    f,
                    "; {} % took longer than {:?}, it opens at {} %",
                    health.slow_percentage(),
                    slow.longer_than,
                    slow.threshold_percentage
                )?;
            }
        }
        match self.admitted_percentage {
            Some(share) => write!(f, "; it has just closed and admits {share} % of the calls"),
            None => Ok(()),
        }
    }
}
