//! A process held by pidfd: signals reach it or nobody.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::ProcessIdentity;
use crate::FaultError;

/// How often a process is looked at while it changes.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(2);

/// An open handle on a process; its number cannot change hands under it.
#[derive(Debug)]
pub(crate) struct ProcessHandle {
    pub(crate) identity: ProcessIdentity,
    fd: OwnedFd,
}

impl ProcessHandle {
    /// Opens the process, if it is still the one that was meant.
    pub(crate) fn open(identity: ProcessIdentity) -> Result<Self, FaultError> {
        let gone = || FaultError::ProcessGone { pid: identity.pid };
        let pid = i32::try_from(identity.pid).ok().and_then(Pid::from_raw);
        let fd = match pidfd_open(pid.ok_or_else(gone)?, PidfdFlags::empty()) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::SRCH) => return Err(gone()),
            Err(error) => return Err(FaultError::io("pidfd_open", error)),
        };
        // Asked after opening, so the answer is about the process in hand.
        if identity.is_alive() {
            Ok(Self { identity, fd })
        } else {
            Err(gone())
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), FaultError> {
        match pidfd_send_signal(&self.fd, signal) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::SRCH) => Err(FaultError::ProcessGone {
                pid: self.identity.pid,
            }),
            Err(error) => Err(FaultError::io("pidfd_send_signal", error)),
        }
    }

    /// Whether the process has ended, waiting at most `within` on the spot.
    /// For synchronous code only; a failure to wait counts as "not ended".
    pub(crate) fn ended_within(&self, within: Duration) -> bool {
        let timeout = Timespec {
            tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(within.subsec_nanos()),
        };
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&timeout)), Ok(ready) if ready > 0)
    }

    /// Waits on the spot until the process is in a state that pleases
    /// `wanted` or has ended; `false` when that took longer than `within`.
    pub(crate) fn reaches_within(&self, wanted: fn(char) -> bool, within: Duration) -> bool {
        let start = Instant::now();
        loop {
            match self.identity.state() {
                None | Some('Z' | 'X') => return true,
                Some(state) if wanted(state) => return true,
                Some(_) if start.elapsed() >= within => return false,
                Some(_) => self.ended_within(LOOK_EVERY),
            };
        }
    }

    /// Waits until the process has ended, seen on the pidfd. Looks again and
    /// again instead of registering the pidfd with the runtime, which tokio
    /// offers to unsafe code only.
    pub(crate) async fn ended(&self) {
        while !self.ended_within(Duration::ZERO) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
