//! Journeys: what one user does, step by step.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::request::Request;
use crate::units::{Share, format_duration};

/// What one user does: an arrival starts it, and its steps follow one another.
///
/// The first step is due when the arrival is. A later one is due when the one
/// before it was settled and its user has thought. A step that fails ends the
/// journey; one whose answer came too late does not, as the answer is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journey {
    /// Name; unique among journeys.
    pub name: String,
    /// Share of the arrivals relative to other journeys and to requests; at
    /// least 1.
    pub weight: u32,
    /// What is done, in order. Never empty.
    pub steps: Vec<Step>,
}

/// One request of a journey, and what its user does around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What is sent. Its name is `JOURNEY/STEP`, which is its route; its weight
    /// means nothing.
    pub request: Request,
    /// How long its user thinks before it; nothing before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub think: Option<Think>,
    /// How many users leave behind it, though it went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave: Option<Share>,
}

/// How long a user thinks: any time from one to another, equally likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Think {
    /// The shortest.
    pub from: Duration,
    /// The longest; not shorter.
    pub to: Duration,
}

impl Journey {
    /// For each step how many of those who start come to it, and how long after
    /// their arrival it is due at the earliest, on average.
    pub fn reach(&self) -> impl Iterator<Item = (&Step, f64, Duration)> {
        let mut stay = 1.0;
        let mut after = Duration::ZERO;
        self.steps.iter().map(move |step| {
            after += step.think.map_or(Duration::ZERO, Think::mean);
            let reached = (step, stay, after);
            stay *= 1.0 - step.leave.map_or(0.0, Share::get);
            reached
        })
    }
}

impl Think {
    /// Always the same time.
    #[must_use]
    pub const fn always(time: Duration) -> Self {
        Self {
            from: time,
            to: time,
        }
    }

    /// The mean.
    #[must_use]
    pub fn mean(self) -> Duration {
        self.at(0.5)
    }

    /// The time at a place from 0, the shortest, to 1, the longest.
    #[must_use]
    pub fn at(self, place: f64) -> Duration {
        let span = self.to.saturating_sub(self.from);
        self.from + span.mul_f64(place.clamp(0.0, 1.0))
    }
}

impl fmt::Display for Think {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.from))?;
        match self.from == self.to {
            true => Ok(()),
            false => write!(f, "..{}", format_duration(self.to)),
        }
    }
}
