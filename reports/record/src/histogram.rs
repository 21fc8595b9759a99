//! Histograms of response times, and quantiles over arrivals that may have failed.

use hdrhistogram::{Counter, Histogram};

/// Significant decimal digits of every histogram that is kept; a value is known
/// to 0.1 %.
pub const SIGNIFICANT_DIGITS: u8 = 3;

/// Significant decimal digits of a histogram that is only looked at: 1 %.
const COARSE_DIGITS: u8 = 2;

/// Greatest value a histogram starts out with room for, in microseconds.
/// Larger ones make it grow.
const INITIAL_MAX_US: u64 = 2_000;

/// Greatest response time that is told apart from longer ones: one hour, in
/// microseconds.
pub const RESPONSE_MAX_US: u64 = 3_600_000_000;

/// An empty histogram of microseconds, 1 µs to 1 h, that grows as it is fed.
#[must_use]
pub fn new_histogram() -> Histogram<u64> {
    growing(SIGNIFICANT_DIGITS)
}

/// The same in a tenth of the room, for what is shown and not kept: a value is
/// known to 1 %.
#[must_use]
pub fn coarse_histogram<C: Counter>() -> Histogram<C> {
    growing(COARSE_DIGITS)
}

#[expect(
    clippy::expect_used,
    reason = "constant bounds, which the constructor accepts; a test builds both"
)]
fn growing<C: Counter>(digits: u8) -> Histogram<C> {
    let mut histogram = Histogram::new_with_bounds(1, INITIAL_MAX_US, digits)
        .expect("the bounds are constants that satisfy low >= 1 and high >= 2 * low");
    histogram.auto(true);
    histogram
}

/// Adds one response time. Longer ones than an hour count as an hour, so that
/// no arrival is ever lost here.
pub fn record_us(histogram: &mut Histogram<u64>, value_us: u64) {
    // `record` grows the histogram first; `saturating_record` would clamp the
    // value to its present size and flatter the system.
    let grown = histogram.record(value_us.clamp(1, RESPONSE_MAX_US));
    debug_assert!(grown.is_ok(), "an auto-resizing histogram takes an hour");
}

/// The rank, from 1, of quantile `q` among `n` sorted values: the least r with
/// r/n >= q. The tolerance keeps `0.999 * 3000` from rounding up to 2998.
#[must_use]
pub fn rank(q: f64, n: u64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of a run are far below 2^52 and q lies in 0..=1"
    )]
    let rank = (q * n as f64 * (1.0 - 1e-12) - 1e-9).ceil().max(1.0) as u64;
    rank.min(n.max(1))
}

/// The value at `rank` (from 1) in microseconds, or `None` when fewer values
/// were recorded. The upper edge of its bucket: never flattering.
#[must_use]
pub fn value_at_rank(histogram: &Histogram<u64>, rank: u64) -> Option<u64> {
    if rank == 0 || rank > histogram.len() {
        return None;
    }
    let mut seen = 0;
    histogram.iter_recorded().find_map(|step| {
        seen += step.count_since_last_iteration();
        (seen >= rank).then(|| histogram.highest_equivalent(step.value_iterated_to()))
    })
}

/// How many recorded values are, or may be, above `limit_us`: a bucket that
/// reaches beyond the limit counts in full. With `strict`, a bucket that
/// reaches the limit counts too.
#[must_use]
pub fn count_above(histogram: &Histogram<u64>, limit_us: u64, strict: bool) -> u64 {
    histogram
        .iter_recorded()
        .filter(|step| {
            let top_us = histogram.highest_equivalent(step.value_iterated_to());
            top_us > limit_us || (strict && top_us == limit_us)
        })
        .map(|step| step.count_since_last_iteration())
        .sum()
}

/// Adds `other` to `total`. Both grow on demand, so nothing is lost; a value
/// that cannot be added (a foreign histogram) makes this `false`.
#[must_use]
pub fn merge(total: &mut Histogram<u64>, other: &Histogram<u64>) -> bool {
    total.add(other).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_do_not_suffer_from_binary_fractions() {
        assert_eq!(rank(0.999, 3000), 2997);
        assert_eq!(rank(0.99, 300), 297);
        assert_eq!(rank(0.99, 299), 297);
        assert_eq!(rank(0.5, 1), 1);
        assert_eq!(rank(1.0, 10), 10);
        assert_eq!(rank(0.0, 10), 1);
    }

    #[test]
    fn a_rank_finds_the_value_and_a_count_agrees_with_it() {
        let mut histogram = new_histogram();
        for value in 1..=1000 {
            record_us(&mut histogram, value);
        }
        assert_eq!(value_at_rank(&histogram, 990), Some(990));
        assert_eq!(value_at_rank(&histogram, 1001), None);
        assert_eq!(count_above(&histogram, 990, false), 10);
        assert_eq!(count_above(&histogram, 990, true), 11);
    }

    #[test]
    fn a_coarse_histogram_knows_a_value_to_one_percent() {
        for value in [1, 999, 123_456, RESPONSE_MAX_US] {
            let mut coarse: Histogram<u32> = coarse_histogram();
            coarse.record(value).unwrap();
            let off = coarse.max() - value;
            assert!(off <= value / 100, "{value} is off by {off}");
        }
    }

    #[test]
    fn a_value_beyond_an_hour_is_kept() {
        let mut histogram = new_histogram();
        record_us(&mut histogram, u64::MAX);
        record_us(&mut histogram, 0);
        assert_eq!(histogram.len(), 2);
        assert!(histogram.max() >= RESPONSE_MAX_US);
    }
}
