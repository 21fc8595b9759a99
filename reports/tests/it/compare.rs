//! Two runs side by side: what changed, what is noise, and what is refused.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use crate::synthetic::*;
use proptest::prelude::*;
use squall_record::*;
use squall_reports::compare::{Change, Margins, RouteComparison, RunComparison, compare};
use squall_reports::*;
use squall_scenario::{BodyFile, Call, Column, DataSource};

fn with_margins(a: &Record, b: &Record) -> RunComparison {
    compare(a, b, Margins::default()).unwrap()
}

fn all<'a>(comparison: &'a RunComparison, window: &str) -> &'a RouteComparison {
    let window = comparison.windows.iter().find(|w| w.window == window);
    &window.unwrap().routes[0]
}

fn change(comparison: &RunComparison, window: &str, metric: &str) -> Change {
    all(comparison, window).figure(metric).unwrap().change
}

/// From 20 s on, `fail` of the arrivals fail and the others take `median_us`.
fn from_20_s(fail: f64, median_us: f64) -> Record {
    with_behaviour(&move |_, s| Behaviour {
        fail: if s >= 20.0 { fail } else { 0.0 },
        ..Behaviour::healthy(if s >= 20.0 { median_us } else { 14_000.0 })
    })
}

/// Every change in order, with its window, route and figure.
fn changes(comparison: &RunComparison) -> Vec<(String, Change)> {
    let mut changes = Vec::new();
    for window in &comparison.windows {
        for route in &window.routes {
            changes.extend(route.figures.iter().map(|figure| {
                let name = format!("{} {} {}", window.window, route.route, figure.metric);
                (name, figure.change)
            }));
        }
    }
    changes
}

#[test]
fn a_run_does_not_differ_from_itself() {
    let record = passing();
    let comparison = with_margins(&record, &record);
    assert_eq!(comparison.windows.len(), 4, "hold is the whole run");
    for route in comparison.windows.iter().flat_map(|window| &window.routes) {
        for figure in &route.figures {
            // Equal values are the same where the bounds are narrow enough.
            let expected: &[Change] = match figure.a {
                Some(_) => &[Change::Same, Change::NoDifferenceSeen],
                None => &[Change::CannotTell],
            };
            assert!(expected.contains(&figure.change), "{figure:?}");
            assert_eq!(figure.a, figure.b);
        }
    }
    assert_eq!(change(&comparison, "whole run", "success"), Change::Same);
    assert_eq!(change(&comparison, "baseline", "p99"), Change::Same);
    assert!(comparison.breaches.is_empty());
    assert!(comparison.notes.is_empty(), "{:?}", comparison.notes);
    let cpu = &comparison.cpu[0];
    assert_eq!(
        (cpu.process.as_str(), cpu.seconds),
        ("api-0", [Some(17.05); 2])
    );
}

#[test]
fn what_got_worse_is_told_from_noise_both_ways() {
    let (good, bad) = (from_20_s(0.0, 14_000.0), from_20_s(0.3, 40_000.0));
    let worse = with_margins(&good, &bad);
    let fault = "slow recommendations";
    assert_eq!(change(&worse, fault, "success"), Change::Worse);
    assert_eq!(change(&worse, fault, "p50"), Change::Worse);
    assert_eq!(change(&worse, "baseline", "p50"), Change::Same);
    assert!(!worse.breaches.is_empty());
    let only_b = |breach: &compare::Breach| breach.failed == [false, true];
    assert!(worse.breaches.iter().all(only_b));
    assert_eq!(worse.recoveries[0].took_us, [Some(0), None]);
    let better = with_margins(&bad, &good);
    assert_eq!(change(&better, fault, "success"), Change::Better);
    assert_eq!(change(&better, fault, "p50"), Change::Better);
}

#[test]
fn a_sure_but_small_difference_is_the_same() {
    // A tenth slower everywhere, in 12 000 arrivals: the bounds of the median
    // do not meet, and nobody should be told that it is worse.
    let (a, b) = (from_20_s(0.0, 14_000.0), from_20_s(0.0, 15_400.0));
    let comparison = with_margins(&a, &b);
    let p50 = all(&comparison, "recovery").figure("p50").unwrap();
    let ratio = p50.difference.unwrap();
    assert!(ratio.low > 1.02, "surely slower: {ratio:?}");
    assert_eq!(p50.change, Change::Same);
    let strict = Margins {
        latency_ratio: 1.02,
        latency_us: 0,
        ..Margins::default()
    };
    let strict = compare(&a, &b, strict).unwrap();
    assert_eq!(change(&strict, "recovery", "p50"), Change::Worse);
}

#[test]
fn a_stray_failure_is_noise() {
    let stray = with_behaviour(&|_, s| Behaviour {
        fail: if (30.0..30.005).contains(&s) {
            1.0
        } else {
            0.0
        },
        ..Behaviour::healthy(14_000.0)
    });
    let none = with_behaviour(&|_, _| Behaviour::healthy(14_000.0));
    let comparison = with_margins(&none, &stray);
    let whole = all(&comparison, "whole run").figure("success").unwrap();
    assert_ne!(whole.a, whole.b);
    assert_eq!(whole.change, Change::Same);
}

#[test]
fn a_tail_that_comes_in_bursts_has_wide_bounds() {
    // Every tenth second is five times as slow, in either run: chance decides
    // how many of them a run gets, and so its p90.
    let bursts = |shift: f64| {
        with_behaviour(&move |_, s| {
            let slow = (s + shift).rem_euclid(10.0) < 1.0;
            Behaviour::healthy(if slow { 70_000.0 } else { 14_000.0 })
        })
    };
    let comparison = with_margins(&bursts(0.0), &bursts(3.0));
    let p90 = all(&comparison, "whole run").figure("p90").unwrap();
    let ratio = p90.difference.unwrap();
    assert!(ratio.high / ratio.low > 1.5, "{ratio:?}");
    let steady = with_margins(&from_20_s(0.0, 14_000.0), &from_20_s(0.0, 14_001.0));
    let steady = all(&steady, "whole run").figure("p90").unwrap();
    let even = steady.difference.unwrap();
    assert!(even.high / even.low < 1.2, "{even:?}");
}

#[test]
fn another_load_is_refused_and_another_seed_is_not() {
    let record = passing();
    let mut faster = record.clone();
    let load = &mut faster.manifest.scenario.load;
    load.shape.clear();
    load.requests[0].weight = 1;
    let refused = |other: &Record| {
        let error = compare(&record, other, Margins::default()).unwrap_err();
        error.to_string()
    };
    let told = refused(&faster);
    for part in [
        "`load: shape:`",
        "`load: requests:`",
        "weight 9",
        "weight 1",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let mut patient = record.clone();
    patient.manifest.scenario.load.requests[1].within = None;
    assert!(refused(&patient).contains("within 1s"));
    let mut seeded = record.clone();
    seeded.manifest.seed = 43;
    seeded.manifest.host = "build-8".to_owned();
    let comparison = with_margins(&record, &seeded);
    assert_eq!(
        comparison.notes,
        ["the machine differs: build-7 against build-8"]
    );
}

#[test]
fn data_that_changed_between_two_runs_are_told() {
    let of = |sha256: &str, rows| {
        let mut record = passing();
        let column = Column {
            table: "account".to_owned(),
            path: "accounts.csv".to_owned(),
            sha256: sha256.to_owned(),
            rows,
            in_turn: true,
            values: Vec::new().into(),
        };
        let data = &mut record.manifest.scenario.load.data;
        data.push((
            "account.user".to_owned(),
            DataSource::Column(column.clone()),
        ));
        data.push(("account.word".to_owned(), DataSource::Column(column)));
        record
    };
    let [was, is, unknown] = [
        ("ab".repeat(32), 2),
        ("cd".repeat(32), 3),
        (String::new(), 2),
    ]
    .map(|(sha256, rows)| of(&sha256, rows));
    assert_eq!(
        with_margins(&was, &is).notes,
        [
            "the data of `account` differ: accounts.csv has the digest abababababab against \
          cdcdcdcdcdcd, 2 rows against 3"
        ]
    );
    assert!(with_margins(&was, &was).notes.is_empty());
    assert!(with_margins(&unknown, &was).notes.is_empty());
    // Nor are they shards of one load, or one scenario.
    assert_ne!(was.manifest.scenario, is.manifest.scenario);
    let json = serde_json::to_string(&was.manifest.scenario).unwrap();
    assert!(json.contains(&"ab".repeat(32)), "{json}");
}

#[test]
fn methods_that_are_described_otherwise_in_two_runs_are_told_once() {
    let of = |sha256: &str| {
        let mut record = passing();
        let file = BodyFile {
            path: "shop.proto".to_owned(),
            ..BodyFile::default()
        };
        let call = Call {
            proto: file.into(),
            sha256: sha256.to_owned(),
            method: "shop.v1.Catalog/Play".to_owned(),
            idempotent: false,
            streams: false,
        };
        for request in &mut record.manifest.scenario.load.requests {
            request.call = Some(call.clone());
        }
        record
    };
    let [was, is, unknown] = ["ab".repeat(32), "cd".repeat(32), String::new()].map(|it| of(&it));
    assert!(was.manifest.scenario.load.requests.len() > 1);
    assert_eq!(
        with_margins(&was, &is).notes,
        [
            "what describes the methods differs: shop.proto has the digest abababababab against \
             cdcdcdcdcdcd"
        ]
    );
    assert!(with_margins(&was, &was).notes.is_empty());
    assert!(with_margins(&unknown, &was).notes.is_empty());
    assert!(with_margins(&passing(), &was).notes.is_empty());
    assert_ne!(was.manifest.scenario, is.manifest.scenario);
    let json = serde_json::to_string(&was.manifest.scenario).unwrap();
    assert!(json.contains(&"ab".repeat(32)), "{json}");
    let json = serde_json::to_string(&unknown.manifest.scenario).unwrap();
    assert!(!json.contains("sha256"), "{json}");
}

#[test]
fn costs_are_set_side_by_side() {
    let (a, b) = (from_20_s(0.0, 14_000.0), from_20_s(0.3, 28_000.0));
    let comparison = with_margins(&a, &b);
    let names: Vec<_> = comparison.costs.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "mean latency of good answers",
            "time to recover after slow recommendations",
            "gates breached",
            "CPU-seconds of the system",
            "CPU-seconds of squall",
            "bytes of answers",
            "instance-seconds",
        ]
    );
    let mean = comparison.costs[0].ratio().unwrap();
    assert!((1.4..1.8).contains(&mean), "{mean}");
    assert_eq!(comparison.costs[1].values, [Some(0.0), None]);
    assert_eq!(comparison.costs[1].ratio(), None);
}

#[test]
fn every_rendering_shows_the_verdicts() {
    let worse = with_margins(&from_20_s(0.0, 14_000.0), &from_20_s(0.3, 40_000.0));
    insta::assert_snapshot!("text", worse.to_text());
    insta::assert_snapshot!("markdown", worse.to_markdown());
    let json = serde_json::to_string(&worse).unwrap();
    let back: RunComparison = serde_json::from_str(&json).unwrap();
    assert_eq!(changes(&back), changes(&worse));
}

#[test]
fn hostile_names_stay_text() {
    let mut record = passing();
    record.manifest.scenario.name = "<b>\u{1b}[2J|x".to_owned();
    let comparison = with_margins(&record, &record);
    assert!(!comparison.to_text().contains('\u{1b}'));
    let markdown = comparison.to_markdown();
    assert!(
        !markdown.contains("<b>") && markdown.contains("\\|x"),
        "{markdown}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    /// Exchanging the runs exchanges better and worse and nothing else.
    #[test]
    fn a_comparison_is_antisymmetric(
        fail_a in 0.0..0.05_f64,
        fail_b in 0.0..0.05_f64,
        median_a in 5_000.0..40_000.0_f64,
        median_b in 5_000.0..40_000.0_f64,
    ) {
        // The last 15 seconds are enough of them.
        let [a, b] = [(fail_a, median_a), (fail_b, median_b)].map(|(fail, median_us)| {
            let mut record = from_20_s(fail, median_us);
            record.intervals.retain(|interval| interval.start_us >= 45_000_000);
            record
        });
        let there = changes(&with_margins(&a, &b));
        let back = changes(&with_margins(&b, &a));
        let reversed: Vec<_> = back
            .into_iter()
            .map(|(name, change)| (name, change.reversed()))
            .collect();
        prop_assert_eq!(there, reversed);
    }
}
