//! Evidence that may be looked at after every arrival.
//!
//! A fixed-size bound that is looked at every second is wrong more often the
//! longer one looks. An e-process is not: under the limit it starts at 1 and
//! is not expected to grow, so it ever reaches 1/alpha with a probability of at
//! most alpha (Ville 1939). This one mixes likelihood ratios over Jeffreys'
//! prior cut at the limit (Robbins 1970; Howard et al. 2021).

use crate::statistics::beta;

/// Jeffreys' prior of a share.
const PRIOR: f64 = 0.5;

/// Natural logarithm of the evidence that the share of failures is above
/// `limit`, `bad` of `n` seen. Real numbers, as a correction for bursts divides
/// both. At every n together it reaches `-ln(alpha)` with a probability of at
/// most alpha while the share is within the limit. A damaged record may tell of
/// more failures than arrivals: then there were as many arrivals as failures.
#[must_use]
pub fn ln_evidence_above(bad: f64, n: f64, limit: f64) -> f64 {
    let bad = bad.max(0.0);
    let n = n.max(bad);
    if limit >= 1.0 {
        return f64::NEG_INFINITY;
    }
    if limit <= 0.0 {
        return if bad > 0.0 { f64::INFINITY } else { 0.0 };
    }
    let (a, b) = (PRIOR + bad, PRIOR + n - bad);
    // The mass above the limit, before and after.
    let before = beta::regularized(PRIOR, PRIOR, 1.0 - limit);
    let after = beta::regularized(b, a, 1.0 - limit);
    beta::ln_front(PRIOR, PRIOR, limit) - beta::ln_front(a, b, limit) + after.ln() - before.ln()
}

/// Natural logarithm of the evidence that the share rose above the limit at
/// some point: `parts` are the failures and arrivals since each start, with the
/// number of the start from 1. Starts are weighed by 1 / (k (k + 1)), which add
/// up to 1, so the mixture is an e-process too.
#[must_use]
pub fn ln_evidence_since(parts: impl Iterator<Item = (f64, f64, f64)>, limit: f64) -> f64 {
    let weighed = parts
        .map(|(start, bad, n)| ln_evidence_above(bad, n, limit) - (start * (start + 1.0)).ln());
    weighed.fold(f64::NEG_INFINITY, |sum, one| {
        let (low, high) = if sum < one { (sum, one) } else { (one, sum) };
        if low == f64::NEG_INFINITY || high == f64::INFINITY {
            high
        } else {
            high + (low - high).exp().ln_1p()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// mpmath 1.3.0 with 40 digits.
    const TABLE: [(f64, f64, f64, f64); 10] = [
        (0.0, 0.0, 0.01, 0.0),
        (0.0, 100.0, 0.01, -3.664_836_581_030_429),
        (5.0, 100.0, 0.01, 1.655_654_252_227_783),
        (3.0, 140.0, 0.001, 3.672_568_762_895_692),
        (10.0, 20.0, 0.5, -1.736_152_296_596_452),
        (30.0, 30.0, 0.8, 5.637_151_369_370_169),
        (50.0, 1000.0, 0.05, -4.201_541_297_693_669),
        (200.0, 1000.0, 0.05, 136.253_632_305_073_3),
        (2.5, 40.25, 0.02, -0.870_895_919_619_076_4),
        (60.0, 60_000.0, 0.001, -6.383_315_815_210_026),
    ];

    #[test]
    fn the_evidence_agrees_with_mpmath() {
        for (bad, n, limit, expected) in TABLE {
            let found = ln_evidence_above(bad, n, limit);
            assert!(
                (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
                "{bad}/{n} above {limit}: {found}"
            );
        }
    }

    #[test]
    fn more_failures_than_arrivals_are_as_many_arrivals() {
        let all = ln_evidence_above(30.0, 30.0, 0.8);
        for n in [-1e12, 0.0, 29.0] {
            assert_eq!(ln_evidence_above(30.0, n, 0.8).to_bits(), all.to_bits());
        }
        assert!(ln_evidence_above(-1e12, 10.0, 0.8).is_finite());
    }

    #[test]
    fn starts_share_one_error() {
        // One start that is sure is as sure as its weight lets it be.
        let one = ln_evidence_above(30.0, 30.0, 0.5);
        let found = ln_evidence_since([(1.0, 0.0, 500.0), (10.0, 30.0, 30.0)].into_iter(), 0.5);
        assert!((found - (one - 110.0_f64.ln())).abs() < 1e-9, "{found}");
        assert_eq!(
            ln_evidence_since(std::iter::empty(), 0.5),
            f64::NEG_INFINITY
        );
    }
}
