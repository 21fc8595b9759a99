//! The one seam to real time: layers ask a `Clock`, state machines take `now` as a parameter.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the layers read time.
pub trait Clock: Send + Sync + 'static {
    /// The monotonic time every state machine is fed with.
    fn now(&self) -> Instant;

    /// Milliseconds since the Unix epoch, for stamps that leave the process.
    fn unix_ms(&self) -> u64;
}

/// The clock of the running process. It follows tokio's timer, so a test that pauses tokio time
/// pauses every command too.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of this crate that reads the wall clock"
    )]
    fn unix_ms(&self) -> u64 {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A duration in nanoseconds, cut to what 64 bits hold: 584 years.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(duration.subsec_nanos()))
}
