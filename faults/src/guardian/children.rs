//! The processes the guardian started.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, kill_process_group, pidfd_open, wait,
};

use super::protocol::{ExitStatus, Exited, GroupSignal, SpawnRequest, Spawned};
use crate::ProcessIdentity;

/// A started process that has not been reaped. Its number, and so its process
/// group, cannot belong to anybody else until then.
struct Child {
    key: String,
    identity: ProcessIdentity,
    exit: OwnedFd,
    ending: Option<Ending>,
}

/// A termination under way.
struct Ending {
    /// Requests that wait for the end.
    waiting: Vec<u64>,
    /// When SIGKILL follows; `None` once it has.
    kill_at: Option<Instant>,
}

/// A child that ended, and who waits for it.
pub(super) struct Reaped {
    pub(super) exited: Exited,
    pub(super) waiting: Vec<u64>,
}

/// All started processes by pid.
#[derive(Default)]
pub(super) struct Children(HashMap<Pid, Child>);

impl Children {
    /// Starts a process as the leader of its own group.
    pub(super) fn spawn(&mut self, request: SpawnRequest) -> Result<Spawned, String> {
        let key = request.key.clone();
        if self.find(&key).is_some() {
            return Err(format!("a process called {key} is running already"));
        }
        let failed = |error: io::Error| {
            let program = request.argv.first().map_or("", String::as_str);
            format!("{key}: `{program}` could not be started: {error}")
        };
        let (pid, exit) = start(&request).map_err(failed)?;
        let identity = ProcessIdentity::of(pid.as_raw_nonzero().get().cast_unsigned());
        let child = Child {
            key: key.clone(),
            identity: identity.map_err(failed)?,
            exit,
            ending: None,
        };
        let spawned = Spawned {
            key,
            identity: child.identity,
        };
        self.0.insert(pid, child);
        Ok(spawned)
    }

    /// Signals the group of `key`.
    pub(super) fn signal(&self, key: &str, signal: GroupSignal) -> Result<(), String> {
        let Some(pid) = self.find(key) else {
            return Err(format!("no process called {key} is running"));
        };
        let signal = match signal {
            GroupSignal::Kill => Signal::KILL,
            GroupSignal::Term => Signal::TERM,
            GroupSignal::Int => Signal::INT,
            GroupSignal::Stop => Signal::STOP,
            GroupSignal::Cont => Signal::CONT,
        };
        kill_process_group(pid, signal).map_err(|error| format!("{key}: {error}"))
    }

    /// Begins to end `key`; `false` when there is no such process. The request
    /// comes back with [`Children::reap`].
    pub(super) fn terminate(&mut self, key: &str, grace: Duration, request: u64) -> bool {
        let Some(pid) = self.find(key) else {
            return false;
        };
        let Some(child) = self.0.get_mut(&pid) else {
            return false;
        };
        let kill_at = Instant::now() + grace;
        let ending = child.ending.get_or_insert_with(|| Ending {
            waiting: Vec::new(),
            kill_at: Some(kill_at),
        });
        ending.waiting.push(request);
        ending.kill_at = ending.kill_at.map(|at| at.min(kill_at));
        signal_group(pid, Signal::TERM);
        signal_group(pid, Signal::CONT);
        true
    }

    /// Kills the groups whose grace is over.
    pub(super) fn escalate(&mut self, now: Instant) {
        for (pid, child) in &mut self.0 {
            let kill_at = child.ending.as_mut().map(|ending| &mut ending.kill_at);
            if let Some(kill_at) = kill_at.filter(|at| at.is_some_and(|at| at <= now)) {
                signal_group(*pid, Signal::KILL);
                *kill_at = None;
            }
        }
    }

    /// When [`Children::escalate`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let endings = self.0.values().filter_map(|child| child.ending.as_ref());
        endings.filter_map(|ending| ending.kill_at).min()
    }

    /// Reaps whatever has ended, adopted orphans included, and returns those
    /// that were started here.
    pub(super) fn reap(&mut self) -> Vec<Reaped> {
        let mut reaped = Vec::new();
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let (Some(child), Some(status)) = (self.0.remove(&pid), exit_status(status)) else {
                continue;
            };
            let waiting = child.ending.map(|ending| {
                // What a terminated leader leaves in its group goes with it.
                // While the group has members its number is not used again.
                signal_group(pid, Signal::KILL);
                ending.waiting
            });
            reaped.push(Reaped {
                exited: Exited {
                    key: child.key,
                    identity: child.identity,
                    status,
                },
                waiting: waiting.unwrap_or_default(),
            });
        }
        reaped
    }

    /// Descriptors that become readable when a child ends.
    pub(super) fn exits(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.values().map(|child| child.exit.as_fd())
    }

    fn find(&self, key: &str) -> Option<Pid> {
        let mut children = self.0.iter();
        children.find_map(|(pid, child)| (child.key == key).then_some(*pid))
    }
}

fn start(request: &SpawnRequest) -> io::Result<(Pid, OwnedFd)> {
    let [program, arguments @ ..] = request.argv.as_slice() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&request.log_path)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(&request.env)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0);
    if let Some(cwd) = &request.cwd {
        command.current_dir(cwd);
    }
    // Not kept as a `Child`: all reaping is done in one place, `reap`.
    let pid = command.spawn()?.id().cast_signed();
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
    Ok((pid, pidfd_open(pid, PidfdFlags::empty())?))
}

/// A group that is gone needs no signal.
fn signal_group(pid: Pid, signal: Signal) {
    if let Err(error) = kill_process_group(pid, signal) {
        tracing::debug!(%error, "group not signalled");
    }
}

fn exit_status(status: WaitStatus) -> Option<ExitStatus> {
    let code = status.exit_status().map(ExitStatus::Code);
    code.or_else(|| status.terminating_signal().map(ExitStatus::Signal))
}
