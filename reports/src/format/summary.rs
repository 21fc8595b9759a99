//! What a load came to, in one small document for programs.

use serde::Serialize;
use squall_judge::quantity::Quantity;
use squall_judge::verdict::{GateState, Parts, SliceStats, Verdict, WindowKind};
use squall_judge::{RunOutcome, verdict::ErrorSummary};
use squall_record::{Counts, Record, json_document};

use super::distribution::{gather, steps};

/// Version of [`Summary`]; fields are added within it.
const SCHEMA_VERSION: u32 = 1;

/// The document. Times are milliseconds and count from when a request was due;
/// a quantile is missing where too few arrivals can tell it or where it is
/// infinite, as failures are in every quantile.
#[derive(Serialize)]
struct Summary<'a> {
    schema_version: u32,
    scenario: &'a str,
    seed: u64,
    outcome: RunOutcome,
    exit_code: u8,
    sentence: &'a str,
    seconds: f64,
    all: Figures<'a>,
    /// How many good answers took so long, in steps; failures are in none.
    histogram: Vec<Bar>,
    /// What the times consist of, in microseconds.
    parts: &'a Parts,
    routes: Vec<Figures<'a>>,
    failures: &'a [ErrorSummary],
    gates: Vec<Gate<'a>>,
}

#[derive(Serialize)]
struct Figures<'a> {
    route: &'a str,
    counts: &'a Counts,
    failed: u64,
    asked_per_second: f64,
    good_per_second: f64,
    bytes_per_second: f64,
    success: Option<f64>,
    response_ms: Quantiles,
}

#[derive(Serialize)]
struct Quantiles {
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    #[serde(rename = "p99.9")]
    p999: Option<f64>,
    /// Of good answers.
    max: Option<f64>,
}

#[derive(Serialize)]
struct Bar {
    up_to_ms: f64,
    count: u64,
}

#[derive(Serialize)]
struct Gate<'a> {
    gate: &'a str,
    state: GateState,
}

/// The summary of a load's run as JSON, with a line break behind it.
#[must_use]
pub fn load_summary(record: &Record, verdict: &Verdict) -> Vec<u8> {
    let mut windows = verdict.windows.iter();
    let whole = windows.find(|window| window.kind == WindowKind::WholeRun);
    let Some(whole) = whole else {
        return Vec::new();
    };
    let length_us: u64 = whole.ranges.iter().map(|range| range.length_us()).sum();
    let seconds = length_us as f64 / 1e6;
    let times = gather(&record.intervals, &whole.ranges);
    let summary = Summary {
        schema_version: SCHEMA_VERSION,
        scenario: &record.manifest.scenario.name,
        seed: record.manifest.seed,
        outcome: verdict.outcome,
        exit_code: verdict.exit_code,
        sentence: &verdict.sentence,
        seconds,
        all: figures(&whole.all, seconds),
        histogram: steps(&times)
            .iter()
            .map(|step| Bar {
                up_to_ms: step.up_to_us as f64 / 1e3,
                count: step.count,
            })
            .collect(),
        parts: &verdict.parts,
        routes: whole
            .routes
            .iter()
            .map(|route| figures(route, seconds))
            .collect(),
        failures: &verdict.errors,
        gates: verdict
            .gates
            .iter()
            .map(|gate| Gate {
                gate: &gate.gate,
                state: gate.state,
            })
            .collect(),
    };
    // Plain structs with string keys always serialise.
    let mut text = json_document(&summary).unwrap_or_default();
    text.push('\n');
    text.into_bytes()
}

fn figures(slice: &SliceStats, seconds: f64) -> Figures<'_> {
    let ms = |quantity: Option<Quantity>| match quantity? {
        Quantity::Micros(us) => Some(us as f64 / 1e3),
        Quantity::Never
        | Quantity::Share(_)
        | Quantity::PerSecond(_)
        | Quantity::Count(_)
        | Quantity::Times(_)
        | Quantity::Cores(_)
        | Quantity::Bytes(_)
        | Quantity::Number(_)
        | Quantity::KbitPerSecond(_) => None,
    };
    Figures {
        route: &slice.route,
        counts: &slice.counts,
        failed: slice.counts.failed(),
        asked_per_second: slice.rate,
        good_per_second: slice.goodput,
        bytes_per_second: match seconds > 0.0 {
            true => slice.counts.bytes as f64 / seconds,
            false => 0.0,
        },
        success: slice.success,
        response_ms: Quantiles {
            p50: ms(slice.p50),
            p90: ms(slice.p90),
            p99: ms(slice.p99),
            p999: ms(slice.p999),
            max: ms(slice.max),
        },
    }
}
