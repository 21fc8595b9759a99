//! Undoing what dead runs left.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::journal::{Inverse, JournalError};

/// A journal found on disk.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// The run, when the file says.
    pub run_id: Option<String>,
    /// What may be done with it.
    pub standing: Standing,
    /// What is still to be undone: intent and inverse.
    pub pending: Vec<(String, Inverse)>,
    /// Lines that could not be read (the last line of a killed run may be cut).
    pub unreadable_lines: usize,
}

/// What a journal on disk is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Standing {
    /// Its run is dead; its undos may be replayed.
    Dead,
    /// Its run, or the guardian of its run, is alive and will undo itself.
    Live {
        /// Who is alive.
        pid: u32,
    },
    /// Written before the last boot; nothing of it can still be there.
    OtherBoot,
    /// Not ours, not private or not a journal: left alone.
    Refused(String),
}

/// What [`run`] did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RecoverReport {
    /// Every journal found, as found.
    pub found: Vec<Found>,
    /// One sentence per undo replayed.
    pub undone: Vec<String>,
    /// One sentence per undo that failed; its journal is kept.
    pub failed: Vec<String>,
}

impl RecoverReport {
    /// Whether nothing is left to undo.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failed.is_empty()
    }
}

/// Looks at every journal in `dir`; changes nothing.
///
/// # Errors
/// The folder exists but cannot be read.
pub fn list(dir: &Path) -> Result<Vec<Found>, JournalError> {
    let _ = dir;
    Err(JournalError::NoStateHome)
}

/// Replays the undos of dead runs and removes their journals. Idempotent.
/// Blocks for up to a few seconds where processes must end.
///
/// # Errors
/// The folder exists but cannot be read.
pub fn run(dir: &Path) -> Result<RecoverReport, JournalError> {
    let _ = dir;
    Err(JournalError::NoStateHome)
}
