//! `ndjson`: the run as one stream of JSON lines in the order of time, for
//! `jq`, log stores and data frames.

use serde::Serialize;
use squall_judge::quantity::Quantity;
use squall_judge::verdict::{GateState, GateVerdict};
use squall_judge::{RunOutcome, Verdict};
use squall_record::histogram::rank;
use squall_record::{Counts, Interval, Record, RouteInterval, RunEvent, Sample, json_line};
use squall_scenario::Span;

use super::rendering::Format;

/// One object a line; `type` says which: first `run`, then `event`, `interval`
/// (one per route) and `sample` by time, then `gate`, at last `verdict`.
#[derive(Debug)]
pub(super) struct Ndjson;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Run {
        schema_version: u32,
        run_id: &'a str,
        scenario: &'a str,
        variant: Option<&'a str>,
        seed: u64,
        started_utc: &'a str,
        host: &'a str,
        squall_version: &'a str,
        complete: bool,
        damage: &'a [String],
    },
    Event {
        at_us: i64,
        event: &'a RunEvent,
    },
    Interval {
        at_us: i64,
        end_us: i64,
        route: &'a str,
        counts: &'a Counts,
        p50: Option<Quantity>,
        p99: Option<Quantity>,
        max_good_us: Option<u64>,
    },
    Sample {
        at_us: i64,
        sample: &'a Sample,
    },
    Gate {
        window: &'a str,
        gate: &'a str,
        span: Span,
        state: GateState,
        explanation: &'a str,
        observed: Option<Quantity>,
        threshold: Option<Quantity>,
        n: u64,
        bad: u64,
    },
    Verdict {
        outcome: RunOutcome,
        exit_code: u8,
        sentence: &'a str,
        reasons: &'a [String],
        load_end_us: i64,
    },
}

impl Format for Ndjson {
    fn name(&self) -> &'static str {
        "ndjson"
    }

    fn file_name(&self) -> &'static str {
        "run.ndjson"
    }

    fn about(&self) -> &'static str {
        "run, events, intervals by route, samples, gates and verdict, one JSON object a line, by time"
    }

    fn repeats_intervals(&self) -> bool {
        true
    }

    fn render(&self, record: &Record, verdict: &Verdict) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, &head(record));
        for (_, line) in by_time(record) {
            write(&mut bytes, &line);
        }
        for gate in &verdict.gates {
            write(&mut bytes, &gate_line(gate));
        }
        let last = Line::Verdict {
            outcome: verdict.outcome,
            exit_code: verdict.exit_code,
            sentence: &verdict.sentence,
            reasons: &verdict.reasons,
            load_end_us: verdict.load_end_us,
        };
        write(&mut bytes, &last);
        bytes
    }
}

fn write(bytes: &mut Vec<u8>, line: &Line<'_>) {
    // Plain structs with string keys always serialise.
    bytes.extend(json_line(line).unwrap_or_default().into_bytes());
    bytes.push(b'\n');
}

fn head(record: &Record) -> Line<'_> {
    let manifest = &record.manifest;
    Line::Run {
        schema_version: manifest.schema_version,
        run_id: &manifest.run_id,
        scenario: &manifest.scenario.name,
        variant: manifest.variant.as_deref(),
        seed: manifest.seed,
        started_utc: &manifest.started_utc,
        host: &manifest.host,
        squall_version: &manifest.squall_version,
        complete: record.complete,
        damage: &record.damage,
    }
}

/// Everything with a time of its own. What happens at the same microsecond
/// keeps this order: events, intervals, samples.
fn by_time(record: &Record) -> Vec<(i64, Line<'_>)> {
    let events = record.events.iter().map(|stamped| {
        let at_us = stamped.at_us;
        let event = &stamped.event;
        (at_us, Line::Event { at_us, event })
    });
    let intervals = record.intervals.iter().flat_map(|interval| {
        let routes = interval.routes.iter();
        routes.map(move |route| (interval.start_us, interval_line(interval, route)))
    });
    let samples = record.samples.iter().map(|sample| {
        let at_us = sample.scheduled_us;
        (at_us, Line::Sample { at_us, sample })
    });
    let mut lines: Vec<_> = events.chain(intervals).chain(samples).collect();
    lines.sort_by_key(|(at_us, _)| *at_us);
    lines
}

fn interval_line<'a>(interval: &Interval, route: &'a RouteInterval) -> Line<'a> {
    let times = route.response.as_ref().filter(|times| !times.is_empty());
    Line::Interval {
        at_us: interval.start_us,
        end_us: interval.end_us,
        route: &route.route,
        counts: &route.counts,
        p50: quantile(route, 0.5),
        p99: quantile(route, 0.99),
        max_good_us: times.map(|times| times.max_us()),
    }
}

/// Over all settled arrivals, failures being infinitely slow.
fn quantile(route: &RouteInterval, q: f64) -> Option<Quantity> {
    let settled = route.counts.settled();
    let rank = rank(q, settled);
    if settled > 0 && rank > route.counts.good {
        return Some(Quantity::Never);
    }
    let times = route.response.as_ref()?;
    times.value_at_rank(rank).map(Quantity::Micros)
}

fn gate_line(gate: &GateVerdict) -> Line<'_> {
    Line::Gate {
        window: &gate.window,
        gate: &gate.gate,
        span: gate.span,
        state: gate.state,
        explanation: &gate.explanation,
        observed: gate.evidence.observed,
        threshold: gate.evidence.threshold,
        n: gate.evidence.n,
        bad: gate.evidence.bad,
    }
}
