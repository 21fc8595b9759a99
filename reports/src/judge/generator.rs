//! Whether the load generator can be trusted: its lag, its losses, its CPU.

use hdrhistogram::Histogram;

use crate::histogram::{new_histogram, rank, value_at_rank};
use crate::quantity::{Quantity, grouped};
use crate::verdict::GeneratorTrust;
use crate::{Interval, Record, RunEvent, Times};

/// Lag that is worth a word: gates on times of this size would feel it.
const LAG_NOTABLE_US: u64 = 5_000;

/// Sums up what the generator did after time zero.
pub(super) fn trust(record: &Record) -> GeneratorTrust {
    let mut lag = new_histogram();
    let mut wait = new_histogram();
    let (mut dropped, mut late_by_lag) = (0_u64, 0_u64);
    for interval in record
        .intervals
        .iter()
        .filter(|interval| interval.start_us >= 0)
    {
        add(&mut lag, interval, |interval| interval.lag.as_ref());
        add(&mut wait, interval, |interval| interval.wait.as_ref());
        for route in &interval.routes {
            dropped = dropped.saturating_add(route.counts.dropped);
            late_by_lag = late_by_lag.saturating_add(route.counts.late_by_lag);
        }
    }
    let lag_p99 = at(&lag, 0.99);
    let cpu_cores = cpu_cores(record);
    let summary = summarize(lag_p99, at(&lag, 1.0), dropped, late_by_lag);
    GeneratorTrust {
        lag_p50: at(&lag, 0.5).map(Quantity::Micros),
        lag_p99: lag_p99.map(Quantity::Micros),
        lag_max: at(&lag, 1.0).map(Quantity::Micros),
        wait_p50: at(&wait, 0.5).map(Quantity::Micros),
        wait_p99: at(&wait, 0.99).map(Quantity::Micros),
        dropped,
        late_by_lag,
        cpu_cores,
        summary,
    }
}

fn add(total: &mut Histogram<u64>, interval: &Interval, part: fn(&Interval) -> Option<&Times>) {
    if let Some(times) = part(interval) {
        times.add_to(total);
    }
}

fn at(histogram: &Histogram<u64>, q: f64) -> Option<u64> {
    value_at_rank(histogram, rank(q, histogram.len()))
}

/// CPU squall used between the first and the last reading after time zero.
#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn cpu_cores(record: &Record) -> Option<f64> {
    let readings = record
        .events
        .iter()
        .filter_map(|stamped| match &stamped.event {
            RunEvent::Resources { usage } if stamped.at_us >= 0 => {
                usage.get("squall").map(|used| (stamped.at_us, used.cpu_ms))
            }
            _ => None,
        });
    let readings: Vec<(i64, u64)> = readings.collect();
    let (first, last) = (readings.first()?, readings.last()?);
    let elapsed_ms = last.0.saturating_sub(first.0) as f64 / 1e3;
    (elapsed_ms > 0.0).then(|| last.1.saturating_sub(first.1) as f64 / elapsed_ms)
}

fn summarize(p99_us: Option<u64>, max_us: Option<u64>, dropped: u64, late_by_lag: u64) -> String {
    let Some((p99_us, max_us)) = p99_us.zip(max_us) else {
        return "No lag was recorded, so nothing can be said about the generator.".to_owned();
    };
    let mut text = format!(
        "99% of arrivals were sent within {} of their time, the latest {} after it",
        Quantity::Micros(p99_us),
        Quantity::Micros(max_us)
    );
    if p99_us > LAG_NOTABLE_US {
        text.push_str("; that is late enough to matter, and no gate fails only because of it");
    }
    if late_by_lag > 0 {
        text.push_str(&format!(
            "; {} answers were late only because of it",
            grouped(late_by_lag)
        ));
    }
    match dropped {
        0 => text.push_str("; none was dropped."),
        _ => text.push_str(&format!(
            "; {} were never sent, because too many were in flight, and count as failures.",
            grouped(dropped)
        )),
    }
    text
}
