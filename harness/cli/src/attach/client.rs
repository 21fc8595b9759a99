//! The side of the watcher: the record as it grows, the socket beside it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use crate::live_feed::request;
use rustix::fd::AsRawFd;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use squall_dashboard::keys::KeyMap;
use squall_dashboard::model::Model;
use squall_dashboard::terminal::Feed;
use squall_dashboard::update::{Command, Message, update};
use squall_harness::experiment::Control;
use squall_judge::Verdict;
use squall_record::store::RecordTail;

use super::{LINE_BYTES_MAX, PROTOCOL_VERSION, SOCKET_FILE, Said, Told, is_trusted, line};

/// How long the run may take to take a line.
const PATIENCE: Duration = Duration::from_secs(2);
/// Lines of the run that may wait for the screen.
const WAITING_MAX: usize = 64;
/// Chunks of the record taken per frame: a long run is caught up with without
/// the screen standing still.
const CHUNKS_PER_FRAME: usize = 4;

/// Connects to the run in `dir`.
///
/// # Errors
/// Nobody listens there, or somebody who is not to be trusted: the socket is a
/// link or another user's. A run that does not come to answer is not waited for.
pub fn connect(dir: &Path, control: bool) -> io::Result<UnixStream> {
    let path = dir.join(SOCKET_FILE);
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(&path, flags, Mode::empty())?;
    let found = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(io::Error::other("its attach.sock is no socket"));
    }
    // The very socket that was looked at, whatever its name leads to by now.
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(name)?)?;
    if !is_trusted(rustix::net::sockopt::socket_peercred(&socket)?.uid) {
        return Err(io::Error::other("another user listens there"));
    }
    let mut stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let version = PROTOCOL_VERSION;
    stream.write_all(&line(&Said::Watch { version, control }))?;
    Ok(stream)
}

/// Follows a run of another process.
pub struct AttachedFeed {
    record: RecordTail,
    told: Receiver<Told>,
    stream: UnixStream,
    /// Why nothing more comes, in words.
    pub ended: Option<String>,
    /// What the run was judged to be, once it was.
    pub verdict: Option<Arc<Verdict>>,
    end: End,
}

/// How watching ends.
pub struct End {
    /// The run's directory, where its verdict will be.
    pub dir: PathBuf,
    /// Whether the screen stays with the verdict until somebody leaves it.
    pub stays: bool,
    /// Whether a signal came.
    pub interrupted: Box<dyn Fn() -> bool>,
}

impl AttachedFeed {
    /// Follows `record` and what comes over `stream`.
    ///
    /// # Errors
    /// The thread that reads the socket cannot be started.
    pub fn new(record: RecordTail, stream: UnixStream, end: End) -> io::Result<Self> {
        let (sender, told) = sync_channel(WAITING_MAX);
        let mut lines = BufReader::new(stream.try_clone()?);
        std::thread::Builder::new()
            .name("squall-attached".to_owned())
            .spawn(move || {
                while let Some(told) = next(&mut lines) {
                    if sender.send(told).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            record,
            told,
            stream,
            ended: None,
            verdict: None,
            end,
        })
    }

    fn hear_record(&mut self, model: &mut Model, keys: &KeyMap) {
        for _ in 0..CHUNKS_PER_FRAME {
            let events = match self.record.read() {
                Ok(events) => events,
                Err(error) => {
                    self.ended = Some(format!("the record cannot be read: {error}"));
                    return;
                }
            };
            if events.is_empty() {
                return;
            }
            for stamped in events {
                update(model, keys, Message::Event(Arc::new(stamped)));
            }
        }
    }

    fn hear_socket(&mut self, model: &mut Model, keys: &KeyMap) {
        loop {
            match self.told.try_recv() {
                Ok(Told::Now { at_us, gauges }) => {
                    update(model, keys, Message::Gauges(at_us, gauges));
                    update(model, keys, Message::Tick(at_us));
                }
                Ok(Told::Refused { why }) => {
                    update(model, keys, Message::Notice(why));
                }
                Ok(Told::Bye { why }) => {
                    self.judged(model, keys);
                    self.ended = Some(why);
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    let why = || "the run is gone, or this screen was too slow for it".to_owned();
                    self.ended.get_or_insert_with(why);
                    return;
                }
            }
        }
    }
}

impl AttachedFeed {
    /// A run says goodbye when it was judged, if it was; one that was killed
    /// leaves no verdict.
    fn judged(&mut self, model: &mut Model, keys: &KeyMap) {
        if let Some(verdict) = Verdict::read(&self.end.dir).map(Arc::new) {
            self.verdict = Some(Arc::clone(&verdict));
            update(model, keys, Message::Judged(verdict));
        }
    }
}

/// The next line of the run; `None` when there is no more.
fn next(lines: &mut BufReader<UnixStream>) -> Option<Told> {
    let mut bytes = Vec::new();
    let mut bounded = lines.take(LINE_BYTES_MAX as u64);
    bounded.read_until(b'\n', &mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

impl Feed for AttachedFeed {
    fn poll(&mut self, model: &mut Model, keys: &KeyMap, _elapsed: Duration) {
        self.hear_record(model, keys);
        self.hear_socket(model, keys);
    }

    fn act(&mut self, model: &mut Model, command: Command) {
        let Some(Control::ByHand(action, _)) = request(command) else {
            return;
        };
        if let Err(error) = self.stream.write_all(&line(&Said::Ask(action))) {
            model.screen.notice = Some(format!("the run did not take it: {error}"));
        }
    }

    fn over(&self) -> bool {
        let stays = self.end.stays && self.verdict.is_some();
        (self.ended.is_some() && !stays) || (self.end.interrupted)()
    }
}
