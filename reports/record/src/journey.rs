//! How journeys ended.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How those of one journey ended that were started within the measured load.
/// Always `started = completed + left + failed + unfinished`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JourneyEnds {
    /// Name of the journey.
    pub journey: String,
    /// Journeys that arrivals started.
    pub started: u64,
    /// Whose last step went well.
    pub completed: u64,
    /// Whose user left behind a step that went well.
    pub left: u64,
    /// Of which a step failed, or was dropped.
    pub failed: u64,
    /// That the end of the load cut short: their next step would have been due
    /// behind it, or was not settled when answers were no longer waited for.
    pub unfinished: u64,
}

impl fmt::Display for JourneyEnds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            journey,
            started,
            completed,
            left,
            failed,
            unfinished,
        } = self;
        write!(
            f,
            "{journey}: {started} started, {completed} completed, {left} left, \
             {failed} failed, {unfinished} cut short by the end of the load"
        )
    }
}

impl JourneyEnds {
    /// All of them in one line, for people.
    #[must_use]
    pub fn words(journeys: &[Self]) -> String {
        let each: Vec<String> = journeys.iter().map(ToString::to_string).collect();
        each.join("; ")
    }

    /// Those of all parts of a load, by their names.
    #[must_use]
    pub fn sum(parts: impl Iterator<Item = Self>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for own in parts {
            match all
                .iter_mut()
                .find(|journey| journey.journey == own.journey)
            {
                Some(journey) => journey.add(&own),
                None => all.push(own),
            }
        }
        all
    }

    /// Adds those of the same journey that another part of the load had.
    pub const fn add(&mut self, other: &Self) {
        self.started = self.started.saturating_add(other.started);
        self.completed = self.completed.saturating_add(other.completed);
        self.left = self.left.saturating_add(other.left);
        self.failed = self.failed.saturating_add(other.failed);
        self.unfinished = self.unfinished.saturating_add(other.unfinished);
    }

    /// All its numbers, the journeys that were started first.
    #[must_use]
    pub const fn counts(&self) -> [u64; 5] {
        [
            self.started,
            self.completed,
            self.left,
            self.failed,
            self.unfinished,
        ]
    }

    /// Whether none was lost.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        let ends = [self.completed, self.left, self.failed, self.unfinished];
        ends.iter().sum::<u64>() == self.started
    }
}
