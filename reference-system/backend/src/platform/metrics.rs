//! What an instance counts about itself, for Prometheus and its kin.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

type Gauge = Box<dyn Fn() -> u64 + Send + Sync>;

/// Counters and gauges of one instance.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(String, u16), u64>>,
    counters: Mutex<BTreeMap<&'static str, u64>>,
    gauges: Mutex<BTreeMap<String, Gauge>>,
    in_flight: AtomicU32,
}

/// One request being worked on, until dropped.
pub(crate) struct InFlight<'a>(&'a AtomicU32);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Counts an answered request under its route's pattern, of which there are few.
    pub(crate) fn request(&self, route: &str, status: u16) {
        *lock(&self.requests)
            .entry((route.to_owned(), status))
            .or_default() += 1;
    }

    /// Adds one to a counter.
    pub(crate) fn count(&self, name: &'static str) {
        self.add(name, 1);
    }

    /// Adds to a counter.
    pub(crate) fn add(&self, name: &'static str, more: usize) {
        *lock(&self.counters).entry(name).or_default() += more as u64;
    }

    /// Reads a gauge whenever the metrics are read.
    pub(crate) fn gauge(
        &self,
        name: impl Into<String>,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        lock(&self.gauges).insert(name.into(), Box::new(read));
    }

    /// Notes a request being worked on; none if there are `max` already.
    pub(crate) fn begin(&self, max: u32) -> Option<InFlight<'_>> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let begun = InFlight(&self.in_flight);
        (before < max).then_some(begun)
    }

    /// Requests being worked on.
    pub(crate) fn load(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (name, help) = ("reference_requests", "Answered requests.");
        let mut requests = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for ((route, status), count) in &*lock(&self.requests) {
            let status = status.to_string();
            let labels = [("route", route.as_str()), ("status", status.as_str())];
            ConstCounter::new(*count).encode(requests.encode_family(&labels)?)?;
        }
        let help = "Requests being worked on.";
        let in_flight = ConstGauge::new(self.load());
        one(&mut encoder, "requests_in_flight", help, &in_flight)?;
        for (name, count) in &*lock(&self.counters) {
            let help = "Counted since the start.";
            one(&mut encoder, name, help, &ConstCounter::new(*count))?;
        }
        for (name, read) in &*lock(&self.gauges) {
            one(
                &mut encoder,
                name,
                "As it is now.",
                &ConstGauge::new(read()),
            )?;
        }
        Ok(())
    }
}

/// A metric with one value.
fn one(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: &impl EncodeMetric,
) -> fmt::Result {
    let name = format!("reference_{name}");
    value.encode(encoder.encode_descriptor(&name, help, None, value.metric_type())?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Counters are whole after every step; a panic elsewhere cannot have broken them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_shows_what_was_counted() {
        let metrics = std::sync::Arc::new(Metrics::default());
        metrics.request("/home/{profile}", 200);
        metrics.request("/home/{profile}", 200);
        metrics.request("/say/\"hi\"", 404);
        metrics.count("fallbacks");
        metrics.gauge("disk_bytes", || 7);
        let _busy = metrics.begin(5);
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(std::sync::Arc::clone(&metrics)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "reference_requests_total{route=\"/home/{profile}\",status=\"200\"} 2",
            r#"reference_requests_total{route="/say/\"hi\"",status="404"} 1"#,
            "# TYPE reference_fallbacks counter",
            "reference_fallbacks_total 1",
            "reference_disk_bytes 7",
            "reference_requests_in_flight 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn the_bound_on_requests_holds_and_is_given_back() {
        let metrics = Metrics::default();
        let first = metrics.begin(1);
        assert!(first.is_some() && metrics.begin(1).is_none());
        drop(first);
        assert!(metrics.begin(1).is_some());
    }
}
