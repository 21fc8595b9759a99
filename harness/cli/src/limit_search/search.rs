//! The highest rate that keeps an objective, by doubling and then halving the
//! distance. Every rate is tried once: nothing is repeated until it fits.

/// How close the rates that hold and break come before the search ends.
const CLOSE_ENOUGH: f64 = 1.05;
/// How far below the first rate it looks: runs grow longer there, so that as much
/// can be told.
const LOWEST_SHARE: f64 = 1.0 / 16.0;

/// What a run at one rate said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The objective was kept.
    Holds,
    /// It was not.
    Breaks,
    /// It cannot be told, as a rule because the generator was too slow.
    Unknown,
}

/// A search for a limit. Pure: it is told what each rate said.
#[derive(Debug)]
pub struct Search {
    start: f64,
    most: f64,
    tried: Vec<(f64, Step)>,
}

impl Search {
    /// From `start` arrivals per second up to `most`.
    pub fn new(start: f64, most: f64) -> Self {
        Self {
            start: start.min(most),
            most,
            tried: Vec::new(),
        }
    }

    /// The rate to try next; `None` at the end.
    pub fn next(&self) -> Option<f64> {
        if self.tried.is_empty() {
            return Some(self.start);
        }
        let rate = match (self.holds(), self.broken()) {
            (Some(holds), None) => (holds < self.most).then(|| rounded(2.0 * holds).min(self.most)),
            (None, Some(broken)) => {
                Some(rounded(broken / 2.0)).filter(|rate| *rate >= self.start * LOWEST_SHARE)
            }
            (Some(holds), Some(broken)) => {
                (broken / holds > CLOSE_ENOUGH).then(|| rounded((holds * broken).sqrt()))
            }
            (None, None) => None,
        };
        rate.filter(|rate| self.tried.iter().all(|(known, _)| known != rate))
    }

    /// A run at `rate` said this.
    pub fn tell(&mut self, rate: f64, step: Step) {
        self.tried.push((rate, step));
    }

    /// The highest rate at which the objective was kept, below all at which it was
    /// not.
    pub fn holds(&self) -> Option<f64> {
        let broken = self.broken().unwrap_or(f64::INFINITY);
        let kept =
            |(rate, step): &(f64, Step)| (*step == Step::Holds && *rate < broken).then_some(*rate);
        self.tried.iter().filter_map(kept).reduce(f64::max)
    }

    /// The lowest rate at which it was not kept, or could not be told.
    pub fn broken(&self) -> Option<f64> {
        let not_kept = self.tried.iter().filter(|(_, step)| *step != Step::Holds);
        not_kept.map(|(rate, _)| *rate).reduce(f64::min)
    }

    /// What the lowest rate said that did not hold.
    pub fn above(&self) -> Option<Step> {
        let broken = self.broken()?;
        self.tried
            .iter()
            .find(|(rate, step)| *rate == broken && *step != Step::Holds)
            .map(|(_, step)| *step)
    }
}

/// Three digits, as people write rates.
fn rounded(rate: f64) -> f64 {
    let digits = rate.abs().max(f64::MIN_POSITIVE).log10().floor() - 2.0;
    let unit = 10_f64.powf(digits);
    // Rounded once more: 0.1 times a whole number is seldom exact.
    ((rate / unit).round() * unit * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Searches where everything up to `limit` holds; the rates that were tried.
    fn searched(start: f64, most: f64, limit: f64) -> (Search, Vec<f64>) {
        let mut search = Search::new(start, most);
        let mut tried = Vec::new();
        while let Some(rate) = search.next() {
            tried.push(rate);
            let step = if rate <= limit {
                Step::Holds
            } else {
                Step::Breaks
            };
            search.tell(rate, step);
            assert!(tried.len() < 60, "{tried:?}");
        }
        (search, tried)
    }

    #[test]
    fn it_doubles_and_then_closes_in() {
        let (search, tried) = searched(50.0, 100_000.0, 333.0);
        assert_eq!(tried[..4], [50.0, 100.0, 200.0, 400.0]);
        let (holds, broken) = (search.holds().unwrap(), search.broken().unwrap());
        assert!(holds <= 333.0 && 333.0 < broken, "{holds} {broken}");
        assert!(broken / holds <= CLOSE_ENOUGH);
        assert_eq!(search.above(), Some(Step::Breaks));
    }

    #[test]
    fn it_ends_where_everything_holds_or_nothing_does() {
        let (search, tried) = searched(50.0, 300.0, f64::INFINITY);
        assert_eq!(tried, [50.0, 100.0, 200.0, 300.0]);
        assert_eq!((search.holds(), search.broken()), (Some(300.0), None));
        let (search, tried) = searched(80.0, 300.0, 0.0);
        assert_eq!(tried, [80.0, 40.0, 20.0, 10.0, 5.0]);
        assert_eq!((search.holds(), search.broken()), (None, Some(5.0)));
    }

    #[test]
    fn what_held_above_what_broke_proves_nothing() {
        let mut search = Search::new(100.0, 1_000.0);
        search.tell(100.0, Step::Holds);
        search.tell(200.0, Step::Holds);
        search.tell(150.0, Step::Unknown);
        assert_eq!(search.holds(), Some(100.0));
        assert_eq!(search.above(), Some(Step::Unknown));
    }

    proptest! {
        #[test]
        fn the_limit_lies_between(start in 1.0..5_000.0, limit in 2.0..90_000.0) {
            prop_assume!(limit >= start / 8.0);
            let (search, tried) = searched(start, 100_000.0, limit);
            let (holds, broken) = (search.holds().unwrap(), search.broken().unwrap());
            prop_assert!(holds <= limit && limit < broken, "{holds} {broken} {tried:?}");
            // Rates have three digits: small ones may not come closer.
            prop_assert!(broken / holds <= CLOSE_ENOUGH + 0.02, "{holds} {broken}");
            prop_assert!(tried.len() <= 35, "{tried:?}");
        }
    }
}
