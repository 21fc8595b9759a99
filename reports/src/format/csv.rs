//! `csv`: one row per interval and route, for spreadsheets and data frames.

use squall_judge::verdict::ALL_ORIGINS;
use squall_judge::{Origins, Verdict};
use squall_record::histogram::rank;
use squall_record::{ALL_DROP_CAUSES, Interval, Record, RouteInterval, terminal_text};

use super::rendering::Format;

/// Counts and quantiles of every interval and route.
#[derive(Debug)]
pub(super) struct Csv;

const HEAD: &str = "start_s,end_s,route,scheduled,good,connect,timeout,late,status,broken,\
                    dropped,unfinished,late_by_lag,fallback,bytes,p50_us,p90_us,p99_us,p999_us,\
                    max_good_us,malformed,dropped_in_flight,dropped_lag,dropped_descriptors,\
                    dropped_ports,dropped_memory,dropped_request,resent,\
                    failed_system,failed_injected_fault,failed_generator,check,dns,tls\n";

const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn file_name(&self) -> &'static str {
        "intervals.csv"
    }

    fn about(&self) -> &'static str {
        "one row per interval and route; a quantile among failures is `inf`"
    }

    fn repeats_intervals(&self) -> bool {
        true
    }

    fn render(&self, record: &Record, verdict: &Verdict) -> Vec<u8> {
        let origins = Origins::of(record, &verdict.faults);
        let mut text = HEAD.to_owned();
        for interval in &record.intervals {
            for route in &interval.routes {
                text.push_str(&row(interval, route, &origins));
                text.push('\n');
            }
        }
        text.into_bytes()
    }
}

fn row(interval: &Interval, route: &RouteInterval, origins: &Origins) -> String {
    let counts = &route.counts;
    let mut cells = vec![
        seconds(interval.start_us),
        seconds(interval.end_us),
        cell(&route.route),
    ];
    let numbers = [
        counts.scheduled,
        counts.good,
        counts.connect,
        counts.timeout,
        counts.late,
        counts.status,
        counts.broken,
        counts.dropped,
        counts.unfinished,
        counts.late_by_lag,
        counts.fallback,
        counts.bytes,
    ];
    cells.extend(numbers.map(|number| number.to_string()));
    cells.extend(QUANTILES.map(|q| quantile(route, q)));
    let max_good = route
        .response
        .as_ref()
        .filter(|times| !times.is_empty())
        .map(|times| times.max_us().to_string());
    cells.push(max_good.unwrap_or_default());
    // What came later stands at the end, so that no column moves.
    cells.push(counts.malformed.to_string());
    cells.extend(ALL_DROP_CAUSES.map(|cause| counts.drops.of(cause).to_string()));
    cells.push(counts.resent.to_string());
    let by = ALL_ORIGINS.map(|origin| origins.count(origin, interval, route));
    cells.extend(by.map(|count| count.to_string()));
    let later = [counts.check, counts.dns, counts.tls];
    cells.extend(later.map(|count| count.to_string()));
    cells.join(",")
}

/// Exact to the microsecond.
fn seconds(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "" };
    let us = us.unsigned_abs();
    format!("{sign}{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// Over all settled arrivals, failures being infinitely slow; empty where
/// nothing settled or the histogram is lost.
fn quantile(route: &RouteInterval, q: f64) -> String {
    let settled = route.counts.settled();
    let rank = rank(q, settled);
    if settled == 0 {
        return String::new();
    }
    if rank > route.counts.good {
        return "inf".to_owned();
    }
    let value = route
        .response
        .as_ref()
        .and_then(|times| times.value_at_rank(rank));
    value.map_or_else(String::new, |us| us.to_string())
}

/// Quoted where it must be; text that a spreadsheet would calculate is shown
/// with an apostrophe before it.
fn cell(text: &str) -> String {
    let mut safe = terminal_text(text);
    if safe.starts_with(['=', '+', '-', '@']) {
        safe.insert(0, '\'');
    }
    if safe.contains([',', '"']) {
        safe = format!("\"{}\"", safe.replace('"', "\"\""));
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_cells() {
        assert_eq!(cell("GET /"), "GET /");
        assert_eq!(cell("a,\"b\"\n"), "\"a,\"\"b\"\"\\u{a}\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(seconds(-1_500_000), "-1.500000");
    }
}
