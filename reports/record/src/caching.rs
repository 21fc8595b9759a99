//! What caches of clients did for the requests of a route.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of what clients with a cache asked for. Only the misses and the
/// revalidated are arrivals; a hit sent nothing, and is in no other count and in no
/// time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CacheUse {
    /// Answered by the cache alone: no request was sent.
    pub hits: u64,
    /// Of the arrivals: the server said that what the cache has is still so (304).
    pub revalidated: u64,
    /// Of the arrivals: the cache had nothing for it, or something that was of no use
    /// any more; whatever became of them.
    pub misses: u64,
    /// Answers that caches let go, or did not take, for want of room.
    pub evicted: u64,
}

impl CacheUse {
    /// Whether no client had a cache, or it was never asked.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.asked() == 0 && self.evicted == 0
    }

    /// How often caches were asked.
    #[must_use]
    pub const fn asked(&self) -> u64 {
        self.hits
            .saturating_add(self.revalidated)
            .saturating_add(self.misses)
    }

    /// Adds `other` to these counts.
    pub const fn add(&mut self, other: &Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.revalidated = self.revalidated.saturating_add(other.revalidated);
        self.misses = self.misses.saturating_add(other.misses);
        self.evicted = self.evicted.saturating_add(other.evicted);
    }
}
