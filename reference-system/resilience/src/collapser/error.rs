//! Why a caller of a collapser has no answer.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::{Classification, Classify, CommandError, FailureType};

/// Why a caller of a collapser has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CollapseError<E> {
    /// The batch failed as a whole, and all its callers with it.
    Batch(CommandError<E>),
    /// The batch answered this argument with an error.
    Answer(E),
    /// The batch had no answer to this argument. Hystrix's "No response set".
    Unanswered,
    /// The caller's own deadline passed before there was an answer.
    Timeout {
        /// How long the caller waited.
        after: Duration,
    },
    /// The caller's deadline had passed before it asked.
    DeadlineExpired,
    /// The batch ended without answers: its work panicked, or its runtime was shut down.
    Abandoned,
}

impl<E: fmt::Display> fmt::Display for CollapseError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(error) => write!(f, "the batch failed: {error}"),
            Self::Answer(error) => error.fmt(f),
            Self::Unanswered => f.write_str("the batch had no answer to this argument"),
            Self::Timeout { after } => write!(f, "no answer from a batch after {after:?}"),
            Self::DeadlineExpired => f.write_str("the deadline had passed before the call began"),
            Self::Abandoned => f.write_str("the batch ended without answers"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for CollapseError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Batch(error) => error.source(),
            Self::Answer(error) => Some(error),
            _ => None,
        }
    }
}

/// An answer that is an error keeps its kind; a batch that failed is no mistake of one caller, for
/// it was asked for others as well.
impl<E: Classify> Classify for CollapseError<E> {
    fn classify(&self) -> Classification {
        match self {
            Self::Answer(error) => error.classify(),
            _ => Classification::Failure,
        }
    }
}

impl<E: Classify> CollapseError<E> {
    /// The kind of failure, by Hystrix's names.
    pub fn failure_type(&self) -> FailureType {
        match self {
            Self::Batch(error) => error.failure_type(),
            Self::Answer(error) if error.classify() == Classification::BadRequest => {
                FailureType::BadRequestException
            }
            Self::Answer(_) | Self::Unanswered | Self::Abandoned => FailureType::CommandException,
            Self::Timeout { .. } | Self::DeadlineExpired => FailureType::Timeout,
        }
    }

    /// The status an HTTP service should answer with.
    pub fn http_status(&self) -> StatusCode {
        self.failure_type().http_status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone)]
    struct NoSuchTitle;

    impl Classify for NoSuchTitle {
        fn classify(&self) -> Classification {
            Classification::BadRequest
        }
    }

    #[test]
    fn every_failure_has_its_status() {
        let after = Duration::from_secs(1);
        for (error, status) in [
            (CollapseError::Answer(NoSuchTitle), 400),
            (
                CollapseError::Batch(CommandError::SemaphoreRejected { limit: 10 }),
                503,
            ),
            (CollapseError::Unanswered, 502),
            (CollapseError::Abandoned, 502),
            (CollapseError::Timeout { after }, 504),
            (CollapseError::DeadlineExpired, 504),
        ] {
            assert_eq!(error.http_status().as_u16(), status, "{error:?}");
        }
        let whole = CollapseError::Batch(CommandError::BadRequest(NoSuchTitle));
        assert_eq!(whole.classify(), Classification::Failure);
    }
}
