//! What is done to what processes have: the kinds there are.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::{About, Cpu, CpuBurn, Disk, Freeze, Inject, Limit, Memory, MemoryPressure};
use super::{cpu, cpu_burn, disk, freeze, limit, memory, memory_pressure};

macro_rules! on_resource {
    ($($kind:ident in $file:ident,)+) => {
        /// What a target is kept short of.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum OnResource {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] $kind($kind),)+
        }

        impl OnResource {
            /// Every kind, in the order they are listed.
            pub const KINDS: &[&About] = &[$(&$file::ABOUT),+];

            /// What there is to know about it.
            #[must_use]
            pub const fn about(&self) -> &'static About {
                match self {
                    $(Self::$kind(_) => &$file::ABOUT,)+
                }
            }

            pub(super) fn kind(&self) -> &dyn Kind {
                match self {
                    $(Self::$kind(kind) => kind,)+
                }
            }
        }

        $(impl From<$kind> for Inject {
            fn from(kind: $kind) -> Self {
                Self::Resource(OnResource::$kind(kind))
            }
        })+
    };
}

on_resource! {
    Limit in limit,
    Cpu in cpu,
    CpuBurn in cpu_burn,
    Freeze in freeze,
    Memory in memory,
    MemoryPressure in memory_pressure,
    Disk in disk,
}

impl OnResource {
    /// Its name with its parameters: `limit files to 64`.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!("{}{}", self.about().keyword, self.kind().details())
    }

    /// Whether it stops processes and lets them go on.
    pub(super) const fn stops_it(&self) -> bool {
        match self {
            Self::Freeze(_) => true,
            Self::Limit(_)
            | Self::Cpu(_)
            | Self::CpuBurn(_)
            | Self::Memory(_)
            | Self::MemoryPressure(_)
            | Self::Disk(_) => false,
        }
    }
}
