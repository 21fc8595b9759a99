//! Where the rate that was measured is kept: `load-rate.json` in squall's state
//! directory.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use squall_faults::Journal;
use squall_record::json_document;
use squall_record::store::files;

use super::Held;
use super::machine::Identity;

/// More than such a file has.
const BYTES_MAX: u64 = 64 << 10;

/// What was measured on this machine, by this build of squall.
pub fn kept() -> Option<Held> {
    read(&path().ok()?)
}

fn read(path: &Path) -> Option<Held> {
    let bytes = files::read(path, BYTES_MAX).ok()?;
    let held: Held = serde_json::from_slice(&bytes).ok()?;
    (held.machine == Identity::of_this()).then_some(held)
}

/// Keeps it for the next time, in place of what was measured before.
///
/// # Errors
/// There is no place for it, or it cannot be written.
pub fn keep(held: &Held) -> io::Result<()> {
    write(&path()?, held)
}

fn write(path: &Path, held: &Held) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        let mut private = DirBuilder::new();
        private.recursive(true).mode(0o700).create(folder)?;
    }
    files::replace(path, json_document(held)?.as_bytes())
}

fn path() -> io::Result<PathBuf> {
    let undo = Journal::default_dir().map_err(io::Error::other)?;
    Ok(undo.with_file_name("load-rate.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::BoundedBy;

    #[test]
    fn what_was_measured_counts_on_this_machine_and_on_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/load-rate.json");
        assert_eq!(read(&path), None);
        let held = Held {
            per_second: 20_000.0,
            bounded_by: BoundedBy::Lag,
            machine: Identity::of_this(),
            measured_utc: "2026-01-01".to_owned(),
        };
        write(&path, &held).unwrap();
        write(&path, &held).unwrap();
        assert_eq!(read(&path), Some(held));
        let text = std::fs::read_to_string(&path).unwrap();
        let other = text.replace("\"processors\": ", "\"processors\": 9");
        assert_ne!(other, text);
        std::fs::write(&path, other).unwrap();
        assert_eq!(read(&path), None);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(read(&path), None);
    }
}
