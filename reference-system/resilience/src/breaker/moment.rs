//! The ways to say what time it is.

use std::time::Instant;

use crate::clock::nanos;

/// The time at which a call begins or ends, as a breaker is told it: an [`Instant`], [`Nanos`], or
/// [`ReadBy`], a clock that is only read if it matters.
pub trait Moment {
    /// In nanoseconds since `built`, when the breaker was; 0 for an earlier time. Asked at most once
    /// of one call's begin or end.
    fn since(self, built: Instant) -> u64;
}

impl Moment for Instant {
    #[inline]
    fn since(self, built: Instant) -> u64 {
        nanos(self.saturating_duration_since(built))
    }
}

/// Nanoseconds since the breaker was built, for who has a clock of its own that counts them: it
/// costs a breaker less than an [`Instant`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Nanos(pub u64);

impl Moment for Nanos {
    #[inline]
    fn since(self, _built: Instant) -> u64 {
        self.0
    }
}

/// A clock to be read. While a breaker is closed, nothing failed within its window and no rule asks
/// for slow calls, nothing depends on when a call begins, and the clock is not read.
#[derive(Debug, Clone, Copy)]
pub struct ReadBy<F>(pub F);

impl<F: FnOnce() -> Instant> Moment for ReadBy<F> {
    #[inline]
    fn since(self, built: Instant) -> u64 {
        (self.0)().since(built)
    }
}
