//! The index of runs: what it says, and what it never lets through.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use crate::synthetic::{passing, streaming};
use squall_judge::{RunSummary, judge};
use squall_record::Record;
use squall_reports::{IndexedRun, index_page};

const ATTACK: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{1b}\u{202e}";

fn run(record: &Record, started: &str, dir: &str) -> IndexedRun {
    let mut manifest = record.manifest.clone();
    manifest.started_utc = started.to_owned();
    IndexedRun {
        dir: dir.to_owned(),
        summary: Ok(RunSummary {
            manifest,
            verdict: Some(judge(record)),
        }),
        has_page: true,
    }
}

fn page(runs: &[IndexedRun]) -> String {
    // A slash is escaped where it is not markup of ours.
    String::from_utf8(index_page(runs))
        .unwrap()
        .replace("&#x2f;", "/")
}

fn short(mut record: Record) -> Record {
    record.intervals.truncate(30);
    record.samples.truncate(3);
    record
}

#[test]
fn runs_stand_by_scenario_newest_first() {
    let pass = short(passing());
    let fail = short(streaming::failing_evening());
    let html = page(&[
        run(&pass, "2026-11-20T10:00:00Z", "slow/1"),
        run(&fail, "2026-11-21T10:00:00Z", "evening/1"),
        run(&pass, "2026-11-22T10:00:00Z", "slow/2"),
        IndexedRun {
            dir: "slow/3".to_owned(),
            summary: Err("run.json is not a manifest".to_owned()),
            has_page: false,
        },
    ]);
    let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(place("2026-11-22") < place("2026-11-20"));
    assert!(
        place("2026-11-20") < place("2026-11-21"),
        "the last scenario comes first"
    );
    assert!(html.contains("href=\"./slow/2/report.html\""));
    assert_eq!(html.matches("<svg").count(), 2, "trends need two runs");
    assert!(html.contains("run.json is not a manifest"));
    assert_eq!(
        html.matches("<table").count(),
        html.matches("<caption").count()
    );
}

#[test]
fn the_page_needs_nothing_from_outside_and_obeys_nobody() {
    let mut record = short(streaming::failing_evening());
    record.manifest.scenario.name = ATTACK.to_owned();
    record.manifest.scenario.about = Some(ATTACK.to_owned());
    record.manifest.variant = Some(ATTACK.to_owned());
    let mut hostile = run(&record, ATTACK, &format!("javascript:{ATTACK}"));
    if let Ok(summary) = &mut hostile.summary {
        let verdict = summary.verdict.as_mut().unwrap();
        verdict.sentence = ATTACK.to_owned();
        for gate in &mut verdict.gates {
            gate.gate = ATTACK.to_owned();
        }
    }
    let other = run(&record, "2026", "b/2");
    let damaged = IndexedRun {
        dir: ATTACK.to_owned(),
        summary: Err(ATTACK.to_owned()),
        has_page: false,
    };
    let html = page(&[hostile, other, damaged]);
    for forbidden in [
        "<script",
        "<img",
        "\u{1b}",
        "\u{202e}",
        "http://",
        "https://",
        "<link",
        "@import",
        "url(",
        "href=\"javascript",
        " style=",
        " onclick",
    ] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert!(html.matches("&lt;script&gt;").count() > 5);
}

#[test]
fn a_run_that_was_not_judged_and_an_empty_folder_are_told() {
    assert!(page(&[]).contains("no run here"));
    let record = short(passing());
    let mut unjudged = run(&record, "2026-11-20T10:00:00Z", "slow/1");
    if let Ok(summary) = &mut unjudged.summary {
        summary.verdict = None;
    }
    assert!(page(&[unjudged]).contains("NOT JUDGED"));
}
