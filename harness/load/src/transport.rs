//! Connections to the target, and the exchanges that are under way on
//! them: pooled, capped, timed, and ended when patience is.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use squall_record::BadKind;
use squall_scenario::HttpVersion;
use tokio::task::AbortHandle;

use crate::answer::{Moment, Talk};
use crate::requests::RequestKind;
use attend::attend;
pub use connector::{Connector, Endpoint, Leads};
pub use exchange::{Course, Exchange, ExchangeFailure};
use http2::Stem;
use line::{KEPT_BYTES_MAX, Line};
use lying::Lying;
use pools::Pools;
pub use tls::{Tls, TlsSetupError};
pub use under_way::{Dispatch, Key, Made};
use under_way::{Entry, UnderWay};
use wire::Buffers;

mod attend;
mod connector;
mod exchange;
mod http2;
mod line;
mod lying;
mod pools;
mod session;
mod socket;
mod stamp;
mod tls;
mod under_way;
mod wire;

/// How long an unused connection is kept: as long as in Go's client and in
/// hyper's. What a burst or a stall opened does not stay for the whole run.
const IDLE_MAX: Duration = Duration::from_secs(90);
/// Idle connections looked at in one sweep.
const SWEPT_MAX: usize = 64;

/// Who sends requests through a [`Transport`] of its own, and hears what became
/// of each.
pub trait Sender: 'static {
    /// What it knows of an exchange.
    type Errand: 'static;

    /// Its connections.
    fn transport(&self) -> &Transport<Self::Errand>;

    /// How the answer is read, and what may be done without one.
    fn kind(&self, errand: &Self::Errand) -> RequestKind;

    /// The request's bytes, where they are at hand.
    fn fixed(&self, errand: &Self::Errand) -> Option<&Bytes>;

    /// Appends the request's bytes otherwise. Asked again where it is sent again.
    fn write(&self, errand: &Self::Errand, into: &mut Vec<u8>);

    /// How long it has stood still in all until then, which is nobody else's time.
    fn stalled(&self, _at: Instant) -> Duration {
        Duration::ZERO
    }

    /// What is said on the socket that the request opens, where it opens one.
    fn talk(&self, _: &Self::Errand) -> Option<Talk> {
        None
    }

    /// An exchange is over. It may send the next one.
    fn settled(
        self: &Rc<Self>,
        errand: Self::Errand,
        course: &Course,
        result: Result<Exchange, ExchangeFailure>,
    );
}

/// Connections to one target, which may have several endpoints, and what is
/// under way on them. Belongs to one thread.
///
/// Nothing is redirected or decoded behind the sender's back. Two things happen
/// that every HTTP client does: a request whose connection was seen closed before it
/// was written, or whose address refused it, goes to a fresh connection or the next
/// address; and a request that may be repeated (RFC 9110 §9.2.2) is sent once more, on
/// a fresh connection, when a kept-alive one died under it before any answer. That is
/// told in the course of the exchange.
#[derive(Debug)]
pub struct Transport<E> {
    connector: Connector,
    connections_max: usize,
    patience: Duration,
    pools: Pools<Line>,
    /// Those that carry many exchanges at a time.
    stems: RefCell<Vec<Rc<Stem>>>,
    /// Connections that are made or being made.
    open: Cell<usize>,
    /// For a connection; those that are over stay until they are looked at.
    waiting: RefCell<VecDeque<Key>>,
    under_way: RefCell<UnderWay<E, Place>>,
    buffers: RefCell<Buffers>,
    to_send: RefCell<Vec<u8>>,
    broken: Cell<bool>,
    lying: Lying,
}

/// Where an exchange is.
#[derive(Debug)]
enum Place {
    /// Behind others that wait for a connection.
    Waiting,
    /// On a connection, which may be yet to be made.
    On(Rc<Line>),
    /// One of many on a connection, carried by a task of its own.
    Stream(Rc<Stem>, AbortHandle),
}

impl<E> Transport<E> {
    /// Connections as `connector` makes them, at most `connections` open at once
    /// (`None`: as many as requests need). An exchange may take `patience`.
    #[must_use]
    pub fn new(connector: Connector, connections: Option<u32>, patience: Duration) -> Self {
        let pools = Pools::new(&connector.endpoints, connector.leads.clone());
        let buffers = Buffers::new(connector.tls.is_some());
        Self {
            connector,
            connections_max: connections.map_or(usize::MAX, |max| max as usize),
            patience,
            pools,
            stems: RefCell::default(),
            open: Cell::new(0),
            waiting: RefCell::default(),
            under_way: RefCell::new(UnderWay::new()),
            buffers: RefCell::new(buffers),
            to_send: RefCell::default(),
            broken: Cell::new(false),
            lying: Lying::default(),
        }
    }

    /// When patience with the oldest exchange ends, `stalled` being all that the
    /// sender has stood still until now: that uses up no patience.
    #[must_use]
    pub fn patience_ends(&self, stalled: Duration) -> Option<Instant> {
        let (_, dispatch) = self.under_way.borrow().oldest()?;
        let excused = stalled.saturating_sub(dispatch.stalled);
        Some(dispatch.at + self.patience + excused)
    }

    /// Lets go of idle connections that nobody has used for 90 s: they would
    /// hold descriptors and memory until they are asked for. The oldest first,
    /// and only so many at a time.
    pub fn sweep(&self, now: Instant) {
        let is_old = |since| now.saturating_duration_since(since) >= IDLE_MAX;
        self.sweep_stems(is_old);
        let is_old = |line: &Line| is_old(line.idle_since.get());
        for line in self.pools.take_old(is_old, SWEPT_MAX) {
            self.close(&line);
        }
    }

    /// Whether the target is spoken to by TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.connector.tls.is_some()
    }

    /// A tenth of a second has passed: goes where the target's names lead by now.
    pub fn tick(&self) {
        self.lying.tick();
        self.pools.follow();
    }

    /// Whether answers may lie in their sockets for part of a millisecond: their
    /// times are the kernel's, and nothing waits for them.
    #[must_use]
    pub fn may_let_lie(&self) -> bool {
        self.lying.may() && self.waiting.borrow().is_empty()
    }

    /// How much was read and written since the last tick.
    pub(crate) const fn done(&self) -> u32 {
        self.lying.done()
    }

    /// How many connections wait for their next request.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.pools.idle()
    }

    /// Whether the task of a connection panicked: then nothing here is certain.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.broken.get()
    }

    fn put_idle(&self, line: &Rc<Line>, now: Instant) {
        line.idle_since.set(now);
        if let Some(pool) = line.pool() {
            pool.put(line);
        }
    }

    /// Ends a connection that is not idle any more.
    fn close(&self, line: &Line) {
        self.leave(line);
        line.end();
    }

    /// A connection does not count as open any more, nor as idle.
    fn leave(&self, line: &Line) {
        if line.open.replace(false) {
            self.open.set(self.open.get() - 1);
        }
    }

    /// Whether an exchange need not wait.
    fn has_room(&self) -> bool {
        self.open.get() < self.connections_max || self.idle() > 0 || self.has_room_on_stems()
    }

    /// Whether another connection may be opened. Where all are open, an idle one
    /// to another address makes room.
    fn make_room(&self) -> bool {
        if self.open.get() < self.connections_max {
            return true;
        }
        let unused = self.pools.take_any();
        if let Some(line) = &unused {
            self.close(line);
        }
        unused.is_some()
    }

    /// What becomes of an exchange that needs a new connection, now or as soon as there
    /// is room, where none leads anywhere.
    fn nowhere(&self) -> Option<ExchangeFailure> {
        if !self.pools.current().is_empty() {
            return None;
        }
        let (kind, why) = match self.pools.nowhere() {
            Some(why) => (BadKind::Dns, why),
            None => (BadKind::Connect, "the target has no address".to_owned()),
        };
        Some(ExchangeFailure::bad(kind, why, None))
    }

    fn remove(&self, key: Key) -> Option<(E, Course, Place)> {
        let entry = self.under_way.borrow_mut().remove(key)?;
        let course = Course {
            dispatch: entry.dispatch,
            made: entry.made,
            written: entry.written,
            resent: entry.resent,
        };
        if let Place::Stream(stem, _) = &entry.place {
            self.let_go(stem);
        }
        Some((entry.errand, course, entry.place))
    }
}

/// Sends a request; `turn` chooses the address to start with. Returns what names the
/// exchange, which may be over by then.
pub fn submit<S: Sender>(sender: &Rc<S>, errand: S::Errand, turn: u64, dispatch: Dispatch) -> Key {
    let entry = Entry::new(errand, turn, dispatch, Place::Waiting);
    let key = sender.transport().under_way.borrow_mut().insert(entry);
    take_turn(sender, key, dispatch.at);
    key
}

/// Sends at `now` what follows from an exchange that is over, and was dispatched at
/// `dispatch`: patience with it goes on from there.
pub fn submit_again<S: Sender>(
    sender: &Rc<S>,
    errand: S::Errand,
    turn: u64,
    (dispatch, now): (Dispatch, Instant),
) -> Key {
    let entry = Entry::new(errand, turn, dispatch, Place::Waiting);
    let key = sender
        .transport()
        .under_way
        .borrow_mut()
        .insert_again(entry);
    take_turn(sender, key, now);
    key
}

/// Puts an exchange on a connection, behind those that wait for one: whoever sends
/// right behind an answer would else have its connection for ever.
fn take_turn<S: Sender>(sender: &Rc<S>, key: Key, now: Instant) {
    let transport = sender.transport();
    if transport.waiting.borrow().is_empty() {
        return place(sender, key, Some(now));
    }
    transport.waiting.borrow_mut().push_back(key);
    place_waiting(sender);
}

/// Gives up on exchanges with which patience has ended.
pub fn give_up_late<S: Sender>(sender: &Rc<S>, now: Instant, stalled: Duration) {
    let transport = sender.transport();
    while transport
        .patience_ends(stalled)
        .is_some_and(|end| end <= now)
    {
        let Some((key, _)) = transport.under_way.borrow().oldest() else {
            break;
        };
        give_up(sender, key);
    }
}

/// Gives up on an exchange, where it is still under way.
pub fn give_up<S: Sender>(sender: &Rc<S>, key: Key) {
    let transport = sender.transport();
    let Some((errand, course, at)) = transport.remove(key) else {
        return;
    };
    match at {
        Place::Waiting => {}
        Place::On(line) => transport.close(&line),
        Place::Stream(_, task) => task.abort(),
    }
    let detail = match course.written {
        Some(_) => "no answer in time",
        None => "no connection in time",
    };
    let failure = ExchangeFailure::bad(BadKind::Timeout, detail.to_owned(), None);
    sender.settled(errand, &course, Err(failure));
    place_waiting(sender);
}

/// Puts an exchange on a connection: an idle one to its address, else a new one;
/// or lets it wait until there may be one.
fn place<S: Sender>(sender: &Rc<S>, key: Key, now: Option<Instant>) {
    let transport = sender.transport();
    if transport.connector.http == HttpVersion::Two {
        return http2::place(sender, key);
    }
    let Some((turn, fresh)) = turn_of(transport, key) else {
        return;
    };
    let kept = match fresh {
        true => None,
        false => transport.pools.take(turn),
    };
    if let Some(line) = kept {
        return send(sender, key, &line, now);
    }
    let full = transport.open.get() >= transport.connections_max;
    match transport.nowhere() {
        // One that comes free takes it on, wherever that leads.
        Some(_) if full && !fresh => transport.waiting.borrow_mut().push_back(key),
        Some(failure) => settle(sender, key, Err(failure)),
        None if transport.make_room() => open(sender, key),
        None => transport.waiting.borrow_mut().push_back(key),
    }
}

/// Which address an exchange starts with, and whether a connection has to be
/// fresh for it.
fn turn_of<E>(transport: &Transport<E>, key: Key) -> Option<(u64, bool)> {
    let mut under_way = transport.under_way.borrow_mut();
    let entry = under_way.get_mut(key)?;
    Some((entry.turn.wrapping_add(entry.refused), entry.resent))
}

/// Opens a connection for an exchange.
fn open<S: Sender>(sender: &Rc<S>, key: Key) {
    let transport = sender.transport();
    let line = Line::new(Instant::now());
    if let Some(entry) = transport.under_way.borrow_mut().get_mut(key) {
        entry.place = Place::On(Rc::clone(&line));
    }
    transport.open.set(transport.open.get() + 1);
    let task = attend(Rc::clone(sender), Rc::clone(&line), key);
    line.attended_by(tokio::task::spawn_local(task).abort_handle());
}

/// Writes the request of an exchange to a connection that carries none, at
/// `now`, where the caller knows.
fn send<S: Sender>(sender: &Rc<S>, key: Key, line: &Rc<Line>, now: Option<Instant>) {
    let transport = sender.transport();
    let mut under_way = transport.under_way.borrow_mut();
    let Some(entry) = under_way.get_mut(key) else {
        drop(under_way);
        return transport.put_idle(line, Instant::now());
    };
    let now = now.unwrap_or_else(Instant::now);
    entry.written = Some(now);
    entry.place = Place::On(Rc::clone(line));
    let kind = sender.kind(&entry.errand);
    // Nobody else asks how long the sender has stood still.
    let stalled = match kind.stay() {
        Some(_) => sender.stalled(now),
        None => Duration::ZERO,
    };
    let sent = Moment { at: now, stalled };
    line.begin(key, kind, sent);
    if kind.socket.is_some()
        && let Some(talk) = sender.talk(&entry.errand)
    {
        line.converse(talk, sent);
    }
    if let Some(bytes) = sender.fixed(&entry.errand) {
        let written = line.write(bytes);
        if written < bytes.len() {
            transport.lying.part();
            line.keep(bytes.slice(written..));
        }
        return;
    }
    let mut to_send = transport.to_send.borrow_mut();
    to_send.clear();
    sender.write(&entry.errand, &mut to_send);
    let written = line.write(&to_send);
    if written < to_send.len() {
        transport.lying.part();
        line.keep(Bytes::copy_from_slice(&to_send[written..]));
    }
    to_send.shrink_to(KEPT_BYTES_MAX);
}

/// Gives exchanges that wait the connections that they may have now.
fn place_waiting<S: Sender>(sender: &Rc<S>) {
    let transport = sender.transport();
    loop {
        let next = transport.waiting.borrow_mut().pop_front();
        let Some(key) = next else { break };
        if transport.under_way.borrow_mut().get_mut(key).is_none() {
            continue;
        }
        if !transport.has_room() {
            transport.waiting.borrow_mut().push_front(key);
            break;
        }
        place(sender, key, None);
    }
}

fn settle<S: Sender>(sender: &Rc<S>, key: Key, result: Result<Exchange, ExchangeFailure>) {
    if let Some((errand, course, _)) = sender.transport().remove(key) {
        sender.settled(errand, &course, result);
    }
}
