//! Times of the arrivals of one interval, kept small.
//!
//! A histogram has a counter for every bucket up to its greatest value: with
//! three digits some 90 kB for a second in which one answer took a second. Ten
//! minutes of ten routes are 12 000 of them, a gigabyte, nearly all of it
//! zeros. An interval keeps only the buckets that hold something, which adds
//! up to the same histogram.

use std::sync::Arc;

use hdrhistogram::Histogram;

use crate::histogram::{RESPONSE_MAX_US, new_histogram};

/// Half of the sub-buckets that an HdrHistogram of three digits has: the least power
/// of two that is not below 10³.
const HALF: u32 = 1024;

/// The buckets of a histogram of microseconds that hold something, in order.
/// Clones share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times(Arc<Buckets>);

#[derive(Debug, PartialEq, Eq)]
struct Buckets {
    /// Upper edges in microseconds; what took longer than 71 minutes counts as
    /// that.
    tops: Box<[u32]>,
    counts: Box<[u64]>,
    len: u64,
}

impl Times {
    /// The times of `histogram`, each at the upper edge of its bucket: never
    /// flattering.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self::from_buckets(histogram.iter_recorded().map(|step| {
            let top_us = histogram.highest_equivalent(step.value_iterated_to());
            (top_us, step.count_since_last_iteration())
        }))
    }

    /// From upper edges in ascending order.
    fn from_buckets(buckets: impl Iterator<Item = (u64, u64)>) -> Self {
        let (mut tops, mut counts) = (Vec::new(), Vec::new());
        for (top_us, count) in buckets {
            tops.push(u32::try_from(top_us).unwrap_or(u32::MAX));
            counts.push(count);
        }
        Self::from_columns(tops, counts)
    }

    /// From upper edges in ascending order, and as many counts.
    pub(crate) fn from_columns(tops: Vec<u32>, counts: Vec<u64>) -> Self {
        let len = counts.iter().fold(0, |sum: u64, n| sum.saturating_add(*n));
        Self(Arc::new(Buckets {
            tops: tops.into(),
            counts: counts.into(),
            len,
        }))
    }

    /// The numbers of the buckets that hold something, ascending.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.tops.iter().map(|top_us| Self::bucket_of(*top_us))
    }

    /// The number of the bucket that holds `us`, from 0, in a histogram of
    /// three digits: each up to 2 047 µs has its own, then every doubling
    /// has [`HALF`] of them.
    pub(crate) const fn bucket_of(us: u32) -> u32 {
        let shift = (u32::BITS - us.leading_zeros()).saturating_sub(HALF.ilog2() + 1);
        shift * HALF + (us >> shift)
    }

    /// The upper edge of a bucket in microseconds, where there is such a one.
    pub(crate) fn top_of(bucket: u32) -> Option<u32> {
        let shift = (bucket / HALF).saturating_sub(1);
        let above = u64::from(bucket - shift * HALF) + 1;
        u32::try_from((above.checked_shl(shift)?).checked_sub(1)?).ok()
    }

    /// How many times there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The greatest in microseconds, 0 of none.
    #[must_use]
    pub fn max_us(&self) -> u64 {
        self.0.tops.last().copied().map_or(0, u64::from)
    }

    /// Upper edges in microseconds, ascending, and how many times lie below
    /// each and above the one before.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let tops = self.0.tops.iter().copied().map(u64::from);
        tops.zip(self.0.counts.iter().copied())
    }

    /// The value at `rank` (from 1) in microseconds, or `None` when there are
    /// fewer values.
    #[must_use]
    pub fn value_at_rank(&self, rank: u64) -> Option<u64> {
        if rank == 0 {
            return None;
        }
        let mut seen = 0_u64;
        self.iter().find_map(|(top_us, count)| {
            seen = seen.saturating_add(count);
            (seen >= rank).then_some(top_us)
        })
    }

    /// How many are, or may be, above `limit_us`; with `strict`, those that
    /// reach the limit count too.
    #[must_use]
    pub fn count_above(&self, limit_us: u64, strict: bool) -> u64 {
        self.iter()
            .filter(|(top_us, _)| *top_us > limit_us || (strict && *top_us == limit_us))
            .fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// Adds them to `total`, one of [`new_histogram`].
    pub fn add_to(&self, total: &mut Histogram<u64>) {
        for (top_us, count) in self.iter() {
            let grown = total.record_n(top_us.clamp(1, RESPONSE_MAX_US), count);
            debug_assert!(grown.is_ok(), "an auto-resizing histogram takes an hour");
        }
    }

    /// The histogram they came from.
    #[must_use]
    pub fn to_histogram(&self) -> Histogram<u64> {
        let mut histogram = new_histogram();
        self.add_to(&mut histogram);
        histogram
    }

    /// The times of both; for shards.
    pub(crate) fn united(&self, other: &Self) -> Self {
        let (mut own, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        let next = || match (own.peek().copied(), theirs.peek().copied()) {
            (Some((a, n)), Some((b, m))) if a == b => {
                own.next();
                theirs.next();
                Some((a, n.saturating_add(m)))
            }
            (Some((a, _)), Some((b, _))) if a > b => theirs.next(),
            (Some(_), _) => own.next(),
            (None, _) => theirs.next(),
        };
        Self::from_buckets(std::iter::from_fn(next))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::histogram::{count_above, merge, record_us, value_at_rank};

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut histogram = new_histogram();
        values.iter().for_each(|v| record_us(&mut histogram, *v));
        histogram
    }

    fn values() -> impl Strategy<Value = Vec<u64>> {
        let value = prop_oneof![1..3_000_u64, 1..4_000_000_u64, 1..5_000_000_000_u64];
        prop::collection::vec(value, 0..60)
    }

    proptest! {
        #[test]
        fn times_say_what_their_histogram_says(
            values in values(), rank in 0..70_u64, limit in 0..5_000_000_u64, strict: bool,
        ) {
            let dense = histogram(&values);
            let times = Times::of(&dense);
            prop_assert_eq!(times.to_histogram(), dense.clone());
            prop_assert_eq!(times.len(), dense.len());
            prop_assert_eq!(times.max_us(), dense.max());
            prop_assert_eq!(times.value_at_rank(rank), value_at_rank(&dense, rank));
            prop_assert_eq!(
                times.count_above(limit, strict),
                count_above(&dense, limit, strict)
            );
        }

        #[test]
        fn times_add_up_as_histograms_do(a in values(), b in values()) {
            let (one, other) = (histogram(&a), histogram(&b));
            let mut sum = one.clone();
            prop_assert!(merge(&mut sum, &other));
            let united = Times::of(&one).united(&Times::of(&other));
            prop_assert_eq!(&united, &Times::of(&sum));
            let mut total = one;
            Times::of(&other).add_to(&mut total);
            prop_assert_eq!(total, sum);
        }
    }

    proptest! {
        #[test]
        fn buckets_are_those_of_the_histogram(us in 1..u32::MAX) {
            let top = new_histogram().highest_equivalent(us.into());
            let bucket = Times::bucket_of(us);
            prop_assert_eq!(Times::top_of(bucket).map(u64::from), Some(top));
            prop_assert_eq!(Times::bucket_of(u32::try_from(top).unwrap()), bucket);
        }
    }

    #[test]
    fn there_is_no_bucket_beyond_the_last() {
        let last = Times::bucket_of(u32::MAX);
        assert_eq!(Times::top_of(last), Some(u32::MAX));
        assert_eq!(Times::top_of(last + 1), None);
        assert_eq!(Times::top_of(u32::MAX), None);
        assert_eq!(Times::top_of(0), Some(0));
    }

    #[test]
    fn a_slow_answer_costs_no_more_than_a_fast_one() {
        let times = Times::of(&histogram(&[3_000_000_000]));
        assert_eq!(times.0.tops.len(), 1);
    }
}
