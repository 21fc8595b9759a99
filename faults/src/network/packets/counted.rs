//! Packets as the kernel counts them.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Packets and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counted {
    /// Packets.
    pub packets: u64,
    /// Their bytes, headers included.
    pub bytes: u64,
}

impl AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// What a filter has met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Met {
    /// What it could have hit.
    pub(crate) seen: Counted,
    /// What it hit.
    pub(crate) hit: Counted,
}
