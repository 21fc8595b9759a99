//! What a guardian says: the lines of its standard error.
//!
//! It logs what it does there, as `INFO …`; `WARN …` and `ERROR …`, which is how
//! it tells of its panics, are complaints. What others say in its place, as the
//! dynamic linker does, is none. Its end of the pipe does not block, so a squall
//! that does not read holds up no guardian: lines are lost then.

use std::io;
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;

/// Longest line, in bytes; what goes beyond is another one.
const LINE_BYTES_MAX: usize = 4 << 10;
/// Complaints that may wait for who takes them; more are in the log only.
pub(super) const COMPLAINTS_MAX: usize = 16;
/// Levels of a log at which nothing is wrong.
const QUIET: [&str; 3] = ["TRACE", "DEBUG", "INFO"];
/// Levels at which something is.
const LOUD: [&str; 2] = ["WARN", "ERROR"];

/// A pipe for the standard error of a guardian: squall's end and its end.
pub(super) fn pipe() -> io::Result<(Receiver, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    Ok((Receiver::from_owned_fd(read)?, write))
}

/// Passes on what is said until nobody can say anything any more: all of it to
/// the log, complaints to `complaints` too.
pub(super) async fn listen(said: Receiver, complaints: mpsc::Sender<String>) {
    let mut said = BufReader::new(said);
    let mut line = Vec::new();
    loop {
        match said.read_u8().await {
            Ok(b'\n') => hear(&mut line, &complaints),
            Ok(byte) => {
                line.push(byte);
                if line.len() >= LINE_BYTES_MAX {
                    hear(&mut line, &complaints);
                }
            }
            Err(_ended) => return hear(&mut line, &complaints),
        }
    }
}

fn hear(line: &mut Vec<u8>, complaints: &mpsc::Sender<String>) {
    let text = String::from_utf8_lossy(&std::mem::take(line))
        .trim()
        .to_owned();
    let (level, rest) = text.split_once(' ').unwrap_or(("", &text));
    if text.is_empty() {
    } else if QUIET.contains(&level) {
        tracing::info!(target: "squall::guardian", "{}", rest.trim_start());
    } else if LOUD.contains(&level) {
        let complaint = rest.trim_start().to_owned();
        tracing::error!(target: "squall::guardian", "{complaint}");
        // It stands in the log where nobody takes it.
        let _ = complaints.try_send(complaint);
    } else {
        tracing::warn!(target: "squall::guardian", "{text}");
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    /// What is complained about when a guardian writes this and ends.
    async fn complaints(bytes: &[u8]) -> Vec<String> {
        let (read, write) = pipe().unwrap();
        File::from(write).write_all(bytes).unwrap();
        let (sender, mut heard) = mpsc::channel(COMPLAINTS_MAX);
        listen(read, sender).await;
        let mut all = Vec::new();
        while let Some(complaint) = heard.recv().await {
            all.push(complaint);
        }
        all
    }

    #[tokio::test]
    async fn what_it_logs_as_wrong_is_a_complaint() {
        let said = b" INFO no PID namespace\nDEBUG x\n\nld.so: no such object\n\
                     ERROR thread 'main' panicked at x.rs:1:2: no\n WARN the last";
        let wanted = ["thread 'main' panicked at x.rs:1:2: no", "the last"];
        assert_eq!(complaints(said).await, wanted);
    }

    #[tokio::test]
    async fn one_that_does_not_stop_complaining_takes_no_more_memory() {
        let mut said = b"ERROR ".to_vec();
        said.extend(vec![b'x'; 2 * LINE_BYTES_MAX]);
        said.extend(b"\nERROR y".repeat(COMPLAINTS_MAX + 9));
        let heard = complaints(&said).await;
        assert_eq!(heard.len(), COMPLAINTS_MAX);
        assert_eq!(heard[0].len(), LINE_BYTES_MAX - "ERROR ".len());
    }

    #[tokio::test]
    async fn a_squall_that_does_not_read_holds_up_nobody() {
        let (_read, write) = pipe().unwrap();
        let mut write = File::from(write);
        let full = std::iter::repeat_with(|| write.write(&[b'x'; 4096]));
        let error = full.take(10_000).find_map(Result::err).unwrap();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
