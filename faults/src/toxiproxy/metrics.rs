//! The metrics of Toxiproxy in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::ProxyCounters;

/// A link, as its labels tell it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    pub(super) proxy: String,
    /// Where it listened.
    pub(super) listener: String,
    /// Where it dialled.
    pub(super) upstream: String,
}

/// Bytes read and written, upstream and downstream.
#[derive(Debug, Clone, Copy, Default)]
struct Bytes {
    received: [u64; 2],
    sent: [u64; 2],
}

/// What went through, link by link; links stay when their proxies are gone.
#[derive(Debug, Clone, Default)]
pub(super) struct Carried(BTreeMap<Link, Bytes>);

impl Carried {
    /// Adds what an engine of a proxy has done.
    pub(super) fn add(&mut self, link: Link, counters: &ProxyCounters) {
        let bytes = self.0.entry(link).or_default();
        bytes.received[0] += counters.read_to;
        bytes.received[1] += counters.read_from;
        bytes.sent[0] += counters.bytes_to;
        bytes.sent[1] += counters.bytes_from;
    }

    /// All of it as text.
    pub(super) fn exposition(&self) -> String {
        let mut out = String::new();
        let received = |bytes: &Bytes| bytes.received;
        self.push(&mut out, "toxiproxy_proxy_received_bytes_total", received);
        let sent = |bytes: &Bytes| bytes.sent;
        self.push(&mut out, "toxiproxy_proxy_sent_bytes_total", sent);
        out
    }

    fn push(&self, out: &mut String, name: &str, of: fn(&Bytes) -> [u64; 2]) {
        // Writing to a string never fails.
        let _ = write!(out, "# HELP {name} \n# TYPE {name} counter\n");
        for (direction, nth) in [("downstream", 1), ("upstream", 0)] {
            for (link, bytes) in &self.0 {
                let labels = [
                    ("direction", direction),
                    ("listener", &link.listener),
                    ("proxy", &link.proxy),
                    ("upstream", &link.upstream),
                ];
                let labels = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
                let _ = writeln!(out, "{name}{{{}}} {}", labels.join(","), of(bytes)[nth]);
            }
        }
    }
}

/// A label's value with what has to be escaped in it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('\n', r"\n")
        .replace('"', "\\\"")
}
