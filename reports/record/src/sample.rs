//! Single arrivals kept as evidence: failed, slowest and sampled ones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BadKind, DropCause, Parts};

/// One arrival.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// Number of the arrival in the schedule, from 0.
    pub arrival: u64,
    /// Its route.
    pub route: String,
    /// Scheduled time in microseconds since time zero.
    pub scheduled_us: i64,
    /// Dispatched - scheduled: the generator was late.
    pub lag_us: u64,
    /// Written - dispatched: no free connection, connecting.
    pub wait_us: u64,
    /// Done - written.
    pub service_us: u64,
    /// Done - scheduled.
    pub response_us: u64,
    /// Connecting, TLS and first byte.
    #[serde(flatten)]
    pub parts: Parts,
    /// What became of it.
    pub outcome: Outcome,
    /// Status code, where there was an answer.
    pub status: Option<u16>,
    /// Address the request went to.
    pub address: Option<String>,
    /// Method and path that were sent.
    pub request: String,
    /// Why it was dropped, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<DropCause>,
    /// Error text or a note on the answer (for instance its fallback header).
    pub detail: Option<String>,
}

/// What became of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Good.
    Good,
    /// Sent and not good.
    Bad(BadKind),
    /// Never sent.
    Dropped,
    /// Not settled when the run was cut short.
    Unfinished,
}
