//! The side of the run: a socket that only its user may open, and a task per
//! watcher. No watcher is waited for; one that is slow is let go.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use squall_harness::clock::RunClock;
use squall_harness::experiment::{Control, RunView};
use squall_harness::load::Gauges;
use squall_reports::HandSide;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use super::{LINE_BYTES_MAX, PROTOCOL_VERSION, SOCKET_FILE, Said, Told, line, short_name};

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
