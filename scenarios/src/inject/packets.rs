//! What faults on packets have in common, and what each asks for.

use serde::{Deserialize, Serialize};

use super::direction::Direction;
use crate::units::{ByteCount, Share};

/// Packets that are dropped or answered with a reset, below TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packets {
    /// Packets to the target, from it, or both.
    pub direction: Direction,
    /// How many of them.
    pub share: Share,
    /// Whether they are answered with a reset.
    pub reset: bool,
    /// Only those beyond so many bytes per second, on each port and way.
    #[serde(default)]
    pub beyond: Option<ByteCount>,
}

impl Packets {
    /// What it did to `hit` of the `seen` packets that it could have hit, in
    /// words.
    #[must_use]
    pub fn effect(&self, seen: u64, hit: u64) -> String {
        if let Some(rate) = self.beyond {
            return format!("{hit} of {seen} packets dropped, beyond {rate}/s");
        }
        match (self.reset, self.share == Share::WHOLE) {
            (true, _) => format!("{hit} packets answered with a reset"),
            (false, true) => format!("{hit} packets dropped"),
            (false, false) => format!("{hit} of {seen} packets dropped"),
        }
    }
}
