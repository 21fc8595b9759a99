//! The folder of the undo journal.

use super::{Machine, Standing};
use crate::Journal;

/// Whether undos can be written before their effect.
pub(super) fn undo_journal(_: &Machine) -> Standing {
    let written = Journal::default_dir().and_then(|dir| {
        let run = format!("doctor-{}", std::process::id());
        Journal::create(&dir, &run)?.close()?;
        Ok(dir)
    });
    match written {
        Ok(dir) => Standing::works(format!("writes and syncs in {}", dir.display())),
        Err(error) => Standing::Missing {
            why: error.to_string(),
            help: "set XDG_STATE_HOME to a folder of yours that nobody else may write to",
        },
    }
}
