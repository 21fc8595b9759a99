//! What an hour of 50 routes takes on disk, in memory and until its report stands:
//! a run that never happened is written as a run writes it, read back, judged and
//! rendered.
//!
//! ```text
//! cargo run --release -p squall-reports --example long_run [MINUTES] [ROUTES]
//! ```
//!
//! Each route has 40 answers a second, one failure every ten seconds. Memory is that of this process when
//! the last second was written: what the record costs a run, without the engine.
#![allow(
    clippy::disallowed_macros,
    reason = "what an example prints is read by a person"
)]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use hdrhistogram::Histogram;
use squall_judge::judge;
use squall_record::histogram::{new_histogram, record_us};
use squall_record::{
    Counts, Interval, IntervalParts, Manifest, Phase, RECORD_SCHEMA_VERSION, Record, RecordWriter,
    RouteInterval, RunEvent, Stamped, Times,
};
use squall_reports::format::FORMATS;
use squall_scenario_file::{ParseOptions, Source, parse_scenario};

/// Answers of a route in a second.
const ANSWERS: u64 = 40;
const SECOND_US: i64 = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut given = std::env::args().skip(1);
    let minutes: i64 = given.next().map_or(Ok(60), |text| text.parse())?;
    let routes: u64 = given.next().map_or(Ok(50), |text| text.parse())?;
    let work = tempfile::tempdir()?;
    let dir = work.path().join("run");
    write(&dir, minutes * 60, routes)?;
    anstream::println!(
        "{routes} routes, {minutes} min: directory {:.1} MB, writing took {} KiB of memory",
        size(&dir)? as f64 / 1e6,
        highest_kib()
    );

    let begun = Instant::now();
    let record = Record::read(&dir)?;
    let read = begun.elapsed();
    if let Some(damage) = record.damage.first() {
        return Err(format!("not all was read: {damage}").into());
    }
    let verdict = judge(&record);
    let judged = begun.elapsed();
    anstream::println!(
        "reading {:.2} s, judging {:.2} s",
        read.as_secs_f64(),
        (judged - read).as_secs_f64()
    );
    for format in FORMATS {
        let begun = Instant::now();
        let bytes = format.render(&record, &verdict).len();
        anstream::println!(
            "{:>12}: {:.2} s, {:.2} MB",
            format.name(),
            begun.elapsed().as_secs_f64(),
            bytes as f64 / 1e6
        );
    }
    Ok(())
}

fn write(dir: &Path, seconds: i64, routes: u64) -> Result<(), Box<dyn Error>> {
    let mut writer = RecordWriter::create(dir, &manifest(seconds, routes)?)?;
    let mut tell = |at_us: i64, event: RunEvent| writer.event(&Stamped { at_us, event });
    tell(0, RunEvent::Phase(Phase::Load))?;
    let mut scratch = [new_histogram(), new_histogram()];
    for second in 0..seconds {
        let start_us = second * SECOND_US;
        let end_us = start_us + SECOND_US;
        let routes = (0..routes)
            .map(|route| interval(route, second, &mut scratch))
            .collect();
        let interval = Interval {
            start_us,
            end_us,
            routes,
            lag: Some(few(&mut scratch[0], 60)),
            wait: Some(few(&mut scratch[0], 20)),
            parts: IntervalParts::default(),
            users: None,
        };
        tell(end_us, RunEvent::Interval(interval))?;
    }
    let end_us = seconds * SECOND_US;
    tell(end_us, RunEvent::Phase(Phase::Finished))?;
    writer.finish(&serde_json::Value::Null)?;
    Ok(())
}

/// Answers of a route in a second, the same in every run: from 4 ms on in a long
/// tail, and sent 20 to 220 µs late.
fn interval(route: u64, second: i64, scratch: &mut [Histogram<u64>; 2]) -> RouteInterval {
    let [response, unlagged] = scratch;
    response.reset();
    unlagged.reset();
    let failed = u64::from((second.unsigned_abs() + route).is_multiple_of(10));
    for answer in failed..ANSWERS {
        let chance = scatter((second.unsigned_abs() << 32) | (route << 16) | answer);
        let (place, lag_us) = (chance % 1_000, 20 + (chance >> 32) % 200);
        let us = 4_000 + place * 12 + 2_000_000 / (1_001 - place);
        record_us(unlagged, us);
        record_us(response, us + lag_us);
    }
    RouteInterval {
        route: format!("GET /route/{route}"),
        counts: Counts {
            scheduled: ANSWERS,
            good: ANSWERS - failed,
            timeout: failed,
            bytes: ANSWERS * 800,
            ..Counts::default()
        },
        response: Some(Times::of(response)),
        unlagged: Some(Times::of(unlagged)),
        ..RouteInterval::default()
    }
}

/// A number that looks like chance (the last step of SplitMix64).
const fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// A generator that kept up: a hundred arrivals around `us`.
fn few(scratch: &mut Histogram<u64>, us: u64) -> Times {
    scratch.reset();
    for step in 0..100 {
        record_us(scratch, us + step);
    }
    Times::of(scratch)
}

fn manifest(seconds: i64, routes: u64) -> Result<Manifest, Box<dyn Error>> {
    let rate = routes * ANSWERS;
    let mut text = format!(
        "version: 1\nname: a long run\ntarget: http://127.0.0.1:9\nload:\n  shape: [ {{ hold: {{ \
         rate: {rate}/s, for: {seconds}s }} }} ]\n  requests:\n"
    );
    for route in 0..routes {
        text.push_str(&format!("    - GET /route/{route}\n"));
    }
    text.push_str("slo:\n  - during: whole run\n    expect: [ success >= 99%, p99 < 2s ]\n");
    let source = Source::new("long-run.yaml", &text);
    let checked = parse_scenario(&source, &ParseOptions::new(&|_| None));
    let findings = checked.diagnostics.iter();
    let findings: Vec<_> = findings
        .map(|d| d.render(&checked.sources, false))
        .collect();
    Ok(Manifest {
        schema_version: RECORD_SCHEMA_VERSION,
        squall_version: env!("CARGO_PKG_VERSION").to_owned(),
        run_id: "20260101T000000Z".to_owned(),
        started_utc: "2026-01-01T00:00:00Z".to_owned(),
        host: "nowhere".to_owned(),
        seed: 1,
        rerun: "squall run long-run.yaml".to_owned(),
        variant: None,
        scenario_path: "long-run.yaml".to_owned(),
        scenario_text: text.clone(),
        scenario: checked.value.ok_or_else(|| findings.join("\n"))?,
        shards: None,
    })
}

fn size(dir: &Path) -> Result<u64, std::io::Error> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// Most memory that this process had resident so far.
fn highest_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}
