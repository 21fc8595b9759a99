//! What the decision log of a monkey says of the kills so far.

use std::collections::BTreeMap;
use std::io::BufRead;

use jiff::civil::Date;
use thiserror::Error;

use super::decision::{Decision, Entry};

/// Longest line of a decision log that is read, in bytes.
const LINE_BYTES_MAX: usize = 64 << 10;

/// The kills of every group so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History(BTreeMap<String, Last>);

/// The last decisions about a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Last {
    /// The day of the last kill that was made, or was about to be.
    pub kill: Option<Date>,
    /// The day of the last kill that a leashed monkey would have made.
    pub dry: Option<Date>,
    /// The last day on which anything was decided.
    pub decided: Option<Date>,
}

/// A decision log that cannot be believed.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// It cannot be read.
    #[error("the decision log cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Something else stands in it.
    #[error("line {line} of the decision log is no decision: {why}")]
    NoDecision {
        /// Which line, from 1.
        line: usize,
        /// Why.
        why: String,
    },
}

impl History {
    /// Reads a decision log. A last line without its end was being written when
    /// the monkey died: it was not on record, so nobody was killed for it.
    ///
    /// # Errors
    /// It cannot be read, or is none: who was killed when is not known then, and
    /// nobody may be.
    pub fn read(mut log: impl BufRead) -> Result<Self, HistoryError> {
        let mut history = Self::default();
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
            std::io::Read::take(&mut log, limit).read_until(b'\n', &mut text)?;
            let no_decision = |why: String| HistoryError::NoDecision { line, why };
            match text.split_last() {
                Some((b'\n', text)) => {
                    let entry: Result<Entry, _> = serde_json::from_slice(text);
                    let entry = entry.map_err(|error| no_decision(error.to_string()))?;
                    history.hear(&entry).map_err(no_decision)?;
                }
                Some(_) if text.len() == LINE_BYTES_MAX => {
                    return Err(no_decision("it is longer than 64 KiB".to_owned()));
                }
                Some(_) | None => break,
            }
        }
        Ok(history)
    }

    /// Takes a decision into account.
    ///
    /// # Errors
    /// Its day is none; in words.
    pub fn hear(&mut self, entry: &Entry) -> Result<(), String> {
        let day: Result<Date, _> = entry.day.parse();
        let day = day.map_err(|error| error.to_string())?;
        let last = self.0.entry(entry.group.clone()).or_default();
        last.decided = last.decided.max(Some(day));
        match entry.decision {
            Decision::Kill { .. } => last.kill = last.kill.max(Some(day)),
            Decision::WouldKill { .. } => last.dry = last.dry.max(Some(day)),
            Decision::Killed { .. } | Decision::Failed { .. } | Decision::NotMade { .. } => {}
        }
        Ok(())
    }

    /// The last decisions about a group.
    #[must_use]
    pub fn last(&self, group: &str) -> Last {
        self.0.get(group).copied().unwrap_or_default()
    }
}

impl Last {
    /// The last kill that one of a monkey on its leash, or without, must keep its
    /// distance from. What a leashed monkey would have done binds that one only.
    #[must_use]
    pub fn binding(&self, leashed: bool) -> Option<Date> {
        if leashed {
            self.kill.max(self.dry)
        } else {
            self.kill
        }
    }
}
