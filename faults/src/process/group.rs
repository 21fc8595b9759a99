//! What a fault on a process reaches: the process alone, or its whole group.
//!
//! A service behind a start script is a child of the process squall started;
//! a signal to that process alone would leave the service serving.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::Instant;

use super::handle::LOOK_EVERY;
use super::{ProcessHandle, ProcessIdentity, ProcessTarget, carries_mark, stat};
use crate::FaultError;

/// The longest pause between two looks at a group; a look reads all of `/proc`.
const LOOK_EVERY_MAX: Duration = Duration::from_millis(32);

/// A living process of a group, as it was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) identity: ProcessIdentity,
    /// State letter of `/proc/PID/stat`.
    pub(crate) state: char,
}

/// A process in hand, and whether its group goes with it.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) handle: ProcessHandle,
    whole_group: bool,
}

impl Reach {
    /// Opens the process. Its group goes with it if squall started it and it
    /// leads one that squall itself is not in.
    pub(super) fn open(target: &ProcessTarget) -> Result<Self, FaultError> {
        let handle = ProcessHandle::open(target.identity)?;
        // Not by `getpgrp`: in a PID namespace whose group leader stayed
        // outside, the own group has number 0, which rustix holds impossible.
        let own_group = stat(std::process::id()).map_or(0, |own| own.pgrp);
        let leads = stat(target.identity.pid)
            .is_ok_and(|stat| stat.pgrp == stat.pid && stat.pgrp != own_group);
        let whole_group = target.started_by_squall && leads;
        Ok(Self {
            handle,
            whole_group,
        })
    }

    pub(super) fn is_group(&self) -> bool {
        self.whole_group
    }

    /// Signals everything in reach.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), FaultError> {
        if self.whole_group {
            signal_group(self.handle.identity, signal)
        } else {
            self.handle.signal(signal)
        }
    }

    /// What lives within reach.
    pub(super) async fn living(&self) -> Result<Vec<Member>, FaultError> {
        let identity = self.handle.identity;
        if !self.whole_group {
            return Ok(alone(identity).into_iter().collect());
        }
        off_runtime(move || living_members(identity)).await
    }

    /// Looks at what lives within reach until that pleases `wanted`, at most
    /// for `within`; the last look.
    pub(super) async fn settle(
        &self,
        wanted: impl Fn(&[Member]) -> bool,
        within: Duration,
    ) -> Result<Vec<Member>, FaultError> {
        let deadline = Instant::now() + within;
        let mut pause = LOOK_EVERY;
        loop {
            let members = self.living().await?;
            if wanted(&members) || Instant::now() >= deadline {
                return Ok(members);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_EVERY_MAX);
        }
    }
}

/// The process itself, if it lives.
fn alone(identity: ProcessIdentity) -> Option<Member> {
    let state = identity.state();
    let state = state.filter(|state| !matches!(state, 'Z' | 'X'))?;
    Some(Member { identity, state })
}

/// Runs what reads `/proc` on a thread that may block.
pub(super) async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FaultError> + Send + 'static,
) -> Result<T, FaultError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| FaultError::io("looking at a process group", io::Error::other(error)))?
}

/// Living processes of the group that `leader` leads or led.
pub(crate) fn living_members(leader: ProcessIdentity) -> Result<Vec<Member>, FaultError> {
    let failed = |error| FaultError::io("reading /proc", io::Error::other(error));
    let mut members = Vec::new();
    for process in procfs::process::all_processes().map_err(failed)? {
        // One that ended while it was looked at is none that lives.
        let Ok(stat) = process.and_then(|process| process.stat()) else {
            continue;
        };
        let identity = ProcessIdentity {
            pid: stat.pid.cast_unsigned(),
            start_time: stat.starttime,
        };
        if identity.pid == leader.pid && identity != leader {
            // The kernel gives a number away only after the last member of the
            // group that bore it is gone.
            return Ok(Vec::new());
        }
        if stat.pgrp.cast_unsigned() == leader.pid && !matches!(stat.state, 'Z' | 'X') {
            let state = stat.state;
            members.push(Member { identity, state });
        }
    }
    Ok(members)
}

/// Signals the group of a leader that still has its number. One call, so that
/// no member can fork past it. Between the look and the call the whole group
/// would have to end, be reaped and have its number used again to be mistaken.
fn signal_group(leader: ProcessIdentity, signal: Signal) -> Result<(), FaultError> {
    let gone = || FaultError::ProcessGone { pid: leader.pid };
    let pid = raw(leader).filter(|_| leader.holds_number());
    match kill_process_group(pid.ok_or_else(gone)?, signal) {
        Ok(()) => Ok(()),
        Err(Errno::SRCH) => Err(gone()),
        Err(error) => Err(FaultError::io("kill of a process group", error)),
    }
}

/// Continues a group and returns who was in it. When its leader is gone, only
/// members that carry the mark of the run are touched, each by pidfd.
pub(crate) fn resume_group(
    leader: ProcessIdentity,
    mark: &str,
) -> Result<Vec<ProcessHandle>, FaultError> {
    let led = leader.holds_number();
    let members = living_members(leader)?.into_iter();
    let handles: Vec<_> = members
        .filter(|member| led || carries_mark(member.identity.pid, mark))
        .filter_map(|member| ProcessHandle::open(member.identity).ok())
        .collect();
    match signal_group(leader, Signal::CONT) {
        Err(FaultError::ProcessGone { .. }) => {}
        result => return result.map(|()| handles),
    }
    for handle in &handles {
        match handle.signal(Signal::CONT) {
            Ok(()) | Err(FaultError::ProcessGone { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(handles)
}

fn raw(identity: ProcessIdentity) -> Option<Pid> {
    let pid = i32::try_from(identity.pid).ok()?;
    Pid::from_raw(pid)
}
