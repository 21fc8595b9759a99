//! Who belongs to an instance: the one answer that faults, proof of their
//! effect, ready probes, figures and the guardian share.
//!
//! A process may leave its group and its session, close its standard output
//! and be orphaned on purpose: so do daemons. What it cannot leave behind is
//! that the guardian, a subreaper, is above it, and what it inherited.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use procfs::process::Stat;
use serde::{Deserialize, Serialize};

use super::{ProcessIdentity, is_stopped};
use crate::FaultError;
use crate::marks::{INSTANCE_MARK, limit_mark};

/// One start of an instance: the process that the guardian started, and what
/// marks everything that this one starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The process that was started. It may have ended.
    pub root: ProcessIdentity,
    /// See [`INSTANCE_MARK`]; empty when squall did not start it.
    pub mark: String,
}

/// A living process of an instance, as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who it is.
    pub identity: ProcessIdentity,
    /// State letter of `/proc/PID/stat`.
    pub state: char,
}

impl Member {
    /// Whether it is stopped by a signal or a tracer.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        is_stopped(self.state)
    }
}

/// Every process there is, as one look at `/proc` showed it.
#[derive(Debug)]
pub struct Processes {
    seen: Vec<Seen>,
    by_pid: HashMap<u32, usize>,
    /// Those that a process started, whose group or whose session it leads.
    under: HashMap<u32, Vec<usize>>,
}

#[derive(Debug)]
struct Seen {
    member: Member,
    inherited: OnceCell<Arc<Inherited>>,
}

/// What tells whose a process is, however it was started.
#[derive(Debug, Default)]
struct Inherited {
    /// [`INSTANCE_MARK`] in its environment.
    mark: Option<String>,
    /// Its limit of file locks.
    locks_max: Option<u64>,
}

impl Processes {
    /// Looks at every process. Blocks: it reads all of `/proc`.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn look() -> Result<Self, FaultError> {
        let failed = |error| FaultError::io("reading /proc", io::Error::other(error));
        let all = procfs::process::all_processes().map_err(failed)?;
        // One that ended while it was looked at is none that lives.
        let living = Self::of(all.filter_map(|process| process.ok()?.stat().ok()));
        let lives = |identity: &ProcessIdentity| {
            let at = living.by_pid.get(&identity.pid);
            at.is_some_and(|at| living.seen[*at].member.identity == *identity)
        };
        known().retain(|identity, _| lives(identity));
        Ok(living)
    }

    fn of(stats: impl Iterator<Item = Stat>) -> Self {
        let mut processes = Self {
            seen: Vec::new(),
            by_pid: HashMap::new(),
            under: HashMap::new(),
        };
        for stat in stats {
            let at = processes.seen.len();
            let member = Member {
                identity: ProcessIdentity {
                    pid: stat.pid.cast_unsigned(),
                    start_time: stat.starttime,
                },
                state: stat.state,
            };
            processes.by_pid.insert(member.identity.pid, at);
            let above = HashSet::from([stat.ppid, stat.pgrp, stat.session]);
            for above in above.into_iter().filter(|above| *above > 0) {
                let under = processes.under.entry(above.cast_unsigned());
                under.or_default().push(at);
            }
            processes.seen.push(Seen {
                member,
                inherited: OnceCell::new(),
            });
        }
        processes
    }

    /// Everything that lives of an instance, parents before their children:
    /// the root, what carries its mark, and what any of these started, or has
    /// in its group or session.
    #[must_use]
    pub fn members(&self, origin: &Origin) -> Vec<Member> {
        let mut found: VecDeque<usize> = VecDeque::new();
        let mut known: HashSet<usize> = HashSet::new();
        let root = self.by_pid.get(&origin.root.pid).copied();
        // The number of a root that is gone may be that of a stranger's group.
        found.extend(root.filter(|at| self.seen[*at].member.identity == origin.root));
        let mut members = Vec::new();
        let mut marked = self.marked(origin);
        loop {
            let Some(at) = found.pop_front().or_else(|| marked.next()) else {
                return members;
            };
            let member = self.seen[at].member;
            if member.identity.start_time < origin.root.start_time || !known.insert(at) {
                continue;
            }
            if !matches!(member.state, 'Z' | 'X') {
                members.push(member);
            }
            let under = self.under.get(&member.identity.pid);
            found.extend(under.into_iter().flatten().copied());
        }
    }

    /// Whether a process is one of an instance's.
    #[must_use]
    pub fn is_member(&self, pid: u32, origin: &Origin) -> bool {
        let members = self.members(origin);
        members.iter().any(|member| member.identity.pid == pid)
    }

    /// What carries the mark, oldest first. Nothing older than the root can: the
    /// guardian has it for a moment, while it hands it on. Numbers tell who is
    /// older of those that were started in the same tick.
    fn marked<'a>(&'a self, origin: &'a Origin) -> impl Iterator<Item = usize> + 'a {
        let mut younger: Vec<usize> = (0..self.seen.len())
            .filter(|at| {
                let who = self.seen[*at].member.identity;
                let age = |who: ProcessIdentity| (who.start_time, who.pid);
                !origin.mark.is_empty() && age(who) >= age(origin.root)
            })
            .collect();
        younger.sort_by_key(|at| self.seen[*at].member.identity.start_time);
        let limit = limit_mark(&origin.mark);
        younger.into_iter().filter(move |at| {
            let inherited = self.seen[*at].inherited();
            inherited.locks_max == Some(limit) || inherited.mark.as_ref() == Some(&origin.mark)
        })
    }
}

/// What processes have inherited, read once in the life of each: what was not
/// given at birth is nobody's mark later.
static INHERITED: LazyLock<Mutex<HashMap<ProcessIdentity, Arc<Inherited>>>> =
    LazyLock::new(Mutex::default);

fn known() -> MutexGuard<'static, HashMap<ProcessIdentity, Arc<Inherited>>> {
    INHERITED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    /// A process that shows nothing has inherited nothing.
    fn inherited(&self) -> &Inherited {
        self.inherited.get_or_init(|| {
            let identity = self.member.identity;
            if let Some(inherited) = known().get(&identity) {
                return Arc::clone(inherited);
            }
            let (inherited, whole) = Inherited::of(identity.pid);
            let inherited = Arc::new(inherited);
            if whole {
                known().insert(identity, Arc::clone(&inherited));
            }
            inherited
        })
    }
}

impl Inherited {
    /// What can be read of it, and whether that is all.
    fn of(pid: u32) -> (Self, bool) {
        let process = super::process(pid);
        let limit = process.as_ref().and_then(super::locks_max);
        let environ = process.and_then(|process| process.environ().ok());
        let whole = limit.is_some() && environ.is_some();
        let locks_max = limit.flatten();
        let mark = environ.and_then(|mut all| all.remove(std::ffi::OsStr::new(INSTANCE_MARK)));
        let mark = mark.map(|mark| mark.to_string_lossy().into_owned());
        (Self { mark, locks_max }, whole)
    }
}

/// Everything that lives of an instance. Blocks: it reads all of `/proc`.
///
/// # Errors
/// `/proc` cannot be read.
pub fn members(origin: &Origin) -> Result<Vec<Member>, FaultError> {
    Ok(Processes::look()?.members(origin))
}
