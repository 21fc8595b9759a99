//! What a collapser counts: arguments, batches and their sizes, in bounded memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::properties::{CollapserProperties, REQUESTS_MAX};
use crate::metrics::Ring;

/// The percentiles of a [`BatchSizes`], as Hystrix's stream shows them.
pub const BATCH_SIZE_PERCENTILES: [f64; 8] = [25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 100.0];

/// The two leading digits of a size are kept.
const SIGNIFICANT_DIGITS: u8 = 2;

/// What happened to arguments, by Hystrix's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CollapserCounts {
    /// Arguments that went with a batch (ADDED_TO_BATCH).
    pub requests_batched: u64,
    /// Batches that were run, each shard for itself (BATCH_EXECUTED).
    pub batches: u64,
    /// Callers that shared the answer of another (RESPONSE_FROM_CACHE).
    pub responses_from_cache: u64,
}

impl CollapserCounts {
    fn add(&mut self, other: Self) {
        self.requests_batched += other.requests_batched;
        self.batches += other.batches;
        self.responses_from_cache += other.responses_from_cache;
    }
}

/// How many arguments the batches of the last minute or so had.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BatchSizes {
    /// The mean; 0 where there were none.
    pub mean: f64,
    /// One size per entry of [`BATCH_SIZE_PERCENTILES`].
    pub points: [u64; BATCH_SIZE_PERCENTILES.len()],
}

/// Everything about one collapser at one instant.
#[derive(Debug, Clone)]
pub struct CollapserSnapshot {
    /// The collapser key.
    pub name: Arc<str>,
    /// When, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// Counts in the rolling window.
    pub rolling: CollapserCounts,
    /// Counts since the collapser was made.
    pub totals: CollapserCounts,
    /// The sizes of its batches.
    pub batch_size: BatchSizes,
    /// The settings in force.
    pub properties: Arc<CollapserProperties>,
}

pub(super) struct CollapserMetrics(Mutex<Counted>);

struct Counted {
    ring: Ring,
    buckets: Box<[CollapserCounts]>,
    totals: CollapserCounts,
    size_ring: Ring,
    sizes: Box<[Histogram<u32>]>,
}

impl CollapserMetrics {
    pub(super) fn new(properties: &CollapserProperties, now: Instant) -> Self {
        let ring = |window_ms, buckets| Ring::new(now, Duration::from_millis(window_ms), buckets);
        let buckets = properties.metrics_rolling_buckets;
        let size_buckets = properties.metrics_rolling_percentile_buckets;
        let counts = vec![CollapserCounts::default(); buckets.max(1) as usize];
        Self(Mutex::new(Counted {
            ring: ring(properties.metrics_rolling_window_ms, buckets),
            buckets: counts.into_boxed_slice(),
            totals: CollapserCounts::default(),
            size_ring: ring(
                properties.metrics_rolling_percentile_window_ms,
                size_buckets,
            ),
            sizes: vec![no_sizes(); size_buckets.max(1) as usize].into_boxed_slice(),
        }))
    }

    /// A batch of `size` arguments goes.
    pub(super) fn record_batch(&self, now: Instant, size: usize) {
        let size = u64::try_from(size).unwrap_or(REQUESTS_MAX);
        let mut counted = self.lock();
        counted.count(
            now,
            CollapserCounts {
                requests_batched: size,
                batches: 1,
                responses_from_cache: 0,
            },
        );
        let slot = counted.advance_sizes(now);
        counted.sizes[slot].saturating_record(size.clamp(1, REQUESTS_MAX));
    }

    /// A caller shares the answer of another.
    pub(super) fn record_shared(&self, now: Instant) {
        self.lock().count(
            now,
            CollapserCounts {
                responses_from_cache: 1,
                ..CollapserCounts::default()
            },
        );
    }

    /// Counts in the rolling window, counts since the beginning, and sizes.
    pub(super) fn read(&self, now: Instant) -> (CollapserCounts, CollapserCounts, BatchSizes) {
        let mut counted = self.lock();
        counted.advance(now);
        counted.advance_sizes(now);
        let mut rolling = CollapserCounts::default();
        counted
            .buckets
            .iter()
            .for_each(|bucket| rolling.add(*bucket));
        (rolling, counted.totals, counted.batch_sizes())
    }

    /// A panic elsewhere leaves counts that are at worst one batch off, so the lock is taken anyway.
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn count(&mut self, now: Instant, counts: CollapserCounts) {
        let slot = self.advance(now);
        self.buckets[slot].add(counts);
        self.totals.add(counts);
    }

    fn advance(&mut self, now: Instant) -> usize {
        let buckets = &mut self.buckets;
        let empty = CollapserCounts::default;
        self.ring.advance(now, |slot| buckets[slot] = empty())
    }

    fn advance_sizes(&mut self, now: Instant) -> usize {
        let sizes = &mut self.sizes;
        self.size_ring.advance(now, |slot| sizes[slot].reset())
    }

    fn batch_sizes(&self) -> BatchSizes {
        let mut merged = no_sizes();
        for bucket in &self.sizes {
            // Equal bounds: the sum always fits, and an error would only mean that it did not.
            if merged.add(bucket).is_err() {
                tracing::warn!("a histogram of batch sizes did not fit its own bounds");
            }
        }
        if merged.is_empty() {
            return BatchSizes::default();
        }
        BatchSizes {
            mean: merged.mean(),
            points: BATCH_SIZE_PERCENTILES.map(|p| merged.value_at_percentile(p)),
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "the bounds are constants that satisfy low >= 1, high >= 2 * low, digits <= 5"
)]
fn no_sizes() -> Histogram<u32> {
    Histogram::new_with_bounds(1, REQUESTS_MAX, SIGNIFICANT_DIGITS)
        .expect("constant bounds are valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_sizes_leave_with_their_window() {
        let t0 = Instant::now();
        let second = Duration::from_secs(1);
        let metrics = CollapserMetrics::new(&CollapserProperties::default(), t0);
        metrics.record_batch(t0, 1);
        metrics.record_batch(t0 + 9 * second, 99);
        metrics.record_shared(t0 + 9 * second);
        let both = CollapserCounts {
            requests_batched: 100,
            batches: 2,
            responses_from_cache: 1,
        };
        let (rolling, totals, sizes) = metrics.read(t0 + 9 * second);
        assert_eq!((rolling, totals), (both, both));
        assert_eq!(
            (sizes.mean, sizes.points),
            (50.0, [1, 1, 99, 99, 99, 99, 99, 99])
        );
        let (rolling, totals, sizes) = metrics.read(t0 + 10 * second);
        assert_eq!((rolling.batches, totals, sizes.mean), (1, both, 50.0));
        let (rolling, totals, sizes) = metrics.read(t0 + 60 * second);
        assert_eq!((rolling, totals), (CollapserCounts::default(), both));
        assert_eq!(sizes, BatchSizes::default());
    }
}
