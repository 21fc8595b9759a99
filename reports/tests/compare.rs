//! Two runs side by side: what changed, what is noise, and what is refused.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

mod synthetic;

use squall_reports::compare::{Change, CompareError, RouteComparison, compare};
use squall_reports::*;
use synthetic::*;

fn all<'a>(comparison: &'a compare::RunComparison, window: &str) -> &'a RouteComparison {
    let window = comparison.windows.iter().find(|w| w.window == window);
    &window.unwrap().routes[0]
}

#[test]
fn a_run_does_not_differ_from_itself() {
    let record = passing();
    let comparison = compare(&record, &record).unwrap();
    assert_eq!(comparison.windows.len(), 5);
    for route in comparison.windows.iter().flat_map(|window| &window.routes) {
        for figure in [route.success, route.p50, route.p99] {
            assert!(
                matches!(figure.change, Change::Noise | Change::Unknown),
                "{route:?}"
            );
            assert_eq!(figure.a, figure.b);
        }
    }
    assert_eq!(all(&comparison, "whole run").success.change, Change::Noise);
    assert_eq!(all(&comparison, "baseline").p99.change, Change::Noise);
    assert!(comparison.breaches.is_empty());
    let cpu = &comparison.cpu[0];
    assert_eq!(
        (cpu.process.as_str(), cpu.seconds),
        ("api-0", [Some(17.05); 2])
    );
}

#[test]
fn what_got_worse_is_told_from_noise_both_ways() {
    let record = |fail: f64, median_us: f64| {
        with_behaviour(&move |_, s| Behaviour {
            fail: if s >= 20.0 { fail } else { 0.0 },
            ..Behaviour::healthy(if s >= 20.0 { median_us } else { 14_000.0 })
        })
    };
    let (good, bad) = (record(0.0, 14_000.0), record(0.3, 40_000.0));
    let worse = compare(&good, &bad).unwrap();
    let fault = all(&worse, "slow recommendations");
    assert_eq!(fault.success.change, Change::Worse, "{fault:?}");
    assert_eq!(fault.p50.change, Change::Worse, "{fault:?}");
    assert_eq!(all(&worse, "baseline").success.change, Change::Noise);
    assert!(
        worse
            .breaches
            .iter()
            .all(|breach| breach.failed == [false, true])
    );
    assert!(!worse.breaches.is_empty());
    assert_eq!(worse.recoveries[0].took_us, [Some(0), None]);
    let better = compare(&bad, &good).unwrap();
    assert_eq!(
        all(&better, "slow recommendations").success.change,
        Change::Better
    );
    assert_eq!(
        all(&better, "slow recommendations").p50.change,
        Change::Better
    );
    let text = worse.to_text();
    for part in [
        "WORSE",
        "B only ",
        "0.0s -> never",
        "CPU-seconds\n  api-0: 17",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
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
    let comparison = compare(
        &with_behaviour(&|_, _| Behaviour::healthy(14_000.0)),
        &stray,
    )
    .unwrap();
    let whole = all(&comparison, "whole run").success;
    assert_ne!(whole.a, whole.b);
    assert_eq!(whole.change, Change::Noise);
}

#[test]
fn another_load_is_refused() {
    let record = passing();
    let mut faster = record.clone();
    faster.manifest.scenario.load.shape.clear();
    assert_eq!(compare(&record, &faster), Err(CompareError::LoadShape));
    let mut other = record.clone();
    other.manifest.scenario.load.requests[0].weight = 1;
    let error = compare(&record, &other).unwrap_err();
    assert_eq!(error, CompareError::Requests);
    assert!(error.to_string().contains("`load: requests:`"));
}
