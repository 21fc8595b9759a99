//! What a fault on bytes has done, counted.

use serde::{Deserialize, Serialize};

/// What a fault has done to bytes since it was attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BytesDone {
    /// Connections it met: those that were there when it was attached and those
    /// that came since.
    #[serde(default)]
    pub met: u64,
    /// Those of them that are in its share, so that it acts on them.
    #[serde(default)]
    pub hit: u64,
    /// Flows (one direction of one connection) it did something to: anything
    /// but let bytes pass.
    pub flows: u64,
    /// Chunks it did something to.
    pub chunks: u64,
    /// Bytes it did something to.
    pub bytes: u64,
    /// Ends of flows it did something to.
    #[serde(default)]
    pub ends: u64,
    /// Bytes it swallowed.
    pub swallowed_bytes: u64,
    /// Connections it closed.
    pub closed: u64,
    /// Connections it reset.
    pub reset: u64,
    /// Connections it kept from their target for a time, before their first
    /// byte.
    #[serde(default)]
    pub kept: u64,
    /// Links that stopped listening because of it, every time.
    #[serde(default)]
    pub refusing: u64,
}

impl BytesDone {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            met: self.met + other.met,
            hit: self.hit + other.hit,
            flows: self.flows + other.flows,
            chunks: self.chunks + other.chunks,
            bytes: self.bytes + other.bytes,
            ends: self.ends + other.ends,
            swallowed_bytes: self.swallowed_bytes + other.swallowed_bytes,
            closed: self.closed + other.closed,
            reset: self.reset + other.reset,
            kept: self.kept + other.kept,
            refusing: self.refusing + other.refusing,
        }
    }
}
