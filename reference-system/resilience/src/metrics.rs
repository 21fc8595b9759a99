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
    /// Executions by how they ended: by themselves, or with the time at which they were given up.
    ended: Latencies,
    timed_out: Latencies,
    /// Those of whom nobody waited for the end any more.
    late: Latencies,
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
    /// counts with the time that passed until it was given up, so that this never exceeds the
    /// timeout by more than the timer does: read it beside `latency_completed`.
    pub latency_execute: LatencyPercentiles,
    /// How long it was from admission until the work itself ended, also where nobody waited for it
    /// any more: work on threads goes on after its time is up. Work that is dropped when its time
    /// is up has no end and is not in here; it is what is left of the timeouts without
    /// `late_completions`.
    pub latency_completed: LatencyPercentiles,
    /// How long the caller waited, fallback included.
    pub latency_total: LatencyPercentiles,
    /// The executed calls since the command was made.
    pub latency_execute_totals: LatencyTotals,
    /// The work that ended since the command was made.
    pub latency_completed_totals: LatencyTotals,
    /// How much of that ended when its caller had timed out or gone.
    pub late_completions: u64,
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
            ended: latencies(),
            timed_out: latencies(),
            late: latencies(),
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
            match event {
                CommandEvent::Timeout => counted.timed_out.record(now, latency),
                _ => counted.ended.record(now, latency),
            }
        }
    }

    /// The end of work that nobody waited for any more.
    pub(crate) fn record_late(&self, now: Instant, latency: Duration) {
        self.lock().late.record(now, latency);
    }

    pub(crate) fn record_total(&self, now: Instant, latency: Duration) {
        self.lock().total.record(now, latency);
    }

    /// How many executions the latencies of the window are of, and their percentile.
    pub(crate) fn latency(&self, now: Instant, percentile: u8) -> (u64, Duration) {
        let counted = &mut *self.lock();
        let both = latency::merged(now, [&mut counted.ended, &mut counted.timed_out]);
        latency::percentile(&both, percentile)
    }

    pub(crate) fn snapshot(&self, now: Instant, active_max: usize) -> MetricsSnapshot {
        let counted = &mut *self.lock();
        counted.rolling.record_active(now, active_max);
        let (rolling, rolling_active_max) = counted.rolling.sums(now);
        MetricsSnapshot {
            rolling,
            totals: counted.totals,
            rolling_active_max,
            latency_execute: latency::merged(now, [&mut counted.ended, &mut counted.timed_out])
                .into(),
            latency_completed: latency::merged(now, [&mut counted.ended, &mut counted.late]).into(),
            latency_total: latency::merged(now, [&mut counted.total]).into(),
            latency_execute_totals: counted.ended.totals.and(&counted.timed_out.totals),
            latency_completed_totals: counted.ended.totals.and(&counted.late.totals),
            late_completions: counted.late.totals.count(),
        }
    }

    /// A panic elsewhere leaves counts that are at worst one call off, so the lock is taken anyway.
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
