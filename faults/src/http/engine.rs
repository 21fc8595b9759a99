//! The engine of one connection: bytes in, bytes out, no socket and no clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use squall_scenario::inject::Http;

use super::attached::{Chosen, HttpAttached};
use super::lane::{Hold, Lane, Out};
use super::reader::{At, Reader};
use crate::End;
use crate::decisions::Teller;

/// Requests without an answer at which no more are taken from the caller.
const WAITING_MAX: usize = 128;

/// The requests and answers of one connection.
///
/// A connection that is new when it gets its engine is followed from its first
/// byte. One that carried bytes before is watched first, and nothing of it is
/// touched: what its next bytes belong to is not known. It is followed from the
/// moment that a request and its answer were seen whole and nothing was left
/// over, that is from its second request on. (A caller that sends requests before
/// it has the answers to earlier ones could still be misread at this one moment.)
pub struct Exchanges {
    faults: Vec<Arc<HttpAttached>>,
    pub(super) phase: Phase,
    /// While watching: a request and its answer were seen whole.
    pub(super) proved: bool,
    pub(super) asked: Reader,
    pub(super) answered: Reader,
    /// Faults on the request that is being read.
    pub(super) asking: Vec<Chosen>,
    /// The request that is being read is answered by squall: it goes nowhere.
    pub(super) swallowing: bool,
    /// Requests whose answers are not complete, in order.
    pub(super) waiting: VecDeque<Exchange>,
    /// What the caller sent behind as many requests as may wait.
    pub(super) unread: Bytes,
    /// The caller's stream ends behind that.
    unread_eof: bool,
    to: Lane,
    pub(super) from: Lane,
    key: (u64, u64),
    /// Told of decisions by chance.
    pub(crate) teller: Teller,
    /// Requests so far.
    requests: u64,
    is_http: bool,
    is_not_http: bool,
    /// How it ends, and whether that went to the target.
    ended: Option<(End, bool)>,
    /// Grows with everything that goes in or out.
    steps: u64,
}

/// How far a connection is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Bytes pass; the next exchange tells whether they can be told apart.
    Watching,
    /// Every message is told from the next.
    Following,
}

/// A request that has no complete answer yet.
pub(super) struct Exchange {
    pub(super) method: String,
    /// Faults on its answer.
    pub(super) chosen: Vec<Chosen>,
    /// The answer that squall gives itself.
    pub(super) own: Option<Own>,
}

/// An answer of squall's own.
pub(super) struct Own {
    pub(super) bytes: Bytes,
    pub(super) hold: Option<Hold>,
    /// The request is complete.
    pub(super) ready: bool,
    /// The connection ends behind it.
    pub(super) last: bool,
    /// Faults that chose it, until it is given.
    pub(super) chosen: Vec<Chosen>,
}

impl Exchanges {
    /// For the `connection`th connection of a link with `seed`; `fresh` when it
    /// has not carried a byte.
    #[must_use]
    pub fn new(seed: u64, connection: u64, fresh: bool) -> Self {
        Self {
            faults: Vec::new(),
            phase: match fresh {
                true => Phase::Following,
                false => Phase::Watching,
            },
            proved: false,
            asked: Reader::default(),
            answered: Reader::default(),
            asking: Vec::new(),
            swallowing: false,
            waiting: VecDeque::new(),
            unread: Bytes::new(),
            unread_eof: false,
            to: Lane::default(),
            from: Lane::default(),
            key: (seed, connection),
            teller: Teller::default(),
            requests: 0,
            is_http: false,
            is_not_http: false,
            ended: None,
            steps: 0,
        }
    }

    /// Attaches a fault by itself, for tests and benchmarks.
    pub fn attach(&mut self, id: &str, http: &Http) {
        let mut faults = self.faults.clone();
        faults.push(HttpAttached::new(id, http.clone(), None));
        self.set_faults(&faults);
    }

    /// Takes all faults away, for tests and benchmarks.
    pub fn detach_all(&mut self) {
        self.set_faults(&[]);
    }

    /// Makes these the faults of the connection. What others held goes on.
    pub(crate) fn set_faults(&mut self, faults: &[Arc<HttpAttached>]) {
        let known = |fault: &Arc<_>| self.faults.iter().any(|known| Arc::ptr_eq(known, fault));
        for newcomer in faults.iter().filter(|fault| !known(fault)) {
            // What is known of the connection is not found out again.
            if self.is_http {
                newcomer.count_connection();
            }
            if self.is_not_http {
                newcomer.count_not_http();
            }
        }
        self.faults = faults.to_vec();
        let attached = |id: &str| faults.iter().any(|fault| &*fault.id == id);
        let stays = |chosen: &Chosen| attached(chosen.id());
        self.asking.retain(stays);
        for exchange in &mut self.waiting {
            exchange.chosen.retain(stays);
            if let Some(own) = &mut exchange.own {
                own.chosen.retain(stays);
                own.hold.take_if(|hold| !attached(hold.by.id()));
            }
        }
        self.to.release(attached);
        self.from.release(attached);
        let passes = self.asked.at == At::Through && self.answered.at == At::Through;
        if !faults.is_empty() && passes && !self.is_not_http {
            // It was left alone, not lost.
            self.watch();
        }
        self.settle();
    }

    /// Bytes arrived from the caller (`to_target`) or from the target.
    pub fn push(&mut self, to_target: bool, bytes: Bytes, now: Instant) {
        self.steps += 1;
        match to_target {
            true => self.ask(bytes, now),
            false => self.answer(bytes, now),
        }
        self.go_on(now);
    }

    /// The sender closed its side.
    pub fn push_eof(&mut self, to_target: bool, now: Instant) {
        self.steps += 1;
        match to_target {
            true => {
                let part = self.asked.flush();
                self.pass(true, part, None);
                self.unread_eof = true;
            }
            false => {
                let part = self.answered.flush();
                self.pass(false, part, None);
                self.end_with_stream(now);
                self.from.push_eof();
            }
        }
        self.go_on(now);
    }

    /// Takes what goes on next in a direction; an empty piece when the stream
    /// ends there.
    pub fn pull(&mut self, to_target: bool, now: Instant) -> Option<Bytes> {
        if self.ended.is_some() {
            return None;
        }
        let out = self.lane(to_target).pull(now)?;
        self.steps += 1;
        self.go_on(now);
        match out {
            Out::Bytes(bytes) => Some(bytes),
            Out::Eof => Some(Bytes::new()),
            Out::End(end) => {
                self.ended = Some((end, to_target));
                None
            }
        }
    }

    /// Puts back what could not be taken at once of a piece.
    pub fn put_back(&mut self, to_target: bool, rest: Bytes) {
        self.lane(to_target).put_back(rest);
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Instant) {
        let ending = self.is_ending();
        let late = |reader: &Reader| {
            let deadline = reader.deadline().filter(|_| !ending);
            deadline.is_some_and(|deadline| deadline <= now)
        };
        if late(&self.asked) {
            self.lose_requests(Bytes::new());
        }
        if late(&self.answered) {
            self.lose_answers(Bytes::new());
        }
        self.settle();
    }

    /// When [`Exchanges::pull`] or [`Exchanges::advance`] has something to do
    /// next that it has not `now`. What is due by then, and was not taken, does
    /// not count: no time has to pass for it.
    #[must_use]
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let heads = match self.phase {
            Phase::Watching => [None, None],
            Phase::Following if self.is_ending() => [None, None],
            Phase::Following => [self.asked.deadline(), self.answered.deadline()],
        };
        let lanes = [self.to.deadline(), self.from.deadline()];
        let deadlines = heads.into_iter().chain(lanes).flatten();
        deadlines.filter(|deadline| *deadline > now).min()
    }

    /// Whether more bytes may be pushed in a direction.
    #[must_use]
    pub fn has_room(&self, to_target: bool) -> bool {
        let lane = match to_target {
            true => &self.to,
            false => &self.from,
        };
        let few = !to_target || (self.unread.is_empty() && !self.has_enough());
        lane.has_room() && few && self.ended.is_none()
    }

    /// Whether as many requests as may have no answer.
    pub(super) fn has_enough(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// How the connection ends, once everything before it was pulled.
    #[must_use]
    pub fn ended(&self) -> Option<End> {
        self.ended.map(|(end, _)| end)
    }

    /// The same, and whether everything before it went to the target.
    pub(crate) const fn ended_behind(&self) -> Option<(End, bool)> {
        self.ended
    }

    /// Whether it can be taken away: no fault is left, nothing is held, and what
    /// follows passes as it is.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let passes = self.asked.at == At::Through && self.answered.at == At::Through;
        self.faults.is_empty()
            && passes
            && self.ended.is_none()
            && self.to.is_empty()
            && self.from.is_empty()
    }

    /// Grows whenever something went in or out.
    pub(crate) const fn steps(&self) -> u64 {
        self.steps
    }

    const fn lane(&mut self, to_target: bool) -> &mut Lane {
        match to_target {
            true => &mut self.to,
            false => &mut self.from,
        }
    }

    /// Lets bytes go on. Of a connection that is watched they have already, and
    /// those of a request that squall answers itself do not.
    pub(super) fn pass(&mut self, to_target: bool, bytes: Bytes, hold: Option<Hold>) {
        let swallowed = to_target && self.swallowing;
        if self.phase == Phase::Following && !swallowed {
            self.lane(to_target).push(bytes, hold);
        }
    }

    /// Lets bytes of a connection that is watched go on, before they are read.
    pub(super) fn pass_watched(&mut self, to_target: bool, bytes: &Bytes) {
        if self.phase == Phase::Watching {
            self.lane(to_target).push(bytes.clone(), None);
        }
    }

    /// Ends the connection behind what goes on in a direction.
    pub(super) fn end(&mut self, to_target: bool, end: End) {
        self.lane(to_target).push_end(end);
    }

    /// Whether the connection ends behind what waits: nothing that comes now is
    /// told apart any more.
    pub(super) const fn is_ending(&self) -> bool {
        self.to.ends() || self.from.ends()
    }

    /// Chooses the faults of the next request.
    pub(super) fn choose(&mut self, head: &super::head::Head) -> Vec<Chosen> {
        if self.phase == Phase::Watching {
            return Vec::new();
        }
        self.count_http();
        let (seed, connection) = self.key;
        let key = (seed, connection, self.requests);
        self.requests += 1;
        let faults = self.faults.iter();
        let teller = &self.teller;
        let chosen = faults.filter_map(|fault| fault.choose(head, key, teller));
        chosen.collect()
    }

    fn count_http(&mut self) {
        if !self.is_http {
            self.is_http = true;
            self.faults
                .iter()
                .for_each(|fault| fault.count_connection());
        }
    }

    /// Says that a connection is followed no more.
    pub(super) fn count_not_http(&mut self) {
        if !self.is_not_http {
            self.is_not_http = true;
            self.faults.iter().for_each(|fault| fault.count_not_http());
        }
    }

    /// Starts over: bytes pass until an exchange tells where messages begin.
    pub(super) fn watch(&mut self) {
        self.phase = Phase::Watching;
        self.proved = false;
        self.asked = Reader::default();
        self.answered = Reader::default();
        // It has passed on already.
        self.unread.clear();
        self.waiting.clear();
    }

    /// Lets everything pass from now on.
    pub(super) fn pass_both(&mut self) {
        for to_target in [true, false] {
            let reader = match to_target {
                true => &mut self.asked,
                false => &mut self.answered,
            };
            reader.at = At::Through;
            let part = reader.flush();
            self.pass(to_target, part, None);
        }
        let unread = std::mem::take(&mut self.unread);
        self.pass(true, unread, None);
        self.phase = Phase::Following;
        self.asking.clear();
        self.waiting.clear();
    }

    /// Whether the streams of both sides are no longer the same: a request was
    /// taken that the target never sees, and its answer is not given yet.
    pub(super) fn is_between_streams(&self) -> bool {
        self.swallowing || self.waiting.iter().any(|exchange| exchange.own.is_some())
    }

    /// Goes on with what had to wait: answers of squall's own for those before
    /// them to be taken, requests for others to be answered.
    fn go_on(&mut self, now: Instant) {
        self.give_own();
        if !self.unread.is_empty() && !self.has_enough() {
            let unread = std::mem::take(&mut self.unread);
            self.tell_requests(unread, now);
        }
        self.settle();
        if self.unread_eof && self.unread.is_empty() {
            self.to.push_eof();
        }
    }

    /// What follows from where both directions stand.
    fn settle(&mut self) {
        let between = self.asked.is_between() && self.answered.is_between();
        if self.faults.is_empty() && !self.is_between_streams() {
            self.pass_both();
        } else if self.phase == Phase::Watching && self.proved && between && self.waiting.is_empty()
        {
            self.phase = Phase::Following;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use squall_scenario::inject::{Answer, HttpAction, HttpDone, Matching, Message};
    use squall_scenario::{ByteCount, Share};

    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\n\r\n";
    const POST: &str = "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody";
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    fn fault(message: Message, action: HttpAction) -> Http {
        Http {
            when: Matching::default(),
            share: Share::WHOLE,
            at_most: None,
            scoped: false,
            message,
            action,
        }
    }

    /// What a fault says it has done after a caller and its target said this.
    fn done(http: Http, said: &[(bool, &str)]) -> HttpDone {
        let fault = HttpAttached::new("fault", http, None);
        let mut exchanges = Exchanges::new(7, 0, true);
        exchanges.set_faults(&[Arc::clone(&fault)]);
        let now = Instant::now();
        for (to_target, text) in said {
            exchanges.push(*to_target, Bytes::copy_from_slice(text.as_bytes()), now);
        }
        fault.done()
    }

    #[test]
    fn an_aborted_connection_is_http_and_nothing_behind_its_end_counts() {
        for after in [0, 1] {
            let abort = |message| {
                let after = ByteCount(after);
                fault(message, HttpAction::Abort { after })
            };
            let answered = done(
                abort(Message::Answer),
                &[(true, GET), (false, OK), (true, GET)],
            );
            assert_eq!((answered.not_http, answered.requests), (0, 1), "{after}");
            let asked = done(abort(Message::Request), &[(true, &POST.repeat(2))]);
            assert_eq!((asked.not_http, asked.requests), (0, 1), "{after}");
        }
    }

    fn push(exchanges: &mut Exchanges, to_target: bool, text: &str, now: Instant) {
        exchanges.push(to_target, Bytes::copy_from_slice(text.as_bytes()), now);
    }

    #[test]
    fn a_caller_that_never_reads_is_not_answered_without_end() {
        let now = Instant::now();
        let mut exchanges = Exchanges::new(7, 0, true);
        let body = "x".repeat(1000);
        let answer = Answer {
            status: 503,
            headers: Vec::new(),
            body: body.clone(),
        };
        exchanges.attach("fault", &fault(Message::Answer, HttpAction::Answer(answer)));
        push(&mut exchanges, true, &GET.repeat(3000), now);
        exchanges.push_eof(true, now);
        let (mut most, mut heard) = (0, Vec::new());
        assert!(exchanges.from.is_full() && !exchanges.has_room(true));
        while let Some(bytes) = exchanges.pull(false, now) {
            most = most.max(exchanges.waiting.len());
            heard.extend_from_slice(&bytes);
        }
        assert_eq!(most, WAITING_MAX);
        let heard = String::from_utf8(heard).unwrap();
        assert_eq!(heard.matches(&body).count(), 3000);
        assert_eq!(exchanges.pull(true, now), Some(Bytes::new()));
    }

    #[test]
    fn more_requests_than_may_wait_go_on_when_there_are_answers_or_never_will_be() {
        let now = Instant::now();
        let late = || {
            let by = Duration::from_millis(1);
            let jitter = Duration::ZERO;
            let mut exchanges = Exchanges::new(7, 0, true);
            let late = HttpAction::Delay { by, jitter };
            exchanges.attach("fault", &fault(Message::Request, late));
            push(&mut exchanges, true, &GET.repeat(WAITING_MAX + 2), now);
            exchanges.push_eof(true, now);
            exchanges
        };
        let gone = |mut exchanges: Exchanges| {
            let later = now + Duration::from_secs(1);
            let mut gone = Vec::new();
            while let Some(bytes) = exchanges.pull(true, later) {
                gone.push(bytes);
            }
            let ends = gone.last().is_some_and(Bytes::is_empty);
            (gone.concat().len() / GET.len(), ends)
        };
        assert_eq!(gone(late()), (WAITING_MAX, false));
        let mut answered = late();
        push(&mut answered, false, OK, now);
        assert_eq!(gone(answered), (WAITING_MAX + 1, false));
        let mut left = late();
        left.push_eof(false, now);
        assert_eq!(gone(left), (WAITING_MAX + 2, true));
    }

    #[test]
    fn what_is_due_and_not_taken_hides_nothing_that_comes_later() {
        let now = Instant::now();
        let slow = |message| {
            let rate = ByteCount(1000);
            HttpAttached::new("slow", fault(message, HttpAction::Throttle(rate)), None)
        };
        let mut exchanges = Exchanges::new(7, 0, true);
        exchanges.set_faults(&[slow(Message::Request), slow(Message::Answer)]);
        let ms = |ms| now + Duration::from_millis(ms);
        push(&mut exchanges, true, POST, now);
        push(&mut exchanges, false, OK, ms(3));
        while exchanges.pull(false, ms(3)).is_some() {}
        // The body of the request is due at 4 ms, and its target does not read.
        while exchanges.pull(true, now).is_some() {}
        assert_eq!(exchanges.deadline(ms(3)), Some(ms(4)));
        assert_eq!(exchanges.deadline(ms(4)), Some(ms(5)));
        assert_eq!(exchanges.deadline(ms(5)), None);
    }

    #[test]
    fn a_second_fault_is_told_what_is_known_of_a_connection() {
        let late = || {
            let by = Duration::ZERO;
            let jitter = Duration::ZERO;
            HttpAttached::new(
                "late",
                fault(Message::Answer, HttpAction::Delay { by, jitter }),
                None,
            )
        };
        for (said, known) in [(GET, (1, 0)), ("+PONG\r\n", (0, 1))] {
            let (first, second) = (late(), late());
            let mut exchanges = Exchanges::new(7, 0, true);
            exchanges.set_faults(&[Arc::clone(&first)]);
            push(&mut exchanges, true, said, Instant::now());
            for _ in 0..2 {
                exchanges.set_faults(&[Arc::clone(&first), Arc::clone(&second)]);
            }
            for done in [first.done(), second.done()] {
                assert_eq!((done.connections, done.not_http), known, "{said:?}");
            }
        }
    }
}
