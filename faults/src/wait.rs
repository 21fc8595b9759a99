//! Waiting where there is no runtime.

use std::time::Duration;

use rustix::event::{Timespec, poll};

/// Keeps this thread for less than a second.
pub(crate) fn pause(time: Duration) {
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(time.subsec_nanos()),
    };
    // An interrupted pause is a short one.
    let _ = poll(&mut [], Some(&timeout));
}
