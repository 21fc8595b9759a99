//! Undoing what dead runs left.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::journal::{self, Contents, EntryId, Inverse, JournalError};
use super::undo;
use crate::process::ProcessHandle;

/// How long a guardian that lost its squall may take to clean up by itself.
/// It needs three seconds at most.
const GUARDIAN_DEADLINE: Duration = Duration::from_secs(5);

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
    /// Whether every undo that could be replayed was.
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
    let all = journals(dir)?;
    Ok(all.iter().map(|path| look(path).0).collect())
}

/// Replays the undos of dead runs and removes their journals. Idempotent.
/// Blocks for up to a few seconds where processes must end.
///
/// # Errors
/// The folder exists but cannot be read.
pub fn run(dir: &Path) -> Result<RecoverReport, JournalError> {
    let mut report = RecoverReport::default();
    for path in journals(dir)? {
        let (mut found, mut contents) = look(&path);
        if await_guardian(contents.as_ref()) {
            // The guardian has finished the journal, or left it to us.
            if !path.exists() {
                report
                    .undone
                    .push(format!("{}: its guardian undid it", path.display()));
                continue;
            }
            (found, contents) = look(&path);
        }
        match (&found.standing, contents) {
            (Standing::Dead, Some(contents)) => replay(&path, &contents, &mut report),
            (Standing::OtherBoot, _) => forget(&path, &mut report),
            _ => {}
        }
        report.found.push(found);
    }
    Ok(report)
}

/// Carries out what is pending in a journal, newest first, notes what is done
/// and removes the file when all is.
pub(crate) fn replay(path: &Path, contents: &Contents, report: &mut RecoverReport) {
    let mut done: Vec<EntryId> = Vec::new();
    for undo in contents.pending.values().rev() {
        match undo::carry_out(&undo.inverse) {
            Ok(what) => {
                report.undone.push(format!("{}: {what}", undo.intent));
                done.push(undo.id);
            }
            Err(why) => report.failed.push(format!("{}: {why}", undo.intent)),
        }
    }
    let result = if done.len() == contents.pending.len() {
        journal::remove(path)
    } else {
        journal::append_done(path, &done).map_err(JournalError::at(path))
    };
    if let Err(error) = result {
        report.failed.push(error.to_string());
    }
}

fn forget(path: &Path, report: &mut RecoverReport) {
    match journal::remove(path) {
        Ok(()) => report
            .undone
            .push(format!("{}: written before the last boot", path.display())),
        Err(error) => report.failed.push(error.to_string()),
    }
}

/// Waits for a guardian whose squall is dead; returns whether there was one.
fn await_guardian(contents: Option<&Contents>) -> bool {
    let Some(contents) = contents else {
        return false;
    };
    let orphaned = |header: &journal::Header| !header.owner.is_alive();
    let Some(guardian) = contents.guardian else {
        return false;
    };
    contents.header.as_ref().is_some_and(orphaned)
        && ProcessHandle::open(guardian)
            .is_ok_and(|guardian| guardian.ended_within(GUARDIAN_DEADLINE))
}

/// The journals in a folder, sorted; a folder that does not exist has none.
fn journals(dir: &Path) -> Result<Vec<PathBuf>, JournalError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(JournalError::at(dir)(error)),
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "ndjson"))
        .collect();
    paths.sort();
    Ok(paths)
}

fn look(path: &Path) -> (Found, Option<Contents>) {
    let refused = |why: String| {
        let found = Found {
            path: path.to_owned(),
            run_id: None,
            standing: Standing::Refused(why),
            pending: Vec::new(),
            unreadable_lines: 0,
        };
        (found, None)
    };
    let contents = match journal::read(path) {
        Ok(Ok(contents)) => contents,
        Ok(Err(why)) => return refused(why),
        Err(error) => return refused(error.to_string()),
    };
    let found = Found {
        path: path.to_owned(),
        run_id: contents.header.as_ref().map(|header| header.run_id.clone()),
        standing: standing(&contents),
        pending: contents
            .pending
            .values()
            .map(|undo| (undo.intent.clone(), undo.inverse.clone()))
            .collect(),
        unreadable_lines: contents.unreadable_lines,
    };
    (found, Some(contents))
}

fn standing(contents: &Contents) -> Standing {
    let Some(header) = &contents.header else {
        return Standing::Refused("its first line does not say whose it is".to_owned());
    };
    if header.version != 1 {
        return Standing::Refused(format!("it has version {}, known is 1", header.version));
    }
    match journal::boot_id() {
        Ok(boot_id) if boot_id == header.boot_id => {}
        Ok(_) => return Standing::OtherBoot,
        Err(error) => return Standing::Refused(format!("the boot id is unknown: {error}")),
    }
    let alive = [Some(header.owner), contents.guardian];
    match alive.into_iter().flatten().find(|who| who.is_alive()) {
        Some(who) => Standing::Live { pid: who.pid },
        None => Standing::Dead,
    }
}
