//! Exact (Clopper-Pearson) one-sided bounds on a failure share.
//!
//! Clopper and Pearson 1934. A quantile gate is the same test: p99 <= T says
//! that at most 1 % of all arrivals fail or take longer than T, and the
//! order-statistic bound on the quantile is the bound on that share.

use crate::statistics::beta;

/// Upper one-sided bound on the failure share, `bad` of `n` seen, at
/// `confidence`. Real numbers, as a correction for bursts divides both.
#[must_use]
pub fn upper_bound(bad: f64, n: f64, confidence: f64) -> f64 {
    if n <= 0.0 || bad >= n {
        return 1.0;
    }
    beta::inverse(bad + 1.0, n - bad, confidence)
}

/// Lower one-sided bound on the failure share, `bad` of `n` seen, at
/// `confidence`.
#[must_use]
pub fn lower_bound(bad: f64, n: f64, confidence: f64) -> f64 {
    if n <= 0.0 || bad <= 0.0 {
        return 0.0;
    }
    beta::inverse(bad, n - bad + 1.0, 1.0 - confidence)
}

/// Whether [`upper_bound`] is at most `share`: the same statement, by one
/// evaluation instead of a search for the bound. Nothing is sure without data.
#[must_use]
pub fn surely_at_most(bad: f64, n: f64, share: f64, confidence: f64) -> bool {
    if n <= 0.0 {
        return false;
    }
    // All bad bounds nothing, and I is 0 and 1 at the ends of its range.
    share >= 1.0 || (bad < n && beta::regularized(bad + 1.0, n - bad, share) >= confidence)
}

/// Whether [`lower_bound`] is above `share`, as [`surely_at_most`] does it.
#[must_use]
pub fn surely_above(bad: f64, n: f64, share: f64, confidence: f64) -> bool {
    n > 0.0 && bad > 0.0 && beta::regularized(bad, n - bad + 1.0, share) < 1.0 - confidence
}

/// The fewest arrivals at which `bad` failures prove a failure share of at
/// most `share` at `confidence`; `None` beyond a thousand million. `spread`
/// failures count as one, and as many arrivals too: 1 for single failures, more
/// where they come in bursts.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "searched below 2^30")]
pub fn samples_to_prove(bad: u64, share: f64, confidence: f64, spread: f64) -> Option<u64> {
    const SEARCH_MAX: u64 = 1 << 30;
    let proves = |n: u64| surely_at_most(bad as f64 / spread, n as f64 / spread, share, confidence);
    if share <= 0.0 || bad >= SEARCH_MAX || !proves(SEARCH_MAX) {
        return None;
    }
    let (mut low, mut high) = (bad, SEARCH_MAX);
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        if proves(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// Quantile of the binomial distribution: the least c with P[X <= c] >=
/// `confidence`, for X failures among `n` arrivals that each fail with
/// probability `share`. It is the most failures that chance explains.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn binomial_quantile(n: u64, share: f64, confidence: f64) -> u64 {
    if share <= 0.0 {
        return 0;
    }
    if share >= 1.0 {
        return n;
    }
    // P[X <= c] = I_(1-p)(n-c, c+1).
    let enough = |c: u64| {
        c >= n || beta::regularized((n - c) as f64, c as f64 + 1.0, 1.0 - share) >= confidence
    };
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = u64::midpoint(low, high);
        if enough(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.beta.ppf 1.17.1 at 0.05 and 0.95.
    const TABLE: [(f64, f64, f64, f64); 9] = [
        (0.0, 299.0, 0.0, 0.009_969_146_792_899_269),
        (0.0, 2995.0, 0.0, 0.000_999_744_420_901_142),
        (
            1.0,
            100.0,
            0.000_512_801_416_262_292_1,
            0.046_559_811_453_538_935,
        ),
        (
            3.0,
            7752.0,
            0.000_105_489_397_881_616_48,
            0.000_999_907_053_652_850_1,
        ),
        (
            10.0,
            16_959.0,
            0.000_319_946_789_729_598,
            0.000_999_984_520_171_157_4,
        ),
        (
            47.0,
            60_000.0,
            0.000_605_380_241_502_385_6,
            0.000_998_816_802_241_424_4,
        ),
        (
            299.0,
            300.0,
            0.984_285_445_108_416_1,
            0.999_829_036_967_886_5,
        ),
        (300.0, 300.0, 0.990_063_918_055_542_3, 1.0),
        (
            5.0,
            120.0,
            0.016_559_140_745_761_71,
            0.085_608_344_401_479_45,
        ),
    ];

    #[test]
    fn bounds_agree_with_scipy() {
        for (bad, n, low, high) in TABLE {
            assert!((lower_bound(bad, n, 0.95) - low).abs() < 1e-9, "{bad}/{n}");
            assert!((upper_bound(bad, n, 0.95) - high).abs() < 1e-9, "{bad}/{n}");
        }
    }

    #[test]
    fn what_is_sure_is_what_the_bounds_say() {
        let mut sure = 0;
        for n in [1.0, 20.5, 300.0, 60_000.0] {
            for bad in [0.0, 0.4, 1.0, 7.0, 0.01 * n, 0.5 * n, n] {
                for share in [0.0, 0.0005, 0.01, 0.02, 0.5, 0.9, 1.0] {
                    let most = surely_at_most(bad, n, share, 0.95);
                    let above = surely_above(bad, n, share, 0.99);
                    assert_eq!(
                        most,
                        upper_bound(bad, n, 0.95) <= share,
                        "{bad}/{n}: {share}"
                    );
                    assert_eq!(
                        above,
                        lower_bound(bad, n, 0.99) > share,
                        "{bad}/{n}: {share}"
                    );
                    sure += u32::from(most) + u32::from(above);
                }
            }
        }
        assert!(sure > 50, "{sure}");
        assert!(
            !surely_at_most(0.0, 0.0, 1.0, 0.95),
            "no data is never a pass"
        );
    }

    #[test]
    fn sample_sizes_agree_with_the_published_table() {
        for (bad, share, n) in [
            (0, 0.01, 299),
            (1, 0.001, 4_742),
            (3, 0.01, 773),
            (10, 0.0005, 33_921),
        ] {
            assert_eq!(
                samples_to_prove(bad, share, 0.95, 1.0),
                Some(n),
                "{bad} at {share}"
            );
        }
        assert_eq!(samples_to_prove(0, 0.0, 0.95, 1.0), None);
        // Bursts of ten need ten times as many.
        assert_eq!(samples_to_prove(0, 0.01, 0.95, 10.0), Some(2_981));
    }

    #[test]
    fn chance_explains_few_failures() {
        // P[Bin(200, 0.001) <= 2] = 0.99885, <= 3: 0.99994.
        assert_eq!(binomial_quantile(200, 0.001, 0.999), 3);
        assert_eq!(binomial_quantile(200, 0.0, 0.999), 0);
        assert_eq!(binomial_quantile(5, 1.0, 0.999), 5);
    }
}
