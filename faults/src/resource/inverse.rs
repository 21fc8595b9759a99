//! What a journal says of a resource that was made short.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cgroup::{Controller, Version};
use crate::ProcessIdentity;

/// A limit that squall may lower. Not the one of file locks, which marks what
/// belongs to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Descriptors of a process.
    Files,
    /// Size of a file that is written.
    FileSize,
    /// Processes of a user.
    Processes,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Files => "limit of descriptors",
            Self::FileSize => "limit of the size of files",
            Self::Processes => "limit of processes",
        })
    }
}

/// A limit that was lowered, and what it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoweredLimit {
    /// Which.
    pub kind: LimitKind,
    /// Of whom: the process that was aimed at.
    pub leader: ProcessIdentity,
    /// The mark of what belongs to it, where squall started it; empty where squall
    /// was allowed to hit it with all that is below it; without one, the process
    /// was lowered alone.
    pub mark: Option<String>,
    /// To what. Whoever has another limit has given it to himself.
    pub to: u64,
    /// What it was, for each process that was there; `null` is no limit.
    pub before: Vec<(ProcessIdentity, Option<u64>)>,
    /// What it is for whoever was started meanwhile and inherited the limit.
    pub others: Option<u64>,
}

/// A cgroup that squall made for a target, and where its processes came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pen {
    /// What it is made for.
    pub controller: Controller,
    /// In which interface.
    pub version: Version,
    /// The folder.
    pub place: PathBuf,
    /// For whom: the process that was aimed at.
    pub leader: ProcessIdentity,
    /// The mark of what belongs to it; see [`LoweredLimit::mark`].
    pub mark: Option<String>,
    /// Where each process was that was there.
    pub before: Vec<(ProcessIdentity, PathBuf)>,
    /// Where the leader was, and whoever was started meanwhile would be.
    pub others: PathBuf,
}
