//! The record: everything a run leaves, enough to judge and render it later.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_scenario::Scenario;

use crate::{Interval, Sample, ShardSet, Stamped};

/// Version of the record's schema; readers accept this one and older. No version
/// of squall was released so far: what is added until then needs no new one.
pub const RECORD_SCHEMA_VERSION: u32 = 1;

/// `run.json`: what was run, by what, where and when.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// Version of the record's schema.
    pub schema_version: u32,
    /// Version of squall.
    pub squall_version: String,
    /// Name of the run directory: the start in UTC.
    pub run_id: String,
    /// Start in RFC 3339, UTC.
    pub started_utc: String,
    /// Name of the machine.
    pub host: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Command line that repeats the run, secrets redacted.
    pub rerun: String,
    /// Variant that was run, if any.
    pub variant: Option<String>,
    /// Path of the scenario as it was given.
    pub scenario_path: String,
    /// Text of the scenario, secrets redacted.
    pub scenario_text: String,
    /// The scenario as it was understood.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub scenario: Scenario,
    /// Which shards of the load the record holds; absent when it was not split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardSet>,
}

/// A run as it can be read back from its directory.
#[derive(Debug, Clone)]
pub struct Record {
    /// What was run.
    pub manifest: Manifest,
    /// Everything that happened, intervals excepted, in order.
    pub events: Vec<Stamped>,
    /// Settled stretches of time with their histograms, in order.
    pub intervals: Vec<Interval>,
    /// Arrivals kept as evidence.
    pub samples: Vec<Sample>,
    /// Whether the run came to its end, as against being killed.
    pub complete: bool,
    /// What could not be read, in words; empty for a sound record.
    pub damage: Vec<String>,
}
