//! The processes the guardian started.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getrlimit, pidfd_open,
    setrlimit, wait,
};

use super::Start;
use super::namespace::{Namespace, bind};
use super::output::Output;
use super::protocol::{ExitStatus, Exited, GroupSignal, SpawnRequest, Spawned};
use crate::guard::undo::TERM_GRACE;
use crate::marks::{INSTANCE_MARK, limit_mark};
use crate::process::{ProcessHandle, is_stopped, members, resume_members, signal_members};
use crate::{FaultError, Member, Origin, ProcessIdentity};

/// A started process, until it and everything it started have ended.
struct Child {
    pid: Pid,
    origin: Origin,
    /// Readable when something ends: the process, later what it left.
    exits: Vec<OwnedFd>,
    /// How the process ended, while what it started still lives.
    ended: Option<ExitStatus>,
    ending: Option<Ending>,
    /// Whom squall had stopped, until they were seen to run again.
    stopped: Vec<ProcessHandle>,
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
pub(super) struct Children(HashMap<String, Child>, Start);

impl Children {
    /// None so far.
    pub(super) fn new(start: Start) -> Self {
        Self(HashMap::new(), start)
    }

    /// Takes the namespace away: nothing is started in it any more.
    pub(super) const fn leave_namespace(&mut self) -> Option<Namespace> {
        self.1.namespace.take()
    }

    /// Where they live.
    pub(super) const fn namespace(&self) -> Option<&Namespace> {
        self.1.namespace.as_ref()
    }

    /// The guardian's child that is none of the system under test.
    pub(super) const fn keeper(&self) -> u32 {
        self.1.keeper
    }

    /// Starts a process as the leader of its own group.
    pub(super) fn spawn(
        &mut self,
        request: SpawnRequest,
        output: &mut Output,
    ) -> Result<Spawned, String> {
        let key = request.key.clone();
        if self.0.contains_key(&key) {
            return Err(format!("a process called {key} is running already"));
        }
        let failed = |error: io::Error| {
            let program = request.argv.first().map_or("", String::as_str);
            format!("{key}: `{program}` could not be started: {error}")
        };
        let (pid, exit) = start(&request, &self.1, output).map_err(failed)?;
        let identity = ProcessIdentity::of(pid.as_raw_nonzero().get().cast_unsigned());
        let identity = identity.map_err(failed)?;
        let mark = request.env.get(INSTANCE_MARK).cloned().unwrap_or_default();
        let origin = Origin {
            root: identity,
            mark: mark.clone(),
        };
        let child = Child {
            pid,
            origin,
            exits: vec![exit],
            ended: None,
            ending: None,
            stopped: Vec::new(),
        };
        self.0.insert(key.clone(), child);
        Ok(Spawned {
            key,
            identity,
            mark,
        })
    }

    /// Signals everything that `key` is made of.
    pub(super) fn signal(&self, key: &str, signal: GroupSignal) -> Result<(), String> {
        let Some(child) = self.0.get(key) else {
            return Err(format!("no process called {key} is running"));
        };
        child
            .signal(signal.into())
            .map_err(|error| format!("{key}: {error}"))
    }

    /// Signals everything that came of `root`, unless it is only looked at;
    /// what was signalled, or what lives. Nothing when all of it has ended.
    pub(super) fn reach(
        &mut self,
        root: ProcessIdentity,
        signal: Option<GroupSignal>,
    ) -> Result<Vec<Member>, String> {
        let mut children = self.0.values_mut();
        let Some(child) = children.find(|child| child.origin.root == root) else {
            return Ok(Vec::new());
        };
        let reached = match signal {
            None => members(&child.origin),
            Some(GroupSignal::Stop) => child.stop(),
            Some(GroupSignal::Cont) => child.resume(),
            Some(signal) => signal_members(&child.origin, signal.into()),
        };
        match reached {
            Err(FaultError::ProcessGone { .. }) => Ok(Vec::new()),
            reached => reached.map_err(|error| error.to_string()),
        }
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
                self.0.get(key)?.origin.root.pid,
                Duration::from_millis(*grace_ms),
            ))
        });
        known.collect()
    }

    /// Kills what has had its grace.
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
    /// that were started here and of whom nothing lives any more. What a process
    /// leaves is ended, wherever it went: it would keep the port that the next
    /// start needs.
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
                identity: child.origin.root,
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
    /// Begins to end all of it: SIGTERM now, SIGKILL at `kill_at`, or sooner
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

    /// Whether the process and all it started have ended. Begins to end what
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

    /// Those who outlived the process. Nobody is found without `/proc`, and no
    /// process would have been started.
    fn left(&self) -> Vec<OwnedFd> {
        let members = members(&self.origin).unwrap_or_default();
        let pids = members.iter().filter_map(|member| {
            let pid = i32::try_from(member.identity.pid).ok()?;
            Pid::from_raw(pid)
        });
        pids.filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            .collect()
    }

    /// Stops everything and holds on to it.
    fn stop(&mut self) -> Result<Vec<Member>, FaultError> {
        // Those who are there already are held before they are stopped.
        let before = members(&self.origin)?;
        self.hold(&before);
        let stopped = signal_members(&self.origin, Signal::STOP)?;
        self.hold(&stopped);
        Ok(stopped)
    }

    fn hold(&mut self, members: &[Member]) {
        for member in members {
            let held = |known: &ProcessHandle| known.identity == member.identity;
            if !self.stopped.iter().any(held) {
                self.stopped
                    .extend(ProcessHandle::open(member.identity).ok());
            }
        }
    }

    /// Continues everything: first who is held, then who is found.
    fn resume(&mut self) -> Result<Vec<Member>, FaultError> {
        for handle in &self.stopped {
            if let Err(error) = handle.signal(Signal::CONT) {
                tracing::debug!(%error, "not continued");
            }
        }
        resume_members(&self.origin)?;
        let members = members(&self.origin)?;
        let stuck = |handle: &ProcessHandle| {
            let mut stopped = members.iter().filter(|member| is_stopped(member.state));
            stopped.any(|member| member.identity == handle.identity)
        };
        self.stopped.retain(stuck);
        Ok(members)
    }

    fn signal(&self, signal: Signal) -> Result<(), FaultError> {
        signal_members(&self.origin, signal).map(drop)
    }

    /// What is gone needs no signal.
    fn signal_quietly(&self, signal: Signal) {
        if let Err(error) = self.signal(signal) {
            tracing::debug!(%error, "not signalled");
        }
    }
}

fn start(request: &SpawnRequest, start: &Start, output: &mut Output) -> io::Result<(Pid, OwnedFd)> {
    let [program, arguments @ ..] = request.argv.as_slice() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let (stdout, stderr) = output.open(request)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(&request.env)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .process_group(0);
    if let Some(cwd) = &request.cwd {
        command.current_dir(cwd);
    }
    let in_namespace = start.namespace.is_some();
    let descriptors = Some(start.descriptors);
    bind(&mut command, in_namespace, descriptors, &request.laid_over)?;
    // Not kept as a `Child`: all reaping is done in one place, `reap`.
    let pid = marked(request, || command.spawn())?.id().cast_signed();
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
    Ok((pid, pidfd_open(pid, PidfdFlags::empty())?))
}

/// Starts something while the mark is in the guardian's own limit of file locks,
/// which what is started inherits. Only this thread of the guardian starts any.
fn marked<T>(request: &SpawnRequest, start: impl FnOnce() -> T) -> T {
    let own = getrlimit(Resource::Locks);
    let mark = request.env.get(INSTANCE_MARK).map(|mark| limit_mark(mark));
    let limit = Rlimit {
        current: mark.or(own.current),
        maximum: own.maximum,
    };
    // Where the limit may not be set, the environment is the mark.
    let set = setrlimit(Resource::Locks, limit);
    let started = start();
    if set.and_then(|()| setrlimit(Resource::Locks, own)).is_err() {
        tracing::debug!("the limit of file locks was not marked");
    }
    started
}

impl From<GroupSignal> for Signal {
    fn from(signal: GroupSignal) -> Self {
        match signal {
            GroupSignal::Kill => Self::KILL,
            GroupSignal::Term => Self::TERM,
            GroupSignal::Int => Self::INT,
            GroupSignal::Stop => Self::STOP,
            GroupSignal::Cont => Self::CONT,
        }
    }
}

fn exit_status(status: WaitStatus) -> Option<ExitStatus> {
    let code = status.exit_status().map(ExitStatus::Code);
    code.or_else(|| status.terminating_signal().map(ExitStatus::Signal))
}
