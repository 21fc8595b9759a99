//! What squall and its guardian say to each other: one JSON value per line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Member, ProcessIdentity};

/// A process to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnRequest {
    /// Its name, for instance `catalog-0`. May be used again once the process
    /// that had it has ended.
    pub key: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Added to the environment squall was started with.
    pub env: BTreeMap<String, String>,
    /// Where it runs; squall's own folder by default.
    pub cwd: Option<PathBuf>,
    /// Standard output and error are appended to this file.
    pub log_path: PathBuf,
    /// How many bytes of them are kept, half from the beginning and half from
    /// the end.
    pub keep_bytes: u64,
}

/// What is missing of the output of processes when a run has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The file that holds the rest.
    pub log: PathBuf,
    /// How much is missing of it.
    pub bytes: u64,
}

/// A process that was started, as the leader of its own process group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawned {
    /// Its name.
    pub key: String,
    /// Who it is.
    pub identity: ProcessIdentity,
    /// What marks everything that it starts, see [`INSTANCE_MARK`](crate::INSTANCE_MARK).
    pub mark: String,
}

/// A started process ended, and with it whatever it had started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// Its name.
    pub key: String,
    /// Who it was.
    pub identity: ProcessIdentity,
    /// How it ended.
    pub status: ExitStatus,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// A signal for a process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupSignal {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Term,
    /// SIGINT.
    Int,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Cont,
}

/// What [`crate::guardian::GuardianClient::shutdown`] found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ShutdownReport {
    /// Processes that ended on SIGTERM within the grace.
    pub ended: u32,
    /// Processes that had to be killed.
    pub killed: u32,
    /// Processes that are still there: must be empty.
    pub left: Vec<u32>,
    /// What is missing of their output.
    pub left_out: Vec<LeftOut>,
}

/// The most bytes of one request.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// A request and its number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    pub(crate) id: u64,
    pub(crate) ask: Ask,
}

/// What squall sent and the guardian has not yet obeyed.
#[derive(Debug, Default)]
pub struct Inbox(Vec<u8>);

/// Whoever speaks like this is not squall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotSquall;

impl Inbox {
    /// Takes in what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next request, if all of it is here.
    ///
    /// # Errors
    /// It is none, or longer than requests are.
    pub fn take_next(&mut self) -> Result<Option<Request>, NotSquall> {
        let Some(end) = self.0.iter().position(|byte| *byte == b'\n') else {
            let fits = self.0.len() <= REQUEST_BYTES_MAX;
            return fits.then_some(None).ok_or(NotSquall);
        };
        let line: Vec<u8> = self.0.drain(..=end).collect();
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|_| NotSquall)
    }

    /// Whether something waits to be obeyed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What squall may ask for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    Spawn(SpawnRequest),
    Signal {
        key: String,
        signal: GroupSignal,
    },
    /// Signals everything that the process and what it started are made of, or
    /// only looks at it. Whom the guardian has stopped it holds by pidfd, so
    /// that continuing them needs nothing else.
    Reach {
        root: ProcessIdentity,
        signal: Option<GroupSignal>,
    },
    Terminate {
        key: String,
        grace_ms: u64,
    },
    /// Whatever is being ended, or will be, gets no more time than squall's own
    /// patience allows. Not answered.
    Hurry,
    /// Take this value out of the output of everything that is started from now
    /// on, and write `${name}` instead.
    KeepSecret {
        name: String,
        value: String,
    },
    /// Answered when everything that processes have written so far is in its
    /// file.
    DrainOutput,
    /// `graces_ms` are those of single keys; `grace_ms` is that of all others.
    /// Whatever is asked meanwhile means [`Ask::Hurry`], as does the end of
    /// squall.
    Shutdown {
        grace_ms: u64,
        graces_ms: Vec<(String, u64)>,
    },
}

/// What the guardian says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Notice {
    /// First of all: it guards.
    Ready(ProcessIdentity),
    /// The answer to a request.
    Answer { id: u64, answer: Answer },
    /// A started process ended.
    Exited(Exited),
}

/// How a request went.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Spawned(Spawned),
    Done,
    /// What lives of an instance; nothing once all of it has ended.
    Members(Vec<Member>),
    Report(ShutdownReport),
    Refused(String),
}
