//! What goes on in one direction: bytes in order, some of them held.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::attached::Place;
use crate::End;
use crate::proxy::chain::CHUNK_COST_BYTES;

/// What may wait in one direction before no more is taken: bytes, and what each
/// piece costs besides.
const HELD_COST_BYTES_MAX: usize = 256 * 1024;

/// Until when something is held, and by whom.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    pub(super) until: Instant,
    pub(super) by: Arc<Place>,
    /// When it arrived, for what is a message's first part.
    pub(super) since: Option<Instant>,
}

#[derive(Debug)]
enum Item {
    Bytes(Bytes),
    End(End),
}

/// What came out of a lane.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Out {
    Bytes(Bytes),
    /// The stream ends.
    Eof,
    /// The connection ends.
    End(End),
}

const fn cost(bytes: &Bytes) -> usize {
    bytes.len() + CHUNK_COST_BYTES
}

/// Bytes that wait to go on in one direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    queue: VecDeque<(Item, Option<Hold>)>,
    held_cost_bytes: usize,
    /// The stream ends behind what waits.
    eof: bool,
    /// That was passed on.
    eof_taken: bool,
    /// The connection ends behind what waits.
    ends: bool,
}

impl Lane {
    pub(super) fn push(&mut self, bytes: Bytes, hold: Option<Hold>) {
        if !self.ends && !bytes.is_empty() {
            self.held_cost_bytes += cost(&bytes);
            self.queue.push_back((Item::Bytes(bytes), hold));
        }
    }

    /// The connection ends behind what waits; whatever follows is dropped.
    pub(super) fn push_end(&mut self, end: End) {
        if !self.ends {
            self.ends = true;
            self.queue.push_back((Item::End(end), None));
        }
    }

    pub(super) const fn push_eof(&mut self) {
        self.eof = true;
    }

    /// Takes what goes on next, if it may by now.
    pub(super) fn pull(&mut self, now: Instant) -> Option<Out> {
        let Some((_, hold)) = self.queue.front() else {
            let eof = self.eof && !self.eof_taken;
            self.eof_taken |= eof;
            return eof.then_some(Out::Eof);
        };
        if hold.as_ref().is_some_and(|hold| hold.until > now) {
            return None;
        }
        let (item, hold) = self.queue.pop_front()?;
        if let Some(hold) = hold
            && let Some(since) = hold.since
        {
            hold.by.observe(now.saturating_duration_since(since));
        }
        Some(match item {
            Item::Bytes(bytes) => {
                self.held_cost_bytes -= cost(&bytes);
                Out::Bytes(bytes)
            }
            Item::End(end) => Out::End(end),
        })
    }

    /// Puts back what could not be taken at once.
    pub(super) fn put_back(&mut self, rest: Bytes) {
        self.held_cost_bytes += cost(&rest);
        self.queue.push_front((Item::Bytes(rest), None));
    }

    /// Until when the next thing is held.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (_, hold) = self.queue.front()?;
        hold.as_ref().map(|hold| hold.until)
    }

    /// Lets go what is held by those who are not `attached` any more.
    pub(super) fn release(&mut self, attached: impl Fn(&str) -> bool) {
        for (_, hold) in &mut self.queue {
            if hold.as_ref().is_some_and(|hold| !attached(hold.by.id())) {
                *hold = None;
            }
        }
    }

    /// Whether the connection ends behind what waits.
    pub(super) const fn ends(&self) -> bool {
        self.ends
    }

    pub(super) const fn has_room(&self) -> bool {
        !self.is_full() && !self.ends && !self.eof
    }

    /// Whether as much waits as may.
    pub(super) const fn is_full(&self) -> bool {
        self.held_cost_bytes >= HELD_COST_BYTES_MAX
    }

    /// Whether nothing waits, the end of the stream included.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.eof == self.eof_taken
    }
}
