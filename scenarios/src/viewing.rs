//! Viewers: what a player of video fetches, and gates on what was seen.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::comparison::{Comparison, GateValue};

/// How somebody watches a title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watching {
    /// Playing time that is fetched ahead, at most; two segments at least.
    pub buffer: Duration,
    /// How long the viewer stays, from the request for the manifest on; waiting
    /// counts.
    pub stay: Duration,
}

/// `rebuffer_ratio of watch/title <= 1%`, `time_to_first_frame p95 < 2s`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewingGate {
    /// What is measured.
    pub figure: ViewingFigure,
    /// The step that plays, as `JOURNEY/STEP`; `None` is all of them.
    pub of: Option<String>,
    /// How it is compared.
    pub comparison: Comparison,
    /// What it is compared with.
    pub value: GateValue,
}

/// What viewers get.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum ViewingFigure {
    /// Time without a picture by time with or without one, after the first
    /// frame; of who never saw one, all the time.
    RebufferRatio,
    /// Quantile from 0 to 1 of the time from the request for the manifest to the
    /// first frame; infinite for who never saw one.
    TimeToFirstFrame(f64),
    /// Mean bit rate of the segments that came.
    MeanBitRate,
}

impl ViewingGate {
    /// The left-hand side: `time_to_first_frame p95 of watch/title`.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.of {
            Some(of) => format!("{} of {of}", self.figure),
            None => self.figure.to_string(),
        }
    }
}

impl fmt::Display for ViewingFigure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RebufferRatio => f.write_str("rebuffer_ratio"),
            Self::TimeToFirstFrame(q) => {
                let percent = (q * 100.0 * 1e9).round() / 1e9;
                write!(f, "time_to_first_frame p{percent}")
            }
            Self::MeanBitRate => f.write_str("bitrate mean"),
        }
    }
}

impl fmt::Display for ViewingGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.subject(), self.comparison, self.value)
    }
}
