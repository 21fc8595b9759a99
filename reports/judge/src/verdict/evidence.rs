//! What stands behind a verdict besides its gates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_record::{BadKind, DropCause, Drops, Sample};
use squall_scenario::BreakerState;

use crate::quantity::Quantity;
use crate::verdict::TimeRange;

/// What was asked of a fault and what was seen of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultEvidence {
    /// Name of the fault.
    pub fault: String,
    /// What was asked for: `delay 5s into recommendations at 20s for 20s`.
    pub requested: String,
    /// Instances and links it was aimed at.
    pub targets: Vec<String>,
    /// Injections planned.
    pub planned: u32,
    /// Injections seen in force.
    pub active: u32,
    /// Injections seen to be gone.
    pub removed: u32,
    /// First request to inject, in microseconds since time zero.
    pub requested_us: Option<i64>,
    /// First time it was verified active.
    pub active_us: Option<i64>,
    /// Last request to remove it.
    pub removal_requested_us: Option<i64>,
    /// Last time it was verified removed.
    pub removed_us: Option<i64>,
    /// Whether traffic has felt it; `None` when nobody looked.
    pub effective: Option<bool>,
    /// Injections that traffic has felt.
    #[serde(default)]
    pub felt: u32,
    /// Whether it was withheld on purpose: its window was cut where it would
    /// have been, and nothing was injected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
    /// Its periods, where it came in cycles, as far as they ended. The other
    /// fields speak of those with the fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub periods: Vec<FaultPeriod>,
    /// What was seen, in words and figures, in order.
    pub seen: Vec<String>,
    /// Why its window proves nothing; empty for a fault that took effect.
    pub problems: Vec<String>,
    /// Why the time after it proves nothing; empty for a verified removal.
    pub removal_problems: Vec<String>,
}

/// A period of a fault that came in cycles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultPeriod {
    /// Its number, from 0; the cycle is half of it.
    pub number: u32,
    /// Whether it is a control period, in which nothing was injected.
    pub control: bool,
    /// When: with the fault, verified active to the request for its removal.
    pub range: TimeRange,
}

/// How the system came back after a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    /// Name of the fault.
    pub fault: String,
    /// When its removal was verified, in microseconds since time zero.
    pub cleared_us: i64,
    /// End of the observation: the next injection or the end of the load.
    pub observed_until_us: i64,
    /// The instant of recovery lies in this range, counted from the removal;
    /// `None` when the system had not recovered for good at the end.
    pub took: Option<TimeRange>,
    /// The same, counted from the request to inject the fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_injection: Option<TimeRange>,
    /// How often a recovered stretch ended again.
    pub relapses: u32,
    /// Whether it was still not back three times as long after the removal as a
    /// gate allows: something keeps the system down that is not the fault.
    #[serde(default)]
    pub metastable: bool,
    /// What counts as recovered, in words and figures.
    pub criterion: String,
}

/// States of one breaker of one instance over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BreakerTimeline {
    /// Name of the breaker.
    pub breaker: String,
    /// The instance that holds it.
    pub instance: String,
    /// States in order, without gaps from the first report on.
    pub segments: Vec<BreakerSegment>,
}

/// A stretch of time in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BreakerSegment {
    /// When.
    pub range: TimeRange,
    /// The state; `None` while it could not be read.
    #[schemars(with = "Option<String>")]
    pub state: Option<BreakerState>,
}

/// Starts and ends of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessTimeline {
    /// Name of the instance.
    pub instance: String,
    /// Stretches in which it was down or not ready.
    pub down: Vec<TimeRange>,
    /// Times it ended without being asked to.
    pub unexpected_exits: u32,
}

/// Whose doing a failure is, as far as the record shows. Every failure counts
/// against the system in the gates all the same, but for what only the
/// generator's lag and limits explain.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum FailureOrigin {
    /// The system under test: everything that nothing else explains.
    #[default]
    System,
    /// A fault that stood between the generator and the system: every request
    /// of the route went to what it was aimed at, while it was injected.
    InjectedFault,
    /// The generator: late only because it was sent late, or never sent for
    /// want of something that is squall's own; or broken by a link of squall that
    /// went without.
    Generator,
}

/// Every origin, in the order they are listed.
pub const ALL_ORIGINS: [FailureOrigin; 3] = [
    FailureOrigin::System,
    FailureOrigin::InjectedFault,
    FailureOrigin::Generator,
];

impl std::fmt::Display for FailureOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::InjectedFault => "injected fault",
            Self::Generator => "generator",
        })
    }
}

/// Failures of one kind on one route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorSummary {
    /// Whose doing they are, as far as the record shows.
    #[serde(default)]
    pub origin: FailureOrigin,
    /// The kind; `None` for arrivals that were dropped.
    pub kind: Option<BadKind>,
    /// Why they were dropped, where they were and the record says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<DropCause>,
    /// The route.
    pub route: String,
    /// How many.
    pub count: u64,
    /// When the first of them was scheduled, in microseconds since time zero; where
    /// the record does not say, the start of the interval that it was in.
    pub first_us: i64,
    /// When the last of them was scheduled; where the record does not say, the end
    /// of the interval that it was in.
    pub last_us: i64,
    /// The most frequent text of the samples of this kind.
    pub example: Option<String>,
    /// The first sample with that text, without secrets. Absent in verdicts of
    /// older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
}

/// Whether the load generator can be trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratorTrust {
    /// Lag (dispatched - scheduled) of the median arrival.
    pub lag_p50: Option<Quantity>,
    /// Lag that 99 % of arrivals stayed below.
    pub lag_p99: Option<Quantity>,
    /// Greatest lag.
    pub lag_max: Option<Quantity>,
    /// Wait (written - dispatched) of the median arrival: the system's doing.
    pub wait_p50: Option<Quantity>,
    /// Wait that 99 % of arrivals stayed below.
    pub wait_p99: Option<Quantity>,
    /// Arrivals that were never sent.
    pub dropped: u64,
    /// Of these: why.
    #[serde(default, skip_serializing_if = "Drops::is_empty")]
    pub drops: Drops,
    /// Answers that were late only because of the lag.
    pub late_by_lag: u64,
    /// Requests that were sent again on a new connection.
    #[serde(default)]
    pub resent: u64,
    /// CPU squall used during the load, in cores.
    pub cpu_cores: Option<f64>,
    /// The above in one sentence.
    pub summary: String,
}

/// What response times consist of, over all routes and arrivals, good and bad; of messages,
/// over the streams that were answered as their requests expect.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Parts {
    /// Making a connection, each counted once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<PartStats>,
    /// Its TLS handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<PartStats>,
    /// From handing a request to its connection until the answer's first byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<PartStats>,
    /// From when an arrival was due until the first message of its stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_message: Option<PartStats>,
    /// From one message of a stream to the next, or until its client left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_gap: Option<PartStats>,
}

impl Parts {
    /// Whether nothing is known of any; so it is of records of older versions.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let Self {
            connect,
            tls,
            first_byte,
            first_message,
            message_gap,
        } = self;
        let requests = connect.is_none() && tls.is_none() && first_byte.is_none();
        requests && first_message.is_none() && message_gap.is_none()
    }

    /// Each that something is known of, with its name for people.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &PartStats)> {
        let all = [
            ("connect", &self.connect),
            ("TLS handshake", &self.tls),
            ("first byte", &self.first_byte),
            ("first message", &self.first_message),
            ("gap between messages", &self.message_gap),
        ];
        all.into_iter()
            .filter_map(|(name, stats)| Some((name, stats.as_ref()?)))
    }
}

/// How long one part took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PartStats {
    /// How many there were.
    pub count: u64,
    /// The median.
    pub p50: Quantity,
    /// What 99 % stayed below.
    pub p99: Quantity,
    /// The longest.
    pub max: Quantity,
}

/// Whether scheduled = good + bad + dropped + unfinished, everywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Conservation {
    /// Arrivals scheduled, over all intervals.
    pub scheduled: u64,
    /// Good ones.
    pub good: u64,
    /// Sent and not good.
    pub bad: u64,
    /// Never sent.
    pub dropped: u64,
    /// Not settled.
    pub unfinished: u64,
    /// What does not add up; empty when everything does.
    pub violations: Vec<String>,
}
