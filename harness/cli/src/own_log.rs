//! squall's own log: what squall and its guardian say while a run is under way,
//! in `squall.log` of its directory, from `info` on or as `SQUALL_LOG` has it.

mod writer;

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use squall_record::store::files::create_new;
use squall_scenario::Secrets;
use tracing_subscriber::EnvFilter;
use writer::{End, Writer};

/// Name of the log in a run directory.
const LOG_FILE: &str = "squall.log";
/// What is logged, as `tracing` filters are written: `debug`, `squall_faults=trace`.
const FILTER: &str = "SQUALL_LOG";
/// What is logged where nobody asks for something else.
const USUAL: &str = "info";

/// Where lines go: the log of the run under way.
static CURRENT: Mutex<Option<Writer>> = Mutex::new(None);

/// Has what is said from now on go to the log of the run under way.
///
/// # Errors
/// `SQUALL_LOG` is no filter, in words.
pub fn prepare() -> Result<(), String> {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter()?)
        .with_ansi(false)
        .with_writer(|| ToCurrent);
    // There may be one already: several sessions in one process are fine.
    let _ = log.try_init();
    Ok(())
}

/// Has a guardian say what it does on its standard error, where squall listens.
pub fn prepare_guardian() {
    let log = tracing_subscriber::fmt()
        // squall has refused one that is wrong.
        .with_env_filter(filter().unwrap_or_else(|_| USUAL.into()))
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_writer(|| ToSquall);
    let _ = log.try_init();
}

fn filter() -> Result<EnvFilter, String> {
    match std::env::var(FILTER) {
        Ok(asked) if !asked.is_empty() => {
            EnvFilter::try_new(&asked).map_err(|error| format!("{FILTER}={asked}: {error}"))
        }
        _ => Ok(USUAL.into()),
    }
}

/// The log of a run.
pub struct OwnLog(End);

impl OwnLog {
    /// Begins the log of the run in `dir`. Values in `secrets` are written back
    /// as their names.
    ///
    /// # Errors
    /// The file cannot be created, or its thread cannot be started.
    pub fn begin(dir: &Path, secrets: &Secrets) -> io::Result<Self> {
        let file = create_new(&dir.join(LOG_FILE))?;
        let (writer, end) = Writer::start(file, secrets.clone())?;
        *current() = Some(writer);
        Ok(Self(end))
    }

    /// Ends it; why it is not whole, where it is not. A disk that takes nothing
    /// is not waited for.
    pub async fn end(self) -> Option<String> {
        *current() = None;
        let why = self.0.wait().await?;
        Some(format!("{LOG_FILE} is not whole: {why}"))
    }
}

fn current() -> MutexGuard<'static, Option<Writer>> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each write is one entry.
struct ToCurrent;

impl io::Write for ToCurrent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(writer) = current().as_ref() {
            writer.entry(String::from_utf8_lossy(bytes).into_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The guardian must not be held up by a squall that is gone or does not read:
/// what finds no room is lost.
struct ToSquall;

impl io::Write for ToSquall {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = rustix::io::write(rustix::stdio::stderr(), bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
