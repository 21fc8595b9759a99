//! Commands in the Prometheus text exposition format.

use std::fmt::Write;

use crate::event::CommandEvent;
use crate::metrics::BUCKET_BOUNDS_MS;
use crate::snapshot::CommandSnapshot;

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All commands as one text: breaker states, breaker openings, calls by event, calls that run and
/// latencies.
pub fn text(snapshots: &[CommandSnapshot]) -> String {
    let mut out = String::new();
    each(
        &mut out,
        snapshots,
        "resilience_breaker_state",
        "gauge",
        "0 closed, 1 open, 2 half-open.",
        |s| (s.breaker_state as u8).into(),
    );
    let opened = "Times the breaker went from closed to open.";
    each(
        &mut out,
        snapshots,
        "resilience_breaker_opened_total",
        "counter",
        opened,
        |s| s.opened_count,
    );
    each(
        &mut out,
        snapshots,
        "resilience_calls_active",
        "gauge",
        "Calls that run now.",
        |s| s.active as u64,
    );
    calls(&mut out, snapshots);
    latencies(&mut out, snapshots);
    out
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    line(out, format_args!("# HELP {name} {help}"));
    line(out, format_args!("# TYPE {name} {kind}"));
}

fn each(
    out: &mut String,
    snapshots: &[CommandSnapshot],
    name: &str,
    kind: &str,
    help: &str,
    value: impl Fn(&CommandSnapshot) -> u64,
) {
    head(out, name, kind, help);
    for snapshot in snapshots {
        line(
            out,
            format_args!("{name}{{{}}} {}", labels(snapshot), value(snapshot)),
        );
    }
}

fn calls(out: &mut String, snapshots: &[CommandSnapshot]) {
    let name = "resilience_calls_total";
    head(
        out,
        name,
        "counter",
        "Events of calls; one call may have several.",
    );
    for snapshot in snapshots {
        for event in CommandEvent::ALL {
            let (labels, count) = (labels(snapshot), snapshot.metrics.total(event));
            line(
                out,
                format_args!("{name}{{{labels},event=\"{}\"}} {count}", event.as_str()),
            );
        }
    }
}

fn latencies(out: &mut String, snapshots: &[CommandSnapshot]) {
    let name = "resilience_execution_seconds";
    head(
        out,
        name,
        "histogram",
        "How long executed calls took, timed-out ones until they were dropped.",
    );
    for snapshot in snapshots {
        let labels = labels(snapshot);
        let totals = &snapshot.metrics.latency_execute_totals;
        let mut below = 0;
        for (bound_ms, count) in BUCKET_BOUNDS_MS.iter().zip(totals.buckets) {
            below += count;
            let bound_s = std::time::Duration::from_millis(*bound_ms).as_secs_f64();
            line(
                out,
                format_args!("{name}_bucket{{{labels},le=\"{bound_s}\"}} {below}"),
            );
        }
        let count = totals.count();
        line(
            out,
            format_args!("{name}_bucket{{{labels},le=\"+Inf\"}} {count}"),
        );
        line(
            out,
            format_args!("{name}_sum{{{labels}}} {}", totals.sum.as_secs_f64()),
        );
        line(out, format_args!("{name}_count{{{labels}}} {count}"));
    }
}

fn labels(snapshot: &CommandSnapshot) -> String {
    format!(
        "command=\"{}\",group=\"{}\"",
        escaped(&snapshot.name),
        escaped(&snapshot.group)
    )
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn line(out: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{content}");
}
