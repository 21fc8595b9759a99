//! What a fault changed, by cycles with and without it in random order.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use crate::synthetic::cycles::{FAULT, run, slower};
use crate::synthetic::*;
use squall_judge::live::{GateBoard, LiveState};
use squall_judge::quantity::Quantity;
use squall_judge::verdict::*;
use squall_judge::*;
use squall_record::*;

fn figure<'v>(verdict: &'v Verdict, metric: &str) -> &'v EffectFigure {
    let all = &verdict.effects[0].routes[0];
    assert_eq!(all.route, "all");
    let figure = all.figures.iter().find(|figure| figure.metric == metric);
    figure.unwrap()
}

#[test]
fn an_effect_of_every_cycle_is_shown_with_the_smallest_p_there_is() {
    let verdict = judge(&run(3, 5, &slower));
    let effect = &verdict.effects[0];
    assert_eq!((effect.cycles.len(), effect.smallest_p), (5, 1.0 / 32.0));
    assert!(effect.problems.is_empty(), "{:?}", effect.problems);
    let firsts = effect
        .cycles
        .iter()
        .filter(|c| c.with.start_us < c.without.start_us);
    assert!(
        (1..5).contains(&firsts.count()),
        "this seed has both orders"
    );
    let p50 = figure(&verdict, "p50");
    assert_eq!(
        (p50.finding, p50.p),
        (EffectFinding::Worse, Some(1.0 / 32.0))
    );
    let ratio = p50.effect.unwrap();
    assert!(
        p50.bounded && ratio.low <= 1.5 && 1.5 <= ratio.high,
        "{ratio:?}"
    );
    assert_eq!(p50.each.len(), 5);
    assert_eq!(figure(&verdict, "p99").finding, EffectFinding::Worse);
    let success = figure(&verdict, "success");
    assert_eq!(
        (success.finding, success.p),
        (EffectFinding::NotShown, Some(1.0))
    );
    // Exchanged, it would have made things better.
    let better = judge(&run(3, 5, &|with, s| slower(!with, s)));
    assert_eq!(figure(&better, "p50").finding, EffectFinding::Better);
}

#[test]
fn each_period_is_a_stretch_of_its_window_and_settles_anew() {
    let verdict = judge(&run(3, 5, &slower));
    let window = |name: &str| verdict.windows.iter().find(|w| w.name == name).unwrap();
    let with = window(FAULT);
    let without = window("without slow recommendations");
    assert_eq!(
        (with.kind, without.kind),
        (WindowKind::Fault, WindowKind::Control)
    );
    assert_eq!((with.ranges.len(), without.ranges.len()), (5, 5));
    assert!(
        with.ranges
            .iter()
            .all(|range| range.length_us() == 3_000_000)
    );
    assert_eq!(window("baseline").ranges[0].end_us, 10_000_000);
    assert_eq!(window("recovery").ranges[0].start_us, 58_000_000);
    let settled: u64 = verdict.gates[2]
        .evidence
        .ranges
        .iter()
        .map(TimeRange::length_us)
        .sum();
    assert_eq!(
        settled,
        5 * 2_000_000,
        "a second of each period is left out"
    );
    let evidence = &verdict.faults[0];
    assert_eq!(
        (evidence.planned, evidence.active, evidence.removed),
        (5, 5, 5)
    );
    assert!(
        !evidence.withheld && evidence.problems.is_empty(),
        "{evidence:?}"
    );
    assert!(!verdict.sentence.contains("No fault was injected"));
}

#[test]
fn cycles_that_were_cut_short_do_not_count() {
    let mut record = run(3, 5, &slower);
    record.events.retain(|stamped| {
        stamped.at_us < 57_000_000 || !matches!(stamped.event, RunEvent::Fault { .. })
    });
    let verdict = judge(&record);
    assert_eq!(verdict.effects[0].cycles.len(), 4);
    let p50 = figure(&verdict, "p50");
    assert_eq!(
        (p50.finding, p50.p),
        (EffectFinding::TooFewCycles, Some(0.0625))
    );
    assert!(!p50.bounded);
}

#[test]
fn failures_are_slower_than_any_answer() {
    let failing = |with: bool, _| Behaviour {
        fail: if with { 0.2 } else { 0.0 },
        ..Behaviour::healthy(14_000.0)
    };
    let verdict = judge(&run(3, 5, &failing));
    let success = figure(&verdict, "success");
    assert_eq!(success.finding, EffectFinding::Worse);
    let points = success.effect.unwrap();
    assert!(points.low < -0.15 && points.high < -0.1, "{points:?}");
    let p99 = figure(&verdict, "p99");
    assert_eq!(
        (p99.with, p99.finding),
        (Some(Quantity::Never), EffectFinding::Worse)
    );
}

#[test]
fn failures_of_control_periods_are_the_systems() {
    let origins = |fails: fn(bool, f64) -> bool| {
        let mut record = run(3, 5, &|with, s| Behaviour {
            fail: if fails(with, s) { 0.2 } else { 0.0 },
            ..Behaviour::healthy(14_000.0)
        });
        // The fault stands where the requests themselves pass.
        for stamped in &mut record.events {
            if let RunEvent::LinkUp { listen, .. } = &mut stamped.event {
                *listen = "127.0.0.1:21000".to_owned();
            }
        }
        let errors = judge(&record).errors;
        errors.iter().map(|error| error.origin).collect::<Vec<_>>()
    };
    let only = |origins: Vec<FailureOrigin>, origin| {
        assert!(!origins.is_empty() && origins.iter().all(|o| *o == origin));
    };
    only(origins(|with, _| with), FailureOrigin::InjectedFault);
    only(origins(|with, s| !with && s >= 10.0), FailureOrigin::System);
}

#[test]
fn too_few_arrivals_for_a_p99_are_named() {
    let mut record = run(3, 5, &slower);
    for interval in &mut record.intervals {
        interval.routes.retain(|route| route.route == "play");
    }
    let verdict = judge(&record);
    let p99 = figure(&verdict, "p99");
    assert_eq!(
        (p99.finding, p99.needed),
        (EffectFinding::TooFewArrivals, 299)
    );
    assert!(p99.n < 100);
}

#[test]
fn the_board_follows_the_periods() {
    let record = run(3, 5, &slower);
    let mut board = GateBoard::new(&record.manifest.scenario);
    let mut told = record.events.clone();
    told.extend(record.intervals.iter().map(|interval| Stamped {
        at_us: interval.end_us + 3_000_000,
        event: RunEvent::Interval(interval.clone()),
    }));
    told.sort_by_key(|stamped| stamped.at_us);
    for stamped in &told {
        board.hear(stamped);
    }
    let verdict = judge(&record);
    for (live, judged) in board.gates().iter().zip(verdict.gates.iter().skip(2)) {
        assert_eq!(live.state, LiveState::OnTrack);
        assert_eq!(live.n, judged.evidence.n, "{}", live.gate);
    }
}
