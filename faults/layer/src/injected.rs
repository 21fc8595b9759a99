//! What a call that a fault struck ends with.

use std::fmt;
use std::sync::Arc;

/// A fault was injected here: the call failed because somebody wanted it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected {
    pub(crate) point: Arc<str>,
    /// What [`crate::Action::Error`] says; none where the answer was dropped.
    pub(crate) message: Option<Arc<str>>,
}

impl Injected {
    /// Where.
    #[must_use]
    pub fn point(&self) -> &str {
        &self.point
    }

    /// The message of an injected error; `None` for an answer that was dropped.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "fault injected at {}: {message}", self.point),
            None => write!(f, "fault injected at {}: the answer is lost", self.point),
        }
    }
}

impl std::error::Error for Injected {}

/// What a fault has done at its point since it was set.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Where.
    pub point: String,
    /// The fault.
    pub plan: crate::Plan,
    /// Calls that came by.
    pub calls: u64,
    /// Calls that it struck.
    pub struck: u64,
}
