//! What a fault changed, by the cycles with and without it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;
use crate::statistics::Estimate;
use crate::verdict::TimeRange;

/// What a fault changed: the periods with it against those without, in cycles
/// whose order a coin decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultEffect {
    /// The fault.
    pub fault: String,
    /// The cycles of which both periods were seen whole, in order.
    pub cycles: Vec<Cycle>,
    /// The smallest p that so many cycles can come to.
    pub smallest_p: f64,
    /// All routes together under the name `all`, then each route.
    pub routes: Vec<RouteEffect>,
    /// Why this proves nothing; empty where it does.
    pub problems: Vec<String>,
}

/// One cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cycle {
    /// The period with the fault, verified active to the request for its
    /// removal.
    pub with: TimeRange,
    /// The control period.
    pub without: TimeRange,
}

/// What a fault changed for one route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RouteEffect {
    /// The route, or `all`.
    pub route: String,
    /// `success`, `p50`, `p90`, `p99` and `p99.9`, in this order; quantiles
    /// only where every period has enough arrivals for them, but p99 always.
    pub figures: Vec<EffectFigure>,
}

/// A figure with and without the fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EffectFigure {
    /// Its name.
    pub metric: String,
    /// The mean over the control periods: geometric for response times; `None`
    /// where a period has too few arrivals.
    pub without: Option<Quantity>,
    /// The same over the periods with the fault.
    pub with: Option<Quantity>,
    /// The effect of each cycle: the ratio of response times, or the difference
    /// of shares (-0.01 is one percentage point worse).
    pub each: Vec<f64>,
    /// The mean of them, which is what is tested (geometric for ratios), with
    /// bounds at 95 % on either side; a ratio beyond 1e5 means a failure. `None`
    /// with too few arrivals.
    pub effect: Option<Estimate>,
    /// Whether there are enough cycles for bounds; without them `effect` has
    /// its own value as both.
    pub bounded: bool,
    /// The probability of an effect at least as bad if the fault changed
    /// nothing.
    pub p: Option<f64>,
    /// Settled arrivals of the period that has fewest.
    pub n: u64,
    /// Arrivals that the figure needs in every period.
    pub needed: u64,
    /// What it amounts to.
    pub finding: EffectFinding,
}

/// What an effect amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EffectFinding {
    /// Worse with the fault, p at most 0.05.
    Worse,
    /// Better with the fault, p of the other side at most 0.05.
    Better,
    /// Neither was shown. That is no proof that there is none.
    NotShown,
    /// No p could be small enough, whatever was seen.
    TooFewCycles,
    /// Too few arrivals in a period.
    TooFewArrivals,
}
