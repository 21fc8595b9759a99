//! Which arrivals of a second are kept as evidence.

use squall_record::{DropCause, Outcome, Sample};

use crate::settled::Settled;

/// Failures of one kind kept per second.
const FAILED_MAX: usize = 5;
/// Slowest good answers kept per second.
const SLOWEST_MAX: usize = 2;

/// The samples of one second: the first failures of each kind and drops of each cause, the slowest
/// good answers and the first good one. Bounded whatever the rate is.
#[derive(Debug)]
pub(crate) struct SampleBin {
    second: i64,
    failed: Vec<Sample>,
    slowest: Vec<Sample>,
    first_good: Option<Sample>,
}

impl SampleBin {
    /// An empty bin for a second, counted from time zero.
    #[must_use]
    pub(crate) const fn new(second: i64) -> Self {
        Self {
            second,
            failed: Vec::new(),
            slowest: Vec::new(),
            first_good: None,
        }
    }

    /// The second it is for.
    #[must_use]
    pub(crate) const fn second(&self) -> i64 {
        self.second
    }

    /// Keeps an arrival if it says something the bin does not say yet.
    pub(crate) fn offer(&mut self, settled: &Settled, make: impl FnOnce() -> Sample) {
        match settled.outcome {
            Outcome::Good => self.offer_good(settled.response_us, make),
            Outcome::Bad(_) => {
                if self.failed_of(settled.outcome, None) < FAILED_MAX {
                    self.failed.push(make());
                }
            }
            Outcome::Dropped => {
                if self.failed_of(settled.outcome, settled.dropped) < FAILED_MAX {
                    self.failed.push(make());
                }
            }
            Outcome::Unfinished => {}
        }
    }

    /// Keeps a sample of another bin of the same second likewise.
    pub(crate) fn take_in(&mut self, sample: Sample) {
        let settled = Settled {
            outcome: sample.outcome,
            dropped: sample.dropped,
            response_us: sample.response_us,
            ..Settled::UNFINISHED
        };
        self.offer(&settled, || sample);
    }

    /// All samples, which leaves the bin empty.
    pub(crate) fn take(&mut self) -> Vec<Sample> {
        let mut all = std::mem::take(&mut self.failed);
        all.append(&mut self.slowest);
        all.extend(self.first_good.take());
        all.sort_by_key(|sample| sample.scheduled_us);
        all
    }

    fn failed_of(&self, outcome: Outcome, dropped: Option<DropCause>) -> usize {
        self.failed
            .iter()
            .filter(|sample| sample.outcome == outcome && sample.dropped == dropped)
            .count()
    }

    fn offer_good(&mut self, response_us: u64, make: impl FnOnce() -> Sample) {
        if self.first_good.is_none() {
            self.first_good = Some(make());
            return;
        }
        if self.slowest.len() < SLOWEST_MAX {
            self.slowest.push(make());
            return;
        }
        let fastest = self.slowest.iter_mut().min_by_key(|kept| kept.response_us);
        if let Some(kept) = fastest.filter(|kept| kept.response_us < response_us) {
            *kept = make();
        }
    }
}
