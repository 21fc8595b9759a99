//! Why arrivals were never sent: each cause by its own name.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why an arrival was never sent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum DropCause {
    /// As many requests were under way as the load allows (`in_flight_max`):
    /// the system did not answer them.
    InFlight,
    /// As many were under way, but only because the generator was late and
    /// sent what was overdue at once; or it was asked for more than it can send.
    Lag,
    /// squall had no file descriptor left.
    Descriptors,
    /// This machine had no local port left.
    Ports,
    /// This machine had no memory left for a socket.
    Memory,
    /// The request could not be built.
    Request,
}

/// Every [`DropCause`], in the order reports show them.
pub const ALL_DROP_CAUSES: [DropCause; 6] = [
    DropCause::InFlight,
    DropCause::Lag,
    DropCause::Descriptors,
    DropCause::Ports,
    DropCause::Memory,
    DropCause::Request,
];

impl DropCause {
    /// Whether this is the generator's doing, which excuses as lag does. That
    /// the system leaves requests unanswered is not.
    #[must_use]
    pub const fn is_excused(self) -> bool {
        !matches!(self, Self::InFlight)
    }

    /// The cause in one word with dashes, as records write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InFlight => "in-flight",
            Self::Lag => "lag",
            Self::Descriptors => "descriptors",
            Self::Ports => "ports",
            Self::Memory => "memory",
            Self::Request => "request",
        }
    }
}

impl fmt::Display for DropCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InFlight => "too many were in flight",
            Self::Lag => "the generator was late and had more to send than it could",
            Self::Descriptors => "squall had no file descriptor left",
            Self::Ports => "no local port was left",
            Self::Memory => "no memory was left for a socket",
            Self::Request => "the request could not be built",
        })
    }
}

/// Dropped arrivals by cause. Records of squall 0.1 name no cause: then the sum
/// is less than what was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Drops {
    /// Of [`DropCause::InFlight`].
    pub in_flight: u64,
    /// Of [`DropCause::Lag`].
    pub lag: u64,
    /// Of [`DropCause::Descriptors`].
    pub descriptors: u64,
    /// Of [`DropCause::Ports`].
    pub ports: u64,
    /// Of [`DropCause::Memory`].
    pub memory: u64,
    /// Of [`DropCause::Request`].
    pub request: u64,
}

impl Drops {
    /// The number of one cause.
    #[must_use]
    pub const fn of(&self, cause: DropCause) -> u64 {
        match cause {
            DropCause::InFlight => self.in_flight,
            DropCause::Lag => self.lag,
            DropCause::Descriptors => self.descriptors,
            DropCause::Ports => self.ports,
            DropCause::Memory => self.memory,
            DropCause::Request => self.request,
        }
    }

    /// Counts one.
    pub const fn count(&mut self, cause: DropCause) {
        let count = match cause {
            DropCause::InFlight => &mut self.in_flight,
            DropCause::Lag => &mut self.lag,
            DropCause::Descriptors => &mut self.descriptors,
            DropCause::Ports => &mut self.ports,
            DropCause::Memory => &mut self.memory,
            DropCause::Request => &mut self.request,
        };
        *count = count.saturating_add(1);
    }

    /// Adds `other` to these counts.
    pub const fn add(&mut self, other: &Self) {
        self.in_flight = self.in_flight.saturating_add(other.in_flight);
        self.lag = self.lag.saturating_add(other.lag);
        self.descriptors = self.descriptors.saturating_add(other.descriptors);
        self.ports = self.ports.saturating_add(other.ports);
        self.memory = self.memory.saturating_add(other.memory);
        self.request = self.request.saturating_add(other.request);
    }

    /// How many have a cause.
    #[must_use]
    pub fn named(&self) -> u64 {
        let counts = ALL_DROP_CAUSES.iter().map(|cause| self.of(*cause));
        counts.fold(0, u64::saturating_add)
    }

    /// How many are the generator's doing.
    #[must_use]
    pub fn excused(&self) -> u64 {
        let excused = ALL_DROP_CAUSES.iter().filter(|cause| cause.is_excused());
        excused
            .map(|cause| self.of(*cause))
            .fold(0, u64::saturating_add)
    }

    /// Whether no drop has a cause.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Every cause that occurred, with its count.
    pub fn causes(&self) -> impl Iterator<Item = (DropCause, u64)> + use<> {
        let drops = *self;
        let all = ALL_DROP_CAUSES.into_iter();
        all.map(move |cause| (cause, drops.of(cause)))
            .filter(|(_, count)| *count > 0)
    }
}
