//! Which file of a record holds the times of its intervals, and how its lines are
//! read: the first records have an interval log of HdrHistogram.

use std::path::Path;

use super::intervals::{self, Found};
use super::{INTERVALS_FILE, INTERVALS_LOG_FILE, hlog};

/// A file of times.
#[derive(Debug)]
pub(super) struct TimesFile {
    pub(super) name: &'static str,
    pub(super) line_bytes_max: usize,
    read_line: fn(&str) -> Result<Vec<Found>, String>,
}

impl TimesFile {
    /// The one that is in the run directory `dir`, or ought to be.
    pub(super) fn of(dir: &Path) -> Self {
        let has = |name: &str| dir.join(name).symlink_metadata().is_ok();
        match has(INTERVALS_LOG_FILE) && !has(INTERVALS_FILE) {
            false => Self {
                name: INTERVALS_FILE,
                line_bytes_max: intervals::LINE_BYTES_MAX,
                read_line: intervals::read_line,
            },
            true => Self {
                name: INTERVALS_LOG_FILE,
                line_bytes_max: hlog::LINE_BYTES_MAX,
                read_line: hlog::read_line,
            },
        }
    }

    /// What a line holds.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn read_line(&self, line: &[u8]) -> Result<Vec<Found>, String> {
        let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
        (self.read_line)(text)
    }
}
