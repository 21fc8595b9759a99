//! How squall starts its guardian and meets it.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::error::{GuardianError, silent};
use super::protocol::Notice;
use super::{reaping, words};
use crate::{Journal, ProcessIdentity};

/// How long the guardian may take for what it does at once.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take beyond a grace: killing, counting, exiting.
pub(super) const BEYOND_GRACE: Duration = Duration::from_secs(5);

/// A guardian that said it is ready.
pub(super) struct Met {
    pub(super) identity: ProcessIdentity,
    pub(super) notices: NoticeLines,
    pub(super) requests: OwnedWriteHalf,
    pub(super) process: Child,
    pub(super) complaints: mpsc::Receiver<String>,
}

/// Starts a guardian and waits until it is ready. When this fails, it is ended.
pub(super) async fn meet(
    exe: &Path,
    args: &[OsString],
    journal: &Journal,
) -> Result<Met, GuardianError> {
    let launched = launch(exe, args, journal.path()).map_err(GuardianError::Start)?;
    let (socket, said, mut process) = launched;
    let (sender, complaints) = mpsc::channel(words::COMPLAINTS_MAX);
    // Ends with the guardian.
    tokio::spawn(words::listen(said, sender));
    let (read, requests) = socket.into_split();
    let mut notices = BufReader::new(read).lines();
    let answer = timeout(ANSWER_WITHIN, ready(&mut notices)).await;
    let identity = match answer {
        Ok(answer) => answer.map_err(GuardianError::Start),
        Err(_) => Err(silent(ANSWER_WITHIN)),
    };
    let noted = identity.and_then(|who| Ok(journal.guarded_by(who).map(|()| who)?));
    match noted {
        Ok(identity) => Ok(Met {
            identity,
            notices,
            requests,
            process,
            complaints,
        }),
        Err(error) => {
            // It may have ended already; the cause above is what matters.
            let _ = process.kill();
            let _ = reap(process).await;
            Err(error)
        }
    }
}

/// Waits for the end of a guardian.
pub(super) async fn reap(process: Child) -> Result<(), GuardianError> {
    match timeout(BEYOND_GRACE, reaping::reap(process)).await {
        Ok(reaped) => reaped.map_err(GuardianError::Start),
        Err(_) => Err(silent(BEYOND_GRACE)),
    }
}

/// Starts the guardian with one end of a socket as its standard input and one of
/// a pipe as its standard error.
fn launch(
    exe: &Path,
    args: &[OsString],
    journal: &Path,
) -> io::Result<(UnixStream, Receiver, Child)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    let (said, to_say) = words::pipe()?;
    ours.set_nonblocking(true)?;
    let process = Command::new(exe)
        .args(args)
        .arg("--journal")
        .arg(journal)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::from(to_say))
        .spawn()?;
    Ok((UnixStream::from_std(ours)?, said, process))
}

/// What a guardian sends, line by line.
pub(super) type NoticeLines = Lines<BufReader<OwnedReadHalf>>;

/// The next thing it sends; `None` when it is gone.
pub(super) async fn next(lines: &mut NoticeLines) -> io::Result<Option<Notice>> {
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
