//! Commands in the text format that Prometheus and its kin read (OpenMetrics): a collector for the
//! metrics registry of the service that has the commands.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::Registry;
use crate::collapser::CollapserSnapshot;
use crate::event::CommandEvent;
use crate::metrics::{BUCKET_BOUNDS_MS, LatencyTotals};
use crate::snapshot::CommandSnapshot;
use crate::stale_cache::StaleCacheSnapshot;

/// The media type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Registry {
    /// All commands in the text format that Prometheus reads, whole, with the media type
    /// [`CONTENT_TYPE`]. A service with metrics of its own registers this registry as a collector
    /// beside them instead.
    pub fn prometheus_text(&self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut out, &registry);
        out
    }
}

/// All commands, and the collapsers and caches that are shown: breaker states, breaker openings,
/// calls by event, calls that run and latencies.
impl Collector for Registry {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshots = self.snapshots();
        let states = "0 closed, 1 open, 2 half-open.";
        each(&mut encoder, &snapshots, "breaker_state", states, |s| {
            ConstGauge::new(u32::from(s.breaker_state as u8))
        })?;
        let opened = "Times the breaker went from closed to open.";
        each(&mut encoder, &snapshots, "breaker_opened", opened, |s| {
            ConstCounter::new(s.opened_count)
        })?;
        let active = "Calls that run now.";
        each(&mut encoder, &snapshots, "calls_active", active, |s| {
            ConstGauge::new(s.active)
        })?;
        calls(&mut encoder, &snapshots)?;
        latencies(&mut encoder, &snapshots)?;
        collapsers(&mut encoder, &self.collapser_snapshots())?;
        caches(&mut encoder, &self.cache_snapshots())
    }
}

/// A metric with one value for each command.
fn each<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    snapshots: &[CommandSnapshot],
    name: &str,
    help: &str,
    value: impl Fn(&CommandSnapshot) -> M,
) -> fmt::Result {
    let Some(first) = snapshots.first() else {
        return Ok(());
    };
    let name = format!("resilience_{name}");
    let kind = value(first).metric_type();
    let mut metric = encoder.encode_descriptor(&name, help, None, kind)?;
    for snapshot in snapshots {
        value(snapshot).encode(metric.encode_family(&labels(snapshot))?)?;
    }
    Ok(())
}

fn calls(encoder: &mut DescriptorEncoder<'_>, snapshots: &[CommandSnapshot]) -> fmt::Result {
    let help = "Events of calls; one call may have several.";
    let name = "resilience_calls";
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for snapshot in snapshots {
        for event in CommandEvent::ALL {
            let [command, group] = labels(snapshot);
            let labels = [command, group, ("event", event.as_str())];
            let count = ConstCounter::new(snapshot.metrics.total(event));
            count.encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn latencies(encoder: &mut DescriptorEncoder<'_>, snapshots: &[CommandSnapshot]) -> fmt::Result {
    type Totals = fn(&CommandSnapshot) -> &LatencyTotals;
    let kinds: [(&str, &str, Totals); 2] = [
        (
            "resilience_execution_seconds",
            "How long executed calls took, timed-out ones until they were given up.",
            |snapshot| &snapshot.metrics.latency_execute_totals,
        ),
        (
            "resilience_completion_seconds",
            "How long work took that ended, also after its time was up.",
            |snapshot| &snapshot.metrics.latency_completed_totals,
        ),
    ];
    for (name, help, totals) in kinds {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for snapshot in snapshots {
            let totals = totals(snapshot);
            let sum_s = totals.sum.as_secs_f64();
            metric
                .encode_family(&labels(snapshot))?
                .encode_histogram::<NoLabelSet>(sum_s, totals.count(), &buckets(totals), None)?;
        }
    }
    let help = "Work that ended when its caller had timed out or gone.";
    each(encoder, snapshots, "late_completions", help, |s| {
        ConstCounter::new(s.metrics.late_completions)
    })
}

fn collapsers(encoder: &mut DescriptorEncoder<'_>, shown: &[CollapserSnapshot]) -> fmt::Result {
    if shown.is_empty() {
        return Ok(());
    }
    let help = "Arguments that went with a batch, and callers that shared the answer of another.";
    let name = "resilience_collapser_requests";
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for snapshot in shown {
        let totals = &snapshot.totals;
        for (event, count) in [
            ("ADDED_TO_BATCH", totals.requests_batched),
            ("RESPONSE_FROM_CACHE", totals.responses_from_cache),
        ] {
            let labels = [("collapser", &*snapshot.name), ("event", event)];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    let help = "Batches that were run.";
    let name = "resilience_collapser_batches";
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for snapshot in shown {
        let labels = [("collapser", &*snapshot.name)];
        ConstCounter::new(snapshot.totals.batches).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn caches(encoder: &mut DescriptorEncoder<'_>, shown: &[StaleCacheSnapshot]) -> fmt::Result {
    if shown.is_empty() {
        return Ok(());
    }
    type Size = fn(&StaleCacheSnapshot) -> u64;
    let sizes: [(&str, &str, Size); 3] = [
        ("entries", "Answers that are kept.", |cache| {
            cache.entries as u64
        }),
        (
            "weight",
            "What the answers that are kept weigh together.",
            |cache| cache.weight,
        ),
        ("fills", "Executions that run for the cache.", |cache| {
            cache.fills as u64
        }),
    ];
    for (name, help, size) in sizes {
        let name = format!("resilience_cache_{name}");
        let mut metric = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
        for cache in shown {
            let labels = [("command", &*cache.command)];
            ConstGauge::new(size(cache)).encode(metric.encode_family(&labels)?)?;
        }
    }
    let help = "Answers that had to go for others.";
    let name = "resilience_cache_evicted";
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for cache in shown {
        let labels = [("command", &*cache.command)];
        ConstCounter::new(cache.evicted).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Upper bounds in seconds, and what lies between them and the ones below.
fn buckets(totals: &LatencyTotals) -> Vec<(f64, u64)> {
    let bounds = BUCKET_BOUNDS_MS.map(|ms| std::time::Duration::from_millis(ms).as_secs_f64());
    let bounds = bounds.into_iter().chain([f64::INFINITY]);
    bounds.zip(totals.buckets).collect()
}

fn labels(snapshot: &CommandSnapshot) -> [(&'static str, &str); 2] {
    [("command", &snapshot.name), ("group", &snapshot.group)]
}
