//! The counts and latencies of one command, in bounded memory.

mod latency;
mod rolling;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::latency::Latencies;
pub use self::latency::{BUCKET_BOUNDS_MS, LatencyPercentiles, LatencyTotals, PERCENTILES};
pub use self::rolling::EventCounts;
pub(crate) use self::rolling::Ring;
use self::rolling::RollingCounts;
use crate::Properties;
use crate::event::CommandEvent;

/// What one command has counted.
#[derive(Debug)]
pub(crate) struct Metrics(Mutex<Counted>);

#[derive(Debug)]
struct Counted {
    rolling: RollingCounts,
    totals: EventCounts,
    execute: Latencies,
    total: Latencies,
}

/// What one command has counted, at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsSnapshot {
    /// Events in the rolling window.
    pub rolling: EventCounts,
    /// Events since the command was made.
    pub totals: EventCounts,
    /// The most calls that ran at once in the rolling window.
    pub rolling_active_max: usize,
    /// How long the executed calls took, from admission to their end. A call that timed out
    /// counts with the time that really passed until it was dropped; what it would have taken is
    /// unknown, so read this beside the number of timeouts.
    pub latency_execute: LatencyPercentiles,
    /// How long the caller waited, fallback included.
    pub latency_total: LatencyPercentiles,
    /// The executed calls since the command was made.
    pub latency_execute_totals: LatencyTotals,
}

impl MetricsSnapshot {
    /// How often `event` happened in the rolling window.
    pub fn rolling(&self, event: CommandEvent) -> u64 {
        self.rolling[event as usize]
    }

    /// How often `event` has happened since the command was made.
    pub fn total(&self, event: CommandEvent) -> u64 {
        self.totals[event as usize]
    }
}

impl Metrics {
    pub(crate) fn new(properties: &Properties, now: Instant) -> Self {
        let window = Duration::from_millis(properties.metrics_rolling_window_ms);
        let latency_window = Duration::from_millis(properties.metrics_rolling_percentile_window_ms);
        let latencies = || {
            Latencies::new(
                now,
                latency_window,
                properties.metrics_rolling_percentile_buckets,
            )
        };
        Self(Mutex::new(Counted {
            rolling: RollingCounts::new(now, window, properties.metrics_rolling_buckets),
            totals: EventCounts::default(),
            execute: latencies(),
            total: latencies(),
        }))
    }

    pub(crate) fn record(&self, now: Instant, event: CommandEvent) {
        self.record_many(now, event, 1);
    }

    /// `event` happened `times` times.
    pub(crate) fn record_many(&self, now: Instant, event: CommandEvent, times: u64) {
        let mut counted = self.lock();
        counted.rolling.record(now, event, times);
        counted.totals[event as usize] += times;
    }

    /// The end of an execution: its event, how long it took if it was executed at all, and the
    /// most calls that ran at once since the last one ended.
    pub(crate) fn record_end(
        &self,
        now: Instant,
        event: CommandEvent,
        latency: Option<Duration>,
        active_max: usize,
    ) {
        let mut counted = self.lock();
        counted.rolling.record(now, event, 1);
        counted.rolling.record_active(now, active_max);
        counted.totals[event as usize] += 1;
        if let Some(latency) = latency {
            counted.execute.record(now, latency);
        }
    }

    pub(crate) fn record_total(&self, now: Instant, latency: Duration) {
        self.lock().total.record(now, latency);
    }

    /// How many executions the latencies of the window are of, and their percentile.
    pub(crate) fn latency(&self, now: Instant, percentile: u8) -> (u64, Duration) {
        self.lock().execute.percentile(now, percentile)
    }

    pub(crate) fn snapshot(&self, now: Instant, active_max: usize) -> MetricsSnapshot {
        let mut counted = self.lock();
        counted.rolling.record_active(now, active_max);
        let (rolling, rolling_active_max) = counted.rolling.sums(now);
        MetricsSnapshot {
            rolling,
            totals: counted.totals,
            rolling_active_max,
            latency_execute: counted.execute.percentiles(now),
            latency_total: counted.total.percentiles(now),
            latency_execute_totals: counted.execute.totals.clone(),
        }
    }

    /// A panic elsewhere leaves counts that are at worst one call off, so the lock is taken anyway.
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
