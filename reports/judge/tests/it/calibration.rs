//! The error rates that `confidence:` promises, on simulated runs. The whole
//! table, with 2 000 runs a line: `cargo run --release -p squall-judge --example
//! calibrate`.

use crate::simulation::{Case, Kind, cases, head, line};

/// Histograms are slow without optimisation, so runs that need them are few.
fn check(kind: Kind, runs: u64) {
    let mut decided = 0;
    let cases = cases().into_iter().filter(|case| {
        case.kind == kind
            && [0.1, 1.0, 3.0]
                .iter()
                .any(|truth| (case.truth - truth).abs() < 1e-9)
    });
    for case in cases {
        let tally = case.simulate(runs, 42);
        decided += tally.passed + tally.failed;
        if let Err(problem) = case.claim(&tally) {
            panic!("{problem}");
        }
    }
    // A judge that leaves everything open would keep every promise.
    assert!(decided > runs, "{decided} of {kind:?}");
}

#[test]
fn a_share_is_judged_as_surely_as_promised() {
    check(Kind::Ratio, 100);
}

#[test]
fn a_quantile_is_judged_as_surely_as_promised() {
    check(Kind::Quantile, 12);
}

#[test]
fn a_sliding_window_is_judged_as_surely_as_promised() {
    check(Kind::Sliding, 12);
}

#[test]
fn an_abort_rule_is_as_sure_as_promised() {
    check(Kind::Sequential, 40);
}

#[test]
fn a_return_is_judged_as_surely_as_promised() {
    check(Kind::Returns, 12);
}

#[test]
fn bounds_that_ignore_bursts_break_the_promise() {
    let burst = |case: &&Case| {
        case.kind == Kind::Ratio && case.burst == 10 && (case.truth - 1.0).abs() < 1e-9
    };
    let cases = cases();
    let case = cases.iter().find(burst).unwrap();
    let tally = case.simulate(200, 42);
    assert!(tally.naive_passed * 10 > tally.runs, "{tally:?}");
    assert!(tally.naive_failed * 10 > tally.runs, "{tally:?}");
}

#[test]
fn looking_every_second_without_care_ends_healthy_runs() {
    let at_limit = |case: &&Case| {
        case.kind == Kind::Sequential && case.burst == 1 && (case.truth - 1.0).abs() < 1e-9
    };
    let cases = cases();
    let case = cases.iter().find(at_limit).unwrap();
    let tally = case.simulate(200, 42);
    assert!(tally.naive_failed * 10 > tally.runs, "{tally:?}");
    assert!(tally.failed * 50 < tally.runs, "{tally:?}");
}

/// Two lines are simulated anew; the others must be of the cases that stand in
/// the program, and none may break its claim.
#[test]
fn the_published_table_is_what_the_program_prints() {
    const RUNS: u64 = 2_000;
    let page = include_str!("../../../../docs/calibration.md");
    let lines: Vec<&str> = page.lines().collect();
    let cases = cases();
    for case in &cases {
        let found = lines.iter().filter(|line| line.starts_with(&head(case)));
        let found: Vec<_> = found.collect();
        assert!(
            matches!(found.as_slice(), [line] if line.ends_with("| holds |")),
            "{found:?} for {case:?}"
        );
    }
    for kind in [Kind::Ratio, Kind::Sequential] {
        let of_kind = cases
            .iter()
            .filter(|case| case.kind == kind && case.burst == 10);
        let case = of_kind
            .filter(|case| (case.truth - 1.0).abs() < 1e-9)
            .min_by_key(|case| case.rate)
            .unwrap();
        let again = line(case, &case.simulate(RUNS, 42));
        assert!(lines.contains(&again.as_str()), "not published: {again}");
    }
}
