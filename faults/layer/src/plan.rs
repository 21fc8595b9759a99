//! What is to happen at a point, and to which calls.

use std::fmt;
use std::time::Duration;

/// What a fault does to a call that it strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The call goes on later. Waiting costs no thread.
    Delay {
        /// By how much.
        by: Duration,
        /// It may be so much more or less, evenly spread.
        jitter: Duration,
    },
    /// The call fails at once, before anything was done, with this message.
    Error(String),
    /// The call waits until it is given up, or the fault is taken away: then it
    /// goes on.
    Hang,
    /// What a layer is around is done and its answer lost; at a point in code,
    /// what follows is not done.
    Drop,
}

/// A fault as it is set at a point: an [`Action`] and whom it strikes.
///
/// Written and read as text: `[SHARE%] [COUNT*] [asked] ACTION`.
///
/// ```
/// use std::time::Duration;
/// use squall_fault_layer::Plan;
///
/// let slow = Plan::delay(Duration::from_millis(100)).jitter(Duration::from_millis(20));
/// let plan = slow.share(0.2).at_most(3);
/// assert_eq!(plan.to_string(), "20% 3* delay(100ms, 20ms)");
/// assert_eq!("20% 3* delay(100ms, 20ms)".parse(), Ok(plan));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub(crate) action: Action,
    pub(crate) share: f64,
    pub(crate) at_most: Option<u64>,
    pub(crate) asked: bool,
}

impl Plan {
    /// Every call meets this.
    #[must_use]
    pub const fn new(action: Action) -> Self {
        Self {
            action,
            share: 1.0,
            at_most: None,
            asked: false,
        }
    }

    /// Every call goes on so much later.
    #[must_use]
    pub const fn delay(by: Duration) -> Self {
        Self::new(Action::Delay {
            by,
            jitter: Duration::ZERO,
        })
    }

    /// Every call fails with this message.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Action::Error(message.into()))
    }

    /// Every call hangs.
    #[must_use]
    pub const fn hang() -> Self {
        Self::new(Action::Hang)
    }

    /// Every answer is lost.
    #[must_use]
    pub const fn drop() -> Self {
        Self::new(Action::Drop)
    }

    /// A delay varies by so much in both directions, evenly; never below zero.
    /// Says nothing to other actions.
    #[must_use]
    pub fn jitter(mut self, by: Duration) -> Self {
        if let Action::Delay { jitter, .. } = &mut self.action {
            *jitter = by;
        }
        self
    }

    /// Strikes this share of the calls, 0 to 1; what is beyond counts as the
    /// nearest of these, what is no number as 0.
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        self.share = if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        };
        self
    }

    /// Strikes no more than so many calls.
    #[must_use]
    pub const fn at_most(mut self, calls: u64) -> Self {
        self.at_most = Some(calls);
        self
    }

    /// Strikes only calls that ask for it ([`Call::asked`](crate::Call)), whose
    /// share it then is: so nobody else notices.
    #[must_use]
    pub const fn only_asked(mut self) -> Self {
        self.asked = true;
        self
    }

    /// What it does.
    #[must_use]
    pub const fn action(&self) -> &Action {
        &self.action
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.share < 1.0 {
            // 7 %, not 7.000000000000001 %.
            write!(f, "{}% ", (self.share * 1e14).round() / 1e12)?;
        }
        if let Some(calls) = self.at_most {
            write!(f, "{calls}* ")?;
        }
        if self.asked {
            f.write_str("asked ")?;
        }
        self.action.fmt(f)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay { by, jitter } if jitter.is_zero() => write!(f, "delay({by:?})"),
            Self::Delay { by, jitter } => write!(f, "delay({by:?}, {jitter:?})"),
            Self::Error(message) => write!(f, "error({message})"),
            Self::Hang => f.write_str("hang"),
            Self::Drop => f.write_str("drop"),
        }
    }
}
