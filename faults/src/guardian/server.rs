//! The guardian's one loop: requests, exits, and the end of squall.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Start;
use super::children::Children;
use super::descendants::{descendants, group_of};
use super::namespace::Namespace;
use super::output::Output;
use super::protocol::{Answer, Ask, AskPackets, Inbox, NotSquall, Notice, Request, ShutdownReport};
use crate::ProcessIdentity;
use crate::guard::recover::{self, RecoverReport, replay};
use crate::guard::{journal, undo};
use crate::network::Filters;

/// How often orphans that came to the guardian are reaped.
const REAP_EVERY: Duration = Duration::from_millis(200);
/// How long the last words may wait for a squall that does not read.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The most that waits for a squall that does not read.
const OUTBOX_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The guardian at work.
pub(super) struct Server {
    socket: UnixStream,
    identity: ProcessIdentity,
    journal: PathBuf,
    children: Children,
    /// Whether squall has no time left for graces.
    hurried: bool,
    output: Output,
    /// Rules for packets, which end with it.
    filters: Filters,
    inbox: Inbox,
    outbox: Vec<u8>,
}

/// What the loop does next.
enum Next {
    Go,
    /// Squall is gone.
    Orphaned,
    /// Squall asked for the end, and got it.
    Finished {
        clean: bool,
    },
}

impl Server {
    pub(super) fn new(
        socket: UnixStream,
        identity: ProcessIdentity,
        journal: PathBuf,
        start: Start,
        output: Output,
    ) -> Self {
        Self {
            socket,
            identity,
            journal,
            children: Children::new(start),
            hurried: false,
            output,
            filters: Filters::default(),
            inbox: Inbox::default(),
            outbox: Vec::new(),
        }
    }

    /// Serves until the end; returns whether nothing was left.
    pub(super) fn run(mut self) -> io::Result<bool> {
        self.say(&Notice::Ready(self.identity));
        loop {
            self.children.escalate(Instant::now());
            self.report_exits();
            if self.flush().is_err() || self.outbox.len() > OUTBOX_BYTES_MAX {
                return Ok(self.orphaned());
            }
            self.wait();
            match self.serve() {
                Next::Go => {}
                Next::Orphaned => return Ok(self.orphaned()),
                Next::Finished { clean } => {
                    self.last_words();
                    return Ok(clean);
                }
            }
        }
    }

    /// Sleeps until a request, an exit or a deadline.
    fn wait(&self) {
        let mut wanted = PollFlags::IN;
        if !self.outbox.is_empty() {
            wanted |= PollFlags::OUT;
        }
        let mut fds = vec![PollFd::new(&self.socket, wanted)];
        fds.extend(
            self.children
                .exits()
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
        );
        let told = self.output.told();
        fds.extend(told.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let deadlines = [self.children.deadline(), self.output.deadline()];
        let deadline = deadlines.into_iter().flatten().min();
        let within = deadline.map_or(REAP_EVERY, |at| {
            at.saturating_duration_since(Instant::now()).min(REAP_EVERY)
        });
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(within.subsec_nanos()),
        };
        // An interrupted wait is a short one.
        let _ = poll(&mut fds, Some(&timeout));
    }

    /// Takes in what squall sent.
    fn serve(&mut self) -> Next {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Next::Orphaned,
                Ok(count) => self.inbox.push(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Next::Go,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Next::Orphaned,
            }
            loop {
                match self
                    .inbox
                    .take_next()
                    .map(|request| request.map(|r| self.obey(r)))
                {
                    Ok(Some(Next::Go)) => {}
                    Ok(Some(next)) => return next,
                    Ok(None) => break,
                    Err(NotSquall) => return Next::Orphaned,
                }
            }
        }
    }

    fn obey(&mut self, Request { id, ask }: Request) -> Next {
        let answer = match ask {
            Ask::Spawn(request) => self
                .children
                .spawn(request, &mut self.output)
                .map_or_else(Answer::Refused, Answer::Spawned),
            Ask::Signal { key, signal } => self
                .children
                .signal(&key, signal)
                .map_or_else(Answer::Refused, |()| Answer::Done),
            Ask::Reach { root, signal } => self
                .children
                .reach(root, signal)
                .map_or_else(Answer::Refused, Answer::Members),
            Ask::Terminate { key, grace_ms } => {
                let grace = Duration::from_millis(grace_ms);
                if self.children.terminate(&key, grace, id) {
                    return Next::Go;
                }
                Answer::Done
            }
            Ask::Packets(ask) => self.on_packets(&ask),
            Ask::Hurry => {
                self.hurried = true;
                return Next::Go;
            }
            Ask::KeepSecret { name, value } => {
                self.output.keep_secret(&name, &value);
                Answer::Done
            }
            Ask::DrainOutput => {
                let news = |answer| Notice::Answer { id, answer };
                let late = "the output of processes could not be written in time";
                let late = news(Answer::Refused(late.to_owned()));
                let done = vec![news(Answer::Done)];
                self.output.after_output(done, Some(late), Instant::now());
                return Next::Go;
            }
            Ask::Shutdown {
                grace_ms,
                graces_ms,
            } => {
                let grace = Duration::from_millis(grace_ms);
                let own = self.children.graces(&graces_ms);
                let grace_of = |who: &ProcessIdentity| {
                    let group = group_of(who);
                    let own = group.and_then(|group| own.get(&group));
                    own.copied().unwrap_or(grace)
                };
                let report = self.end(grace_of);
                let clean = report.as_ref().is_ok_and(|report| report.left.is_empty());
                self.report_exits();
                let (news, left_out) = self.output.finish();
                news.iter().for_each(|notice| self.say(notice));
                let report = report.map(|report| ShutdownReport { left_out, ..report });
                let answer = report.map_or_else(Answer::Refused, Answer::Report);
                self.answer(id, answer);
                return Next::Finished { clean };
            }
        };
        self.answer(id, answer);
        Next::Go
    }

    fn on_packets(&mut self, ask: &AskPackets) -> Answer {
        let met = match ask {
            AskPackets::Filter { id, filter } => {
                let added = self.filters.add(id, filter);
                return added.map_or_else(Answer::Refused, |()| Answer::Done);
            }
            AskPackets::Look { id } => self.filters.look(id),
            AskPackets::Remove { id } => self.filters.remove(id),
        };
        met.map_or_else(Answer::Refused, Answer::Met)
    }

    /// Ends everything that was ever started here.
    fn end(
        &mut self,
        grace_of: impl Fn(&ProcessIdentity) -> Duration,
    ) -> Result<ShutdownReport, String> {
        recover::thaw(&self.journal);
        let keeper = self.children.keeper();
        let init = self.children.namespace().map(Namespace::init);
        let own: Vec<u32> = init.into_iter().chain([keeper]).collect();
        let ended = undo::end_each(|| descendants(&own), grace_of, || self.is_hurried());
        let Some(namespace) = self.children.leave_namespace() else {
            return ended;
        };
        namespace.end(|| self.report_exits());
        // That was the end of everything in there, seen or not.
        let left = descendants(&[keeper])?;
        Ok(ShutdownReport {
            left: left.iter().map(|who| who.pid).collect(),
            ..ended.unwrap_or_default()
        })
    }

    /// Whether squall has said more, or is gone, while something is being ended.
    fn is_hurried(&self) -> bool {
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        let now = Timespec::default();
        self.hurried || !self.inbox.is_empty() || poll(&mut fds, Some(&now)).is_ok_and(|n| n > 0)
    }

    /// Tells of ends once the last words of who ended can be read.
    fn report_exits(&mut self) {
        let now = Instant::now();
        let mut news = Vec::new();
        for reaped in self.children.reap() {
            news.push(Notice::Exited(reaped.exited));
            let answer = |id| Notice::Answer {
                id,
                answer: Answer::Done,
            };
            news.extend(reaped.waiting.into_iter().map(answer));
        }
        if !news.is_empty() {
            self.output.after_output(news, None, now);
        }
        for notice in self.output.news(now) {
            self.say(&notice);
        }
    }

    fn answer(&mut self, id: u64, answer: Answer) {
        self.say(&Notice::Answer { id, answer });
    }

    fn say(&mut self, notice: &Notice) {
        // These types always serialise: string keys only, no maps of others.
        if serde_json::to_writer(&mut self.outbox, notice).is_ok() {
            self.outbox.push(b'\n');
        }
    }

    /// Writes what the socket takes right now.
    fn flush(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            match self.socket.write(&self.outbox) {
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn last_words(&mut self) {
        let deadline = Instant::now() + LAST_WORDS;
        while self.flush().is_ok() && !self.outbox.is_empty() && Instant::now() < deadline {
            self.wait();
        }
    }

    /// Squall is gone: ends everything it had started and undoes the rest.
    /// Returns whether nothing is left.
    fn orphaned(&mut self) -> bool {
        let ended = self.end(|_| undo::TERM_GRACE);
        self.children.reap();
        let mut report = RecoverReport::default();
        match journal::read(&self.journal) {
            Ok(Ok(contents)) => replay(&self.journal, &contents, &mut report),
            Ok(Err(why)) => report.failed.push(why),
            // Closed already: there was nothing to undo.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => report.failed.push(error.to_string()),
        }
        // Last, as a disk may stall; nobody is there to be told.
        let _ = self.output.finish();
        ended.is_ok_and(|ended| ended.left.is_empty()) && report.is_clean()
    }
}
