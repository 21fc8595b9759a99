//! What a monkey decided, as its log says it: one JSON object a line.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A line of the decision log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was written.
    pub at: Timestamp,
    /// The group it is about.
    pub group: String,
    /// The day it is about, where the monkey lives: `2026-11-30`.
    pub day: String,
    /// When the kill was due; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// What was decided, or what came of it.
    #[serde(flatten)]
    pub decision: Decision,
}

/// What was decided about a kill, or what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Decision {
    /// It will be made now: on record before it is, and it counts even if it
    /// fails.
    Kill {
        /// Whom.
        instance: String,
        /// Its process.
        pid: u32,
    },
    /// It was made.
    Killed {
        /// Who.
        instance: String,
        /// The process that ended.
        pid: u32,
        /// What was seen of its end, in words.
        seen: String,
    },
    /// It was tried.
    Failed {
        /// Who was to be killed.
        instance: String,
        /// Why that did not work, in words.
        why: String,
    },
    /// It would have been made by a monkey without a leash.
    WouldKill {
        /// Whom.
        instance: String,
        /// Its process.
        pid: u32,
    },
    /// It was not made.
    NotMade {
        /// Why.
        reason: NotMade,
        /// The same for people.
        why: String,
    },
}

/// Why a kill was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotMade {
    /// The monkey, or this group of it, is switched off; or nobody could tell.
    Disabled,
    /// There is an outage; or nobody could tell.
    Outage,
    /// It is not the time for it.
    OutsideHours,
    /// The last kill is too near.
    TooSoon,
    /// Too few would be left.
    TooFewSurvivors,
    /// There is nobody whom it may kill; or nobody could tell.
    NobodyEligible,
    /// It could not be put on record.
    NotRecorded,
    /// The monkey was not there, or stood still, when it was due.
    Missed,
    /// It was not drawn.
    NotDrawn,
    /// Nobody works that day.
    DayOff,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.day, self.group)?;
        match &self.decision {
            Decision::Kill { instance, pid } => write!(f, "kills {instance} (pid {pid})"),
            Decision::Killed { seen, .. } => f.write_str(seen),
            Decision::Failed { instance, why } => write!(f, "could not kill {instance}: {why}"),
            Decision::WouldKill { instance, pid } => {
                write!(f, "would kill {instance} (pid {pid}), but it is leashed")
            }
            Decision::NotMade { why, .. } => write!(f, "no kill: {why}"),
        }
    }
}
