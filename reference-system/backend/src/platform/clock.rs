//! The one place that reads the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the wall clock"
)]
fn since_epoch() -> Duration {
    // A clock before 1970 counts as 1970.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Microseconds since 1970, for the timestamps of writes.
pub(crate) fn unix_micros() -> u64 {
    u64::try_from(since_epoch().as_micros()).unwrap_or(u64::MAX)
}

/// Seconds since 1970, for expiries that outlive a process.
pub(crate) fn unix_seconds() -> u64 {
    since_epoch().as_secs()
}
