//! The side of the run: a socket that only its user may open, and a task per
//! watcher. No watcher is waited for; one that is slow is let go.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::Uid;
use squall_harness::clock::RunClock;
use squall_harness::experiment::{Control, RunView};
use squall_load::Gauges;
use squall_record::HandSide;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use super::{
    LINE_BYTES_MAX, PROTOCOL_VERSION, SOCKET_FILE, Said, Told, is_trusted, line, short_name,
};

/// Watchers at once.
const WATCHERS_MAX: usize = 16;
/// From one look at the present to the next.
const EVERY: Duration = Duration::from_millis(100);
/// How long a line may take to be written, and the first to come.
const PATIENCE: Duration = Duration::from_secs(2);

/// Passes a request on to the run; whether it was taken.
pub type Ask = Arc<dyn Fn(Control) -> bool + Send + Sync>;

/// What every watcher is served from.
#[derive(Clone)]
struct Run {
    clock: RunClock,
    gauges: watch::Receiver<Gauges>,
    ask: Ask,
    over: watch::Receiver<bool>,
}

/// A run that can be watched. Dropped, it cannot be any more.
pub struct Server {
    path: PathBuf,
    over: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Lets the run in `dir` be watched. Must be called inside a runtime.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn start(dir: &Path, view: &RunView, ask: Ask) -> io::Result<Self> {
        let listener = listen(dir)?;
        let (over, ending) = watch::channel(false);
        let run = Run {
            clock: view.hub.clock().clone(),
            gauges: view.gauges.clone(),
            ask,
            over: ending,
        };
        Ok(Self {
            path: dir.join(SOCKET_FILE),
            over,
            task: tokio::spawn(accept(listener, run)),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.send_replace(true);
        self.task.abort();
        // Whoever finds it later would only be told that nobody listens.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Nobody can connect before the mode is set: listening comes last.
fn listen(dir: &Path) -> io::Result<UnixListener> {
    let (_folder, name) = short_name(dir)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(&name)?)?;
    rustix::fs::chmod(&name, Mode::RUSR | Mode::WUSR)?;
    rustix::net::listen(&socket, 16)?;
    UnixListener::from_std(StdListener::from(socket))
}

async fn accept(listener: UnixListener, run: Run) {
    let places = Arc::new(Semaphore::new(WATCHERS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: the run matters more.
            tokio::time::sleep(EVERY).await;
            continue;
        };
        let run = run.clone();
        tokio::spawn(async move {
            // A watcher that breaks off concerns nobody.
            let _ = serve(stream, run).await;
            drop(place);
        });
    }
}

async fn serve(stream: UnixStream, run: Run) -> io::Result<()> {
    // The mode of the socket says the same; some systems do not look at it.
    if !is_trusted(Uid::from_raw(stream.peer_cred()?.uid())) {
        return Ok(());
    }
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let first = tokio::time::timeout(PATIENCE, heard(&mut reader)).await??;
    let control = match first {
        Some(Said::Watch { version, control }) if version == PROTOCOL_VERSION => control,
        Some(Said::Watch { version, .. }) => {
            let why = format!("the run speaks version {PROTOCOL_VERSION}, not {version}");
            return tell(&mut writer, &Told::Bye { why }).await;
        }
        _ => return Ok(()),
    };
    let (refusals, refused) = mpsc::channel(16);
    let listening = tokio::spawn(hear(reader, run.ask.clone(), control, refusals));
    let told = tell_present(&mut writer, run, refused).await;
    listening.abort();
    told
}

/// Tells the present until the run is over or the watcher is too slow.
async fn tell_present(
    writer: &mut OwnedWriteHalf,
    mut run: Run,
    mut refused: mpsc::Receiver<String>,
) -> io::Result<()> {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        let told = tokio::select! {
            _ = ticks.tick() => Told::Now {
                at_us: run.clock.stamp(std::time::Instant::now()),
                gauges: *run.gauges.borrow(),
            },
            Some(why) = refused.recv() => Told::Refused { why },
            () = ended(&mut run.over) => {
                let why = "the run is over".to_owned();
                return tell(writer, &Told::Bye { why }).await;
            }
        };
        tell(writer, &told).await?;
    }
}

/// Returns when the run is over.
async fn ended(over: &mut watch::Receiver<bool>) {
    // A sender that is gone says the same.
    let _ = over.wait_for(|over| *over).await;
}

async fn tell(writer: &mut OwnedWriteHalf, told: &Told) -> io::Result<()> {
    tokio::time::timeout(PATIENCE, writer.write_all(&line(told))).await?
}

/// Takes requests until the watcher leaves.
async fn hear(
    mut reader: BufReader<OwnedReadHalf>,
    ask: Ask,
    control: bool,
    refusals: mpsc::Sender<String>,
) {
    while let Ok(Some(said)) = heard(&mut reader).await {
        let refusal = match said {
            Said::Watch { .. } => continue,
            Said::Ask(_) if !control => "this screen only watches; attach with --control",
            Said::Ask(action) => {
                if ask(Control::ByHand(action, HandSide::Attached)) {
                    continue;
                }
                "the run does not listen any more: it is ending"
            }
        };
        // One that asks faster than it reads need not hear of every refusal.
        let _ = refusals.try_send(refusal.to_owned());
    }
}

/// The next line; `None` at the end, and where a line is none of ours.
async fn heard(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Said>> {
    let mut bytes = Vec::new();
    let mut bounded = reader.take(LINE_BYTES_MAX as u64);
    bounded.read_until(b'\n', &mut bytes).await?;
    Ok(serde_json::from_slice(&bytes).ok())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A run that is watched at `dir`/[`SOCKET_FILE`]; how often it was asked
    /// for something, and what ends it.
    fn watched(dir: &Path) -> (Arc<AtomicUsize>, watch::Sender<bool>, JoinHandle<()>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let (over, ending) = watch::channel(false);
        let run = Run {
            clock: RunClock::start(Duration::from_secs(60)),
            gauges: watch::channel(Gauges::default()).1,
            ask: Arc::new(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
                true
            }),
            over: ending,
        };
        let task = tokio::spawn(accept(listen(dir).unwrap(), run));
        (asked, over, task)
    }

    async fn watcher(dir: &Path, control: bool) -> UnixStream {
        let mut stream = UnixStream::connect(dir.join(SOCKET_FILE)).await.unwrap();
        let version = PROTOCOL_VERSION;
        let watch = Said::Watch { version, control };
        stream.write_all(&line(&watch)).await.unwrap();
        stream
    }

    async fn read(from: &mut BufReader<UnixStream>) -> Option<Told> {
        let mut bytes = Vec::new();
        from.read_until(b'\n', &mut bytes).await.unwrap();
        serde_json::from_slice(&bytes).ok()
    }

    // Time stands still unless everybody waits for it.
    #[tokio::test(start_paused = true)]
    async fn watchers_that_do_not_read_are_let_go_and_hold_up_nobody() {
        let dir = tempfile::TempDir::new().unwrap();
        let (_, _over, _task) = watched(dir.path());
        let mut silent = Vec::new();
        for _ in 0..WATCHERS_MAX {
            silent.push(watcher(dir.path(), false).await);
        }
        // There is no place for one more until one is let go.
        let start = tokio::time::Instant::now();
        let mut last = BufReader::new(watcher(dir.path(), false).await);
        let served = tokio::time::timeout(PATIENCE * 100, read(&mut last)).await;
        assert!(matches!(served, Ok(Some(Told::Now { .. }))), "{served:?}");
        assert!(start.elapsed() >= PATIENCE, "{:?}", start.elapsed());
        // Those that were let go find the lines that had been written, and then
        // the end of them, in the middle of a line.
        let mut lines = 0_u32;
        let mut slow = BufReader::new(silent.remove(0));
        while read(&mut slow).await.is_some() {
            lines += 1;
        }
        assert!(lines > 100, "{lines} lines fit into the socket");
        // Who reads is served on.
        for _ in 0..50 {
            assert!(matches!(read(&mut last).await, Some(Told::Now { .. })));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_who_may_is_heard_and_the_end_is_told() {
        let dir = tempfile::TempDir::new().unwrap();
        let (asked, over, _task) = watched(dir.path());
        for (control, count) in [(false, 0), (true, 1)] {
            let mut stream = watcher(dir.path(), control).await;
            let ask = Said::Ask(squall_record::HandAction::Finish);
            stream.write_all(&line(&ask)).await.unwrap();
            let mut told = BufReader::new(stream);
            let mut refused = false;
            for _ in 0..20 {
                refused |= matches!(read(&mut told).await, Some(Told::Refused { .. }));
            }
            assert_eq!(asked.load(Ordering::SeqCst), count);
            assert_eq!(refused, !control);
        }
        let mut told = BufReader::new(watcher(dir.path(), false).await);
        read(&mut told).await.unwrap();
        over.send_replace(true);
        let mut last = None;
        while let Some(next) = read(&mut told).await {
            last = Some(next);
        }
        assert!(matches!(last, Some(Told::Bye { .. })), "{last:?}");
    }
}
