//! Whose share of successes is too far below that of the others.

use super::rules::BalanceRules;

/// What an instance did in one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) attempts: u32,
    pub(super) failures: u32,
}

impl Tally {
    /// In percent.
    fn success_rate(self) -> f64 {
        let successes = f64::from(self.attempts.saturating_sub(self.failures));
        successes * 100.0 / f64::from(self.attempts.max(1))
    }
}

/// What an instance was compared by. In percent, rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outlier {
    /// Its place in the list.
    pub(super) nth: usize,
    /// Its share of successes.
    pub(super) success_rate: u8,
    /// The mean of the others.
    pub(super) others: u8,
}

/// Those whose success rate is below the mean of the others' by the deviation and the margin that
/// the rules name, the worst first. Instances with too few attempts are neither compared nor among
/// the others.
pub(super) fn outliers(tallies: &[Tally], rules: &BalanceRules) -> Vec<Outlier> {
    let minimum = rules.outlier_success_rate_minimum_instances as usize;
    let rates: Vec<(usize, f64)> = tallies
        .iter()
        .enumerate()
        .filter(|(_, tally)| tally.attempts >= rules.outlier_success_rate_request_volume)
        .map(|(nth, tally)| (nth, tally.success_rate()))
        .collect();
    if minimum == 0 || rates.len() < minimum.max(2) {
        return Vec::new();
    }
    let factor = f64::from(rules.outlier_success_rate_stdev_factor) / 1000.0;
    let margin = f64::from(rules.outlier_success_rate_margin);
    let mut found: Vec<(f64, Outlier)> = rates
        .iter()
        .filter_map(|&(nth, rate)| {
            let others = rates.iter().filter(|(other, _)| *other != nth);
            let (mean, deviation) = spread(others.map(|(_, rate)| *rate));
            let is_out = rate < mean - (factor * deviation).max(margin);
            is_out.then(|| (rate, outlier(nth, rate, mean)))
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    found.into_iter().map(|(_, outlier)| outlier).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shares are 0 to 100"
)]
fn outlier(nth: usize, rate: f64, mean: f64) -> Outlier {
    Outlier {
        nth,
        success_rate: rate as u8,
        others: mean as u8,
    }
}

/// The mean of some numbers and their standard deviation (of the whole population, as Envoy's).
fn spread(numbers: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = numbers.clone().map(|_| 1.0).sum::<f64>().max(1.0);
    let mean = numbers.clone().sum::<f64>() / count;
    let variance = numbers.map(|number| (number - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(failures: &[u32], rules: &BalanceRules) -> Vec<usize> {
        let tally = |failures: &u32| Tally {
            attempts: 100,
            failures: *failures,
        };
        let tallies: Vec<Tally> = failures.iter().map(tally).collect();
        let found = outliers(&tallies, rules);
        found.iter().map(|outlier| outlier.nth).collect()
    }

    #[test]
    fn one_that_fails_more_than_the_others_is_found_even_among_three() {
        let rules = BalanceRules::default();
        assert_eq!(found(&[0, 50, 0], &rules), [1]);
        assert_eq!(found(&[0, 0, 0, 0, 0, 0, 0, 0, 80, 85], &rules), [9, 8]);
        let hidden = "until the worst is gone, who fails less hides behind it";
        assert_eq!(found(&[0, 0, 0, 0, 50, 80], &rules), [5], "{hidden}");
        assert_eq!(found(&[0, 50], &rules), [0_usize; 0], "too few");
    }

    #[test]
    fn where_all_fail_alike_nobody_is_out() {
        let rules = BalanceRules::default();
        assert_eq!(found(&[50, 55, 52], &rules), [0_usize; 0]);
        assert_eq!(found(&[100, 100, 100], &rules), [0_usize; 0]);
    }

    #[test]
    fn the_margin_and_the_deviation_are_bounds_that_must_be_passed() {
        let rules = BalanceRules::default();
        assert_eq!(found(&[0, 0, 10], &rules), [0_usize; 0]);
        assert_eq!(found(&[0, 0, 11], &rules), [2]);
        // The others: mean 20, deviation 20; below by 38 and by 39.
        assert_eq!(found(&[0, 40, 58], &rules), [0_usize; 0]);
        assert_eq!(found(&[0, 40, 59], &rules), [2]);
    }

    #[test]
    fn who_was_asked_too_little_is_left_out() {
        let rules = BalanceRules::default();
        let mut tallies = [Tally {
            attempts: 100,
            failures: 0,
        }; 4];
        tallies[2] = Tally {
            attempts: 99,
            failures: 99,
        };
        assert_eq!(outliers(&tallies, &rules), []);
        tallies[2].attempts = 100;
        let found = Outlier {
            nth: 2,
            success_rate: 1,
            others: 100,
        };
        assert_eq!(outliers(&tallies, &rules), [found]);
    }
}
