//! The sign-flip permutation test of paired differences, and the bounds that
//! follow from it.
//!
//! A fair coin has decided within every pair which member is treated, so if the
//! treatment changes nothing, each of the 2^n ways to flip the signs of the
//! differences was as likely as the one that was seen (Fisher 1935). The mean of
//! the flipped differences reaches that of the seen ones exactly where the
//! flipped subset has no positive mean; so one table, the means of all subsets,
//! gives p, and, by inverting the test, bounds as well (Hartigan 1969).

/// Most pairs: there are two to the power of them subsets.
const PAIRS_MAX: usize = 16;

/// The test of a set of paired differences.
#[derive(Debug, Clone, PartialEq)]
pub struct SignFlips {
    mean: f64,
    /// Means of every subset but the empty one, sorted.
    means: Vec<f64>,
}

impl SignFlips {
    /// Looks at every subset of `differences`. `None` of none, of more than 16,
    /// and of what is not finite.
    #[must_use]
    pub fn of(differences: &[f64]) -> Option<Self> {
        let pairs = differences.len();
        if !(1..=PAIRS_MAX).contains(&pairs) || differences.iter().any(|d| !d.is_finite()) {
            return None;
        }
        let mut sums = vec![(0.0_f64, 0_u32)];
        for difference in differences {
            for known in 0..sums.len() {
                let (sum, count) = sums[known];
                sums.push((sum + difference, count + 1));
            }
        }
        let mut means: Vec<f64> = sums
            .into_iter()
            .skip(1)
            .map(|(sum, count)| sum / f64::from(count))
            .collect();
        let mean = *means.last()?;
        means.sort_unstable_by(f64::total_cmp);
        Some(Self { mean, means })
    }

    /// The test statistic: the mean difference.
    #[must_use]
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// The probability of a mean at least as great as the one seen, if there
    /// were no effect: the share of the 2^n flips that reach it.
    #[must_use]
    pub fn p_above(&self) -> f64 {
        let reach = self.means.partition_point(|mean| *mean <= 0.0);
        self.share(reach + 1)
    }

    /// The same of a mean at most as great.
    #[must_use]
    pub fn p_below(&self) -> f64 {
        let short = self.means.partition_point(|mean| *mean < 0.0);
        self.share(self.means.len() - short + 1)
    }

    /// Lower and upper bound of the effect, each at `confidence`: the smallest
    /// and greatest effect that the test does not reject. `None` with too few
    /// pairs for any.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 2^16 subsets"
    )]
    pub fn bounds(&self, confidence: f64) -> Option<(f64, f64)> {
        let flips = (self.means.len() + 1) as f64;
        // A whole number that came out a little smaller is still that number.
        let beyond = ((1.0 - confidence) * flips + 1e-9) as usize;
        let low = *self.means.get(beyond.checked_sub(1)?)?;
        let high = *self.means.get(self.means.len().checked_sub(beyond)?)?;
        Some((low, high))
    }

    #[expect(clippy::cast_precision_loss, reason = "at most 2^16 subsets")]
    fn share(&self, flips: usize) -> f64 {
        flips as f64 / (self.means.len() + 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_scenario::seed::{nth, sub_seed, unit_interval};

    #[test]
    fn p_and_bounds_are_those_of_every_flip_by_hand() {
        // Darwin's maize (Fisher 1935, The Design of Experiments, section 21):
        // 863 of 32 768 flips give a sum as great or greater, either way 1 726.
        let maize = [
            49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0,
            -48.0,
        ];
        let found = SignFlips::of(&maize).unwrap();
        assert!((found.mean() - 314.0 / 15.0).abs() < 1e-12);
        assert_eq!(found.p_above(), 863.0 / 32_768.0);
        // Three pairs: eight flips, and no bound at 95 %, but one at 87.5 %.
        let three = SignFlips::of(&[1.0, 2.0, 6.0]).unwrap();
        assert_eq!((three.p_above(), three.p_below()), (0.125, 1.0));
        assert_eq!(three.bounds(0.95), None);
        assert_eq!(three.bounds(0.875), Some((1.0, 6.0)));
        assert_eq!(three.bounds(0.75), Some((1.5, 4.0)));
        assert_eq!(SignFlips::of(&[]), None);
        assert_eq!(SignFlips::of(&[f64::NAN]), None);
        assert_eq!(SignFlips::of(&[1.0; 17]), None);
    }

    #[test]
    fn no_difference_at_all_is_no_evidence_either_way() {
        let none = SignFlips::of(&[0.0; 5]).unwrap();
        assert_eq!((none.p_above(), none.p_below()), (1.0, 1.0));
        assert_eq!(none.bounds(0.95), Some((0.0, 0.0)));
    }

    #[test]
    fn five_pairs_reach_one_in_thirty_two() {
        let five = SignFlips::of(&[0.3, 0.1, 0.2, 0.5, 0.4]).unwrap();
        assert_eq!(five.p_above(), squall_scenario::smallest_p(5));
        assert_eq!(five.bounds(0.95), Some((0.1, 0.5)));
        let four = SignFlips::of(&[0.3, 0.1, 0.2, 0.5]).unwrap();
        assert_eq!(four.p_above(), 0.0625);
        assert_eq!(four.bounds(0.95), None);
    }

    /// A simulation: 4 000 sets of differences with an effect, whose noise is as
    /// likely above as below; the lower bound holds the effect as often as it
    /// says, and p <= 0.05 without an effect is as rare as it says.
    #[test]
    fn false_alarms_are_as_rare_as_promised() {
        for pairs in [5_u64, 8] {
            let (mut alarms, mut missed) = (0_u32, 0_u32);
            let sets = 4_000;
            for set in 0..sets {
                let stream = sub_seed(set, "noise");
                let noise: Vec<f64> = (0..pairs)
                    .map(|pair| {
                        // Heavy tails: the cube of a uniform from -1 to 1.
                        let uniform = unit_interval(nth(stream, pair)) * 2.0 - 1.0;
                        uniform.powi(3)
                    })
                    .collect();
                let found = SignFlips::of(&noise).unwrap();
                alarms += u32::from(found.p_above() <= 0.05);
                let (low, _) = found.bounds(0.95).unwrap();
                missed += u32::from(low > 0.0);
            }
            // 1/32 and 12/256 of 4 000, with five deviations.
            let expected = if pairs == 5 { 125.0 } else { 187.5 };
            let apart = (f64::from(alarms) - expected).abs();
            assert!(apart < 5.0 * 13.5, "{pairs} pairs: {alarms} alarms");
            assert_eq!(alarms, missed, "the bound and p are one test");
        }
    }

    #[test]
    fn drift_is_taken_for_an_effect_no_more_often_than_promised() {
        // Everything gets worse by 1 from one period to the next: a pair in
        // which the treated member came second looks worse by 1, another better.
        let mut alarms = 0_u32;
        for set in 0..4_000 {
            let stream = sub_seed(set, "coins");
            let drifting: Vec<f64> = (0..5)
                .map(|pair| {
                    let first = nth(stream, pair) >> 63 == 1;
                    let noise = unit_interval(nth(stream, 100 + pair)) * 0.2;
                    if first { noise - 1.0 } else { noise + 1.0 }
                })
                .collect();
            alarms += u32::from(SignFlips::of(&drifting).unwrap().p_above() <= 0.05);
        }
        // Only when all five coins fell alike: 1/32 of 4 000, with five
        // deviations.
        assert!(f64::from(alarms) < 125.0 + 5.0 * 11.0, "{alarms} alarms");
        assert!(alarms > 0);
    }
}
