//! A squall that runs: its lines as they come, signals to it, its end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{HANG, pause};

/// How squall ended, and all it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails, with all that was said, unless this was the exit code.
    pub(crate) fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "exit code; {self}");
        self
    }

    /// Fails unless standard error holds each of `parts`.
    pub(crate) fn assert_stderr(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in {self}");
        }
        self
    }

    /// Fails unless standard output holds each of `parts`.
    pub(crate) fn assert_stdout(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.stdout.contains(part), "no {part:?} in {self}");
        }
        self
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stdout, stderr, .. } = self;
        write!(f, "\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}

enum Line {
    Out(String),
    Err(String),
}

/// A squall under way. Dropped before its end, it is killed.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<Line>,
    readers: Vec<JoinHandle<()>>,
    stdout: String,
    stderr: String,
    deadline: Instant,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        // Missing where a test has put something else in its place.
        let out = child.stdout.take();
        let err = child.stderr.take();
        let out = out.map(|stream| forward(stream, sender.clone(), Line::Out));
        let err = err.map(|stream| forward(stream, sender, Line::Err));
        let readers = out.into_iter().chain(err).collect();
        Self {
            child,
            lines,
            readers,
            stdout: String::new(),
            stderr: String::new(),
            deadline: Instant::now() + HANG,
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for a line of either stream, and returns it.
    pub(crate) fn line(&mut self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        loop {
            match self.next_line() {
                Some(Line::Out(text) | Line::Err(text)) if is_it(&text) => return text,
                Some(_) => {}
                None => panic!("ended before {what}; {}", self.said()),
            }
        }
    }

    /// Waits for an event of `--ui json`.
    pub(crate) fn event(&mut self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let Some(line) = self.next_line() else {
                panic!("ended before {what}; {}", self.said());
            };
            let Line::Out(text) = line else { continue };
            let Ok(value) = serde_json::from_str::<Value>(&text) else {
                continue;
            };
            if is_it(&value["event"]) {
                return value;
            }
        }
    }

    /// Waits for a phase.
    pub(crate) fn phase(&mut self, phase: &str) {
        self.event(phase, |event| event["phase"] == phase);
    }

    /// Waits for a change of any fault: `active`, `removal-requested`, …
    pub(crate) fn fault(&mut self, change: &str) {
        self.event(change, |event| {
            let seen = &event["fault"]["change"];
            seen == change || seen.get(change).is_some()
        });
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        while self.next_line().is_some() {}
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(
                Instant::now() < self.deadline,
                "no end in time; {}",
                self.said()
            );
            pause();
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Ended {
            code,
            stdout: std::mem::take(&mut self.stdout),
            stderr: std::mem::take(&mut self.stderr),
        }
    }

    /// The next line of either stream; `None` once both are closed.
    fn next_line(&mut self) -> Option<Line> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let line = match self.lines.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => panic!("it hangs; {}", self.said()),
        };
        let (text, all) = match &line {
            Line::Out(text) => (text, &mut self.stdout),
            Line::Err(text) => (text, &mut self.stderr),
        };
        all.push_str(text);
        Some(line)
    }

    fn said(&self) -> String {
        format!("--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends every line of `stream`, its line feed included.
fn forward(
    stream: impl Read + Send + 'static,
    lines: Sender<Line>,
    wrap: fn(String) -> Line,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while reader
            .read_until(b'\n', &mut bytes)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            bytes.clear();
            if lines.send(wrap(text)).is_err() {
                return;
            }
        }
    })
}
