//! What a command tells about itself: events of calls and transitions of its breaker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::breaker::{BreakerState, Why};

/// What happened to one call. Names follow Hystrix's event types; `Retry` and `DeadlineExpired`
/// are ours. One call may record several: `Timeout` then `FallbackSuccess`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum CommandEvent {
    /// The work gave a value.
    Success,
    /// The work failed.
    Failure,
    /// The work took too long and was dropped.
    Timeout,
    /// The caller's mistake; the breaker does not count it.
    BadRequest,
    /// The breaker was open.
    ShortCircuited,
    /// The bulkhead was full.
    SemaphoreRejected,
    /// All threads of the command were busy.
    ThreadPoolRejected,
    /// Calls of its priority were not made, because there was too much to do; the breaker does not
    /// count it. Ours.
    Shed,
    /// The fallback gave a value.
    FallbackSuccess,
    /// The fallback failed.
    FallbackFailure,
    /// Too many fallbacks were running.
    FallbackRejection,
    /// Fallbacks are switched off.
    FallbackDisabled,
    /// The call failed and has no fallback.
    FallbackMissing,
    /// The caller was given an error.
    ExceptionThrown,
    /// The caller dropped the call before it ended.
    Cancelled,
    /// The work was tried once more.
    Retry,
    /// The caller's deadline had passed before anything was tried.
    DeadlineExpired,
    /// A second attempt was sent beside a slow one. Ours.
    Hedge,
    /// The second attempt answered first, and its answer counts. Ours.
    HedgeSuccess,
    /// The answer was known: the request had asked the same before, or it was kept and is fresh.
    ResponseFromCache,
    /// A request that was answered by a batch; a batch has one notice, whatever its size.
    Collapsed,
    /// The call waits for an execution that another call of the same key has begun. Ours.
    Coalesced,
    /// The answer was kept too long to be fresh, and is asked for anew in the background. Ours.
    StaleWhileRevalidate,
    /// The call failed, and an answer that was kept stands in. Ours.
    StaleIfError,
    /// The dependency asked to be left alone for longer than the call may wait, so that it was not
    /// tried again. Ours.
    RetryAfterTooLong,
}

impl CommandEvent {
    /// How many kinds there are.
    pub const COUNT: usize = 25;

    /// Every kind, in the order of the enum.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Success,
        Self::Failure,
        Self::Timeout,
        Self::BadRequest,
        Self::ShortCircuited,
        Self::SemaphoreRejected,
        Self::ThreadPoolRejected,
        Self::Shed,
        Self::FallbackSuccess,
        Self::FallbackFailure,
        Self::FallbackRejection,
        Self::FallbackDisabled,
        Self::FallbackMissing,
        Self::ExceptionThrown,
        Self::Cancelled,
        Self::Retry,
        Self::DeadlineExpired,
        Self::Hedge,
        Self::HedgeSuccess,
        Self::ResponseFromCache,
        Self::Collapsed,
        Self::Coalesced,
        Self::StaleWhileRevalidate,
        Self::StaleIfError,
        Self::RetryAfterTooLong,
    ];

    /// The name in capitals, as Hystrix writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Timeout => "TIMEOUT",
            Self::BadRequest => "BAD_REQUEST",
            Self::ShortCircuited => "SHORT_CIRCUITED",
            Self::SemaphoreRejected => "SEMAPHORE_REJECTED",
            Self::ThreadPoolRejected => "THREAD_POOL_REJECTED",
            Self::Shed => "SHED",
            Self::FallbackSuccess => "FALLBACK_SUCCESS",
            Self::FallbackFailure => "FALLBACK_FAILURE",
            Self::FallbackRejection => "FALLBACK_REJECTION",
            Self::FallbackDisabled => "FALLBACK_DISABLED",
            Self::FallbackMissing => "FALLBACK_MISSING",
            Self::ExceptionThrown => "EXCEPTION_THROWN",
            Self::Cancelled => "CANCELLED",
            Self::Retry => "RETRY",
            Self::DeadlineExpired => "DEADLINE_EXPIRED",
            Self::Hedge => "HEDGE",
            Self::HedgeSuccess => "HEDGE_SUCCESS",
            Self::ResponseFromCache => "RESPONSE_FROM_CACHE",
            Self::Collapsed => "COLLAPSED",
            Self::Coalesced => "COALESCED",
            Self::StaleWhileRevalidate => "STALE_WHILE_REVALIDATE",
            Self::StaleIfError => "STALE_IF_ERROR",
            Self::RetryAfterTooLong => "RETRY_AFTER_TOO_LONG",
        }
    }

    /// Whether the dependency was called, so that the call has an execution latency.
    pub fn did_execute(self) -> bool {
        matches!(
            self,
            Self::Success | Self::Failure | Self::Timeout | Self::BadRequest
        )
    }
}

/// A change of a breaker's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerTransition {
    /// The state left.
    pub from: BreakerState,
    /// The state entered.
    pub to: BreakerState,
    /// When, on the clock of the command.
    pub at: Instant,
    /// Why.
    pub why: Why,
}

/// What a subscriber receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The command it is about.
    pub command: Arc<str>,
    /// What happened.
    pub what: Happening,
}

/// An event of a call or a transition of the breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// Something happened to one call.
    Call {
        /// What.
        event: CommandEvent,
        /// How long the execution took; none where nothing was executed.
        latency: Option<Duration>,
        /// When, on the clock of the command.
        at: Instant,
    },
    /// The breaker changed its state.
    Breaker(BreakerTransition),
}
