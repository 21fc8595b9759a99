//! What a listing shows of a run, without reading its whole record.

use std::path::Path;

use squall_record::store::read_manifest;
use squall_record::{Manifest, RecordError};

use crate::Verdict;

/// The manifest of a run and how it was judged.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// What was run.
    pub manifest: Manifest,
    /// How it was judged; `None` while it runs, after it was killed, and when
    /// the verdict cannot be read.
    pub verdict: Option<Verdict>,
}

impl RunSummary {
    /// Reads the manifest and the verdict of the run directory `dir`.
    ///
    /// # Errors
    /// When there is no manifest, or it is foreign or newer than this squall.
    pub fn read(dir: &Path) -> Result<Self, RecordError> {
        let manifest = read_manifest(dir)?;
        Ok(Self {
            manifest,
            verdict: Verdict::read(dir),
        })
    }
}
