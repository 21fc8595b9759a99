//! The one engine that carries out fates: an ordered chain of toxics on one
//! direction of one connection.
//!
//! The chain reads no clock and touches no socket. It is given chunks and the
//! time, and leaves in [`Output`] what is to be written. It alone owns held
//! bytes, so a toxic can be taken away at any moment without losing one.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::counters::{ToxicTotals, add};
use crate::{Chunk, Event, Fate, Fates, Toxic};

/// What a held chunk costs besides its bytes; counted so that a million
/// one-byte chunks are not taken for a megabyte.
pub(crate) const CHUNK_COST_BYTES: usize = 64;

/// How a connection is ended by a toxic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Both sides are closed in an orderly way.
    Close,
    /// Both sides are reset.
    Reset,
}

/// What came out of a chain and has not been written yet.
#[derive(Debug, Default)]
pub struct Output {
    /// Bytes to write, in order.
    pub bytes: VecDeque<Bytes>,
    /// The stream ends behind `bytes`.
    pub eof: bool,
    /// The connection ends: behind `bytes` when closed, at once when reset.
    pub end: Option<End>,
}

/// What flows through a chain.
#[derive(Debug)]
enum Item {
    Bytes(Bytes),
    Eof,
    /// A toxic closed the connection; travels behind what it let through.
    Close,
}

impl Item {
    fn cost(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len() + CHUNK_COST_BYTES,
            Self::Eof | Self::Close => 0,
        }
    }
}

struct Held {
    item: Item,
    until: Instant,
}

/// A toxic to be put into a chain.
pub(crate) struct Newcomer {
    pub(crate) id: Arc<str>,
    pub(crate) toxic: Box<dyn Toxic>,
    pub(crate) totals: Arc<ToxicTotals>,
}

/// A toxic at work, with everything it holds back.
struct Stage {
    id: Arc<str>,
    toxic: Box<dyn Toxic>,
    totals: Arc<ToxicTotals>,
    queue: VecDeque<Held>,
    /// Bytes that have reached this place, whichever toxic stood here, up to
    /// where it began to swallow.
    met_bytes: u64,
    /// Everything from here on is swallowed.
    swallowing: bool,
    /// The toxic closed the connection, and is not asked any more.
    closed: bool,
    /// It has begun to swallow: what followed would be behind a hole, were
    /// anything swallowed or not.
    hole: bool,
    /// The flow was counted as touched by this toxic.
    touched: bool,
    /// The last deadline that was delivered.
    fired: Option<Instant>,
}

impl Stage {
    /// The instant the toxic waits for, unless it has been delivered.
    fn deadline(&self) -> Option<Instant> {
        let deadline = self.toxic.deadline().filter(|_| !self.closed);
        deadline.filter(|at| self.fired != Some(*at))
    }

    fn touch(&mut self) {
        if !self.touched {
            self.touched = true;
            add(&self.totals.flows, 1);
        }
    }

    /// Counts a chunk the toxic did something to.
    fn count(&mut self, bytes: usize) {
        self.touch();
        add(&self.totals.chunks, 1);
        add(&self.totals.bytes, bytes as u64);
    }

    /// Makes an item vanish; from now on the stream has a hole.
    fn swallow(&mut self, item: &Item) {
        self.touch();
        self.hole = true;
        if let Item::Bytes(bytes) = item {
            add(&self.totals.swallowed_bytes, bytes.len() as u64);
        }
    }
}

/// An ordered chain of toxics.
#[derive(Default)]
pub struct Chain {
    stages: Vec<Stage>,
    held_cost_bytes: usize,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.stages.iter().map(|stage| &stage.id).collect();
        f.debug_struct("Chain")
            .field("stages", &ids)
            .field("held_cost_bytes", &self.held_cost_bytes)
            .finish()
    }
}

impl Chain {
    /// Whether no toxic is attached.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Memory held back: bytes and what each chunk costs besides.
    #[must_use]
    pub const fn held_cost_bytes(&self) -> usize {
        self.held_cost_bytes
    }

    /// Ids of the toxics attached, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().map(|stage| &*stage.id)
    }

    /// Puts a toxic at the end of the chain.
    pub fn attach(
        &mut self,
        id: &str,
        toxic: Box<dyn Toxic>,
        carried_bytes: bool,
        now: Instant,
        out: &mut Output,
    ) {
        let newcomer = Newcomer {
            id: id.into(),
            toxic,
            totals: Arc::default(),
        };
        self.insert(self.stages.len(), newcomer, carried_bytes, now, out);
    }

    /// Puts a toxic at a place of the chain.
    pub(crate) fn insert(
        &mut self,
        at: usize,
        newcomer: Newcomer,
        carried_bytes: bool,
        now: Instant,
        out: &mut Output,
    ) {
        let stage = Stage {
            id: newcomer.id,
            toxic: newcomer.toxic,
            totals: newcomer.totals,
            queue: VecDeque::new(),
            met_bytes: 0,
            swallowing: false,
            closed: false,
            hole: false,
            touched: false,
            fired: None,
        };
        self.stages.insert(at, stage);
        self.open(at, carried_bytes, now, out);
    }

    /// Puts another toxic in the place of one. What that held goes on at once,
    /// in order; where it has begun to swallow, nothing will ever go on.
    pub fn change(
        &mut self,
        id: &str,
        toxic: Box<dyn Toxic>,
        carried_bytes: bool,
        now: Instant,
        out: &mut Output,
    ) {
        let Some(at) = self.position(id) else {
            return;
        };
        let stage = &mut self.stages[at];
        stage.toxic = toxic;
        stage.fired = None;
        let held = std::mem::take(&mut stage.queue);
        self.flush(held, at + 1, now, out);
        self.open(at, carried_bytes, now, out);
    }

    /// Takes a toxic away. What it held goes on at once, in order; when it has
    /// begun to swallow, the connection closes behind that.
    pub fn detach(&mut self, id: &str, now: Instant, out: &mut Output) {
        let Some(at) = self.position(id) else {
            return;
        };
        let stage = self.stages.remove(at);
        self.flush(stage.queue, at, now, out);
        if stage.hole {
            self.feed(at, Item::Close, now, now, out);
        }
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.stages.iter().position(|stage| &*stage.id == id)
    }

    fn open(&mut self, at: usize, carried_bytes: bool, now: Instant, out: &mut Output) {
        let stage = &mut self.stages[at];
        let before = stage.met_bytes;
        let opened = Event::Opened {
            carried_bytes,
            before,
        };
        let fates = stage.toxic.on(opened, now);
        self.act(at, None, fates, now, out);
    }

    /// Gives what was held to the stage at `to`.
    fn flush(&mut self, held: VecDeque<Held>, to: usize, now: Instant, out: &mut Output) {
        for held in held {
            self.held_cost_bytes -= held.item.cost();
            self.feed(to, held.item, now, now, out);
        }
    }

    /// Bytes arrived.
    pub fn push(&mut self, bytes: Bytes, now: Instant, out: &mut Output) {
        self.feed(0, Item::Bytes(bytes), now, now, out);
    }

    /// The sender closed its side.
    pub fn push_eof(&mut self, now: Instant, out: &mut Output) {
        self.feed(0, Item::Eof, now, now, out);
    }

    /// Releases what is due and delivers timers that are.
    pub fn advance(&mut self, now: Instant, out: &mut Output) {
        for at in 0..self.stages.len() {
            while let Some(held) = self.pop_due(at, now) {
                self.feed(at + 1, held.item, held.until, now, out);
            }
            if let Some(due) = self.stages[at].deadline().filter(|due| *due <= now) {
                self.stages[at].fired = Some(due);
                let fates = self.stages[at].toxic.on(Event::Timer, now);
                self.act(at, None, fates, now, out);
            }
        }
    }

    /// When [`Chain::advance`] has something to do next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.stages
            .iter()
            .flat_map(|stage| {
                let head = stage.queue.front().map(|held| held.until);
                head.into_iter().chain(stage.deadline())
            })
            .min()
    }

    fn pop_due(&mut self, at: usize, now: Instant) -> Option<Held> {
        let queue = &mut self.stages[at].queue;
        if queue.front()?.until > now {
            return None;
        }
        let held = queue.pop_front()?;
        self.held_cost_bytes -= held.item.cost();
        Some(held)
    }

    /// Gives an item to the stage at `at`, or to the output behind the last.
    fn feed(&mut self, at: usize, item: Item, arrived: Instant, now: Instant, out: &mut Output) {
        let Some(stage) = self.stages.get_mut(at) else {
            return emit(item, out);
        };
        match item {
            Item::Bytes(bytes) if bytes.is_empty() => {}
            Item::Bytes(bytes) if stage.swallowing => {
                stage.count(bytes.len());
                let chunk = Chunk { bytes, arrived };
                let asked = !stage.closed;
                let fates = asked.then(|| stage.toxic.on(Event::Chunk(&chunk), now));
                stage.swallow(&Item::Bytes(chunk.bytes));
                self.act(at, None, fates.unwrap_or_default(), now, out);
            }
            Item::Eof if stage.swallowing => {
                add(&stage.totals.ends, 1);
                let asked = !stage.closed;
                let fates = asked.then(|| stage.toxic.on(Event::Eof { arrived }, now));
                stage.swallow(&Item::Eof);
                self.act(at, None, fates.unwrap_or_default(), now, out);
            }
            Item::Close => self.release(at, Item::Close, arrived, now, out),
            Item::Eof => {
                let fates = stage.toxic.on(Event::Eof { arrived }, now);
                if !fates.is_pass() {
                    add(&stage.totals.ends, 1);
                }
                self.act(at, Some((Item::Eof, arrived)), fates, now, out);
            }
            Item::Bytes(bytes) => {
                stage.met_bytes += bytes.len() as u64;
                let chunk = Chunk { bytes, arrived };
                let fates = stage.toxic.on(Event::Chunk(&chunk), now);
                if !fates.is_pass() {
                    stage.count(chunk.bytes.len());
                }
                self.act(
                    at,
                    Some((Item::Bytes(chunk.bytes), arrived)),
                    fates,
                    now,
                    out,
                );
            }
        }
    }

    /// Carries out `fates` for what is left of an item.
    fn act(
        &mut self,
        at: usize,
        subject: Option<(Item, Instant)>,
        fates: Fates,
        now: Instant,
        out: &mut Output,
    ) {
        let (mut left, arrived) = match subject {
            Some((item, arrived)) => (Some(item), arrived),
            None => (None, now),
        };
        for fate in fates {
            match fate {
                Fate::Pass => {
                    if let Some(item) = left.take() {
                        self.release(at, item, arrived, now, out);
                    }
                }
                Fate::Hold(until) => {
                    if let Some(item) = left.take() {
                        self.release(at, item, until, now, out);
                    }
                }
                Fate::Split { at: count, until } => {
                    if let Some(piece) = split(&mut left, count) {
                        self.release(at, piece, until, now, out);
                    }
                }
                Fate::Replace(bytes) => {
                    // The end of a stream stays one, or nobody would learn of it.
                    if let Some(Item::Bytes(old)) = &mut left {
                        *old = bytes;
                    }
                }
                Fate::DropFromHere => {
                    let stage = &mut self.stages[at];
                    stage.swallowing = true;
                    stage.hole = true;
                    if let Some(item) = left.take() {
                        stage.swallow(&item);
                    }
                }
                Fate::Close => {
                    let stage = &mut self.stages[at];
                    stage.touch();
                    stage.swallowing = true;
                    stage.closed = true;
                    add(&stage.totals.closed, 1);
                    if let Some(item) = left.take() {
                        stage.swallow(&item);
                    }
                    self.release(at, Item::Close, arrived, now, out);
                }
                Fate::Reset => {
                    let stage = &mut self.stages[at];
                    stage.touch();
                    add(&stage.totals.reset, 1);
                    out.end = Some(End::Reset);
                    return;
                }
            }
        }
        if let Some(item) = left {
            self.release(at, item, arrived, now, out);
        }
    }

    /// Lets an item leave the stage at `until`, behind what it holds already.
    fn release(&mut self, at: usize, item: Item, until: Instant, now: Instant, out: &mut Output) {
        let queue = &mut self.stages[at].queue;
        let until = queue.back().map_or(until, |last| until.max(last.until));
        if queue.is_empty() && until <= now {
            return self.feed(at + 1, item, until, now, out);
        }
        self.held_cost_bytes += item.cost();
        queue.push_back(Held { item, until });
    }
}

/// Cuts the first `count` bytes off; `None` when there is nothing to cut.
fn split(left: &mut Option<Item>, count: usize) -> Option<Item> {
    let Some(Item::Bytes(bytes)) = left else {
        return None;
    };
    if count >= bytes.len() {
        return left.take();
    }
    (count > 0).then(|| Item::Bytes(bytes.split_to(count)))
}

/// Behind the end of the connection nothing comes out: it would be behind a hole.
fn emit(item: Item, out: &mut Output) {
    match item {
        Item::Bytes(_) | Item::Eof if out.end.is_some() => {}
        Item::Bytes(bytes) => out.bytes.push_back(bytes),
        Item::Eof => out.eof = true,
        Item::Close => {
            out.end.get_or_insert(End::Close);
        }
    }
}
