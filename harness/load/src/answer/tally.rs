//! Counts what comes one after the other, and how long it takes from one to the next.

use std::time::{Duration, Instant};

use squall_scenario::Series;

use crate::heard::Heard;

/// A point in time, for what lies between two of them and was not squall's own.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// When that is.
    pub at: Instant,
    /// All that the sender had stood still until then.
    pub stalled: Duration,
}

impl Moment {
    /// The time from another until this, and what of it the sender stood still.
    fn since(self, other: Self) -> (Duration, Duration) {
        let own = self.stalled.saturating_sub(other.stalled);
        let all = self.at.saturating_duration_since(other.at);
        (all, own.min(all))
    }
}

/// What came so far of an answer.
#[derive(Debug)]
pub(crate) struct Tally {
    /// When its request was sent, and when the last of it had come.
    sent: Moment,
    last: Option<Moment>,
    series: Series,
    heard: Heard,
}

impl Tally {
    /// Nothing has come yet of what was sent then.
    pub(crate) fn new(sent: Moment) -> Self {
        Self {
            sent,
            last: None,
            series: Series::default(),
            heard: Heard::default(),
        }
    }

    /// Another one has come.
    pub(crate) fn came(&mut self, now: Moment) {
        self.series.count += 1;
        match self.last.replace(now) {
            None => {
                let (all, own) = now.since(self.sent);
                self.series.first = Some(all - own);
                self.heard.first = Some((now.at, all - own));
            }
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
        let (all, own) = to.since(from);
        self.series.longest_gap = self.series.longest_gap.max(all - own);
        self.heard.gaps.add(all, own);
    }

    /// What came; the first counted from when the request was sent.
    pub(crate) const fn series(&self) -> Series {
        self.series
    }

    /// When it came, once nothing more will.
    pub(crate) fn heard(&mut self) -> Heard {
        std::mem::take(&mut self.heard)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What a sender stood still is in no time between two of them, and no time is less
        /// than nothing.
        #[test]
        fn what_the_sender_stood_still_lies_between_no_two(
            steps in prop::collection::vec((0..1_000_u64, 0..1_000_u64), 0..20),
            leaves in any::<bool>(),
        ) {
            let ms = Duration::from_millis;
            let sent = Moment { at: Instant::now(), stalled: ms(3) };
            let (mut tally, mut now) = (Tally::new(sent), sent);
            let mut between = Vec::new();
            for (passes, stalls) in &steps {
                now.at += ms(*passes);
                now.stalled += ms(*stalls);
                between.push(ms(passes.saturating_sub(*stalls)));
                tally.came(now);
            }
            if leaves {
                now.at += ms(5_000);
                tally.left(now);
            }
            let series = tally.series();
            prop_assert_eq!(series.count, steps.len() as u64);
            prop_assert_eq!(series.first, between.first().copied());
            let silence = (leaves && !steps.is_empty()).then(|| ms(5_000));
            let longest = between.into_iter().skip(1).chain(silence).max();
            prop_assert_eq!(series.longest_gap, longest.unwrap_or_default());
        }
    }
}
