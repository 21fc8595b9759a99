//! What an instance counts about itself, in the Prometheus text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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

    /// Everything, as text.
    pub(crate) fn text(&self) -> String {
        let mut out = String::from("# TYPE reference_requests_total counter\n");
        for ((route, status), count) in &*lock(&self.requests) {
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "reference_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}"
            );
        }
        let _ = writeln!(
            out,
            "# TYPE reference_requests_in_flight gauge\nreference_requests_in_flight {}",
            self.load()
        );
        for (name, count) in &*lock(&self.counters) {
            let _ = writeln!(
                out,
                "# TYPE reference_{name}_total counter\nreference_{name}_total {count}"
            );
        }
        for (name, read) in &*lock(&self.gauges) {
            let _ = writeln!(
                out,
                "# TYPE reference_{name} gauge\nreference_{name} {}",
                read()
            );
        }
        out
    }
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
        let metrics = Metrics::default();
        metrics.request("/home/{profile}", 200);
        metrics.request("/home/{profile}", 200);
        metrics.count("fallbacks");
        metrics.gauge("disk_bytes", || 7);
        let _busy = metrics.begin(5);
        let text = metrics.text();
        for line in [
            "reference_requests_total{route=\"/home/{profile}\",status=\"200\"} 2",
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
