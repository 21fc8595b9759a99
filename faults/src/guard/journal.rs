//! The write-ahead undo journal: intent and inverse are on disk before the
//! effect.
//!
//! One file per run, one JSON value per line, only ever appended to. Squall
//! writes the header and the undos; whoever performs an undo (squall, its
//! guardian, `recover`) appends that it is done.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::run_mark::RunMark;
use crate::ProcessIdentity;
use crate::resource::{LoweredLimit, Pen};

/// A journal larger than this is not read; a run writes some hundred bytes per
/// injection.
const SIZE_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Identifies an entry within its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryId(pub u64);

/// What undoes an effect. A closed set: a file can ask for nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Inverse {
    /// Continue a stopped process.
    Continue(ProcessIdentity),
    /// Continue an instance of this run.
    ContinueGroup {
        /// The process that the guardian started: the root of an
        /// [`Origin`](crate::Origin).
        leader: ProcessIdentity,
        /// The mark of that start. It finds what belongs to it once the root
        /// is gone.
        mark: String,
    },
    /// End a process.
    EndProcess(ProcessIdentity),
    /// End every process that carries this run's mark in its environment: the
    /// system under test, wherever its processes went.
    EndMarked {
        /// The mark, see [`Journal::mark`].
        mark: String,
    },
    /// Remove a socket of this user that nobody listens on any more. Whatever
    /// else has that name is left alone.
    RemoveSocket(PathBuf),
    /// Give a limit back that was lowered on running processes.
    LiftLimit(LoweredLimit),
    /// Let processes go back where they were, and remove the cgroup that they were
    /// put into.
    OpenPen(Pen),
}

/// The journal could not be written or read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Neither `XDG_STATE_HOME` nor `HOME` is set.
    #[error("neither XDG_STATE_HOME nor HOME is set, so there is no place for the undo journal")]
    NoStateHome,
    /// The run id would make a bad file name.
    #[error("`{0}` cannot be a run id: 1 to 128 letters, digits, `-`, `_`, `.`, not `.` first")]
    BadRunId(String),
    /// Others could put journals into the folder, or take them away.
    #[error(
        "{path}: {why}, so undo journals in it cannot be trusted; make it a folder of your own \
         (`chmod 700`), or set XDG_STATE_HOME to one"
    )]
    Untrusted {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file or folder could not be used.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl JournalError {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Line {
    /// The first line: whose journal this is.
    Header(Header),
    /// The guardian of the run.
    Guardian(ProcessIdentity),
    /// Something is about to be done that this undoes.
    Undo(Undo),
    /// That undo is done.
    Done(EntryId),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) run_id: String,
    /// Process numbers and start times mean nothing after a reboot.
    pub(crate) boot_id: String,
    /// The squall process.
    pub(crate) owner: ProcessIdentity,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Undo {
    pub(crate) id: EntryId,
    pub(crate) intent: String,
    pub(crate) inverse: Inverse,
}

/// One run's journal, open for writing. Dropping it leaves the file in place;
/// [`Journal::close`] removes it when nothing is pending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    run_id: String,
    mark: String,
    run_folder: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    next_id: u64,
    pending: Vec<EntryId>,
}

impl Journal {
    /// `$XDG_STATE_HOME/squall/undo`, or `~/.local/state/squall/undo`.
    ///
    /// # Errors
    /// [`JournalError::NoStateHome`].
    pub fn default_dir() -> Result<PathBuf, JournalError> {
        let absolute = |name: &str| {
            let path = PathBuf::from(std::env::var_os(name)?);
            path.is_absolute().then_some(path)
        };
        let state = absolute("XDG_STATE_HOME")
            .or_else(|| Some(absolute("HOME")?.join(".local/state")))
            .ok_or(JournalError::NoStateHome)?;
        Ok(state.join("squall/undo"))
    }

    /// Creates `<dir>/<run_id>.ndjson` (mode 0600, folder 0700) and writes who
    /// owns it. Blocks on the disk.
    ///
    /// # Errors
    /// See [`JournalError`]; an existing file is never overwritten.
    pub fn create(dir: &Path, run_id: &str) -> Result<Self, JournalError> {
        if !is_run_id(run_id) {
            return Err(JournalError::BadRunId(run_id.to_owned()));
        }
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(dir).map_err(JournalError::at(dir))?;
        check_folder(dir)?;
        let path = dir.join(format!("{run_id}.ndjson"));
        let header = header(run_id).map_err(JournalError::at(&path))?;
        let mark = RunMark::of(run_id, header.owner, dir).to_string();
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(0o600);
        let mut file = options.open(&path).map_err(JournalError::at(&path))?;
        append(&mut file, &Line::Header(header))
            .and_then(|()| file.sync_all())
            .map_err(JournalError::at(&path))?;
        // The name must survive a power cut as well as the contents.
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(JournalError::at(dir))?;
        Ok(Self {
            path,
            run_id: run_id.to_owned(),
            mark,
            run_folder: None,
            state: Mutex::new(State {
                file,
                next_id: 1,
                pending: Vec::new(),
            }),
        })
    }

    /// Says where else the run writes, which no fault may make impossible.
    #[must_use]
    pub fn for_run_in(self, folder: PathBuf) -> Self {
        let run_folder = Some(folder);
        Self { run_folder, ..self }
    }

    /// Where else the run writes, if that was said.
    #[must_use]
    pub fn run_folder(&self) -> Option<&Path> {
        self.run_folder.as_deref()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// What marks every process of the run in its environment. Two runs never
    /// share a mark, even if they were given the same id.
    #[must_use]
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Puts an undo on disk before its effect; returns when it is durable.
    /// Blocks on the disk for some milliseconds.
    ///
    /// # Errors
    /// It is not on disk, so the effect must not be caused.
    pub fn record(&self, intent: &str, inverse: Inverse) -> Result<EntryId, JournalError> {
        let mut state = self.lock();
        let id = EntryId(state.next_id);
        state.next_id += 1;
        let undo = Undo {
            id,
            intent: intent.to_owned(),
            inverse,
        };
        append(&mut state.file, &Line::Undo(undo))
            .and_then(|()| state.file.sync_data())
            .map_err(JournalError::at(&self.path))?;
        state.pending.push(id);
        Ok(id)
    }

    /// [`Journal::record`] on a thread that may block.
    pub(crate) async fn record_off_runtime(
        journal: &Arc<Self>,
        intent: String,
        inverse: Inverse,
    ) -> Result<EntryId, JournalError> {
        let worker = Arc::clone(journal);
        let task = tokio::task::spawn_blocking(move || worker.record(&intent, inverse));
        task.await
            .map_err(io::Error::other)
            .map_err(JournalError::at(&journal.path))?
    }

    /// Notes who guards the run.
    pub(crate) fn guarded_by(&self, guardian: ProcessIdentity) -> Result<(), JournalError> {
        append(&mut self.lock().file, &Line::Guardian(guardian))
            .map_err(JournalError::at(&self.path))
    }

    /// Marks an undo as done (or not needed). Not synced, and a disk that takes
    /// nothing more does not matter: the file goes when the run ends, and
    /// replaying an undo that was done already does no harm.
    pub fn done(&self, entry: EntryId) {
        let mut state = self.lock();
        if let Err(error) = append(&mut state.file, &Line::Done(entry)) {
            tracing::warn!(%error, "a finished undo stays in the journal");
        }
        state.pending.retain(|id| *id != entry);
    }

    /// Removes the file when nothing is pending; returns how many undos are.
    ///
    /// # Errors
    /// The file could not be removed.
    pub fn close(&self) -> Result<usize, JournalError> {
        let pending = self.lock().pending.len();
        if pending == 0 {
            remove(&self.path)?;
        }
        Ok(pending)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A journal as read from disk.
#[derive(Debug, Clone)]
pub(crate) struct Contents {
    pub(crate) header: Option<Header>,
    pub(crate) guardian: Option<ProcessIdentity>,
    pub(crate) pending: BTreeMap<EntryId, Undo>,
    /// Lines that were cut: what they announce never happened, for a line is
    /// whole before its effect.
    pub(crate) cut_lines: usize,
    /// Lines that say something unknown, or nothing any more.
    pub(crate) unreadable_lines: usize,
}

/// Refuses a folder that others may write to. One that is not there is fine.
pub(crate) fn check_folder(dir: &Path) -> Result<(), JournalError> {
    let metadata = match std::fs::symlink_metadata(dir) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(JournalError::at(dir)(error)),
    };
    let mode = metadata.mode() & 0o7777;
    let why = if metadata.is_symlink() {
        "it is a symbolic link".to_owned()
    } else if !metadata.is_dir() {
        "it is not a folder".to_owned()
    } else if metadata.uid() != rustix::process::geteuid().as_raw() {
        format!("it belongs to user {}", metadata.uid())
    } else if mode & 0o022 != 0 {
        format!("its mode is {mode:04o}, so others may write to it")
    } else {
        return Ok(());
    };
    Err(JournalError::Untrusted {
        path: dir.to_owned(),
        why,
    })
}

/// Reads a journal of this user that nobody else can touch. The outer error is
/// the disk's, the inner one says why the file is not trusted.
pub(crate) fn read(path: &Path) -> io::Result<Result<Contents, String>> {
    let mut options = OpenOptions::new();
    // A link, or a pipe that would block, is not a journal.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.read(true).custom_flags(flags.bits().cast_signed());
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Ok(Err("it is a symbolic link".to_owned()));
        }
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let own_uid = rustix::process::geteuid().as_raw();
    if !metadata.is_file() {
        return Ok(Err("it is not a regular file".to_owned()));
    } else if metadata.uid() != own_uid {
        return Ok(Err(format!("it belongs to user {}", metadata.uid())));
    } else if metadata.mode() & 0o7777 != 0o600 {
        let mode = metadata.mode() & 0o7777;
        return Ok(Err(format!("its mode is {mode:04o}, not 0600")));
    } else if metadata.len() > SIZE_MAX_BYTES {
        return Ok(Err(format!("it has more than {SIZE_MAX_BYTES} bytes")));
    }
    let mut bytes = Vec::new();
    file.take(SIZE_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(Ok(parse(&bytes)))
}

fn parse(bytes: &[u8]) -> Contents {
    let mut contents = Contents {
        header: None,
        guardian: None,
        pending: BTreeMap::new(),
        cut_lines: 0,
        unreadable_lines: 0,
    };
    let lines = bytes.split(|byte| *byte == b'\n');
    for (number, line) in lines.filter(|line| !line.is_empty()).enumerate() {
        match serde_json::from_slice(line) {
            Ok(Line::Header(header)) if number == 0 => contents.header = Some(header),
            Ok(Line::Guardian(guardian)) => contents.guardian = Some(guardian),
            Ok(Line::Undo(undo)) => {
                contents.pending.insert(undo.id, undo);
            }
            Ok(Line::Done(id)) => {
                contents.pending.remove(&id);
            }
            Err(error) if error.is_eof() => contents.cut_lines += 1,
            Ok(Line::Header(_)) | Err(_) => contents.unreadable_lines += 1,
        }
    }
    contents
}

/// Appends that undos are done; for whoever is not the owner.
pub(crate) fn append_done(path: &Path, ids: &[EntryId]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    ids.iter()
        .try_for_each(|id| append(&mut file, &Line::Done(*id)))
}

/// Removes a journal; one that is gone is fine.
pub(crate) fn remove(path: &Path) -> Result<(), JournalError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(JournalError::at(path)(error)),
        _ => Ok(()),
    }
}

/// Identifies the running kernel.
pub(crate) fn boot_id() -> io::Result<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(text.trim().to_owned())
}

fn header(run_id: &str) -> io::Result<Header> {
    Ok(Header {
        version: 1,
        run_id: run_id.to_owned(),
        boot_id: boot_id()?,
        owner: ProcessIdentity::own()?,
    })
}

/// One line in one write, so that two writers never mix within a line. It
/// begins with a line feed of its own: an unfinished line before it (a full
/// disk, a dead writer) must not swallow it.
fn append(file: &mut impl Write, line: &Line) -> io::Result<()> {
    let mut bytes = vec![b'\n'];
    serde_json::to_writer(&mut bytes, line)?;
    bytes.push(b'\n');
    file.write_all(&bytes)
}

fn is_run_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=128).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests;
