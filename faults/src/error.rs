//! Why a fault could not be injected, verified or removed.

use std::io;

use thiserror::Error;

use crate::guard::journal::JournalError;
use crate::guardian::GuardianError;
use crate::proxy::AttachError;

/// A fault did not do what it was asked to.
#[derive(Debug, Error)]
pub enum FaultError {
    /// The fault is aimed at no link at all.
    #[error("the fault has no link to act on; give its target an inbound link or aim it at a link")]
    NoLinks,
    /// The link speaks no TLS, or has this fault already.
    #[error("link {link} speaks no TLS with its callers, or has the fault already")]
    NoTls {
        /// The link.
        link: String,
    },
    /// A proxy would not take the toxic.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// Connections of a proxy did not switch in time.
    #[error("link {link}: {waiting} of {live} connections did not switch within {within_ms} ms")]
    NotSwitched {
        /// The link.
        link: String,
        /// Connections that did not answer.
        waiting: usize,
        /// Connections there are.
        live: usize,
        /// How long was waited.
        within_ms: u64,
    },
    /// A link listens although it was to refuse.
    #[error("link {link} still listens, so nobody is refused")]
    StillListens {
        /// The link.
        link: String,
    },
    /// A link does not listen any more.
    #[error("link {link} does not listen again, though what is behind it does")]
    NotListening {
        /// The link.
        link: String,
    },
    /// Squall will not touch this process.
    #[error("refused to signal process {pid}: {refusal}")]
    Refused {
        /// The process.
        pid: u32,
        /// Why.
        refusal: Refusal,
    },
    /// Squall will not touch somebody whom the fault would reach.
    #[error(
        "refused to hit process {root} with all that is below it or in its group: process {pid} \
         is there, and {refusal}"
    )]
    RefusedBelow {
        /// The process that was aimed at.
        root: u32,
        /// The one that may not be touched.
        pid: u32,
        /// Why.
        refusal: Refusal,
    },
    /// The process ended, or another one has its number now.
    #[error("process {pid} is gone (ended, or its number belongs to another process now)")]
    ProcessGone {
        /// The process.
        pid: u32,
    },
    /// The effect was not seen in time.
    #[error("process {pid}: {expected} was not seen within {within_ms} ms; it is in state {state}")]
    NotEffective {
        /// The process.
        pid: u32,
        /// What should have happened.
        expected: &'static str,
        /// How long was waited.
        within_ms: u64,
        /// State letter of `/proc/PID/stat`.
        state: char,
    },
    /// The effect was seen, and is gone before it was removed: somebody else
    /// undid it.
    #[error("process {pid}: {expected} was seen earlier, but now it is in state {state}")]
    NoLongerEffective {
        /// The process.
        pid: u32,
        /// What should still hold.
        expected: &'static str,
        /// State letter of `/proc/PID/stat`.
        state: char,
    },
    /// The run's resolver does not say of a name what it should.
    #[error("name {name}: {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong, in words.
        why: String,
    },
    /// A process does not do what it should with a fault inside it.
    #[error("{process}: {why}")]
    Inside {
        /// The process, by its name.
        process: String,
        /// What is wrong, in words.
        why: String,
    },
    /// A limit is low already.
    #[error("process {pid}: its {what} is {is} already, so {to} would change nothing")]
    NothingToLower {
        /// The process.
        pid: u32,
        /// Which limit.
        what: String,
        /// What it is.
        is: String,
        /// What it should become.
        to: u64,
    },
    /// A limit is not as low as it was set.
    #[error("process {pid}: its {what} is {is}, not {wanted}")]
    LimitChanged {
        /// The process.
        pid: u32,
        /// Which limit.
        what: String,
        /// What it is.
        is: String,
        /// What it should be.
        wanted: u64,
    },
    /// Another limit holds a part of the target that is not the whole.
    #[error(
        "process {pid} is under a limit on process {by} already; aim both limits at the same \
         process, or let one end before the other begins"
    )]
    LimitsOverlap {
        /// The process that both reach.
        pid: u32,
        /// The one that the other limit is aimed at.
        by: u32,
    },
    /// Somebody of the target is in a cgroup of squall's already.
    #[error(
        "process {pid} is in {place}, which squall made for another fault; aim faults of one \
         kind at the same process, let one end before the other begins, or run `squall recover`"
    )]
    PenOverlaps {
        /// The process.
        pid: u32,
        /// The cgroup.
        place: String,
    },
    /// In a cgroup of squall's a process would be out of a limit of its own.
    #[error(
        "process {pid} is limited by {limit}, which would not hold in a cgroup of squall's; \
         lift that limit, or start the process where it is not limited"
    )]
    WouldBeFree {
        /// The process.
        pid: u32,
        /// The file of the limit, and what it says.
        limit: String,
    },
    /// Somebody does not stand still, or not any more.
    #[error("process {pid}, with all it started, does not stand still")]
    NotStill {
        /// The process that was aimed at.
        pid: u32,
    },
    /// Somebody took a process out of the cgroup that squall put it into.
    #[error("process {pid} is in cgroup {is} now, not in {wanted} any more")]
    TakenOut {
        /// The process.
        pid: u32,
        /// Where it is.
        is: String,
        /// Where it should be.
        wanted: String,
    },
    /// A limit of memory that is not more than what is in use.
    #[error(
        "process {pid} and all it started have {has} bytes of memory already, so a limit of {most} \
         would end them at once; leave them more, or inject `kill`"
    )]
    MoreInUse {
        /// The process.
        pid: u32,
        /// What they have, in bytes.
        has: u64,
        /// What they should have at most, in bytes.
        most: u64,
    },
    /// A file system could not be filled, or not given back.
    #[error("the file system of {folder} was not filled: {why}")]
    NotFilled {
        /// The folder.
        folder: String,
        /// Why.
        why: String,
    },
    /// A process of squall's own that should keep a target short does not.
    #[error("squall's own process beside process {pid}: {why}")]
    Rival {
        /// The target.
        pid: u32,
        /// What is wrong with it, in words.
        why: String,
    },
    /// A limit that was lowered could not be given back; in words.
    #[error("{0}")]
    NotLifted(String),
    /// A process changes its own limits while they are set.
    #[error("process {pid} keeps changing its {what}")]
    Unsettled {
        /// The process.
        pid: u32,
        /// Which limit.
        what: String,
    },
    /// The kernel counts no processes of this one's user.
    #[error(
        "process {pid} runs as root or may do what root may, so the kernel does not count its \
         processes; start it as another user: `command: [setpriv, --reuid=nobody, --clear-groups, …]`"
    )]
    NotCounted {
        /// The process.
        pid: u32,
    },
    /// The undo could not be put on disk, so nothing was done.
    #[error("the undo could not be journalled, so nothing was injected: {0}")]
    Journal(#[from] JournalError),
    /// The guardian did not do its part.
    #[error(transparent)]
    Guardian(#[from] GuardianError),
    /// A system call failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl FaultError {
    pub(crate) fn io(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io {
            doing: doing.into(),
            source: source.into(),
        }
    }
}

/// Why a process is never touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Pid 1.
    #[error("it is the init process")]
    Init,
    /// Squall itself.
    #[error("it is squall itself")]
    Itself,
    /// A parent, grandparent… of squall.
    #[error("it is an ancestor of squall")]
    Ancestor,
    /// The guardian, which must outlive everything it guards.
    #[error("it is squall's guardian")]
    Guardian,
    /// What a squall started for itself.
    #[error("it works for squall")]
    WorksForSquall,
    /// A session leader (a login shell, a daemon) that squall did not start.
    #[error("it leads a session that squall did not start")]
    ForeignSessionLeader,
    /// It leads the session that squall is in.
    #[error("it leads the session that squall runs in")]
    OwnSessionLeader,
    /// A session leader at a terminal: somebody's shell.
    #[error("it leads a session at a terminal")]
    AtATerminal,
}
