//! Admitting more and more calls after a breaker has closed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The share of calls admitted at first, in thousandths: enough to see whether it goes well.
const FIRST: u64 = 100;

/// 2⁶⁴ divided by the golden ratio: multiples of it are spread evenly over 64 bits (Weyl's
/// sequence), so that a share of calls is a share of any few of them.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// From a tenth of the calls to all of them, evenly over time. Times are nanoseconds since the
/// breaker's origin; it is begun by who holds the lock of all changes.
#[derive(Debug, Default)]
pub(super) struct Ramp {
    from_ns: AtomicU64,
    length_ns: AtomicU64,
    asked: AtomicU64,
}

impl Ramp {
    pub(super) fn begin(&self, now_ns: u64, length_ns: u64) {
        self.from_ns.store(now_ns, Ordering::Relaxed);
        self.length_ns.store(length_ns, Ordering::Relaxed);
    }

    /// Whether there is one at all.
    pub(super) fn is_any(&self) -> bool {
        self.length_ns.load(Ordering::Relaxed) > 0
    }

    /// How long until every call is admitted; none when they are.
    pub(super) fn left(&self, now_ns: u64) -> Option<Duration> {
        let length_ns = self.length_ns.load(Ordering::Relaxed);
        let left_ns = length_ns.saturating_sub(self.elapsed_ns(now_ns));
        (left_ns > 0).then(|| Duration::from_nanos(left_ns))
    }

    /// Whether the next call is one of those that are admitted.
    pub(super) fn admits(&self, now_ns: u64) -> bool {
        let nth = self.asked.fetch_add(1, Ordering::Relaxed);
        let place = u128::from(nth.wrapping_mul(STEP)) * 1000;
        (place >> 64) < u128::from(self.share(now_ns))
    }

    pub(super) fn percentage(&self, now_ns: u64) -> u8 {
        u8::try_from(self.share(now_ns) / 10).unwrap_or(100)
    }

    /// In thousandths.
    fn share(&self, now_ns: u64) -> u64 {
        let length_ns = u128::from(self.length_ns.load(Ordering::Relaxed).max(1));
        let passed = u128::from(self.elapsed_ns(now_ns)) * u128::from(1000 - FIRST) / length_ns;
        FIRST + u64::try_from(passed).unwrap_or(1000).min(1000 - FIRST)
    }

    fn elapsed_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.from_ns.load(Ordering::Relaxed))
    }
}
