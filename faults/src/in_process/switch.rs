//! The switch of one process: a connection to its fault layer. The questions and
//! answers are those of `squall-fault-layer`'s `switch`; that both sides mean the
//! same is tested in `tests/it/in_process.rs`.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use squall_scenario::inject::CallsDone;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Longest line that is read, in bytes.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// Most lines of one answer.
const LINES_MAX: usize = 10_000;

/// A connection to the fault layer of a process. What is set on it is gone when
/// it is dropped.
#[derive(Debug)]
pub(super) struct Switch(BufReader<UnixStream>);

impl Switch {
    /// Connects. The path may be longer than that of a socket: it is reached by way
    /// of its open folder.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(super) async fn connect(path: &Path) -> io::Result<Self> {
        let (folder, name) = path
            .parent()
            .zip(path.file_name())
            .ok_or(io::ErrorKind::InvalidInput)?;
        let folder = File::open(folder)?;
        let short = format!("/proc/self/fd/{}", folder.as_raw_fd());
        let stream = UnixStream::connect(Path::new(&short).join(name)).await?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sets a fault, `POINT=PLAN`, whose decisions come from `seed`.
    ///
    /// # Errors
    /// It was not set; in words.
    pub(super) async fn set(&mut self, seed: u64, fault: &str) -> Result<(), String> {
        self.ask(&format!("set {seed} {fault}")).await.map(drop)
    }

    /// What the fault of a point has done; `None` where there is none.
    ///
    /// # Errors
    /// There was no answer; in words.
    pub(super) async fn done(&mut self, point: &str) -> Result<Option<CallsDone>, String> {
        let reports = self.ask("reports").await?;
        Ok(reports.iter().find_map(|line| report_of(line, point)))
    }

    /// Takes the fault of a point away that was set here; what it did.
    ///
    /// # Errors
    /// There was no answer, or there was no such fault; in words.
    pub(super) async fn clear(&mut self, point: &str) -> Result<CallsDone, String> {
        let reports = self.ask(&format!("clear {point}")).await?;
        let done = reports.iter().find_map(|line| report_of(line, point));
        done.ok_or_else(|| "it does not say what the fault did".to_owned())
    }

    /// The reports of an answer.
    async fn ask(&mut self, question: &str) -> Result<Vec<String>, String> {
        let failed = |error: io::Error| format!("its switch is gone: {error}");
        let question = format!("{question}\n");
        let asked = self.0.get_mut().write_all(question.as_bytes()).await;
        asked.map_err(failed)?;
        let mut reports = Vec::new();
        while reports.len() < LINES_MAX {
            let mut line = String::new();
            let mut bounded = (&mut self.0).take(LINE_BYTES_MAX);
            bounded.read_line(&mut line).await.map_err(failed)?;
            match line.strip_suffix('\n') {
                Some("ok") => return Ok(reports),
                Some(line) => match line.strip_prefix("error: ") {
                    Some(why) => return Err(why.to_owned()),
                    None => reports.push(line.to_owned()),
                },
                None => return Err("its switch is gone: it ended, or hung up".to_owned()),
            }
        }
        Err("its fault layer does not stop answering".to_owned())
    }
}

/// `report CALLS STRUCK POINT=PLAN`
fn report_of(line: &str, point: &str) -> Option<CallsDone> {
    let mut words = line.strip_prefix("report ")?.splitn(3, ' ');
    let (calls, struck) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (named, _plan) = words.next()?.split_once('=')?;
    (named == point).then_some(CallsDone { calls, struck })
}
