//! Probes that run a command. The guardian starts and owns it, so that it ends
//! with squall even when squall is killed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use squall_faults::guardian::{ExitStatus, GuardianClient, SpawnRequest};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::ProbeSetup;

/// Kept of a command's output.
const OUTPUT_KEPT_BYTES: u64 = 1 << 20;
/// Read of a command's output, from its end.
const OUTPUT_BYTES_MAX: u64 = 4096;

/// A command that is started anew for every reading.
pub(super) struct CommandSource {
    name: String,
    argv: Vec<String>,
    cwd: Option<PathBuf>,
    output: PathBuf,
    guardian: GuardianClient,
    readings: u64,
    /// Key of the one that was started and not seen to end.
    running: Option<String>,
}

impl CommandSource {
    pub(super) fn new(
        name: &str,
        number: usize,
        argv: Vec<String>,
        guardian: GuardianClient,
        setup: &ProbeSetup,
    ) -> Self {
        Self {
            name: name.to_owned(),
            argv,
            cwd: setup.cwd.clone(),
            output: setup.dir.join(format!("probe-{number}.log")),
            guardian,
            readings: 0,
            running: None,
        }
    }

    /// Runs the command and reads the number on the last line it printed.
    pub(super) async fn read(&mut self) -> Result<f64, String> {
        tokio::fs::write(&self.output, b"")
            .await
            .map_err(|error| format!("{}: {error}", self.output.display()))?;
        self.readings += 1;
        let key = format!("probe {} #{}", self.name, self.readings);
        let mut exits = self.guardian.exits();
        self.running = Some(key.clone());
        let request = SpawnRequest {
            key: key.clone(),
            argv: self.argv.clone(),
            env: BTreeMap::new(),
            cwd: self.cwd.clone(),
            log_path: self.output.clone(),
            keep_bytes: OUTPUT_KEPT_BYTES,
            laid_over: Vec::new(),
        };
        if let Err(error) = self.guardian.spawn(request).await {
            self.running = None;
            return Err(error.to_string());
        }
        let status = loop {
            match exits.recv().await {
                Ok(exited) if exited.key == key => break exited.status,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err("the guardian is gone".to_owned()),
            }
        };
        self.running = None;
        let output = self.tail().await?;
        match status {
            ExitStatus::Code(0) => number(&output),
            ExitStatus::Code(code) => Err(format!("exit {code}: {}", last_line(&output))),
            ExitStatus::Signal(signal) => Err(format!("ended by signal {signal}")),
        }
    }

    /// Kills the command with its whole process group, if one runs.
    pub(super) async fn end(&mut self, within: Duration) {
        if let Some(key) = self.running.take() {
            // What cannot be ended now ends with the guardian.
            let _ = timeout(within, self.guardian.terminate(&key, Duration::ZERO)).await;
        }
    }

    async fn tail(&self) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.output.display());
        let mut file = tokio::fs::File::open(&self.output).await.map_err(failed)?;
        let length = file.metadata().await.map_err(failed)?.len();
        let start = length.saturating_sub(OUTPUT_BYTES_MAX);
        file.seek(std::io::SeekFrom::Start(start))
            .await
            .map_err(failed)?;
        let mut tail = Vec::new();
        file.take(OUTPUT_BYTES_MAX)
            .read_to_end(&mut tail)
            .await
            .map_err(failed)?;
        whole_lines(&tail, start > 0)
    }
}

/// The lines of the end of an output. Where it `is_cut`, the first of them is
/// not whole.
fn whole_lines(tail: &[u8], is_cut: bool) -> Result<String, String> {
    let from = match tail.trim_ascii_end().iter().position(|byte| *byte == b'\n') {
        _ if !is_cut => 0,
        Some(end) => end + 1,
        None => {
            return Err(format!(
                "its last line is longer than {OUTPUT_BYTES_MAX} bytes"
            ));
        }
    };
    Ok(String::from_utf8_lossy(&tail[from..]).into_owned())
}

fn last_line(output: &str) -> &str {
    let mut lines = output.lines().rev().map(str::trim);
    lines.find(|line| !line.is_empty()).unwrap_or_default()
}

fn number(output: &str) -> Result<f64, String> {
    let line = last_line(output);
    if line.is_empty() {
        return Err("it printed nothing".to_owned());
    }
    line.parse()
        .map_err(|_| format!("its last line is no number: {line:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_on_the_last_line() {
        assert_eq!(number("counting\n 12.5 \n\n"), Ok(12.5));
        assert!(number("").is_err());
        assert!(number("12 jobs\n").unwrap_err().contains("12 jobs"));
    }

    #[test]
    fn the_end_of_a_number_is_no_number() {
        let digits = [b'7'; 10];
        assert!(whole_lines(&digits, true).is_err());
        assert!(whole_lines(b"7777\n", true).is_err());
        assert_eq!(whole_lines(&digits, false).unwrap(), "7777777777");
        assert_eq!(whole_lines(b"77\n12\n", true).unwrap(), "12\n");
    }
}
