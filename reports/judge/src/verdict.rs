//! The verdict: what the judge found, with everything that stands behind it.

mod effect;
mod evidence;
mod gate;
mod over_time;
mod range;
mod window;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_record::store::read_verdict;

use crate::outcome::RunOutcome;
pub use effect::{Cycle, EffectFigure, EffectFinding, FaultEffect, RouteEffect};
pub use evidence::{
    ALL_ORIGINS, BreakerSegment, BreakerTimeline, Conservation, ErrorSummary, FailureOrigin,
    FaultEvidence, FaultPeriod, GeneratorTrust, PartStats, Parts, ProcessTimeline, Recovery,
};
pub use gate::{Evidence, GateOrigin, GateState, GateVerdict, Subject};
pub use over_time::{BreakerReaction, Detection, Outage, Outages, Stretch, Stretches};
pub use range::TimeRange;
pub use window::{SliceStats, WindowKind, WindowStats};

/// Version of the verdict's schema.
pub const VERDICT_SCHEMA_VERSION: u32 = 1;

/// What a run proves. Made by [`crate::judge`] from a record alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Version of this schema.
    pub schema_version: u32,
    /// How the run ended.
    pub outcome: RunOutcome,
    /// Exit code that belongs to the outcome.
    pub exit_code: u8,
    /// Why, in one sentence.
    pub sentence: String,
    /// Everything that decided the outcome, most important first.
    pub reasons: Vec<String>,
    /// The steady state's gates, then those of `slo`, in file order.
    pub gates: Vec<GateVerdict>,
    /// The windows that the run was cut into.
    pub windows: Vec<WindowStats>,
    /// What was asked of each fault and what was seen of it.
    pub faults: Vec<FaultEvidence>,
    /// How the system came back after each fault.
    pub recoveries: Vec<Recovery>,
    /// When each fault was felt and what reacted to it.
    #[serde(default)]
    pub detections: Vec<Detection>,
    /// What each fault that came in cycles changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<FaultEffect>,
    /// States of each breaker of each instance over time.
    pub breakers: Vec<BreakerTimeline>,
    /// Starts and ends of each process.
    pub processes: Vec<ProcessTimeline>,
    /// Failures by kind.
    pub errors: Vec<ErrorSummary>,
    /// What response times consist of.
    #[serde(default, skip_serializing_if = "Parts::is_empty")]
    pub parts: Parts,
    /// Whether the load generator can be trusted.
    pub generator: GeneratorTrust,
    /// Whether every arrival is accounted for.
    pub conservation: Conservation,
    /// End of the load in microseconds since time zero.
    pub load_end_us: i64,
}

impl Verdict {
    /// The verdict in the run directory `dir`; `None` when there is none that
    /// can be read.
    #[must_use]
    pub fn read(dir: &Path) -> Option<Self> {
        read_verdict(dir)
    }

    /// Gates that are counted: those of `slo`, in this state.
    pub fn gates_in(&self, state: GateState) -> impl Iterator<Item = &GateVerdict> {
        self.gates.iter().filter(move |gate| gate.state == state)
    }
}
