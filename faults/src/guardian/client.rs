//! The asynchronous side: squall's handle on its guardian.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{broadcast, oneshot};
use tokio::time::timeout;

use super::protocol::{
    Answer, Ask, Exited, GroupSignal, Notice, RUN_MARK, Request, ShutdownReport, SpawnRequest,
    Spawned,
};
use crate::{EntryId, Inverse, Journal, JournalError, ProcessIdentity};

/// How long the guardian may take for what it does at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take beyond a grace: killing, counting, exiting.
const BEYOND_GRACE: Duration = Duration::from_secs(5);
/// Exits a slow reader may lag behind.
const EXITS_KEPT: usize = 1024;

/// The guardian could not be started or did not do as asked.
#[derive(Debug, Error)]
pub enum GuardianError {
    /// The executable could not be started, or is no guardian.
    #[error("the guardian could not be started: {0}")]
    Start(#[source] io::Error),
    /// The journal refused.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The guardian is gone.
    #[error("the guardian is gone; processes it started may be left, `squall recover` ends them")]
    Gone,
    /// The guardian did not answer in time.
    #[error("the guardian did not answer within {within_ms} ms")]
    Silent {
        /// How long was waited.
        within_ms: u64,
    },
    /// The guardian could not do it; for instance the program was not found.
    #[error("{0}")]
    Refused(String),
}

/// A handle on a running guardian; cheap to clone. When the last handle is
/// dropped, or squall dies, the guardian ends everything it started.
#[derive(Debug, Clone)]
pub struct GuardianClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    identity: ProcessIdentity,
    journal: Arc<Journal>,
    /// The journal's entry for everything the guardian starts.
    entry: EntryId,
    requests: tokio::sync::Mutex<OwnedWriteHalf>,
    next_id: AtomicU64,
    listening: Arc<Mutex<Listening>>,
    process: Mutex<Option<Child>>,
}

/// Who listens to the guardian; emptied when it is gone.
#[derive(Debug)]
struct Listening {
    answers: HashMap<u64, oneshot::Sender<Answer>>,
    exits: Option<broadcast::Sender<Exited>>,
}

impl GuardianClient {
    /// Starts `exe args… --journal PATH` in a session of its own and waits
    /// until it answers.
    ///
    /// # Errors
    /// See [`GuardianError`].
    pub async fn start(
        exe: &Path,
        args: &[OsString],
        journal: &Arc<Journal>,
    ) -> Result<Self, GuardianError> {
        let mark = journal.mark().to_owned();
        let intent = "start the system under test".to_owned();
        let inverse = Inverse::EndMarked { mark };
        let entry = Journal::record_off_runtime(journal, intent, inverse).await?;
        let (socket, process) = launch(exe, args, journal.path()).map_err(GuardianError::Start)?;
        let (read, write) = socket.into_split();
        let mut lines = BufReader::new(read).lines();
        let identity = timeout(ANSWER_WITHIN, ready(&mut lines))
            .await
            .map_err(|_| silent(ANSWER_WITHIN))?
            .map_err(GuardianError::Start)?;
        journal.guarded_by(identity)?;
        let listening = Arc::new(Mutex::new(Listening {
            answers: HashMap::new(),
            exits: Some(broadcast::channel(EXITS_KEPT).0),
        }));
        tokio::spawn(listen(lines, Arc::clone(&listening)));
        Ok(Self(Arc::new(Inner {
            identity,
            journal: Arc::clone(journal),
            entry,
            requests: tokio::sync::Mutex::new(write),
            next_id: AtomicU64::new(0),
            listening,
            process: Mutex::new(Some(process)),
        })))
    }

    /// Who the guardian is.
    #[must_use]
    pub fn identity(&self) -> ProcessIdentity {
        self.0.identity
    }

    /// Starts a process in its own process group, marked as the run's.
    ///
    /// # Errors
    /// [`GuardianError::Refused`] when it cannot be started or the key is taken.
    pub async fn spawn(&self, mut request: SpawnRequest) -> Result<Spawned, GuardianError> {
        let mark = self.0.journal.mark().to_owned();
        request.env.insert(RUN_MARK.to_owned(), mark);
        match self.ask(Ask::Spawn(request), ANSWER_WITHIN).await? {
            Answer::Spawned(spawned) => Ok(spawned),
            other => Err(unexpected(other)),
        }
    }

    /// Signals the process group of `key`.
    ///
    /// # Errors
    /// [`GuardianError::Refused`] when there is no such process.
    pub async fn signal(&self, key: &str, signal: GroupSignal) -> Result<(), GuardianError> {
        let key = key.to_owned();
        self.done(Ask::Signal { key, signal }, ANSWER_WITHIN).await
    }

    /// SIGTERM, `grace`, then SIGKILL to the process group of `key`; returns
    /// when it has ended. A process that has ended already is fine.
    ///
    /// # Errors
    /// See [`GuardianError`].
    pub async fn terminate(&self, key: &str, grace: Duration) -> Result<(), GuardianError> {
        let ask = Ask::Terminate {
            key: key.to_owned(),
            grace_ms: millis(grace),
        };
        self.done(ask, grace + BEYOND_GRACE).await
    }

    /// Every end of a started process from now on; subscribe before you spawn.
    /// Closed when the guardian is gone.
    #[must_use]
    pub fn exits(&self) -> broadcast::Receiver<Exited> {
        let listening = lock(&self.0.listening);
        let sender = listening.exits.as_ref();
        sender.map_or_else(|| broadcast::channel(1).1, broadcast::Sender::subscribe)
    }

    /// Ends everything (SIGCONT, SIGTERM, `grace`, SIGKILL), descendants that
    /// went astray included, then the guardian itself.
    ///
    /// # Errors
    /// See [`GuardianError`].
    pub async fn shutdown(&self, grace: Duration) -> Result<ShutdownReport, GuardianError> {
        let within = grace + BEYOND_GRACE;
        let grace_ms = millis(grace);
        let report = match self.ask(Ask::Shutdown { grace_ms }, within).await? {
            Answer::Report(report) => report,
            other => return Err(unexpected(other)),
        };
        if report.left.is_empty() {
            self.0.journal.done(self.0.entry)?;
        }
        let process = lock(&self.0.process).take();
        if let Some(mut process) = process {
            let reaped = tokio::task::spawn_blocking(move || process.wait());
            let reaped = timeout(BEYOND_GRACE, reaped).await;
            reaped.map_err(|_| silent(BEYOND_GRACE))?.map_or_else(
                |error| Err(GuardianError::Start(io::Error::other(error))),
                |_| Ok(()),
            )?;
        }
        Ok(report)
    }

    async fn done(&self, ask: Ask, within: Duration) -> Result<(), GuardianError> {
        match self.ask(ask, within).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    async fn ask(&self, ask: Ask, within: Duration) -> Result<Answer, GuardianError> {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        {
            let mut listening = lock(&self.0.listening);
            if listening.exits.is_none() {
                return Err(GuardianError::Gone);
            }
            listening.answers.insert(id, answer);
        }
        let exchange = async {
            let mut line = serde_json::to_vec(&Request { id, ask }).map_err(io::Error::from)?;
            line.push(b'\n');
            self.0.requests.lock().await.write_all(&line).await?;
            answered.await.map_err(io::Error::other)
        };
        let result = timeout(within, exchange).await;
        lock(&self.0.listening).answers.remove(&id);
        match result {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(GuardianError::Gone),
            Err(_) => Err(silent(within)),
        }
    }
}

/// Starts the guardian with one end of a socket as its standard input.
fn launch(exe: &Path, args: &[OsString], journal: &Path) -> io::Result<(UnixStream, Child)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let process = Command::new(exe)
        .args(args)
        .arg("--journal")
        .arg(journal)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok((UnixStream::from_std(ours)?, process))
}

type NoticeLines = Lines<BufReader<OwnedReadHalf>>;

async fn next(lines: &mut NoticeLines) -> io::Result<Option<Notice>> {
    match lines.next_line().await? {
        Some(line) => Ok(Some(serde_json::from_str(&line)?)),
        None => Ok(None),
    }
}

async fn ready(lines: &mut NoticeLines) -> io::Result<ProcessIdentity> {
    match next(lines).await? {
        Some(Notice::Ready(identity)) => Ok(identity),
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
        None => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "it ended before it was ready; is the executable one with a guardian?",
        )),
    }
}

/// Hands on what the guardian says until it is gone.
async fn listen(mut lines: NoticeLines, listening: Arc<Mutex<Listening>>) {
    while let Ok(Some(notice)) = next(&mut lines).await {
        let mut listening = lock(&listening);
        match notice {
            Notice::Ready(_) => {}
            Notice::Answer { id, answer } => {
                let waiting = listening.answers.remove(&id);
                // One who gave up waiting has been told so already.
                let _ = waiting.map(|waiting| waiting.send(answer));
            }
            Notice::Exited(exited) => {
                // Nobody need listen.
                let _ = listening.exits.as_ref().map(|exits| exits.send(exited));
            }
        }
    }
    let mut listening = lock(&listening);
    listening.answers.clear();
    listening.exits = None;
}

fn unexpected(answer: Answer) -> GuardianError {
    match answer {
        Answer::Refused(why) => GuardianError::Refused(why),
        other => GuardianError::Refused(format!("the guardian answered {other:?}")),
    }
}

fn silent(within: Duration) -> GuardianError {
    GuardianError::Silent {
        within_ms: millis(within),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
