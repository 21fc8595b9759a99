//! How a command fails, what kind of failure that is, and the HTTP status it suggests.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::Priority;
use crate::event::CommandEvent;

/// What a command made of an error of the work it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classification {
    /// The caller's mistake: no fallback, no retry, and the breaker does not count it.
    BadRequest,
    /// The dependency failed.
    Failure,
    /// The dependency failed in a way in which another instance may well succeed.
    Retryable,
}

/// Errors that say how the breaker, the retry and the fallback should take them.
pub trait Classify {
    /// What kind of error this is; a plain failure unless said otherwise.
    fn classify(&self) -> Classification {
        Classification::Failure
    }

    /// How long the dependency asks to be left alone, counted from now, as its answer says
    /// ([`retry_after`](crate::retry_after)); none if it says nothing. A retry waits that long, or
    /// is not made.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

impl Classify for std::io::Error {
    fn classify(&self) -> Classification {
        Classification::Retryable
    }
}
impl Classify for std::convert::Infallible {}
impl Classify for String {}
impl Classify for &'static str {}
impl Classify for Box<dyn std::error::Error + Send + Sync> {}

/// Why a command gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandError<E> {
    /// The breaker is open; the dependency was not called.
    ShortCircuited {
        /// When the breaker will next let a call through.
        retry_after: Duration,
    },
    /// The bulkhead is full; the dependency was not called.
    SemaphoreRejected {
        /// The number of calls allowed at once.
        limit: usize,
    },
    /// So many calls run already that those of this priority are not made; the dependency was not
    /// called.
    Shed {
        /// What the call is worth.
        priority: Priority,
    },
    /// All threads of the command are busy, or the machine has none for it; the dependency was not
    /// called.
    ThreadPoolRejected {
        /// The number of threads.
        threads: usize,
        /// How many calls wait for one.
        waiting: usize,
    },
    /// So many calls wait for one execution already that no more may; see
    /// [`SingleFlight`](crate::single_flight::SingleFlight).
    TooManyWaiters {
        /// How many may wait.
        limit: usize,
    },
    /// The execution that several calls wait for ended without an answer: its work panicked, or
    /// its runtime was shut down.
    Abandoned,
    /// The work took longer than the command's timeout, or than the caller's deadline allowed; it
    /// was dropped.
    Timeout {
        /// The time the work was given.
        after: Duration,
    },
    /// The caller's deadline had passed before anything was tried; the dependency was not called.
    DeadlineExpired,
    /// The caller's mistake, handed on untouched.
    BadRequest(E),
    /// The work failed.
    Failure(E),
    /// The work failed, and so did its fallback.
    FallbackFailed {
        /// Why the fallback was needed.
        cause: Box<CommandError<E>>,
        /// Why it gave no value either.
        fallback: E,
    },
    /// The work failed and too many fallbacks were already running.
    FallbackRejected {
        /// Why the fallback was needed.
        cause: Box<CommandError<E>>,
    },
}

impl<E: fmt::Display> fmt::Display for CommandError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShortCircuited { .. } => {
                f.write_str("circuit open: the dependency was not called")
            }
            Self::SemaphoreRejected { limit } => {
                write!(f, "bulkhead full: {limit} calls are running already")
            }
            Self::Shed { priority } => {
                write!(f, "shed: too much to do for what is {}", priority.as_str())
            }
            Self::ThreadPoolRejected { threads, waiting } => write!(
                f,
                "no thread free: all {threads} are busy and {waiting} calls wait already"
            ),
            Self::TooManyWaiters { limit } => {
                write!(f, "{limit} calls wait for this answer already")
            }
            Self::Abandoned => f.write_str("the execution ended without an answer"),
            Self::Timeout { after } => write!(f, "timed out after {after:?}"),
            Self::DeadlineExpired => f.write_str("the deadline had passed before the call began"),
            Self::BadRequest(error) => write!(f, "bad request: {error}"),
            Self::Failure(error) => error.fmt(f),
            Self::FallbackFailed { cause, fallback } => {
                write!(f, "{cause}; the fallback failed too: {fallback}")
            }
            Self::FallbackRejected { cause } => {
                write!(f, "{cause}; too many fallbacks are running already")
            }
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for CommandError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.work_error()
            .map(|error| error as &(dyn std::error::Error + 'static))
    }
}

impl<E> CommandError<E> {
    /// The kind of failure, by Hystrix's names.
    pub fn failure_type(&self) -> FailureType {
        match self {
            Self::ShortCircuited { .. } => FailureType::ShortCircuit,
            Self::SemaphoreRejected { .. } | Self::Shed { .. } | Self::TooManyWaiters { .. } => {
                FailureType::RejectedSemaphoreExecution
            }
            Self::ThreadPoolRejected { .. } => FailureType::RejectedThreadExecution,
            Self::Timeout { .. } | Self::DeadlineExpired => FailureType::Timeout,
            Self::BadRequest(_) => FailureType::BadRequestException,
            Self::Failure(_) | Self::Abandoned => FailureType::CommandException,
            Self::FallbackFailed { cause, .. } => cause.failure_type(),
            Self::FallbackRejected { .. } => FailureType::RejectedSemaphoreFallback,
        }
    }

    /// The event recorded for the execution that ended so.
    pub fn event(&self) -> CommandEvent {
        match self {
            Self::ShortCircuited { .. } => CommandEvent::ShortCircuited,
            Self::SemaphoreRejected { .. } | Self::TooManyWaiters { .. } => {
                CommandEvent::SemaphoreRejected
            }
            Self::Shed { .. } => CommandEvent::Shed,
            Self::ThreadPoolRejected { .. } => CommandEvent::ThreadPoolRejected,
            Self::Timeout { .. } => CommandEvent::Timeout,
            Self::DeadlineExpired => CommandEvent::DeadlineExpired,
            Self::BadRequest(_) => CommandEvent::BadRequest,
            Self::Failure(_) | Self::Abandoned => CommandEvent::Failure,
            Self::FallbackFailed { cause, .. } | Self::FallbackRejected { cause } => cause.event(),
        }
    }

    /// When a client should come back, for the header `Retry-After`; none if it may at once or
    /// never should.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ShortCircuited { retry_after } => Some(*retry_after),
            Self::SemaphoreRejected { .. }
            | Self::Shed { .. }
            | Self::ThreadPoolRejected { .. }
            | Self::TooManyWaiters { .. } => Some(Duration::from_secs(1)),
            Self::FallbackFailed { cause, .. } => cause.retry_after(),
            Self::FallbackRejected { cause } => {
                cause.retry_after().or(Some(Duration::from_secs(1)))
            }
            Self::Timeout { .. }
            | Self::DeadlineExpired
            | Self::Abandoned
            | Self::BadRequest(_)
            | Self::Failure(_) => None,
        }
    }

    /// [`retry_after`](Self::retry_after) as the header's whole seconds, rounded up, at least 1.
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after()
            .map(|wait| wait.as_millis().div_ceil(1000).max(1))
            .map(|secs| u64::try_from(secs).unwrap_or(u64::MAX))
    }

    /// The status that suits this error: 503 for a refusal, 504 for a timeout, 502 for a failure
    /// of the dependency, 400 for the caller's mistake.
    pub fn http_status(&self) -> StatusCode {
        self.failure_type().http_status()
    }

    /// Whether a fallback may stand in. Never for the caller's own mistake, nor once a fallback
    /// has been tried.
    pub fn allows_fallback(&self) -> bool {
        !matches!(
            self,
            Self::BadRequest(_) | Self::FallbackFailed { .. } | Self::FallbackRejected { .. }
        )
    }

    /// The error of the work itself, where the work ran and failed.
    pub fn work_error(&self) -> Option<&E> {
        match self {
            Self::BadRequest(error) | Self::Failure(error) => Some(error),
            Self::FallbackFailed { cause, .. } | Self::FallbackRejected { cause } => {
                cause.work_error()
            }
            _ => None,
        }
    }
}

/// The kind of a failure, by Hystrix's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureType {
    /// The breaker was open.
    ShortCircuit,
    /// The bulkhead was full.
    RejectedSemaphoreExecution,
    /// All threads were busy.
    RejectedThreadExecution,
    /// The fallback's own bulkhead was full.
    RejectedSemaphoreFallback,
    /// The work took too long.
    Timeout,
    /// The work failed.
    CommandException,
    /// The caller asked for something that cannot be.
    BadRequestException,
}

impl FailureType {
    /// The status an HTTP service should answer with.
    pub fn http_status(self) -> StatusCode {
        match self {
            Self::ShortCircuit
            | Self::RejectedSemaphoreExecution
            | Self::RejectedThreadExecution
            | Self::RejectedSemaphoreFallback => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::CommandException => StatusCode::BAD_GATEWAY,
            Self::BadRequestException => StatusCode::BAD_REQUEST,
        }
    }

    /// Hystrix's name, as sent in `x-hystrix-event`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ShortCircuit => "SHORTCIRCUIT",
            Self::RejectedSemaphoreExecution => "REJECTED_SEMAPHORE_EXECUTION",
            Self::RejectedThreadExecution => "REJECTED_THREAD_EXECUTION",
            Self::RejectedSemaphoreFallback => "REJECTED_SEMAPHORE_FALLBACK",
            Self::Timeout => "TIMEOUT",
            Self::CommandException => "COMMAND_EXCEPTION",
            Self::BadRequestException => "BAD_REQUEST_EXCEPTION",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_status() {
        let cases: [(CommandError<&str>, u16, Option<u64>); 10] = [
            (
                CommandError::ShortCircuited {
                    retry_after: Duration::from_millis(1200),
                },
                503,
                Some(2),
            ),
            (CommandError::SemaphoreRejected { limit: 10 }, 503, Some(1)),
            (
                CommandError::ThreadPoolRejected {
                    threads: 10,
                    waiting: 5,
                },
                503,
                Some(1),
            ),
            (
                CommandError::Timeout {
                    after: Duration::from_secs(1),
                },
                504,
                None,
            ),
            (CommandError::DeadlineExpired, 504, None),
            (CommandError::TooManyWaiters { limit: 3 }, 503, Some(1)),
            (CommandError::Abandoned, 502, None),
            (CommandError::BadRequest("no such title"), 400, None),
            (CommandError::Failure("reset"), 502, None),
            (
                CommandError::FallbackRejected {
                    cause: Box::new(CommandError::Failure("reset")),
                },
                503,
                Some(1),
            ),
        ];
        for (error, status, retry_after_secs) in cases {
            assert_eq!(error.http_status().as_u16(), status, "{error:?}");
            assert_eq!(error.retry_after_secs(), retry_after_secs, "{error:?}");
        }
    }

    #[test]
    fn a_failed_fallback_keeps_the_cause() {
        let error = CommandError::FallbackFailed {
            cause: Box::new(CommandError::Failure("reset")),
            fallback: "cache empty",
        };
        assert_eq!(error.failure_type(), FailureType::CommandException);
        assert_eq!(error.work_error(), Some(&"reset"));
        assert_eq!(
            error.to_string(),
            "reset; the fallback failed too: cache empty"
        );
    }
}
