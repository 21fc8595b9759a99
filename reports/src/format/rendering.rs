//! What a format is: from a record and its verdict to bytes.

use std::path::PathBuf;

use squall_judge::Verdict;
use squall_record::Record;

/// Where the files of a run are, from where a report of it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunFiles {
    /// In the folder of the report.
    Beside,
    /// In this folder: absolute, or relative to the report's.
    In(PathBuf),
    /// Nobody knows: what is printed may be read anywhere.
    Unknown,
}

/// A way to write a run down. Renderers open no files and print nothing.
pub trait Format: Sync {
    /// The name by which `--report` asks for it.
    fn name(&self) -> &'static str;
    /// Name of the file in the run directory.
    fn file_name(&self) -> &'static str;
    /// What it is for, in one line.
    fn about(&self) -> &'static str;
    /// Whether it holds every interval of the record again, which takes more room
    /// than the record does: it is written where it is asked for, not after each run.
    fn repeats_intervals(&self) -> bool {
        false
    }
    /// The report, to stand in the run directory.
    fn render(&self, record: &Record, verdict: &Verdict) -> Vec<u8>;
    /// The report, to stand elsewhere. Only formats that link to the files of
    /// the run have something to change.
    fn render_apart(&self, record: &Record, verdict: &Verdict, _files: &RunFiles) -> Vec<u8> {
        self.render(record, verdict)
    }
}
