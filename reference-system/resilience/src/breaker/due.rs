//! When the window has to be judged next.

use crate::sync::{AtomicU64, Ordering};

/// Nanoseconds since the origin; as long as nothing failed within the window, never.
///
/// Every change reads what it replaces. So who judges says [`never`](Self::never) first and then
/// reads the counts: a call that failed was either counted before, and is seen, or sets the time
/// again after.
#[derive(Debug)]
pub(crate) struct Due(AtomicU64);

const NEVER: u64 = u64::MAX;

impl Due {
    /// At once: who judges first says when next.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(crate) fn is_never(&self) -> bool {
        self.0.load(Ordering::Acquire) == NEVER
    }

    #[inline]
    pub(crate) fn is_later_than(&self, now_ns: u64) -> bool {
        now_ns < self.0.load(Ordering::Acquire)
    }

    /// Before the counts are read.
    pub(crate) fn never(&self) {
        self.0.swap(NEVER, Ordering::AcqRel);
    }

    /// After a call that may open the breaker was counted. `u64::MAX` changes nothing.
    pub(crate) fn at_latest(&self, ns: u64) {
        self.0.fetch_min(ns, Ordering::AcqRel);
    }
}
