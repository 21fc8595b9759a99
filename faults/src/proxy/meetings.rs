//! Which toxics a connection has met, and which of them hit it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::add;
use super::roster::{Attached, Roster};
use crate::chance;

/// The toxics that a connection has met, in chain order. One whose share leaves
/// the connection out is met, but never gets to see a byte of it.
#[derive(Debug, Default)]
pub(crate) struct Meetings(Vec<Met>);

#[derive(Debug)]
struct Met {
    toxic: Arc<Attached>,
    /// Whether it hits the connection now.
    hits: bool,
    /// Whether it ever did, and that was counted.
    counted: bool,
}

impl Meetings {
    /// Meets those of `roster`, on the nth connection of a proxy.
    pub(crate) fn follow(&mut self, roster: &Roster, seed: u64, nth: u64) {
        let mut before = std::mem::take(&mut self.0);
        for toxic in &roster.toxics {
            let known = before.iter().position(|met| met.toxic.is(toxic));
            let known = known.map(|at| before.swap_remove(at));
            let mut met = known.unwrap_or_else(|| Met::first(toxic));
            met.toxic = Arc::clone(toxic);
            met.draw(chance::is_hit(seed, &toxic.id, nth, toxic.share));
            self.0.push(met);
        }
    }

    /// Those that hit the connection, in chain order.
    pub(crate) fn hitting(&self) -> impl Iterator<Item = &Arc<Attached>> {
        self.0.iter().filter(|met| met.hits).map(|met| &met.toxic)
    }
}

impl Met {
    fn first(toxic: &Arc<Attached>) -> Self {
        add(&toxic.totals.met, 1);
        Self {
            toxic: Arc::clone(toxic),
            hits: false,
            counted: false,
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
}

impl Drop for Met {
    fn drop(&mut self) {
        if self.hits {
            leave(&self.toxic.totals.live);
        }
    }
}

fn leave(live: &AtomicU64) {
    live.fetch_sub(1, Ordering::Relaxed);
}
