//! Which part of a load a thread sends.

use squall_record::Shard;
use squall_scenario::Stage;

use crate::schedule::Schedule;

/// Which arrivals of a schedule, or users of a closed loop, are a thread's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) seed: u64,
    /// Those whose number is this, modulo `of`.
    pub(crate) nth: u64,
    pub(crate) of: u64,
}

impl Slice {
    /// What the nth of so many threads sends of a shard, or of all: the slices of
    /// all threads are the whole.
    pub(crate) fn of(seed: u64, shard: Option<Shard>, (nth, count): (u32, u32)) -> Self {
        let (first, shards) = shard.map_or((0, 1), |shard| (shard.number() - 1, shard.of()));
        Self {
            seed,
            nth: u64::from(first) + u64::from(shards) * u64::from(nth),
            of: u64::from(shards) * u64::from(count),
        }
    }

    /// The arrivals of `stages` that are its own.
    pub(crate) fn schedule(self, stages: &[Stage]) -> Schedule {
        Schedule::new(stages, self.seed).shard(self.nth, self.of)
    }

    /// Whether a number is its own.
    pub(crate) const fn has(self, number: u64) -> bool {
        number % self.of == self.nth
    }
}
