//! One gate's verdict and the evidence behind it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_record::Sample;
use squall_scenario::Span;

use crate::quantity::{Quantity, percent};
use crate::verdict::{Outage, Stretches, TimeRange};

/// What became of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateState {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// The run proves neither.
    Inconclusive,
    /// The run ended before its window began.
    NotReached,
}

impl fmt::Display for GateState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Inconclusive => "inconclusive",
            Self::NotReached => "not reached",
        })
    }
}

/// Where a gate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateOrigin {
    /// `steady_state.expect`, judged on the baseline: decides whether the run
    /// may be judged at all.
    SteadyState,
    /// `slo`: decides the verdict.
    Slo,
}

/// Whom a gate speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// What users got: success, latency, goodput.
    Users,
    /// What a breaker did.
    Breaker,
    /// What the system used, or what a probe read in it.
    System,
}

/// One gate, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateVerdict {
    /// The window it is judged in: `slow recommendations`.
    pub window: String,
    /// How that window is written with its preposition:
    /// `during slow recommendations`.
    pub when: String,
    /// The gate as it stands in the scenario.
    pub gate: String,
    /// Its left-hand side, by which a variant names it: `p99 of homepage`.
    pub metric: String,
    /// Where it stands in the scenario.
    #[schemars(with = "std::collections::BTreeMap<String, u64>")]
    pub span: Span,
    /// Where it comes from.
    pub origin: GateOrigin,
    /// Whom it speaks about.
    pub subject: Subject,
    /// How sure the gate had to be, from 0 to 1, where it states a confidence
    /// and is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Whether it speaks of response times of a closed loop, in which a user that
    /// waits sends nothing: what it waited is in no quantile but once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed_loop: bool,
    /// What became of it.
    pub state: GateState,
    /// What its figures alone would say, before the validity of the run.
    pub by_figures: GateState,
    /// Why, in one sentence.
    pub explanation: String,
    /// The figures.
    pub evidence: Evidence,
}

impl GateVerdict {
    /// A name that is unique in a verdict for distinct gates: `window: gate`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}: {}", self.when, self.gate)
    }

    /// The confidence that the gate states, in words: `at 95% confidence`.
    #[must_use]
    pub fn confidence_text(&self) -> Option<String> {
        let stated = self.confidence?;
        Some(format!("at {} confidence", percent(stated)))
    }
}

/// The figures behind a gate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What was measured.
    pub observed: Option<Quantity>,
    /// What it is compared with.
    pub threshold: Option<Quantity>,
    /// One-sided 95 % bound of what was measured, on the side that threatens
    /// the gate: what the system may be like, as far as this sample tells.
    pub bound: Option<Quantity>,
    /// Settled arrivals that were looked at; for gates on readings, the
    /// readings.
    pub n: u64,
    /// Of these, how many spoke against the gate.
    pub bad: u64,
    /// How many may, at this n.
    pub bad_allowed: Option<u64>,
    /// For shares: what the failures cost of the failures that the objective
    /// allows in 30 days at the rate of this window, as a share; above 1 it
    /// would be used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_30d: Option<f64>,
    /// With `confidence`: how many failures count as one, because they come, or
    /// may come, in bursts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<f64>,
    /// Arrivals it takes to decide the gate, where they are too few.
    pub needed: Option<u64>,
    /// Share of the allowance that is left; negative when it is exceeded.
    pub margin: Option<f64>,
    /// The stretches of time that were looked at.
    pub ranges: Vec<TimeRange>,
    /// Intervals in these stretches.
    pub intervals: u64,
    /// How exactly a point in time is known, in microseconds.
    pub resolution_us: Option<u64>,
    /// For `in every 5s`: the stretches that were looked at. The figures above
    /// are those of the worst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stretches: Option<Stretches>,
    /// For gates on outages: the first twenty of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Outage>,
    /// Arrivals that speak against the gate, or the slowest; at most five.
    pub samples: Vec<Sample>,
}
