//! Latencies of a command: a rolling distribution for dashboards, running totals for Prometheus.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::rolling::Ring;

/// The largest latency told apart, in microseconds (ten minutes); longer ones count as this long.
const LATENCY_US_MAX: u64 = 600_000_000;

/// The two leading digits of a latency are kept; one histogram then takes about 12 KiB.
const SIGNIFICANT_DIGITS: u8 = 2;

/// Upper bounds of the Prometheus buckets, in milliseconds.
pub const BUCKET_BOUNDS_MS: [u64; 13] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

/// Running totals that never shrink.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LatencyTotals {
    /// Calls per bucket of [`BUCKET_BOUNDS_MS`], not cumulated; the last one is beyond all bounds.
    pub buckets: [u64; BUCKET_BOUNDS_MS.len() + 1],
    /// The sum of all latencies.
    pub sum: Duration,
}

impl LatencyTotals {
    fn record(&mut self, latency: Duration) {
        let slot =
            BUCKET_BOUNDS_MS.partition_point(|bound_ms| Duration::from_millis(*bound_ms) < latency);
        self.buckets[slot] += 1;
        self.sum = self.sum.saturating_add(latency);
    }

    /// Those of both.
    pub(super) fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for (sum, count) in both.buckets.iter_mut().zip(other.buckets) {
            *sum += count;
        }
        both.sum = both.sum.saturating_add(other.sum);
        both
    }

    /// How many latencies were recorded.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// A distribution over the last minute or so, in the points Hystrix's dashboard shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LatencyPercentiles {
    /// How many latencies it rests on.
    pub count: u64,
    /// The mean.
    pub mean: Duration,
    /// One latency per entry of [`PERCENTILES`].
    pub points: [Duration; PERCENTILES.len()],
}

/// The percentiles of a [`LatencyPercentiles`].
pub const PERCENTILES: [f64; 9] = [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 100.0];

/// A ring of histograms and the running totals.
#[derive(Debug)]
pub(crate) struct Latencies {
    ring: Ring,
    buckets: Box<[Histogram<u32>]>,
    pub(crate) totals: LatencyTotals,
}

impl Latencies {
    pub(crate) fn new(origin: Instant, window: Duration, buckets: u32) -> Self {
        let empty = empty_histogram();
        Self {
            ring: Ring::new(origin, window, buckets),
            buckets: vec![empty; buckets.max(1) as usize].into_boxed_slice(),
            totals: LatencyTotals::default(),
        }
    }

    pub(crate) fn record(&mut self, now: Instant, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LATENCY_US_MAX);
        let buckets = &mut self.buckets;
        let slot = self.ring.advance(now, |slot| buckets[slot].reset());
        self.buckets[slot].saturating_record(micros.clamp(1, LATENCY_US_MAX));
        self.totals.record(latency);
    }

    /// Adds what is in the window to `merged`.
    fn add_to(&mut self, merged: &mut Histogram<u32>, now: Instant) {
        let buckets = &mut self.buckets;
        self.ring.advance(now, |slot| buckets[slot].reset());
        for bucket in &self.buckets {
            // Equal bounds: the sum always fits, and an error would only mean that it did not.
            if merged.add(bucket).is_err() {
                tracing::warn!("a latency histogram did not fit its own bounds");
            }
        }
    }
}

/// All that are in the windows of `several`.
pub(super) fn merged<const N: usize>(now: Instant, several: [&mut Latencies; N]) -> Histogram<u32> {
    let mut merged = empty_histogram();
    for latencies in several {
        latencies.add_to(&mut merged, now);
    }
    merged
}

/// How many there are, and one percentile of them.
pub(super) fn percentile(merged: &Histogram<u32>, percentile: u8) -> (u64, Duration) {
    let micros = merged.value_at_percentile(f64::from(percentile));
    (merged.len(), Duration::from_micros(micros))
}

impl From<Histogram<u32>> for LatencyPercentiles {
    fn from(merged: Histogram<u32>) -> Self {
        if merged.is_empty() {
            return Self::default();
        }
        let mean_us = merged.mean().max(0.0);
        Self {
            count: merged.len(),
            mean: Duration::from_secs_f64(mean_us / 1e6),
            points: PERCENTILES.map(|p| Duration::from_micros(merged.value_at_percentile(p))),
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "the bounds are constants that satisfy low >= 1, high >= 2 * low, digits <= 5"
)]
fn empty_histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS)
        .expect("constant bounds are valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percentiles(latencies: &mut Latencies, now: Instant) -> LatencyPercentiles {
        merged(now, [latencies]).into()
    }

    #[test]
    fn percentiles_cover_the_window_and_nothing_before() {
        let t0 = Instant::now();
        let mut latencies = Latencies::new(t0, Duration::from_secs(60), 6);
        for ms in 1..=100 {
            latencies.record(t0, Duration::from_millis(ms));
        }
        let now = percentiles(&mut latencies, t0 + Duration::from_secs(59));
        assert_eq!(now.count, 100);
        assert!(
            (now.points[2].as_secs_f64() - 0.050).abs() < 0.001,
            "{now:?}"
        );
        assert!((now.mean.as_secs_f64() - 0.0505).abs() < 0.001, "{now:?}");
        assert!(now.points[8] >= Duration::from_millis(100));
        assert_eq!(
            percentiles(&mut latencies, t0 + Duration::from_secs(60)),
            LatencyPercentiles::default()
        );
        assert_eq!(latencies.totals.count(), 100);
    }

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let mut totals = LatencyTotals::default();
        totals.record(Duration::from_millis(1));
        totals.record(Duration::from_micros(1001));
        totals.record(Duration::from_secs(11));
        assert_eq!(
            (totals.buckets[0], totals.buckets[1], totals.buckets[13]),
            (1, 1, 1)
        );
    }

    #[test]
    fn absurd_latencies_saturate() {
        let t0 = Instant::now();
        let mut latencies = Latencies::new(t0, Duration::from_secs(60), 6);
        latencies.record(t0, Duration::MAX);
        latencies.record(t0, Duration::ZERO);
        assert_eq!(percentiles(&mut latencies, t0).count, 2);
    }
}
