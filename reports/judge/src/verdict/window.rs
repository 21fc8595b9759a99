//! Windows of a run and what happened in them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_record::Counts;

use crate::quantity::Quantity;
use crate::users::UserImpact;
use crate::verdict::over_time::Outages;
use crate::verdict::range::TimeRange;

/// What a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WindowKind {
    /// Time zero to the first injection.
    Baseline,
    /// A fault, verified active, to the request for its removal.
    Fault,
    /// The control periods of a fault that came in cycles: nothing was injected.
    Control,
    /// The last verified removal to the end of the load.
    Recovery,
    /// The stages of constant rate.
    Hold,
    /// Time zero to the end of the load.
    WholeRun,
}

impl fmt::Display for WindowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baseline => "baseline",
            Self::Fault => "fault",
            Self::Control => "control",
            Self::Recovery => "recovery",
            Self::Hold => "hold",
            Self::WholeRun => "whole run",
        })
    }
}

/// A window and what happened in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WindowStats {
    /// Its name: `baseline`, a fault's name, `recovery`, `hold`, `whole run`.
    pub name: String,
    /// What it is.
    pub kind: WindowKind,
    /// Its stretches of time.
    pub ranges: Vec<TimeRange>,
    /// All routes together.
    pub all: SliceStats,
    /// Each route.
    pub routes: Vec<SliceStats>,
    /// Its outages; `None` in verdicts from before they were counted, and
    /// without arrivals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outages: Option<Outages>,
    /// Distinct users, where the load says what a user is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<UserImpact>,
}

/// What happened to the arrivals of one window and one or all routes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SliceStats {
    /// The route; `all` for all together.
    pub route: String,
    /// What became of the arrivals.
    pub counts: Counts,
    /// Arrivals scheduled per second.
    pub rate: f64,
    /// Good answers per second.
    pub goodput: f64,
    /// Good over settled; `None` without settled arrivals.
    pub success: Option<f64>,
    /// Median response time over all settled arrivals, failures being
    /// infinitely slow; `None` where there are too few to tell.
    pub p50: Option<Quantity>,
    /// 90 % quantile.
    pub p90: Option<Quantity>,
    /// 99 % quantile.
    pub p99: Option<Quantity>,
    /// 99.9 % quantile.
    pub p999: Option<Quantity>,
    /// Greatest response time of a good answer.
    pub max: Option<Quantity>,
}
