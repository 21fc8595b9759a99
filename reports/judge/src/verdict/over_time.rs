//! What happened when: stretches, outages, detection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;
use crate::verdict::TimeRange;

/// A gate that was judged in every stretch of its window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stretches {
    /// Length of a stretch in microseconds, as the gate states it.
    pub length_us: u64,
    /// Stretches that were looked at; they overlap.
    pub count: u64,
    /// Of these, how many the gate fails in.
    pub violated: u64,
    /// Of these, how many leave it undecided: no arrivals, too few, unfinished
    /// ones, or the generator's lag.
    pub undecided: u64,
    /// The worst of them.
    pub worst: Option<Stretch>,
}

/// One stretch of a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stretch {
    /// Its time.
    pub range: TimeRange,
    /// What the gate's metric was.
    pub observed: Option<Quantity>,
    /// Settled arrivals.
    pub n: u64,
    /// Of these, how many spoke against the gate.
    pub bad: u64,
}

/// A stretch of time in which too small a share of the arrivals was good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outage {
    /// Its time.
    pub range: TimeRange,
    /// Settled arrivals.
    pub n: u64,
    /// Of these, how many failed.
    pub bad: u64,
}

/// The outages of a window, all routes together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outages {
    /// The share of good arrivals below which a stretch is an outage.
    pub below: f64,
    /// Number of outages.
    pub count: u64,
    /// Length of the longest in microseconds.
    pub longest_us: u64,
    /// Length of all together in microseconds.
    pub total_us: u64,
    /// How exactly their edges are known: the widest stretch that was looked
    /// at, in microseconds.
    pub resolution_us: u64,
}

/// When a fault was felt, and when breakers reacted to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Detection {
    /// Name of the fault.
    pub fault: String,
    /// When it was verified active, in microseconds since time zero.
    pub active_us: i64,
    /// End of the observation: the request to remove the fault.
    pub until_us: i64,
    /// From the start of the first bad stretch to the end of the one that
    /// confirmed it, counted from `active_us`; `None` when nothing shows, beyond
    /// chance, that arrivals were worse than the baseline allows.
    pub felt: Option<TimeRange>,
    /// Breakers that opened meanwhile, the first to open first.
    pub breakers: Vec<BreakerReaction>,
    /// What a good stretch is, in words and figures; empty without a baseline.
    pub criterion: String,
}

/// When a breaker opened under a fault and closed after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BreakerReaction {
    /// Name of the breaker.
    pub breaker: String,
    /// When every live instance with enough calls had opened it, in
    /// microseconds since time zero.
    pub opened_us: i64,
    /// When every live instance had closed it for good after the fault; `None`
    /// when it was not seen to.
    pub closed_us: Option<i64>,
}
