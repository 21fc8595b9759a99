//! How much failures cluster: bounds on a share assume single, independent
//! failures, and failures under faults come in bursts.
//!
//! The dispersion is the variance of the failures per bin over that of
//! independent ones (Pearson's statistic by its degrees of freedom; McCullagh
//! and Nelder 1989, §4.5). Failures that come in bursts of b have a dispersion
//! of about b. Dividing failures and arrivals by it leaves bounds that hold;
//! `tests/it/calibration.rs` and `examples/calibrate.rs` show it by simulation.

use squall_scenario::BURST_ASSUMED;

use crate::statistics::chi_square_quantile;

/// The failures of one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bin {
    /// Its start in microseconds since time zero.
    pub start_us: i64,
    /// Arrivals that speak against the claim.
    pub bad: u64,
    /// Settled arrivals.
    pub n: u64,
}

/// Widths that are looked at: a burst may spill over the edge of a second.
const WIDTHS_US: [i64; 2] = [1_000_000, 5_000_000];

/// With fewer one-second bins the variance is unknown.
const BINS_MIN: usize = 20;

/// With fewer one-second bins that hold a failure, an even spread may be luck.
const BINS_WITH_FAILURES_MIN: usize = 20;

/// The dispersion to divide by: what was measured, and at least the burst that
/// the scenario states. Where it states none, bursts of [`BURST_ASSUMED`] are
/// assumed until enough failures were seen to refute them.
#[expect(clippy::cast_precision_loss, reason = "bursts are far below 2^52")]
pub fn spread(bins: &[Bin], stated: Option<u64>) -> f64 {
    let measured = dispersion(bins);
    if let Some(burst) = stated {
        return measured.max(burst as f64);
    }
    let assumed = BURST_ASSUMED as f64;
    let with_failures = joined(bins, WIDTHS_US[0])
        .iter()
        .filter(|(bad, _)| *bad > 0)
        .count();
    if with_failures < BINS_WITH_FAILURES_MIN {
        return measured.max(assumed);
    }
    let at_most = WIDTHS_US
        .iter()
        .filter_map(|width_us| {
            let bins = joined(bins, *width_us);
            let freedom = bins.len().checked_sub(1).filter(|freedom| *freedom > 0)? as f64;
            Some(pearson(&bins)? * freedom / chi_square_quantile(freedom, 0.05))
        })
        .fold(1.0, f64::max);
    measured.max(assumed.min(at_most))
}

/// The dispersion that was measured; at least 1, and 1 where it cannot be told.
pub fn dispersion(bins: &[Bin]) -> f64 {
    if joined(bins, WIDTHS_US[0]).len() < BINS_MIN {
        return 1.0;
    }
    WIDTHS_US
        .iter()
        .filter_map(|width_us| pearson(&joined(bins, *width_us)))
        .fold(1.0, f64::max)
}

/// Failures and arrivals of each stretch of `width_us` that holds an arrival.
fn joined(bins: &[Bin], width_us: i64) -> Vec<(u64, u64)> {
    let mut joined: Vec<(i64, u64, u64)> = Vec::new();
    for bin in bins.iter().filter(|bin| bin.n > 0) {
        let slot = bin.start_us.div_euclid(width_us);
        match joined.last_mut() {
            Some((last, bad, n)) if *last == slot => {
                *bad = bad.saturating_add(bin.bad);
                *n = n.saturating_add(bin.n);
            }
            _ => joined.push((slot, bin.bad, bin.n)),
        }
    }
    joined.into_iter().map(|(_, bad, n)| (bad, n)).collect()
}

/// Pearson's statistic by its degrees of freedom; `None` without failures,
/// without anything else, or without a second bin.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn pearson(bins: &[(u64, u64)]) -> Option<f64> {
    let (bad, n) = bins.iter().fold((0_u64, 0_u64), |sum, bin| {
        (sum.0.saturating_add(bin.0), sum.1.saturating_add(bin.1))
    });
    if bins.len() < 2 || bad == 0 || bad >= n {
        return None;
    }
    let p = bad as f64 / n as f64;
    let sum: f64 = bins
        .iter()
        .map(|(bad, n)| (*bad as f64 - *n as f64 * p).powi(2) / (*n as f64 * p * (1.0 - p)))
        .sum();
    Some(sum / (bins.len() - 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(bad: impl Fn(u64) -> u64, count: u64) -> Vec<Bin> {
        (0..count)
            .map(|second| Bin {
                start_us: i64::try_from(second).unwrap() * 1_000_000,
                bad: bad(second),
                n: 100,
            })
            .collect()
    }

    #[test]
    fn bursts_widen_the_bounds() {
        let even = seconds(|_| 1, 30);
        let bursts = seconds(|second| if second % 10 == 0 { 10 } else { 0 }, 30);
        assert!((dispersion(&even) - 1.0).abs() < 1e-12);
        assert!(dispersion(&bursts) > 5.0);
    }

    #[test]
    fn a_burst_over_the_edge_of_a_second_is_seen_in_five() {
        let long = seconds(|second| u64::from(second % 20 < 5), 100);
        let one = pearson(&joined(&long, 1_000_000)).unwrap();
        assert!(dispersion(&long) > 3.0 * one);
    }

    #[test]
    fn bursts_are_assumed_until_they_are_refuted() {
        let none = seconds(|_| 0, 60);
        assert!((spread(&none, None) - 10.0).abs() < 1e-12);
        assert!((spread(&none, Some(1)) - 1.0).abs() < 1e-12);
        assert!((spread(&none, Some(30)) - 30.0).abs() < 1e-12);
        // Sixty seconds with a failure each, spread like single ones.
        let single = seconds(|second| second * 7 % 3, 60);
        assert!(spread(&single, None) < 2.0);
        // What was measured cannot be stated away.
        let bursts = seconds(|second| if second % 10 == 0 { 40 } else { 0 }, 60);
        assert!(spread(&bursts, Some(1)) > 20.0);
    }
}
