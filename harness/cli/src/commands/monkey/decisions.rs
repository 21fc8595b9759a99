//! The decision log of a monkey: one at a time may write it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use squall_faults::Journal;
use squall_faults::monkey::{Entry, History};
use squall_judge::RunOutcome;

/// Largest log that is read: a century of many groups.
const LOG_BYTES_MAX: u64 = 256 << 20;

/// Where decisions go when the file does not say: `$XDG_STATE_HOME/squall/monkey`.
pub(super) fn default_path(name: &str) -> Result<PathBuf, (RunOutcome, String)> {
    let undo = Journal::default_dir().map_err(|error| (RunOutcome::NotReady, error.to_string()))?;
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = name.chars().map(plain).collect();
    let state = undo.parent().unwrap_or(&undo);
    Ok(state.join("monkey").join(format!("{name}.ndjson")))
}

/// What was decided so far; nothing where there is no log.
pub(super) fn history(path: &Path) -> Result<History, (RunOutcome, String)> {
    match std::fs::read(path) {
        Ok(text) => parsed(path, &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(History::default()),
        Err(error) => Err(failed(path, &error)),
    }
}

fn parsed(path: &Path, text: &[u8]) -> Result<History, (RunOutcome, String)> {
    History::read(text).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, why: &dyn std::fmt::Display) -> (RunOutcome, String) {
    (RunOutcome::NotReady, format!("{}: {why}", path.display()))
}

/// A decision log, held until this is dropped.
#[derive(Debug)]
pub(super) struct Decisions(File);

impl Decisions {
    /// Opens the log and takes it for this monkey alone. A line that was being
    /// written when the last one died is taken away: it was not on record.
    pub(super) fn open(path: &Path) -> Result<(Self, History), (RunOutcome, String)> {
        if let Some(folder) = path.parent() {
            let mut builder = DirBuilder::new();
            let made = builder.recursive(true).mode(0o700).create(folder);
            made.map_err(|error| failed(folder, &error))?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut log = options.open(path).map_err(|error| failed(path, &error))?;
        match flock(&log, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(failed(path, &"another monkey writes its decisions there"));
            }
            Err(error) => return Err(failed(path, &error)),
        }
        let mut text = Vec::new();
        let read = Read::take(&mut log, LOG_BYTES_MAX).read_to_end(&mut text);
        let bytes = read.map_err(|error| failed(path, &error))?;
        if bytes as u64 == LOG_BYTES_MAX {
            return Err(failed(path, &"it is too long to be read; move it away"));
        }
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let history = parsed(path, &text[..whole])?;
        if whole < text.len() {
            log.set_len(whole as u64)
                .map_err(|error| failed(path, &error))?;
        }
        Ok((Self(log), history))
    }

    /// Writes a decision, and waits until it is on the disk.
    pub(super) fn write(&self, entry: &Entry) -> Result<(), String> {
        let mut line = serde_json::to_vec(entry).map_err(|error| error.to_string())?;
        line.push(b'\n');
        let mut log = &self.0;
        log.write_all(&line).map_err(|error| error.to_string())?;
        log.sync_data().map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use squall_faults::monkey::{Decision, Last};

    use super::*;

    fn kill(day: &str) -> Entry {
        Entry {
            at: "2026-11-30T10:00:00Z".parse().unwrap(),
            group: "a".to_owned(),
            day: day.to_owned(),
            due: None,
            decision: Decision::Kill {
                instance: "a-0".to_owned(),
                pid: 7,
            },
        }
    }

    /// Opens a log that nobody holds. A program that another test starts has it
    /// too, until it has become that program.
    async fn open(path: &Path) -> (Decisions, History) {
        loop {
            match Decisions::open(path) {
                Err((_, why)) if why.contains("another monkey") => {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                opened => return opened.unwrap(),
            }
        }
    }

    #[tokio::test]
    async fn a_log_is_one_monkeys_and_outlives_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/log.ndjson");
        let (log, history) = Decisions::open(&path).unwrap();
        assert_eq!(history.last("a"), Last::default());
        log.write(&kill("2026-11-30")).unwrap();
        let (_, why) = Decisions::open(&path).unwrap_err();
        assert!(why.contains("another monkey"), "{why}");
        drop(log);
        // It died in the middle of a line.
        let mut torn = OpenOptions::new().append(true).open(&path).unwrap();
        torn.write_all(b"{\"at\":\"2026-12-0").unwrap();
        let (log, history) = open(&path).await;
        assert_eq!(history.last("a").kill, "2026-11-30".parse().ok());
        log.write(&kill("2026-12-01")).unwrap();
        let last = super::history(&path).unwrap().last("a");
        assert_eq!(last.kill, "2026-12-01".parse().ok());
    }

    #[test]
    fn a_log_that_is_none_stops_the_monkey() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.ndjson");
        std::fs::write(&path, "not a decision\n").unwrap();
        assert!(Decisions::open(&path).is_err());
        assert!(super::history(&path).is_err());
        let nothing = super::history(&dir.path().join("none")).unwrap();
        assert_eq!(nothing, History::default());
    }
}
