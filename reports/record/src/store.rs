//! The run directory: how a record is written as the run goes and read back.

pub mod files;
mod hlog;
mod intervals;
mod plausible;
mod reader;
mod tail;
mod times_file;
mod writer;

use std::path::{Path, PathBuf};

use crate::terminal_line;
pub use hlog::response_log;
pub(crate) use reader::EVENT_BYTES_MAX;
pub use reader::{read_manifest, read_verdict};
pub use tail::RecordTail;
pub use writer::RecordWriter;

/// Name of the manifest in a run directory.
pub const MANIFEST_FILE: &str = "run.json";
/// Name of the event journal.
pub const EVENTS_FILE: &str = "events.ndjson";
/// Name of the times of the intervals.
pub const INTERVALS_FILE: &str = "intervals.times";
/// Their name in the first records, which hold them as an interval log of
/// HdrHistogram.
pub const INTERVALS_LOG_FILE: &str = "intervals.hlog";
/// Name of the evidence samples.
pub const SAMPLES_FILE: &str = "samples.ndjson";
/// Name of the log of decisions by chance.
pub const DECISIONS_FILE: &str = "decisions.ndjson";
/// Name of the verdict.
pub const VERDICT_FILE: &str = "verdict.json";

/// A run directory cannot be written or read at all. Lesser damage is listed
/// in [`crate::Record::damage`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A file could not be read or written.
    #[error("cannot access {}: {source}", shown(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The directory holds no manifest.
    #[error(
        "{} is no run directory: it has no {MANIFEST_FILE}; name a directory that `squall run` wrote",
        shown(dir)
    )]
    NotARun {
        /// The directory.
        dir: PathBuf,
    },
    /// The manifest is not one of squall's, or is damaged.
    #[error(
        "{} is not a manifest of squall: {}",
        shown(path),
        terminal_line(detail)
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The record was written by a newer squall.
    #[error(
        "{} has schema version {found}; this squall reads up to {known}: use the squall that wrote it, or a newer one",
        shown(path)
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Version found.
        found: u64,
        /// Newest version known.
        known: u32,
    },
    /// A value could not be turned into its file format.
    #[error("cannot encode a line of {}: {detail}", shown(path))]
    Encode {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        detail: String,
    },
}

/// A path whose names may be anybody's.
fn shown(path: &Path) -> String {
    terminal_line(&path.display().to_string())
}

impl RecordError {
    /// Joins an I/O error and the file it happened to.
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
