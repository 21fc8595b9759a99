//! Faults on processes, and who a process is.

pub mod existing;
mod handle;
mod kill;
pub mod listeners;
mod members;
mod pause;
mod pauses;
mod reach;
mod refusal;
mod signals;

use std::ffi::OsStr;
use std::io;

use procfs::process::{LimitValue, Process, Stat};
use serde::{Deserialize, Serialize};

pub(crate) use handle::ProcessHandle;
pub(crate) use kill::ActiveKill;
pub use members::{Member, Origin, Processes, members};
pub(crate) use pause::ActivePause;
pub use pauses::Pauses;
pub(crate) use reach::off_runtime;
pub(crate) use refusal::{may_be_hit, refuse, refuse_below};
pub(crate) use signals::{resume_members, signal_members};

use crate::marks::{INSTANCE_MARK, RUN_MARK, is_limit_of_run};

/// A process beyond doubt: its number and when it started, so that a number
/// used again is not mistaken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessIdentity {
    /// Process id.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: clock ticks from boot to its start.
    pub start_time: u64,
}

/// A process a fault is aimed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessTarget {
    /// Its name for messages, for instance `catalog-0`.
    pub name: String,
    /// Who it is.
    pub identity: ProcessIdentity,
    /// What marks everything that it starts, if squall's guardian started it;
    /// empty for one that somebody else started and somebody allowed to be hit.
    /// Then a fault reaches all of that; otherwise the process alone, and a
    /// session leader is refused.
    pub mark: Option<String>,
}

/// Whose a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Squall's guardian started it.
    Squall,
    /// Somebody else started it, and somebody allowed squall to hit it.
    Allowed,
    /// Nobody has said anything about it.
    Unknown,
}

impl ProcessTarget {
    /// One that squall did not start and may hit all the same, with everything
    /// that it started.
    #[must_use]
    pub const fn allowed(name: String, identity: ProcessIdentity) -> Self {
        let mark = Some(String::new());
        Self {
            name,
            identity,
            mark,
        }
    }

    pub(crate) fn owner(&self) -> Owner {
        match self.mark.as_deref() {
            None => Owner::Unknown,
            Some("") => Owner::Allowed,
            Some(_) => Owner::Squall,
        }
    }
}

impl ProcessIdentity {
    /// The process that has this number now.
    ///
    /// # Errors
    /// There is none.
    pub fn of(pid: u32) -> io::Result<Self> {
        let start_time = stat(pid)?.starttime;
        Ok(Self { pid, start_time })
    }

    /// This process.
    ///
    /// # Errors
    /// `/proc` is not mounted.
    pub fn own() -> io::Result<Self> {
        Self::of(std::process::id())
    }

    /// Whether it still runs (a zombie does not).
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.state()
            .is_some_and(|state| !matches!(state, 'Z' | 'X'))
    }

    /// Whether it runs: a process that is stopped does not serve.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.state()
            .is_some_and(|state| !matches!(state, 'Z' | 'X') && !is_stopped(state))
    }

    /// State letter of `/proc/PID/stat`, unless the process is gone.
    pub(crate) fn state(&self) -> Option<char> {
        let stat = stat(self.pid).ok()?;
        (stat.starttime == self.start_time).then_some(stat.state)
    }
}

/// Whether a state letter means stopped by a signal or a tracer.
pub(crate) const fn is_stopped(state: char) -> bool {
    matches!(state, 'T' | 't')
}

/// Whether a process carries the mark of a run, in its environment or in its
/// limit of file locks.
pub(crate) fn carries_mark(pid: u32, run: &str) -> bool {
    let mark = format!("{RUN_MARK}={run}");
    let in_environment = std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
        let mut variables = environ.split(|byte| *byte == 0);
        variables.any(|variable| variable == mark.as_bytes())
    });
    let limit = || locks_max(&process(pid)?)?;
    in_environment || limit().is_some_and(|limit| is_limit_of_run(limit, run))
}

/// Whether squall started it for itself: it is of a run, and of no instance.
pub(crate) fn is_squalls_own(pid: u32) -> bool {
    let environ = process(pid).and_then(|process| process.environ().ok());
    environ.is_some_and(|all| {
        let has = |mark: &str| all.contains_key(OsStr::new(mark));
        has(RUN_MARK) && !has(INSTANCE_MARK)
    })
}

/// What can be read of a process that is there.
fn process(pid: u32) -> Option<Process> {
    Process::new(i32::try_from(pid).ok()?).ok()
}

/// The limit of file locks of a process, which may be none; `None` if it cannot
/// be read.
fn locks_max(process: &Process) -> Option<Option<u64>> {
    Some(match process.limits().ok()?.max_file_locks.soft_limit {
        LimitValue::Value(limit) => Some(limit),
        LimitValue::Unlimited => None,
    })
}

pub(crate) fn stat(pid: u32) -> io::Result<Stat> {
    let pid = i32::try_from(pid).map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
    Process::new(pid)
        .and_then(|process| process.stat())
        .map_err(io::Error::other)
}
