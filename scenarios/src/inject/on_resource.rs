//! What is done to what processes have: the kinds there are.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::{About, Cpu, Disk, Inject, Limit, Memory, cpu, disk, limit, memory};

/// What a target is kept short of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnResource {
    /// See [`Limit`].
    Limit(Limit),
    /// See [`Cpu`].
    Cpu(Cpu),
    /// See [`Memory`].
    Memory(Memory),
    /// See [`Disk`].
    Disk(Disk),
}

impl OnResource {
    /// Every kind, in the order they are listed.
    pub const KINDS: &[&About] = &[&limit::ABOUT, &cpu::ABOUT, &memory::ABOUT, &disk::ABOUT];

    /// What there is to know about it.
    #[must_use]
    pub const fn about(&self) -> &'static About {
        match self {
            Self::Limit(_) => &limit::ABOUT,
            Self::Cpu(_) => &cpu::ABOUT,
            Self::Memory(_) => &memory::ABOUT,
            Self::Disk(_) => &disk::ABOUT,
        }
    }

    /// Its name with its parameters: `limit files to 64`.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!("{}{}", self.about().keyword, self.kind().details())
    }

    pub(super) fn kind(&self) -> &dyn Kind {
        match self {
            Self::Limit(limit) => limit,
            Self::Cpu(cpu) => cpu,
            Self::Memory(memory) => memory,
            Self::Disk(disk) => disk,
        }
    }
}

impl From<Limit> for Inject {
    fn from(limit: Limit) -> Self {
        Self::Resource(OnResource::Limit(limit))
    }
}

impl From<Cpu> for Inject {
    fn from(cpu: Cpu) -> Self {
        Self::Resource(OnResource::Cpu(cpu))
    }
}

impl From<Memory> for Inject {
    fn from(memory: Memory) -> Self {
        Self::Resource(OnResource::Memory(memory))
    }
}

impl From<Disk> for Inject {
    fn from(disk: Disk) -> Self {
        Self::Resource(OnResource::Disk(disk))
    }
}
