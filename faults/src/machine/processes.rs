//! Signals that cannot hit the wrong process, and seeing who is there.

use rustix::process::{PidfdFlags, getpid, pidfd_open};

use super::{Machine, Standing};
use crate::ProcessIdentity;

/// `pidfd_open(2)`, Linux 5.3.
pub(super) fn pidfd(_: &Machine) -> Standing {
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => Standing::works("pidfd_open"),
        Err(error) => Standing::Missing {
            why: format!("pidfd_open: {error}"),
            help: "run it on Linux 5.3 or newer, and let seccomp pass pidfd_open",
        },
    }
}

/// `/proc`, with the processes of others.
pub(super) fn proc(_: &Machine) -> Standing {
    let own = ProcessIdentity::own();
    let first = ProcessIdentity::of(1);
    match (own, first) {
        (Err(error), _) => Standing::Missing {
            why: format!("/proc/self/stat: {error}"),
            help: "mount /proc",
        },
        (Ok(_), Err(_)) => Standing::Fallback {
            why: "processes of other users are hidden (hidepid)".to_owned(),
            instead: "only processes of this user are seen and hit",
        },
        (Ok(_), Ok(_)) => Standing::works("all processes are seen"),
    }
}
