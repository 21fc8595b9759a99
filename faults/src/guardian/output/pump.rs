//! The thread that carries the output of processes to their logs, whatever the
//! guardian itself is busy with.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread, read, write};
use squall_scenario::Redaction;

use super::log_file::LogFile;
use crate::guardian::protocol::LeftOut;

/// Read of one pipe before it is the turn of the next.
const TURN_BYTES: usize = 256 << 10;

/// How long what could belong to a secret waits for what follows.
const HOLD_WITHIN: Duration = Duration::from_millis(50);

/// How long the beginning of a secret waits for its rest, where a line is not
/// whole: its writer may be paused between two writes.
const HOLD_BEGINNING_WITHIN: Duration = Duration::from_secs(10);

/// What the guardian tells its pump.
pub(super) enum Command {
    /// Carry what comes out of the pipe to the log, without secrets.
    Carry {
        pipe: OwnedFd,
        log: LogFile,
        redaction: Option<Box<Redaction>>,
    },
    /// Say this number once everything written so far is in the logs.
    Drain(u64),
    /// Carry what still comes, at most until then, and put the logs in order.
    Finish {
        until: Instant,
        answer: Sender<Vec<LeftOut>>,
    },
}

struct Pipe {
    read: OwnedFd,
    log: PathBuf,
    redaction: Option<Box<Redaction>>,
    /// When something came last.
    heard: Instant,
}

impl Pipe {
    /// Whether something waits that could belong to a secret.
    fn holds(&self) -> bool {
        self.redaction.as_ref().is_some_and(|text| text.holds())
    }
}

pub(super) struct Pump {
    pub(super) commands: Receiver<Command>,
    /// Readable when there is a command.
    pub(super) wake: OwnedFd,
    pub(super) drained: Sender<u64>,
    /// Written to when something was drained.
    pub(super) told: OwnedFd,
    pipes: Vec<Pipe>,
    logs: HashMap<PathBuf, LogFile>,
    buffer: Vec<u8>,
    redacted: Vec<u8>,
}

impl Pump {
    pub(super) fn new(
        commands: Receiver<Command>,
        wake: OwnedFd,
        drained: Sender<u64>,
        told: OwnedFd,
    ) -> Self {
        Self {
            commands,
            wake,
            drained,
            told,
            pipes: Vec::new(),
            logs: HashMap::new(),
            buffer: vec![0; TURN_BYTES],
            redacted: Vec::new(),
        }
    }

    /// Carries until it is told to finish, or the guardian is gone.
    pub(super) fn run(mut self) {
        loop {
            let holds = self.pipes.iter().any(Pipe::holds);
            self.wait(holds.then_some(HOLD_WITHIN));
            self.turn();
            self.show_held(HOLD_WITHIN);
            // Emptied before the commands are looked at: none is missed.
            let mut rung = [0; 64];
            while matches!(read(&self.wake, &mut rung), Ok(1..)) {}
            loop {
                match self.commands.try_recv() {
                    Ok(Command::Carry {
                        pipe,
                        log,
                        redaction,
                    }) => self.carry(pipe, log, redaction),
                    Ok(Command::Drain(number)) => {
                        self.drain();
                        // Nobody listens only when the guardian is at its end.
                        let _ = self.drained.send(number);
                        let _ = write(&self.told, b"!");
                    }
                    Ok(Command::Finish { until, answer }) => {
                        let _ = answer.send(self.finish(until));
                        return;
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        self.finish(Instant::now());
                        return;
                    }
                }
            }
        }
    }

    fn carry(&mut self, pipe: OwnedFd, log: LogFile, redaction: Option<Box<Redaction>>) {
        let path = log.path().to_owned();
        // One that is written to already knows where its gap is.
        let log = self.logs.entry(path.clone()).or_insert(log);
        log.look_again();
        self.pipes.push(Pipe {
            read: pipe,
            log: path,
            redaction,
            heard: Instant::now(),
        });
    }

    /// Waits for output or a command.
    fn wait(&self, within: Option<Duration>) {
        let mut fds = vec![PollFd::new(&self.wake, PollFlags::IN)];
        let pipes = self.pipes.iter();
        fds.extend(pipes.map(|pipe| PollFd::new(&pipe.read, PollFlags::IN)));
        let within = within.map(|within| Timespec {
            tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(within.subsec_nanos()),
        });
        // An interrupted wait is a short one.
        let _ = poll(&mut fds, within.as_ref());
    }

    /// Carries a bounded part of what every pipe holds.
    fn turn(&mut self) {
        let mut number = 0;
        while number < self.pipes.len() {
            match self.carry_some(number) {
                Ok(0) => self.end(number),
                Ok(_) | Err(Errno::AGAIN | Errno::INTR) => number += 1,
                Err(_) => self.end(number),
            }
        }
    }

    /// Carries at most a turn of one pipe; 0 at its end.
    fn carry_some(&mut self, number: usize) -> Result<usize, Errno> {
        let pipe = &mut self.pipes[number];
        let count = read(&pipe.read, &mut self.buffer)?;
        let read = &self.buffer[..count];
        let Some(log) = self.logs.get_mut(&pipe.log) else {
            return Ok(count);
        };
        if let Some(redaction) = &mut pipe.redaction {
            pipe.heard = Instant::now();
            redaction.push(read, &mut self.redacted);
            log.append(&self.redacted);
            self.redacted.clear();
        } else {
            log.append(read);
        }
        Ok(count)
    }

    /// Gives out what was held back for so long that its rest does not seem to
    /// come: who reads the log waits for it.
    fn show_held(&mut self, silent: Duration) {
        for pipe in self.pipes.iter_mut().filter(|pipe| pipe.holds()) {
            let heard = pipe.heard.elapsed();
            if heard < silent {
                continue;
            }
            if let (Some(redaction), Some(log)) =
                (&mut pipe.redaction, self.logs.get_mut(&pipe.log))
            {
                if heard < HOLD_BEGINNING_WITHIN {
                    redaction.flush_but_beginnings(&mut self.redacted);
                } else {
                    redaction.flush(&mut self.redacted);
                }
                log.append(&self.redacted);
                self.redacted.clear();
            }
        }
    }

    fn end(&mut self, number: usize) {
        let mut pipe = self.pipes.swap_remove(number);
        if let (Some(redaction), Some(log)) = (&mut pipe.redaction, self.logs.get_mut(&pipe.log)) {
            redaction.end(&mut self.redacted);
            log.append(&self.redacted);
            self.redacted.clear();
        }
    }

    /// Carries what the pipes hold now; who goes on writing is not followed.
    fn drain(&mut self) {
        let held: Vec<u64> = self
            .pipes
            .iter()
            .map(|pipe| ioctl_fionread(&pipe.read).unwrap_or(0))
            .collect();
        for (number, mut held) in held.into_iter().enumerate() {
            while held > 0 {
                match self.carry_some(number) {
                    // Its end is seen once more, in its turn.
                    Ok(0) => break,
                    Ok(count) => held = held.saturating_sub(count as u64),
                    Err(Errno::INTR) => {}
                    Err(_) => break,
                }
            }
        }
        self.show_held(Duration::ZERO);
    }

    /// Carries until every pipe has ended or it is time, and puts the logs in
    /// order; says what is missing of them.
    fn finish(&mut self, until: Instant) -> Vec<LeftOut> {
        loop {
            self.turn();
            let left = until.saturating_duration_since(Instant::now());
            if self.pipes.is_empty() || left.is_zero() {
                break;
            }
            self.wait(Some(left));
        }
        // Some may be held open by what could not be ended.
        while let Some(last) = self.pipes.len().checked_sub(1) {
            self.end(last);
        }
        let mut missing = Vec::new();
        for log in self.logs.values_mut() {
            if let Err(error) = log.finish() {
                tracing::debug!(%error, log = %log.path().display(), "its gap stays");
            }
            let bytes = log.missing();
            if bytes > 0 {
                let log = log.path().to_owned();
                missing.push(LeftOut { log, bytes });
            }
        }
        missing.sort_by(|a, b| a.log.cmp(&b.log));
        missing
    }
}

/// A pipe for output that is read without waiting.
pub(super) fn output_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&read, true)?;
    // Best effort: there is a limit for all pipes of a user.
    let _ = rustix::pipe::fcntl_setpipe_size(&read, 1 << 20);
    Ok((read, write))
}
