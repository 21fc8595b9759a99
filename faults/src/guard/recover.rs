//! Undoing what dead runs left.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::journal::{self, Contents, EntryId, Inverse, JournalError};
use super::{run_mark, undo};
use crate::Origin;
use crate::process::{ProcessHandle, members};
use crate::wait::pause;

/// How long a guardian that lost its squall may take to clean up by itself.
/// It needs three seconds at most.
const GUARDIAN_DEADLINE: Duration = Duration::from_secs(5);

/// How long a journal may be without its first line.
const HEADER_WITHIN: Duration = Duration::from_millis(200);

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
    /// One sentence per undo that failed or could not be read; its journal is
    /// kept.
    pub failed: Vec<String>,
}

impl RecoverReport {
    /// Whether nothing is left: every undo was replayed, every journal read.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failed.is_empty()
    }
}

/// Looks at every journal in `dir`; changes nothing.
///
/// # Errors
/// The folder exists but cannot be read, or others may write to it.
pub fn list(dir: &Path) -> Result<Vec<Found>, JournalError> {
    let all = journals(dir)?;
    Ok(all.iter().map(|path| look(path).0).collect())
}

/// Processes of this user that are left of dead runs whose journals belong into
/// `dir`, whatever became of those: the run's id and how many. Changes nothing.
///
/// # Errors
/// Processes cannot be looked at; in words.
pub fn left_of_dead_runs(dir: &Path) -> Result<Vec<(String, usize)>, String> {
    let found = run_mark::of_dead_runs(dir)?;
    let counted = found.iter();
    Ok(counted
        .map(|(mark, left)| (mark.run_id().to_owned(), left.len()))
        .collect())
}

/// Replays the undos of dead runs and removes their journals; then ends every
/// process that is left of a dead run, found by the mark it carries. What could
/// not be read is told as not undone. Idempotent. Blocks for up to a few
/// seconds where processes must end.
///
/// # Errors
/// The folder exists but cannot be read, or others may write to it.
pub fn run(dir: &Path) -> Result<RecoverReport, JournalError> {
    let mut report = RecoverReport::default();
    for path in journals(dir)? {
        let (mut found, mut contents) = look_patiently(&path);
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
            (Standing::Refused(why), _) => report.failed.push(unread(&path, why)),
            _ => {}
        }
        report.found.push(found);
    }
    end_strays(dir, &mut report);
    Ok(report)
}

/// Forgets dead runs of which nothing is left: their journals and sockets.
/// Signals nobody, and leaves everything else to [`run`].
///
/// # Errors
/// The folder exists but cannot be read, or others may write to it.
pub fn sweep(dir: &Path) -> Result<(), JournalError> {
    let paths = journals(dir)?;
    for path in paths {
        let (found, contents) = look(&path);
        match (&found.standing, contents) {
            (Standing::OtherBoot, _) => journal::remove(&path)?,
            (Standing::Dead, Some(contents)) if nothing_is_left(&contents) => {
                replay(&path, &contents, &mut RecoverReport::default());
            }
            _ => {}
        }
    }
    Ok(())
}

fn nothing_is_left(contents: &Contents) -> bool {
    let gone = |undo: &journal::Undo| match &undo.inverse {
        Inverse::Continue(who) | Inverse::EndProcess(who) => !who.is_alive(),
        Inverse::ContinueGroup { leader, mark } => members(&Origin {
            root: *leader,
            mark: mark.clone(),
        })
        .is_ok_and(|members| members.is_empty()),
        Inverse::EndMarked { mark } => undo::marked(mark).is_ok_and(|left| left.is_empty()),
        Inverse::RemoveSocket(_) => true,
        Inverse::LiftLimit(lowered) => lowered.is_gone(),
        Inverse::OpenPen(pen) => pen.is_gone(),
    };
    contents.unreadable_lines == 0 && contents.pending.values().all(gone)
}

/// Ends what dead runs left, as the mark in its environment tells.
fn end_strays(dir: &Path, report: &mut RecoverReport) {
    let strays = match run_mark::of_dead_runs(dir) {
        Ok(strays) => strays,
        Err(why) => return report.failed.push(format!("processes of dead runs: {why}")),
    };
    for mark in strays.keys() {
        let mark = mark.to_string();
        match undo::carry_out(&Inverse::EndMarked { mark }) {
            Ok(what) => report.undone.push(what),
            Err(why) => report.failed.push(why),
        }
    }
}

fn unread(path: &Path, why: &str) -> String {
    format!(
        "{}: {why}, so it is not known what its run broke; look at what is stopped or left, \
         then delete the file",
        path.display()
    )
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
    if contents.unreadable_lines > 0 {
        let why = format!("{} lines cannot be read", contents.unreadable_lines);
        report.failed.push(unread(path, &why));
    }
    let all = done.len() == contents.pending.len() && contents.unreadable_lines == 0;
    let result = if all {
        journal::remove(path)
    } else {
        journal::append_done(path, &done).map_err(JournalError::at(path))
    };
    if let Err(error) = result {
        report.failed.push(error.to_string());
    }
}

/// Lets go on what faults have made to stand still: it could not be ended. Stays in the
/// journal, as doing it twice does no harm.
pub(crate) fn thaw(path: &Path) {
    let Ok(Ok(contents)) = journal::read(path) else {
        return;
    };
    for undo in contents.pending.values() {
        if let Inverse::OpenPen(pen) = &undo.inverse
            && pen.stands_still()
            && let Err(why) = undo::carry_out(&undo.inverse)
        {
            tracing::error!(%why, "what stands still may not be ended");
        }
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
    journal::check_folder(dir)?;
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

/// Looks again at a journal without a first line: it may be about to get one.
fn look_patiently(path: &Path) -> (Found, Option<Contents>) {
    let seen = look(path);
    match &seen.1 {
        Some(contents) if contents.header.is_none() => {
            pause(HEADER_WITHIN);
            look(path)
        }
        _ => seen,
    }
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
        unreadable_lines: contents.unreadable_lines + contents.cut_lines,
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
