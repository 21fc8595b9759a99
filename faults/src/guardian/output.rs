//! Where the output of processes goes: through a pipe, to a thread, to a file.
//!
//! The thread reads whatever happens, so a process is never held up by a full
//! disk or by a guardian that is ending something; without the guardian there is
//! nobody who reads, and the process ends with it.

mod log_file;
mod pump;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::io::{read, write};
use rustix::pipe::{PipeFlags, pipe_with};
use squall_scenario::Secrets;

use super::protocol::{LeftOut, Notice, SpawnRequest};
use log_file::LogFile;
use pump::{Command, Pump};

/// How long news wait for the output that was written before them.
const DRAIN_WITHIN: Duration = Duration::from_secs(1);
/// How long output may still come once everything has ended.
const FINISH_WITHIN: Duration = Duration::from_millis(500);
/// How long logs may take to be put in order.
const ORDER_WITHIN: Duration = Duration::from_secs(3);

/// The guardian's hold on its pump, which is started with the first process, or
/// before.
#[derive(Default)]
pub(super) struct Output {
    running: Option<Running>,
    secrets: Secrets,
    /// News that wait for output, oldest first.
    waiting: VecDeque<Waiting>,
    drains: u64,
}

struct Running {
    commands: Sender<Command>,
    wake: OwnedFd,
    drained: Receiver<u64>,
    told: OwnedFd,
}

struct Waiting {
    drain: u64,
    until: Instant,
    news: Vec<Notice>,
    /// Told instead when it took too long.
    late: Option<Notice>,
}

impl Output {
    /// Starts the pump, if it does not run. The first time is before the
    /// guardian's children live in another PID namespace than the guardian: from
    /// then on it gets no new thread.
    pub(super) fn start(&mut self) -> io::Result<()> {
        if self.running.is_none() {
            self.running = Some(start()?);
        }
        Ok(())
    }

    /// Standard output and error for a process that is about to be started.
    pub(super) fn open(&mut self, request: &SpawnRequest) -> io::Result<(Stdio, Stdio)> {
        let log = LogFile::open(&request.log_path, request.keep_bytes)?;
        let (pipe, ours) = pump::output_pipe()?;
        self.start()?;
        let gone = || io::Error::other("nobody carries output any more");
        let running = self.running.as_ref().ok_or_else(gone)?;
        let secrets = &self.secrets;
        let redaction = (!secrets.is_empty()).then(|| secrets.redaction());
        running.tell(Command::Carry {
            pipe,
            log,
            redaction: redaction.map(Box::new),
        })?;
        Ok((ours.try_clone()?.into(), ours.into()))
    }

    /// Takes a value out of what is started from now on.
    pub(super) fn keep_secret(&mut self, name: &str, value: &str) {
        self.secrets.add(name, value);
    }

    /// Keeps news back until everything that was written before them is in its
    /// file, or for a second; `late` is told instead of them then.
    pub(super) fn after_output(&mut self, news: Vec<Notice>, late: Option<Notice>, now: Instant) {
        self.drains += 1;
        let drain = Command::Drain(self.drains);
        let (drain, until) = match self.running.as_ref().map(|running| running.tell(drain)) {
            // Nothing was started, so nothing was written.
            None => (0, now),
            Some(Ok(())) => (self.drains, now + DRAIN_WITHIN),
            Some(Err(_)) => (self.drains, now),
        };
        self.waiting.push_back(Waiting {
            drain,
            until,
            news,
            late,
        });
    }

    /// News that have waited for their output, or long enough.
    pub(super) fn news(&mut self, now: Instant) -> Vec<Notice> {
        let mut drained = 0;
        if let Some(running) = &self.running {
            let mut rung = [0; 64];
            while matches!(read(&running.told, &mut rung), Ok(1..)) {}
            drained = running.drained.try_iter().last().unwrap_or(0);
        }
        let ready = |first: &Waiting| first.drain <= drained || first.until <= now;
        let mut news = Vec::new();
        while self.waiting.front().is_some_and(ready) {
            let Some(first) = self.waiting.pop_front() else {
                break;
            };
            match first.late {
                Some(late) if first.drain > drained => news.push(late),
                _ => news.extend(first.news),
            }
        }
        news
    }

    /// When the next news have waited long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|first| first.until)
    }

    /// Readable when there are news.
    pub(super) fn told(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().map(|running| running.told.as_fd())
    }

    /// The processes have ended: takes what they left in the pipes and puts the
    /// logs in order. Returns what is missing of them, and news that waited.
    pub(super) fn finish(&mut self) -> (Vec<Notice>, Vec<LeftOut>) {
        let mut missing = Vec::new();
        if let Some(running) = self.running.take() {
            let (answer, answered) = channel();
            let until = Instant::now() + FINISH_WITHIN;
            if running.tell(Command::Finish { until, answer }).is_ok() {
                // A disk that stalls must not keep the guardian.
                missing = answered.recv_timeout(ORDER_WITHIN).unwrap_or_default();
            }
        }
        let news = self.waiting.drain(..).flat_map(|waiting| waiting.news);
        (news.collect(), missing)
    }
}

impl Running {
    fn tell(&self, command: Command) -> io::Result<()> {
        let gone = |_| io::Error::other("nobody carries output any more");
        self.commands.send(command).map_err(gone)?;
        // A pipe that is full has woken it already.
        let _ = write(&self.wake, b"!");
        Ok(())
    }
}

fn start() -> io::Result<Running> {
    let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
    let (woken, wake) = pipe_with(flags)?;
    let (told, tell) = pipe_with(flags)?;
    let (commands, receiver) = channel();
    let (drained, answers) = channel();
    let pump = Pump::new(receiver, woken, drained, tell);
    std::thread::Builder::new()
        .name("output".to_owned())
        .spawn(move || pump.run())?;
    Ok(Running {
        commands,
        wake,
        drained: answers,
        told,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::protocol::Answer;
    use super::*;

    /// What may happen while news wait.
    #[derive(Debug, Clone)]
    enum Step {
        /// So many news come, with or without what is told when they wait too long.
        Come(usize, bool),
        /// The pump says that all is in its file which had been written when the nth of
        /// what waits came.
        Drained(usize),
        /// Milliseconds pass.
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..3_usize, any::<bool>()).prop_map(|(count, late)| Step::Come(count, late)),
            (0..4_usize).prop_map(Step::Drained),
            (0..700_u64).prop_map(Step::Pass),
        ]
    }

    fn notice(id: u64, late: bool) -> Notice {
        let answer = match late {
            true => Answer::Refused("too late".to_owned()),
            false => Answer::Done,
        };
        Notice::Answer { id, answer }
    }

    fn shown(news: &[Notice]) -> Vec<String> {
        let lines = news.iter().map(serde_json::to_string);
        lines.collect::<Result<_, _>>().unwrap()
    }

    proptest! {
        /// Each is told once and in order: behind its output, or when that took too long.
        #[test]
        fn news_wait_for_their_output_and_no_longer_than_they_may(
            steps in prop::collection::vec(step(), 0..40),
        ) {
            let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
            let (_woken, wake) = pipe_with(flags).unwrap();
            let (told, _tell) = pipe_with(flags).unwrap();
            let (commands, asked) = channel();
            let (answers, drained) = channel();
            let running = Running { commands, wake, drained, told };
            let mut output = Output { running: Some(running), ..Output::default() };
            let mut now = Instant::now();
            // By drain: until when they wait, the news, and what is told late.
            let mut model: VecDeque<(u64, Instant, Vec<Notice>, Option<Notice>)> = VecDeque::new();
            let (mut drains, mut ids, mut done) = (0, 0, 0);
            for step in steps {
                match step {
                    Step::Come(count, late) => {
                        let news: Vec<_> = (0..count as u64).map(|n| notice(ids + n, false)).collect();
                        let late = late.then(|| notice(ids, true));
                        ids += count as u64;
                        drains += 1;
                        output.after_output(news.clone(), late.clone(), now);
                        let wanted = asked.try_recv();
                        prop_assert!(matches!(wanted, Ok(Command::Drain(own)) if own == drains));
                        model.push_back((drains, now + DRAIN_WITHIN, news, late));
                    }
                    Step::Drained(nth) => {
                        if let Some((drain, ..)) = model.get(nth) {
                            done = *drain;
                            answers.send(done).unwrap();
                        }
                    }
                    Step::Pass(ms) => now += Duration::from_millis(ms),
                }
                let mut expected = Vec::new();
                while let Some((drain, until, ..)) = model.front() {
                    let in_file = *drain <= done;
                    if !in_file && *until > now {
                        break;
                    }
                    let (_, _, news, late) = model.pop_front().unwrap();
                    match late {
                        Some(late) if !in_file => expected.push(late),
                        _ => expected.extend(news),
                    }
                }
                prop_assert_eq!(shown(&output.news(now)), shown(&expected));
                prop_assert_eq!(output.deadline(), model.front().map(|it| it.1));
            }
            // At the end nothing is kept back, and nobody is waited for who is gone.
            drop(asked);
            let (news, missing) = output.finish();
            let left: Vec<_> = model.into_iter().flat_map(|it| it.2).collect();
            prop_assert_eq!(shown(&news), shown(&left));
            prop_assert!(missing.is_empty());
        }
    }

    #[test]
    fn where_nothing_was_started_news_wait_for_nothing() {
        let mut output = Output::default();
        let now = Instant::now();
        output.after_output(vec![notice(1, false)], Some(notice(2, true)), now);
        assert_eq!(shown(&output.news(now)), shown(&[notice(1, false)]));
        assert!(output.told().is_none() && output.deadline().is_none());
    }
}
