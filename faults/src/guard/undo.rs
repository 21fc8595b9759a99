//! Carrying out inverses. Synchronous: the guardian and `recover` have no
//! runtime.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::journal::Inverse;
use crate::guardian::protocol::ShutdownReport;
use crate::process::{Owner, ProcessHandle, carries_mark, is_stopped, refuse, resume_members};
use crate::wait::pause;
use crate::{FaultError, Origin, ProcessIdentity};

/// How long a process may take to end on SIGTERM before it is killed.
pub(crate) const TERM_GRACE: Duration = Duration::from_millis(500);
/// How long a killed process may take to be gone.
const KILL_DEADLINE: Duration = Duration::from_secs(2);
/// How often it is asked whether it is hurried.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a continued process may take to leave the stopped state.
const CONTINUE_DEADLINE: Duration = Duration::from_secs(1);

/// Processes that were looked for, or why nobody could look.
pub(crate) type Found = Result<Vec<ProcessIdentity>, String>;

/// Carries out one inverse and checks it; a sentence on what was done, or on
/// why it could not be. Doing it twice does no harm.
pub(crate) fn carry_out(inverse: &Inverse) -> Result<String, String> {
    match inverse {
        Inverse::Continue(identity) => resume(*identity),
        Inverse::ContinueGroup { leader, mark } => resume_all(&Origin {
            root: *leader,
            mark: mark.clone(),
        }),
        Inverse::EndProcess(identity) => {
            let report = end_all(|| Ok(vec![*identity]), TERM_GRACE)?;
            ended(&format!("process {}", identity.pid), &report)
        }
        Inverse::RemoveSocket(path) => remove_socket(path),
        Inverse::LiftLimit(lowered) => lowered.lift(None),
        Inverse::OpenPen(pen) => pen.open_up(),
        Inverse::EndMarked { mark } => {
            let report = end_all(|| marked(mark), TERM_GRACE)?;
            ended(&format!("processes of run {mark}"), &report)
        }
    }
}

/// Removes a socket of this user; anything else is not squall's.
fn remove_socket(path: &Path) -> Result<String, String> {
    let own = rustix::process::geteuid().as_raw();
    let found = std::fs::symlink_metadata(path);
    match found {
        Ok(found) if found.file_type().is_socket() && found.uid() == own => {
            let removed = std::fs::remove_file(path).map(|()| "removed".to_owned());
            removed.map_err(|error| format!("{}: {error}", path.display()))
        }
        Ok(_) => Ok("it is no socket of this user, left alone".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok("gone already".to_owned()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn ended(what: &str, report: &ShutdownReport) -> Result<String, String> {
    let ShutdownReport {
        ended,
        killed,
        left,
        left_out: _,
    } = report;
    if left.is_empty() {
        Ok(format!("{what}: {ended} ended, {killed} had to be killed"))
    } else {
        Err(format!("{what}: {left:?} are still there"))
    }
}

fn resume(identity: ProcessIdentity) -> Result<String, String> {
    let pid = identity.pid;
    let result = ProcessHandle::open(identity).and_then(|handle| {
        refuse(pid, Owner::Squall, None)?;
        handle.signal(Signal::CONT)?;
        Ok(handle)
    });
    match result {
        Ok(handle) => {
            let running = |state| !is_stopped(state);
            if handle.reaches_within(running, CONTINUE_DEADLINE) {
                Ok(format!("process {pid} runs again"))
            } else {
                Err(format!("process {pid} is still stopped"))
            }
        }
        Err(FaultError::ProcessGone { .. }) => Ok(format!("process {pid} is gone already")),
        Err(error) => Err(error.to_string()),
    }
}

/// Continues everything of an instance, whether or not its root still lives.
fn resume_all(origin: &Origin) -> Result<String, String> {
    let pid = origin.root.pid;
    let handles = refuse(pid, Owner::Squall, None)
        .and_then(|()| resume_members(origin))
        .map_err(|error| error.to_string())?;
    let running = |state| !is_stopped(state);
    let stuck = |handle: &&ProcessHandle| !handle.reaches_within(running, CONTINUE_DEADLINE);
    match handles.iter().find(stuck) {
        Some(stuck) => Err(format!(
            "process {} of group {pid} is still stopped",
            stuck.identity.pid
        )),
        None if handles.is_empty() => Ok(format!("group {pid} is gone already")),
        None => Ok(format!(
            "group {pid} runs again, {} processes",
            handles.len()
        )),
    }
}

/// Ends everything `find` names: SIGTERM, `grace`, SIGKILL, and again for what
/// appeared meanwhile. An error says why it is not known what is left.
pub(crate) fn end_all(find: impl Fn() -> Found, grace: Duration) -> Result<ShutdownReport, String> {
    end_each(find, |_| grace, || false)
}

/// The same with a grace for each process, and at most [`TERM_GRACE`] more for
/// all of them once it is `hurried`.
pub(crate) fn end_each(
    find: impl Fn() -> Found,
    grace_of: impl Fn(&ProcessIdentity) -> Duration,
    hurried: impl Fn() -> bool,
) -> Result<ShutdownReport, String> {
    let first = look(&find)?;
    for handle in &first {
        signal_quietly(handle, Signal::TERM);
        // A stopped process acts on SIGTERM only once it is continued.
        signal_quietly(handle, Signal::CONT);
    }
    let asked: HashSet<ProcessIdentity> = first.iter().map(|handle| handle.identity).collect();
    let mut killed = kill_when_due(&first, grace_of, hurried);
    let mut signalled = first;
    let deadline = Instant::now() + KILL_DEADLINE;
    loop {
        let mut left = look(&find)?;
        // One that is about to end has given up its environment already, and
        // what is found by that is not found any more.
        signalled.retain(|handle| {
            let found = left.iter().any(|known| known.identity == handle.identity);
            !found && !handle.ended_within(Duration::ZERO)
        });
        left.append(&mut signalled);
        if left.is_empty() || Instant::now() >= deadline {
            return Ok(ShutdownReport {
                ended: asked.difference(&killed).count() as u32,
                killed: killed.len() as u32,
                left: left.iter().map(|handle| handle.identity.pid).collect(),
                left_out: Vec::new(),
            });
        }
        for handle in &left {
            signal_quietly(handle, Signal::KILL);
            killed.insert(handle.identity);
        }
        wait_all(&left, Duration::from_millis(200));
        signalled = left;
    }
}

/// Waits for the end of each within its own grace, and kills it when that is
/// over; returns whom.
fn kill_when_due(
    handles: &[ProcessHandle],
    grace_of: impl Fn(&ProcessIdentity) -> Duration,
    hurried: impl Fn() -> bool,
) -> HashSet<ProcessIdentity> {
    let begun = Instant::now();
    let mut hurried_at = None;
    let graces = handles.iter().map(|handle| grace_of(&handle.identity));
    let mut waiting: Vec<(&ProcessHandle, Duration)> = handles.iter().zip(graces).collect();
    let mut killed = HashSet::new();
    loop {
        if hurried_at.is_none() && hurried() {
            hurried_at = Some(begun.elapsed());
        }
        let last = hurried_at.map_or(Duration::MAX, |at| at + TERM_GRACE);
        waiting.retain(|(handle, grace)| {
            if handle.ended_within(Duration::ZERO) {
                return false;
            }
            let due = begun.elapsed() >= (*grace).min(last);
            if due {
                signal_quietly(handle, Signal::KILL);
                killed.insert(handle.identity);
            }
            !due
        });
        // The first that ends or is due; none of them waits for another.
        let Some((handle, _)) = waiting.first() else {
            return killed;
        };
        let due = waiting.iter().map(|(_, grace)| *grace).min();
        let rest = due.unwrap_or_default().saturating_sub(begun.elapsed());
        handle.ended_within(rest.min(LOOK_EVERY));
    }
}

/// Finds and opens those that are alive and may be touched. Where nothing can
/// be opened, tries for a while: descriptors come back.
fn look(find: &impl Fn() -> Found) -> Result<Vec<ProcessHandle>, String> {
    let deadline = Instant::now() + KILL_DEADLINE;
    loop {
        match find().and_then(|found| open_all(&found)) {
            Err(_) if Instant::now() < deadline => pause(LOOK_EVERY),
            looked => return looked,
        }
    }
}

fn open_all(identities: &[ProcessIdentity]) -> Result<Vec<ProcessHandle>, String> {
    let allowed = |identity: &&ProcessIdentity| refuse(identity.pid, Owner::Squall, None).is_ok();
    let opened =
        identities.iter().filter(allowed).filter_map(|identity| {
            match ProcessHandle::open(*identity) {
                Err(FaultError::ProcessGone { .. }) => None,
                opened => Some(opened.map_err(|error| error.to_string())),
            }
        });
    opened.collect()
}

/// A process that is gone needs no signal; one that may not be signalled shows
/// up again when it is counted.
fn signal_quietly(handle: &ProcessHandle, signal: Signal) {
    if let Err(error) = handle.signal(signal) {
        tracing::debug!(pid = handle.identity.pid, %error, "signal not sent");
    }
}

fn wait_all(handles: &[ProcessHandle], within: Duration) {
    let deadline = Instant::now() + within;
    for handle in handles {
        handle.ended_within(deadline.saturating_duration_since(Instant::now()));
    }
}

/// Living processes that carry the mark of a run.
pub(crate) fn marked(mark: &str) -> Found {
    let processes = procfs::process::all_processes().map_err(|error| error.to_string())?;
    let found = processes
        .filter_map(|process| u32::try_from(process.ok()?.pid()).ok())
        .filter(|pid| carries_mark(*pid, mark))
        .filter_map(|pid| ProcessIdentity::of(pid).ok())
        .filter(ProcessIdentity::is_alive);
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::process::Command;

    use super::*;

    /// A process that ends frees its memory, and its environment with it,
    /// before it is gone.
    #[test]
    fn what_is_not_found_any_more_is_waited_for_all_the_same() {
        for _ in 0..20 {
            let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
            let identity = ProcessIdentity::of(child.id()).unwrap();
            let looked = Cell::new(false);
            let once = || match looked.replace(true) {
                false => Ok(vec![identity]),
                true => Ok(Vec::new()),
            };
            let report = end_all(once, Duration::ZERO).unwrap();
            assert!(!identity.is_alive(), "{report:?}");
            assert_eq!((report.killed + report.ended, report.left), (1, Vec::new()));
            child.wait().unwrap();
        }
    }

    /// Where nobody can look, nothing is known to have ended.
    #[test]
    fn what_could_not_be_looked_for_is_not_called_ended() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let identity = ProcessIdentity::of(child.id()).unwrap();
        let blind = || Err("no descriptor".to_owned());
        assert_eq!(end_all(blind, Duration::ZERO).unwrap_err(), "no descriptor");
        let looks = Cell::new(0);
        let recovers = || {
            looks.set(looks.get() + 1);
            match looks.get() {
                1 => Err("no descriptor".to_owned()),
                _ => Ok(vec![identity]
                    .into_iter()
                    .filter(|who| who.is_alive())
                    .collect()),
            }
        };
        let report = end_all(recovers, Duration::ZERO).unwrap();
        assert_eq!((report.killed + report.ended, report.left), (1, Vec::new()));
        assert!(!identity.is_alive());
        child.wait().unwrap();
    }
}
