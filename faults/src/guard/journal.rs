//! The write-ahead undo journal: intent and inverse are on disk before the
//! effect.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ProcessIdentity;

/// Identifies an entry within its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryId(pub u64);

/// What undoes an effect. A closed set: a file can ask for nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Inverse {
    /// Continue a stopped process.
    Continue(ProcessIdentity),
    /// End a process.
    EndProcess(ProcessIdentity),
    /// End every process that carries this run's mark in its environment: the
    /// system under test, wherever its processes went.
    EndMarked {
        /// The run's mark.
        run_id: String,
    },
}

/// The journal could not be written or read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Neither `XDG_STATE_HOME` nor `HOME` is set.
    #[error("neither XDG_STATE_HOME nor HOME is set, so there is no place for the undo journal")]
    NoStateHome,
    /// The run id would make a bad file name.
    #[error("`{0}` cannot be a run id: only letters, digits, `-`, `_` and `.` are allowed")]
    BadRunId(String),
    /// The file or folder could not be used.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// One run's journal, open for writing. Dropping it leaves the file in place
/// when undos are pending; [`Journal::close`] removes it when none are.
#[derive(Debug)]
pub struct Journal {}

impl Journal {
    /// `$XDG_STATE_HOME/squall/undo`, or `~/.local/state/squall/undo`.
    ///
    /// # Errors
    /// [`JournalError::NoStateHome`].
    pub fn default_dir() -> Result<PathBuf, JournalError> {
        Err(JournalError::NoStateHome)
    }

    /// Creates `<dir>/<run_id>.ndjson` (mode 0600, folder 0700) and writes who
    /// owns it. Blocks on the disk.
    ///
    /// # Errors
    /// See [`JournalError`]; an existing file is never overwritten.
    pub fn create(dir: &Path, run_id: &str) -> Result<Self, JournalError> {
        let _ = (dir, run_id);
        Err(JournalError::NoStateHome)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new("")
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        ""
    }

    /// Puts an undo on disk before its effect; returns when it is durable.
    /// Blocks on the disk for some milliseconds.
    ///
    /// # Errors
    /// It is not on disk, so the effect must not be caused.
    pub fn record(&self, intent: &str, inverse: Inverse) -> Result<EntryId, JournalError> {
        let _ = (intent, inverse);
        Err(JournalError::NoStateHome)
    }

    /// Marks an undo as done (or not needed).
    ///
    /// # Errors
    /// The disk refused; the undo will be replayed, which does no harm.
    pub fn done(&self, entry: EntryId) -> Result<(), JournalError> {
        let _ = entry;
        Err(JournalError::NoStateHome)
    }

    /// Removes the file when nothing is pending; returns how many undos are.
    ///
    /// # Errors
    /// The file could not be removed.
    pub fn close(&self) -> Result<usize, JournalError> {
        Err(JournalError::NoStateHome)
    }
}
