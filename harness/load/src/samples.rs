//! Which arrivals are kept as evidence: some of every second, and of every kind of
//! failure on every route the first.

use std::collections::VecDeque;

use squall_record::{DropCause, Outcome, Sample};

use crate::settled::Settled;

/// Failures of one kind kept per second.
const FAILED_MAX: usize = 5;
/// Slowest good answers kept per second.
const SLOWEST_MAX: usize = 2;
const SECOND_US: i64 = 1_000_000;

/// A kind of failure, or that it was dropped and why.
type Failure = (Outcome, Option<DropCause>);

/// Samples of the seconds that are not over. Bounded whatever the rate is, and
/// however long the load lasts.
#[derive(Debug)]
pub(crate) struct Samples {
    bins: VecDeque<SampleBin>,
    /// By route: the kinds of failure that have had their first one.
    met: Vec<Vec<Failure>>,
}

impl Samples {
    /// None yet, of so many routes.
    pub(crate) fn new(routes: usize) -> Self {
        Self {
            bins: VecDeque::new(),
            met: vec![Vec::new(); routes],
        }
    }

    /// Keeps an arrival if it says something that was not said yet.
    pub(crate) fn offer(
        &mut self,
        (scheduled_us, route): (i64, usize),
        settled: &Settled,
        make: impl FnOnce() -> Sample,
    ) {
        let first = self.is_first(route, (settled.outcome, settled.dropped));
        self.bin(scheduled_us).offer(settled, first, make);
    }

    /// Keeps a sample of another collection likewise.
    pub(crate) fn take_in(&mut self, route: usize, sample: Sample) {
        let settled = Settled {
            outcome: sample.outcome,
            dropped: sample.dropped,
            response_us: sample.response_us,
            ..Settled::UNFINISHED
        };
        self.offer((sample.scheduled_us, route), &settled, || sample);
    }

    /// Those of the seconds before one, counted from time zero.
    pub(crate) fn take_before(&mut self, second: i64) -> Vec<Sample> {
        let mut taken = Vec::new();
        self.bins.retain_mut(|bin| {
            let over = bin.second < second;
            if over {
                taken.append(&mut bin.take());
            }
            !over
        });
        taken
    }

    /// Whether a failure is the first of its kind on its route.
    fn is_first(&mut self, route: usize, failure: Failure) -> bool {
        if matches!(failure.0, Outcome::Good | Outcome::Unfinished) {
            return false;
        }
        let Some(met) = self.met.get_mut(route) else {
            return false;
        };
        let is_first = !met.contains(&failure);
        if is_first {
            met.push(failure);
        }
        is_first
    }

    fn bin(&mut self, scheduled_us: i64) -> &mut SampleBin {
        let second = scheduled_us.div_euclid(SECOND_US);
        let index = match self.bins.iter().position(|bin| bin.second == second) {
            Some(index) => index,
            None => {
                self.bins.push_back(SampleBin::new(second));
                self.bins.len() - 1
            }
        };
        &mut self.bins[index]
    }
}

/// The samples of one second: the first failures of each kind and drops of each cause, the slowest
/// good answers and the first good one. Bounded whatever the rate is.
#[derive(Debug)]
struct SampleBin {
    second: i64,
    failed: Vec<Sample>,
    slowest: Vec<Sample>,
    first_good: Option<Sample>,
}

impl SampleBin {
    /// An empty bin for a second, counted from time zero.
    const fn new(second: i64) -> Self {
        Self {
            second,
            failed: Vec::new(),
            slowest: Vec::new(),
            first_good: None,
        }
    }

    /// Keeps an arrival if it says something the bin does not say yet; a failure
    /// that is the `first` of its kind in any case.
    fn offer(&mut self, settled: &Settled, first: bool, make: impl FnOnce() -> Sample) {
        match settled.outcome {
            Outcome::Good => self.offer_good(settled.response_us, make),
            Outcome::Bad(_) | Outcome::Dropped => {
                let failure = (settled.outcome, settled.dropped);
                if first || self.failed_of(failure) < FAILED_MAX {
                    self.failed.push(make());
                }
            }
            Outcome::Unfinished => {}
        }
    }

    /// All samples, which leaves the bin empty.
    fn take(&mut self) -> Vec<Sample> {
        let mut all = std::mem::take(&mut self.failed);
        all.append(&mut self.slowest);
        all.extend(self.first_good.take());
        all.sort_by_key(|sample| sample.scheduled_us);
        all
    }

    fn failed_of(&self, failure: Failure) -> usize {
        let all = self.failed.iter();
        all.filter(|sample| (sample.outcome, sample.dropped) == failure)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use squall_record::{BadKind, Parts};

    use super::*;

    const ROUTES: [&str; 3] = ["a", "b", "c"];

    fn sample((scheduled_us, route): (i64, usize), outcome: Outcome) -> Sample {
        Sample {
            arrival: 0,
            route: ROUTES[route].to_owned(),
            scheduled_us,
            lag_us: 0,
            wait_us: 0,
            service_us: 0,
            response_us: 0,
            parts: Parts::default(),
            outcome,
            status: None,
            address: None,
            request: String::new(),
            dropped: None,
            detail: None,
        }
    }

    const FAILURES: [Outcome; 3] = [
        Outcome::Bad(BadKind::Timeout),
        Outcome::Bad(BadKind::Status),
        Outcome::Dropped,
    ];

    proptest! {
        /// However many failures of other routes come before it in its second, and
        /// through however many collections it goes.
        #[test]
        fn of_every_kind_on_every_route_the_first_is_kept(
            failures in prop::collection::vec((0..4_000_000_i64, 0..3_usize, 0..3_usize), 0..120),
        ) {
            let (mut own, mut all) = (Samples::new(3), Samples::new(3));
            for (scheduled_us, route, failure) in &failures {
                let outcome = FAILURES[*failure];
                let settled = Settled { outcome, ..Settled::UNFINISHED };
                let at = (*scheduled_us, *route);
                own.offer(at, &settled, || sample(at, outcome));
            }
            for kept in own.take_before(i64::MAX) {
                let route = ROUTES.iter().position(|name| *name == kept.route);
                all.take_in(route.unwrap(), kept);
            }
            let kept = all.take_before(i64::MAX);
            for (route, name) in ROUTES.iter().enumerate() {
                for (nth, outcome) in FAILURES.iter().enumerate() {
                    let met = failures.iter().any(|it| (it.1, it.2) == (route, nth));
                    let is_kept = kept.iter().any(|it| it.route == *name && it.outcome == *outcome);
                    prop_assert_eq!(is_kept, met, "{} {:?}", name, outcome);
                }
            }
            let most = ROUTES.len() * FAILURES.len() + 4 * FAILURES.len() * FAILED_MAX;
            prop_assert!(kept.len() <= most);
        }
    }
}
