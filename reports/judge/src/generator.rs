//! Whether the load generator can be trusted: its lag, its losses, its CPU.

use hdrhistogram::Histogram;
use squall_record::histogram::{new_histogram, rank, value_at_rank};
use squall_record::{CacheUse, Counts, Drops, Interval, Record, RunEvent, Times};

use crate::quantity::{Quantity, grouped};
use crate::shortage;
use crate::verdict::GeneratorTrust;

/// Lag that is worth a word: gates on times of this size would feel it.
const LAG_NOTABLE_US: u64 = 5_000;

/// What is to be known of a load with a closed loop.
const CLOSED_LOOP: &str = "Closed loop: each user sent its next request when its last was \
                           answered, so what the target held up was not sent, and quantiles \
                           hide waiting (coordinated omission). ";

/// Sums up what the generator did after time zero.
pub(super) fn trust(record: &Record) -> GeneratorTrust {
    let mut lag = new_histogram();
    let mut wait = new_histogram();
    let mut total = Counts::default();
    for interval in record
        .intervals
        .iter()
        .filter(|interval| interval.start_us >= 0)
    {
        add(&mut lag, interval, |interval| interval.lag.as_ref());
        add(&mut wait, interval, |interval| interval.wait.as_ref());
        for route in &interval.routes {
            total.add(&route.counts);
        }
    }
    let lag_p99 = at(&lag, 0.99);
    let cpu_cores = cpu_cores(record);
    let mut summary = summarize(lag_p99, at(&lag, 1.0), &total);
    if record.manifest.scenario.load.is_closed_on(None) {
        summary.insert_str(0, CLOSED_LOOP);
    }
    for short in shortage::summed(record) {
        summary.push_str(&format!(" SQUALL SHORT: {}.", short.words()));
    }
    GeneratorTrust {
        lag_p50: at(&lag, 0.5).map(Quantity::Micros),
        lag_p99: lag_p99.map(Quantity::Micros),
        lag_max: at(&lag, 1.0).map(Quantity::Micros),
        wait_p50: at(&wait, 0.5).map(Quantity::Micros),
        wait_p99: at(&wait, 0.99).map(Quantity::Micros),
        dropped: total.dropped,
        drops: total.drops,
        late_by_lag: total.late_by_lag,
        resent: total.resent,
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

fn summarize(p99_us: Option<u64>, max_us: Option<u64>, total: &Counts) -> String {
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
    if total.late_by_lag > 0 {
        text.push_str(&format!(
            "; {} answers were late only because of it",
            grouped(total.late_by_lag)
        ));
    }
    if total.displaced > 0 {
        text.push_str(&format!(
            "; {} failed that were sent behind a fault's beginning or end only because of it",
            grouped(total.displaced)
        ));
    }
    if total.resent > 0 {
        text.push_str(&format!(
            "; {} were sent again, as the server had closed a kept connection or not looked at them",
            grouped(total.resent)
        ));
    }
    if total.retries > 0 {
        text.push_str(&format!(
            "; clients tried {} times more, and what they measured spans all attempts",
            grouped(total.retries)
        ));
    }
    text.push_str("; ");
    text.push_str(&unsent(total.dropped, &total.drops));
    text.push('.');
    text.push_str(&caches(&total.cache));
    text
}

/// What clients' caches did, in a sentence of its own; nothing where there was none.
fn caches(used: &CacheUse) -> String {
    if used.is_empty() {
        return String::new();
    }
    let mut text = format!(
        " Caches of clients had the answer {} of {} times: no request was sent, and none of it \
         is in any figure; {} times the server said that what they have is still so",
        grouped(used.hits),
        grouped(used.asked()),
        grouped(used.revalidated)
    );
    if used.evicted > 0 {
        text.push_str(&format!(
            "; {} answers were let go for want of room",
            grouped(used.evicted)
        ));
    }
    text.push('.');
    text
}

/// What was never sent, and why as far as that was observed.
fn unsent(dropped: u64, drops: &Drops) -> String {
    if dropped == 0 {
        return "none was dropped".to_owned();
    }
    let causes: Vec<String> = match drops.causes().collect::<Vec<_>>().as_slice() {
        [(cause, count)] if *count == dropped => vec![cause.to_string()],
        causes => causes
            .iter()
            .map(|(cause, count)| format!("{} as {cause}", grouped(*count)))
            .collect(),
    };
    let count = grouped(dropped);
    match causes.as_slice() {
        [] => format!("{count} were never sent and count as failures"),
        causes => format!(
            "{count} were never sent and count as failures ({})",
            causes.join(", ")
        ),
    }
}

/// Why a gate that fails is inconclusive, up to what it would be without that.
pub(super) fn excuse(drops: Drops) -> &'static str {
    if drops.excused() > 0 {
        "the generator was at its limits: without them"
    } else {
        "the generator was late: without its lag"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_caches_did_is_a_sentence_where_there_were_any() {
        let mut total = Counts::default();
        let said = summarize(Some(1), Some(1), &total);
        assert!(said.ends_with("none was dropped."), "{said}");
        total.cache = CacheUse {
            hits: 1_200,
            revalidated: 300,
            misses: 1_500,
            evicted: 0,
        };
        let expected = "none was dropped. Caches of clients had the answer 1200 of 3000 times: \
                        no request was sent, and none of it is in any figure; 300 times the \
                        server said that what they have is still so.";
        let said = summarize(Some(1), Some(1), &total);
        assert!(said.ends_with(expected), "{said}");
        total.cache.evicted = 7;
        let said = summarize(Some(1), Some(1), &total);
        assert!(
            said.ends_with("; 7 answers were let go for want of room."),
            "{said}"
        );
    }
}
