//! False alarms of gates, counted and estimated, in runs without a fault.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use crate::synthetic::withheld::{quiet, without_the_fault};
use crate::synthetic::*;
use squall_judge::calibrate::{Calibration, GateCalibration, calibrate};
use squall_judge::*;
use squall_record::*;
use squall_scenario::*;

fn gate<'a>(calibration: &'a Calibration, part: &str) -> &'a GateCalibration {
    let mut gates = calibration.gates.iter();
    gates.find(|gate| gate.gate.contains(part)).unwrap()
}

#[test]
fn gates_of_the_fault_alone_are_not_counted() {
    let gates = vec![
        success(99.0),
        breaker_gate("recommendations", BreakerChange::Opens, Some(8)),
    ];
    let runs = [1, 2, 3].map(|seed| without_the_fault(seed, gates.clone(), &quiet));
    let found = calibrate(&runs).unwrap();
    let held = gate(&found, "success >= 99%");
    assert_eq!((held.judged, held.failed, held.inconclusive), (3, 0, 0));
    assert!((held.fails_at_most - 0.6316).abs() < 1e-4, "{held:?}");
    let resampled = held.resampled.unwrap();
    assert_eq!((resampled.pool_s, resampled.failed), (180, 0.0));
    assert!(gate(&found, "opens").not_applicable.is_some());
    assert_eq!(found.outcome(), RunOutcome::Pass);
}

#[test]
fn a_stall_outside_the_window_is_still_drawn_into_it() {
    // One bad second in 60, outside the window of the fault: no run fails, and
    // yet a window of 20 seconds holds it every third time.
    let stall = |_: &str, s: f64| Behaviour {
        fail: if (50.0..51.0).contains(&s) { 0.5 } else { 0.0 },
        ..Behaviour::healthy(14_000.0)
    };
    let runs = [1, 2].map(|seed| without_the_fault(seed, vec![success(99.0)], &stall));
    let found = calibrate(&runs).unwrap();
    let gate = gate(&found, "success");
    assert_eq!(gate.failed, 0);
    let failed = gate.resampled.unwrap().failed;
    assert!((0.15..0.45).contains(&failed), "{failed}");
    assert!(gate.is_noisy());
    assert_eq!(found.outcome(), RunOutcome::Fail);
}

#[test]
fn what_fails_in_a_run_is_noisy_and_what_was_never_judged_is_open() {
    let runs = [without_the_fault(1, vec![p99_below(None, 1)], &quiet)];
    let found = calibrate(&runs).unwrap();
    assert_eq!((found.gates[0].failed, found.gates[0].judged), (1, 1));
    assert_eq!(found.outcome(), RunOutcome::Fail);
    let mut broken = without_the_fault(1, vec![success(99.0)], &quiet);
    broken
        .events
        .retain(|stamped| !matches!(stamped.event, RunEvent::SteadyState { .. }));
    let found = calibrate(&[broken]).unwrap();
    assert_eq!((found.gates[0].inconclusive, found.gates[0].judged), (1, 1));
    assert_eq!(found.outcome(), RunOutcome::Inconclusive);
    assert_eq!(calibrate(&[]), None);
}

#[test]
fn a_withheld_fault_is_no_proof_of_anything() {
    let record = without_the_fault(1, vec![success(99.0)], &quiet);
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Pass);
    assert!(verdict.sentence.starts_with("No fault was injected"));
    assert!(verdict.faults[0].withheld);
    assert_eq!(verdict.faults[0].effective, None);
}
