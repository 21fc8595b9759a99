//! Gates on what is read beside the arrivals: what processes use, what probes
//! say, and how many calls a fallback answers.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::comparison::{Comparison, GateValue};
use crate::units::format_duration;

/// `memory of catalog < 500MiB`, `probe queue length < 100`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadingGate {
    /// What is read.
    pub reading: Reading,
    /// How every reading is compared.
    pub comparison: Comparison,
    /// What it is compared with.
    pub value: GateValue,
    /// Abort rules: how long every reading must agree.
    pub sustained: Option<Duration>,
}

/// Something that is read again and again while the load runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reading {
    /// What a process uses: `cpu of catalog`.
    Process {
        /// Which figure.
        figure: ProcessFigure,
        /// A process, one of its instances, or squall itself.
        of: String,
    },
    /// What the probe of this name says: `probe queue length`.
    Probe(String),
    /// The share of calls that a fallback answered: `fallback of payments`.
    Fallback {
        /// What the name is, where the sentence says so.
        source: Option<FallbackSource>,
        /// A breaker with a Hystrix stream, or a request.
        of: String,
    },
}

/// A figure of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessFigure {
    /// CPU time per time, in cores, between two readings.
    Cpu,
    /// Resident set size, in bytes.
    Memory,
    /// Open file descriptors.
    Fds,
    /// Times it was started again.
    Restarts,
}

/// Who counts the fallbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FallbackSource {
    /// The rolling counts of a breaker's Hystrix stream.
    Breaker,
    /// The answers to a request that say they are a fallback's.
    Request,
}

impl ProcessFigure {
    /// The word in a gate.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Fds => "fds",
            Self::Restarts => "restarts",
        }
    }
}

impl FallbackSource {
    /// The word in a gate.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Request => "request",
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { figure, of } => write!(f, "{} of {of}", figure.word()),
            Self::Probe(name) => write!(f, "probe {name}"),
            Self::Fallback { source: None, of } => write!(f, "fallback of {of}"),
            Self::Fallback {
                source: Some(source),
                of,
            } => write!(f, "fallback of {} {of}", source.word()),
        }
    }
}

impl fmt::Display for ReadingGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.reading, self.comparison, self.value)?;
        self.sustained
            .map_or(Ok(()), |d| write!(f, " for {}", format_duration(d)))
    }
}
