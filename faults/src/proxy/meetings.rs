//! Which toxics a connection has met, which of them hit it, and whether those
//! let it in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::counters::add;
use super::roster::{Attached, Roster};
use crate::chance;
use crate::doors::{Admission, Beyond, door};

/// The toxics that a connection has met, in chain order. One whose share leaves
/// the connection out is met, but never gets to see a byte of it.
#[derive(Debug, Default)]
pub(crate) struct Meetings {
    met: Vec<Met>,
    /// Whether the connection was let in: whoever comes now finds it inside.
    entered: bool,
}

#[derive(Debug)]
struct Met {
    toxic: Arc<Attached>,
    /// Whether it hits the connection now.
    hits: bool,
    /// Whether it ever did, and that was counted.
    counted: bool,
    /// Whether the connection takes up room behind its door.
    inside: bool,
    /// Whether it kept the connection waiting, and that was counted.
    kept: bool,
}

/// What all toxics together make of a connection that wants in.
pub(super) enum Entrance {
    /// It is in.
    Open,
    /// It is reset.
    Reset,
    /// It has to wait.
    Wait(Wait),
}

/// What a connection waits for before it asks again, besides a change.
pub(super) enum Wait {
    /// An instant.
    Until(Instant),
    /// That fewer than so many are inside of a door.
    Room(Arc<Attached>, u64),
    /// Nothing else.
    Change,
}

impl Meetings {
    /// Meets those of `roster`, on the nth connection of a proxy.
    pub(crate) fn follow(&mut self, roster: &Roster, seed: u64, nth: u64) {
        let mut before = std::mem::take(&mut self.met);
        for toxic in &roster.toxics {
            let known = before.iter().position(|met| met.toxic.is(toxic));
            let known = known.map(|at| before.swap_remove(at));
            let hits = chance::is_hit(seed, &toxic.id, nth, toxic.share);
            if known
                .as_ref()
                .is_none_or(|met| met.toxic.share != toxic.share)
            {
                let teller = &roster.teller;
                teller.tell(&toxic.id, toxic.share, (nth, None), hits);
            }
            let mut met = known.unwrap_or_else(|| Met::first(toxic));
            met.toxic = Arc::clone(toxic);
            met.draw(hits);
            if self.entered {
                met.go_in(None);
            }
            self.met.push(met);
        }
    }

    /// Those that hit the bytes of the connection, in chain order.
    pub(crate) fn on_bytes(&self) -> impl Iterator<Item = &Arc<Attached>> {
        let hitting = self.met.iter().filter(|met| met.hits);
        let toxics = hitting.map(|met| &met.toxic);
        toxics.filter(|toxic| door(&toxic.inject).is_none())
    }

    /// Ids of those that hit the connection, in chain order.
    pub(super) fn ids(&self) -> Vec<Arc<str>> {
        let hitting = self.met.iter().filter(|met| met.hits);
        hitting.map(|met| Arc::clone(&met.toxic.id)).collect()
    }

    /// Lets the connection in if every door does.
    pub(super) fn enter(&mut self, accepted: Instant, now: Instant) -> Entrance {
        for met in self.met.iter_mut().filter(|met| met.hits) {
            let Some(door) = door(&met.toxic.inject) else {
                continue;
            };
            let wait = match door.admit(accepted) {
                Admission::In => continue,
                Admission::At(due) if due <= now => continue,
                Admission::At(due) => Wait::Until(due),
                Admission::Never => Wait::Change,
                Admission::Reset => return met.reset(),
                Admission::Room { most, beyond } => match (met.go_in(Some(most)), beyond) {
                    (true, _) => continue,
                    (false, Beyond::Reset) => return met.reset(),
                    (false, Beyond::Wait) => Wait::Room(Arc::clone(&met.toxic), most),
                },
            };
            met.keep();
            return Entrance::Wait(wait);
        }
        self.entered = true;
        for met in &mut self.met {
            met.go_in(None);
        }
        Entrance::Open
    }
}

impl Met {
    fn first(toxic: &Arc<Attached>) -> Self {
        add(&toxic.totals.met, 1);
        Self {
            toxic: Arc::clone(toxic),
            hits: false,
            counted: false,
            inside: false,
            kept: false,
        }
    }

    fn draw(&mut self, hits: bool) {
        let totals = &self.toxic.totals;
        match (self.hits, hits) {
            (false, true) => add(&totals.live, 1),
            (true, false) => leave(&totals.live),
            (true, true) | (false, false) => {}
        }
        self.hits = hits;
        if hits && !self.counted {
            self.counted = true;
            add(&totals.hit, 1);
        }
    }

    /// Takes up room behind the door, where there is some; whether it does.
    fn go_in(&mut self, most: Option<u64>) -> bool {
        if !self.inside && self.hits {
            self.inside = self.toxic.totals.inside.send_if_modified(|inside| {
                let room = most.is_none_or(|most| *inside < most);
                *inside += u64::from(room);
                room
            });
        }
        self.inside
    }

    fn keep(&mut self) {
        if !self.kept {
            self.kept = true;
            add(&self.toxic.totals.kept, 1);
        }
    }

    fn reset(&self) -> Entrance {
        add(&self.toxic.totals.reset, 1);
        Entrance::Reset
    }
}

impl Drop for Met {
    fn drop(&mut self) {
        if self.hits {
            leave(&self.toxic.totals.live);
        }
        if self.inside {
            let inside = &self.toxic.totals.inside;
            inside.send_modify(|inside| *inside = inside.saturating_sub(1));
        }
    }
}

fn leave(live: &AtomicU64) {
    live.fetch_sub(1, Ordering::Relaxed);
}
