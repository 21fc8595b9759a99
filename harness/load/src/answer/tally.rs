//! Counts what comes one after the other, and how long it takes from one to the next.

use std::time::{Duration, Instant};

use squall_scenario::Series;

/// A point in time, for what lies between two of them and was not squall's own.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// When that is.
    pub at: Instant,
    /// All that the sender had stood still until then.
    pub stalled: Duration,
}

impl Moment {
    /// The time from another until this, without what the sender stood still.
    fn since(self, other: Self) -> Duration {
        let own = self.stalled.saturating_sub(other.stalled);
        let all = self.at.saturating_duration_since(other.at);
        all.saturating_sub(own)
    }
}

/// What came so far of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tally {
    /// When its request was sent, and when the last of it had come.
    sent: Moment,
    last: Option<Moment>,
    series: Series,
}

impl Tally {
    /// Nothing has come yet of what was sent then.
    pub(crate) fn new(sent: Moment) -> Self {
        Self {
            sent,
            last: None,
            series: Series::default(),
        }
    }

    /// Another one has come.
    pub(crate) fn came(&mut self, now: Moment) {
        self.series.count += 1;
        match self.last.replace(now) {
            None => self.series.first = Some(now.since(self.sent)),
            Some(last) => self.gap(last, now),
        }
    }

    /// Its client leaves, who waited for another one until now.
    pub(crate) fn left(&mut self, now: Moment) {
        if let Some(last) = self.last {
            self.gap(last, now);
        }
    }

    fn gap(&mut self, from: Moment, to: Moment) {
        self.series.longest_gap = self.series.longest_gap.max(to.since(from));
    }

    /// What came; the first counted from when the request was sent.
    pub(crate) const fn series(&self) -> Series {
        self.series
    }
}
