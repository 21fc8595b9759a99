//! Gates: the sentences of a scenario that decide its verdict.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::comparison::{Comparison, GateValue};
use crate::reading::ReadingGate;
use crate::span::Located;
use crate::units::{Share, format_duration};
use crate::viewing::ViewingGate;

/// Failures that are taken to come together where a block with `confidence`
/// states no `burst` and the run saw too few failures to tell.
pub const BURST_ASSUMED: u64 = 10;

/// One entry of `slo`: when, and what is expected then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SloBlock {
    /// The window.
    pub when: Located<When>,
    /// Left out at the start of the window.
    pub settle: Duration,
    /// Confidence asked for inference about the system; `None` gates on the
    /// arithmetic of this run.
    pub confidence: Option<Share>,
    /// With `confidence`: how many failures come together, as far as the author
    /// knows; `None` assumes [`BURST_ASSUMED`] until the run refutes it.
    #[serde(default)]
    pub burst: Option<u64>,
    /// The gates, each with its place in the file.
    pub expect: Vec<Located<Gate>>,
}

/// The time a block of gates speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// `during: NAME`: a fault's name, `baseline`, `recovery`, `hold` or
    /// `whole run`.
    During(String),
    /// `after: FAULT` with `within:`; recovery predicates only.
    After {
        /// The fault.
        fault: String,
        /// Time allowed after its removal was verified.
        within: Duration,
        /// How long the recovered state must hold.
        hold: Duration,
    },
}

/// One expectation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Gate {
    /// A metric compared with a value: `p99 of homepage < 600ms`.
    Metric(MetricGate),
    /// `breaker X opens within 8s`, `breaker X closes`.
    Breaker {
        /// The breaker's name.
        name: String,
        /// What it must do.
        change: BreakerChange,
        /// Time allowed from the start of the window.
        within: Option<Duration>,
    },
    /// `breaker X is closed`: in that state throughout the window.
    BreakerIs {
        /// The breaker's name.
        name: String,
        /// The state.
        state: BreakerState,
    },
    /// `baseline returns`: success and latency are back where they were.
    BaselineReturns,
    /// A reading beside the arrivals, compared with a value: `memory of
    /// catalog < 500MiB`, `probe queue length < 100`.
    Reading(ReadingGate),
    /// What viewers saw, compared with a value: `rebuffer_ratio <= 1%`.
    Viewing(ViewingGate),
}

/// A metric compared with a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricGate {
    /// What is measured.
    pub metric: Metric,
    /// The request it is measured on; `None` is all of them.
    pub of: Option<String>,
    /// How it is compared.
    pub comparison: Comparison,
    /// What it is compared with.
    pub value: GateValue,
    /// Abort rules: how long it must hold without a break.
    pub sustained: Option<Duration>,
    /// `in every 5s`: it must hold in every stretch of the window that is so
    /// long, as against in the window as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
}

/// A stretch in which a smaller share than this was good is an outage, where
/// the gate does not say otherwise: one failure in twenty, far below every
/// objective that people state and far above what chance does to a healthy
/// second.
pub const OUTAGE_BELOW: f64 = 0.95;

impl MetricGate {
    /// The left-hand side: `p99 of homepage`, `outages of play below 99%`.
    #[must_use]
    pub fn subject(&self) -> String {
        let mut text = self.metric.to_string();
        if let Some(of) = &self.of {
            text.push_str(&format!(" of {of}"));
        }
        if let Metric::Outages { below: Some(below) }
        | Metric::LongestOutage { below: Some(below) } = self.metric
        {
            text.push_str(&format!(" below {below}"));
        }
        text
    }
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Metric {
    /// Response time quantile from 0 to 1, counted from the scheduled start;
    /// failures are infinitely slow.
    Quantile(f64),
    /// Greatest response time.
    Max,
    /// Mean response time of good answers.
    Mean,
    /// Good arrivals over all that finished.
    Success,
    /// One minus success.
    ErrorRate,
    /// Good answers per second (goodput).
    Goodput,
    /// Arrivals that were never sent.
    DroppedArrivals,
    /// Number of outages: stretches in which too small a share was good.
    Outages {
        /// The share; [`OUTAGE_BELOW`] where the gate names none.
        below: Option<Share>,
    },
    /// Length of the longest outage.
    LongestOutage {
        /// The share; [`OUTAGE_BELOW`] where the gate names none.
        below: Option<Share>,
    },
}

/// What a breaker gate waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BreakerChange {
    /// Every live instance with enough calls in its window reports open.
    Opens,
    /// Every live instance reports closed.
    Closes,
}

/// State of a circuit breaker. Closed means that calls pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// One trial call is let through.
    HalfOpen,
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        })
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The control periods of a fault: "during without" is no English.
            Self::During(window) if window.starts_with("without ") => f.write_str(window),
            Self::During(window) => write!(f, "during {window}"),
            Self::After { fault, within, .. } => {
                write!(f, "after {fault} within {}", format_duration(*within))
            }
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metric(gate) => gate.fmt(f),
            Self::Breaker {
                name,
                change,
                within,
            } => {
                let verb = match change {
                    BreakerChange::Opens => "opens",
                    BreakerChange::Closes => "closes",
                };
                write!(f, "breaker {name} {verb}")?;
                within.map_or(Ok(()), |d| write!(f, " within {}", format_duration(d)))
            }
            Self::BreakerIs { name, state } => write!(f, "breaker {name} is {state}"),
            Self::BaselineReturns => f.write_str("baseline returns"),
            Self::Reading(gate) => gate.fmt(f),
            Self::Viewing(gate) => gate.fmt(f),
        }
    }
}

impl fmt::Display for MetricGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.subject(), self.comparison, self.value)?;
        if let Some(every) = self.every {
            write!(f, " in every {}", format_duration(every))?;
        }
        self.sustained
            .map_or(Ok(()), |d| write!(f, " for {}", format_duration(d)))
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Rounding hides binary noise such as 99.90000000000001.
            Self::Quantile(q) => write!(f, "p{}", (q * 100.0 * 1e9).round() / 1e9),
            Self::Max => f.write_str("max"),
            Self::Mean => f.write_str("mean"),
            Self::Success => f.write_str("success"),
            Self::ErrorRate => f.write_str("error_rate"),
            Self::Goodput => f.write_str("goodput"),
            Self::DroppedArrivals => f.write_str("dropped_arrivals"),
            Self::Outages { .. } => f.write_str("outages"),
            Self::LongestOutage { .. } => f.write_str("longest_outage"),
        }
    }
}
