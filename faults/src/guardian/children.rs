//! The processes the guardian started.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, kill_process_group, pidfd_open, wait,
};

use super::protocol::{ExitStatus, Exited, GroupSignal, SpawnRequest, Spawned};
use crate::ProcessIdentity;
use crate::guard::undo::TERM_GRACE;
use crate::process::living_members;

/// A started process, until it and its whole group have ended. Its number, and
/// so its process group, cannot belong to anybody else until then.
struct Child {
    pid: Pid,
    identity: ProcessIdentity,
    /// Readable when something ends: the process, later what it left.
    exits: Vec<OwnedFd>,
    /// How the process ended, while others of its group still live.
    ended: Option<ExitStatus>,
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

/// All started processes by key.
#[derive(Default)]
pub(super) struct Children(HashMap<String, Child>);

impl Children {
    /// Starts a process as the leader of its own group.
    pub(super) fn spawn(&mut self, request: SpawnRequest) -> Result<Spawned, String> {
        let key = request.key.clone();
        if self.0.contains_key(&key) {
            return Err(format!("a process called {key} is running already"));
        }
        let failed = |error: io::Error| {
            let program = request.argv.first().map_or("", String::as_str);
            format!("{key}: `{program}` could not be started: {error}")
        };
        let (pid, exit) = start(&request).map_err(failed)?;
        let identity = ProcessIdentity::of(pid.as_raw_nonzero().get().cast_unsigned());
        let identity = identity.map_err(failed)?;
        let child = Child {
            pid,
            identity,
            exits: vec![exit],
            ended: None,
            ending: None,
        };
        self.0.insert(key.clone(), child);
        Ok(Spawned { key, identity })
    }

    /// Signals the group of `key`.
    pub(super) fn signal(&self, key: &str, signal: GroupSignal) -> Result<(), String> {
        let Some(child) = self.0.get(key) else {
            return Err(format!("no process called {key} is running"));
        };
        let signal = match signal {
            GroupSignal::Kill => Signal::KILL,
            GroupSignal::Term => Signal::TERM,
            GroupSignal::Int => Signal::INT,
            GroupSignal::Stop => Signal::STOP,
            GroupSignal::Cont => Signal::CONT,
        };
        child
            .signal(signal)
            .map_err(|error| format!("{key}: {error}"))
    }

    /// Begins to end `key`; `false` when there is no such process. The request
    /// comes back with [`Children::reap`].
    pub(super) fn terminate(&mut self, key: &str, grace: Duration, request: u64) -> bool {
        let Some(child) = self.0.get_mut(key) else {
            return false;
        };
        child.end(Instant::now() + grace).waiting.push(request);
        true
    }

    /// The grace of each group whose key is named, by the pid of its leader.
    pub(super) fn graces(&self, of: &[(String, u64)]) -> HashMap<u32, Duration> {
        let known = of.iter().filter_map(|(key, grace_ms)| {
            Some((
                self.0.get(key)?.identity.pid,
                Duration::from_millis(*grace_ms),
            ))
        });
        known.collect()
    }

    /// Kills the groups whose grace is over.
    pub(super) fn escalate(&mut self, now: Instant) {
        for child in self.0.values_mut() {
            let kill_at = child.ending.as_ref().and_then(|ending| ending.kill_at);
            if kill_at.is_some_and(|at| at <= now) {
                child.signal_quietly(Signal::KILL);
                child.ending.iter_mut().for_each(|e| e.kill_at = None);
            }
        }
    }

    /// When [`Children::escalate`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let endings = self.0.values().filter_map(|child| child.ending.as_ref());
        endings.filter_map(|ending| ending.kill_at).min()
    }

    /// Reaps whatever has ended, adopted orphans included, and returns those
    /// that were started here and of whose group nobody lives any more. What a
    /// process leaves in its group is ended: it would keep the port that the
    /// next start needs.
    pub(super) fn reap(&mut self) -> Vec<Reaped> {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let mut children = self.0.values_mut();
            let child = children.find(|child| child.pid == pid && child.ended.is_none());
            if let (Some(child), Some(status)) = (child, exit_status(status)) {
                child.ended = Some(status);
                child.exits.clear();
            }
        }
        let over = self.0.extract_if(|_, child| child.is_over());
        over.filter_map(|(key, child)| {
            let exited = Exited {
                key,
                identity: child.identity,
                status: child.ended?,
            };
            let waiting = child.ending.map(|ending| ending.waiting);
            Some(Reaped {
                exited,
                waiting: waiting.unwrap_or_default(),
            })
        })
        .collect()
    }

    /// Descriptors that become readable when something ends.
    pub(super) fn exits(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let exits = self.0.values().flat_map(|child| &child.exits);
        exits.map(AsFd::as_fd)
    }
}

impl Child {
    /// Begins to end the group: SIGTERM now, SIGKILL at `kill_at`, or sooner
    /// if that was agreed on before.
    fn end(&mut self, kill_at: Instant) -> &mut Ending {
        self.signal_quietly(Signal::TERM);
        // A stopped process acts on SIGTERM only once it is continued.
        self.signal_quietly(Signal::CONT);
        let ending = self.ending.get_or_insert_with(|| Ending {
            waiting: Vec::new(),
            kill_at: Some(kill_at),
        });
        ending.kill_at = ending.kill_at.map(|at| at.min(kill_at));
        ending
    }

    /// Whether the process and all of its group have ended. Begins to end what
    /// the process left.
    fn is_over(&mut self) -> bool {
        if self.ended.is_none() {
            return false;
        }
        let left = self.left();
        if !left.is_empty() && self.ending.is_none() {
            self.end(Instant::now() + TERM_GRACE);
        }
        self.exits = left;
        self.exits.is_empty()
    }

    /// Those of the group who outlived the process. There is no group to be
    /// found without `/proc`, and no process would have been started.
    fn left(&self) -> Vec<OwnedFd> {
        let members = living_members(self.identity).unwrap_or_default();
        let pids = members.iter().filter_map(|member| {
            let pid = i32::try_from(member.identity.pid).ok()?;
            Pid::from_raw(pid)
        });
        pids.filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            .collect()
    }

    /// The number is the group's own while the process is not reaped, and
    /// after that as long as somebody is in the group.
    fn signal(&self, signal: Signal) -> Result<(), Errno> {
        if self.ended.is_some() && self.left().is_empty() {
            return Err(Errno::SRCH);
        }
        kill_process_group(self.pid, signal)
    }

    /// A group that is gone needs no signal.
    fn signal_quietly(&self, signal: Signal) {
        if let Err(error) = self.signal(signal) {
            tracing::debug!(%error, "group not signalled");
        }
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

fn exit_status(status: WaitStatus) -> Option<ExitStatus> {
    let code = status.exit_status().map(ExitStatus::Code);
    code.or_else(|| status.terminating_signal().map(ExitStatus::Signal))
}
