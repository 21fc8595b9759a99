//! Quantiles of the chi-square distribution, through the regularised incomplete
//! gamma function.

use std::f64::consts::PI;

use crate::statistics::beta::{deviance, stirling_error};

/// Steps of the search; Newton needs about five, and halving alone sixty.
const STEPS_MAX: u32 = 100;

/// The x that a chi-square variable with `freedom` > 0 degrees of freedom stays
/// below with probability 0 < `p` < 1: Newton's method on the incomplete gamma
/// function, which halves the interval wherever a step would leave it.
pub(crate) fn chi_square_quantile(freedom: f64, p: f64) -> f64 {
    let a = freedom / 2.0;
    let stirling = stirling_error(a);
    // Half the quantile lies below the mean plus forty deviations for any p
    // that a double can hold.
    let (mut low, mut high) = (0.0_f64, a + 40.0 * a.sqrt() + 400.0);
    let mut x = a;
    for _ in 0..STEPS_MAX {
        let front = (-stirling - deviance(a, x)).exp() / (2.0 * PI * a).sqrt();
        let excess = front * series(a, x) - p;
        if excess < 0.0 {
            low = x;
        } else {
            high = x;
        }
        // The density at x is the front times a / x.
        let newton = x - excess * x / (front * a);
        let next = if newton > low && newton < high {
            newton
        } else {
            f64::midpoint(low, high)
        };
        let step = (next - x).abs();
        x = next;
        if step <= 1e-14 * x {
            break;
        }
    }
    2.0 * x
}

/// The sum in P(a, x) = front * sum, its power series around the Poisson term
/// of Loader (2000): all terms are positive, so nothing cancels.
fn series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    // Needs a few times sqrt(a) + x - a steps; the bound only stops a broken input.
    for step in 1..100_000 {
        term *= x / (a + f64::from(step));
        let next = sum + term;
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.chi2.ppf 1.17.1: freedom, at 5 %, at 50 %, at 95 %.
    const TABLE: [(f64, f64, f64, f64); 6] = [
        (
            1.0,
            0.003_932_140_000_019_522,
            0.454_936_423_119_572,
            3.841_458_820_694_124,
        ),
        (
            2.0,
            0.102_586_588_775_101_06,
            1.386_294_361_119_891,
            5.991_464_547_107_979,
        ),
        (
            11.0,
            4.574_813_079_322_224,
            10.340_998_074_391_827,
            19.675_137_572_682_49,
        ),
        (
            59.0,
            42.339_307_730_113_46,
            58.334_689_146_437_07,
            77.930_523_805_230_42,
        ),
        (
            299.0,
            259.945_382_883_430_06,
            298.333_598_234_367_9,
            340.327_850_348_855_9,
        ),
        (
            7_199.0,
            7_002.774_825_081_336_5,
            7_198.333_344_309_908,
            7_397.499_198_694_235,
        ),
    ];

    #[test]
    fn quantiles_agree_with_scipy() {
        for (freedom, low, middle, high) in TABLE {
            for (p, expected) in [(0.05, low), (0.5, middle), (0.95, high)] {
                let found = chi_square_quantile(freedom, p);
                assert!(
                    (found / expected - 1.0).abs() < 1e-9,
                    "{p} of {freedom}: {found} is not {expected}"
                );
            }
        }
    }
}
