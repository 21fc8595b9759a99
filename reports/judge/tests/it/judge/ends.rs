//! Runs that end otherwise than planned, and what a whole run comes to.

use super::*;

#[test]
fn the_loudest_event_decides() {
    let with = |events: Vec<RunEvent>| {
        let mut record = failing(0.02, 25.0, 35.0);
        record
            .events
            .extend(events.into_iter().map(|event| at(50.0, event)));
        judge(&record)
    };
    let abort = || RunEvent::Abort {
        guard: "error_rate > 80% for 10s".to_owned(),
        detail: "91%".to_owned(),
    };
    let undo = || RunEvent::UndoFailed {
        detail: "pid 4711 is still stopped".to_owned(),
    };
    let interrupted = |reason| RunEvent::Interrupted { reason };
    assert_eq!(with(vec![abort()]).outcome, RunOutcome::Aborted);
    assert_eq!(with(vec![abort(), undo()]).outcome, RunOutcome::UndoFailed);
    assert_eq!(
        with(vec![interrupted(StopReason::Interrupt)]).exit_code,
        130
    );
    assert_eq!(
        with(vec![interrupted(StopReason::Terminate)]).exit_code,
        143
    );
    assert_eq!(
        with(vec![RunEvent::NotReady {
            detail: "api-0: no answer".to_owned()
        }])
        .exit_code,
        5
    );
    let finish = with(vec![interrupted(StopReason::Finish)]);
    assert_eq!(finish.outcome, RunOutcome::Fail);
    assert_eq!(
        gate(&finish, "baseline returns").state,
        GateState::Inconclusive
    );
}

#[test]
fn a_run_in_which_squall_itself_failed_passes_nothing_and_says_why() {
    let detail = "thread 'squall-load' panicked at x.rs:1:2: no".to_owned();
    let mut record = passing();
    record.events.push(at(25.0, RunEvent::Internal { detail }));
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Internal);
    assert_eq!(verdict.exit_code, 70);
    let why = "squall itself failed: thread 'squall-load' panicked at x.rs:1:2: no";
    assert_eq!(verdict.reasons[0], why);
    let passed = |gate: &&GateVerdict| gate.state == GateState::Pass;
    assert_eq!(verdict.gates.iter().find(passed), None);
}

#[test]
fn a_fault_that_was_stopped_by_hand_passes_nothing() {
    let stopped = |seconds: f64, action: HandAction| {
        let mut record = passing();
        let from = HandSide::Own;
        record
            .events
            .push(at(seconds, RunEvent::ByHand { action, from }));
        judge(&record)
    };
    let fault = "slow recommendations".to_owned();
    let before = judge(&passing());
    assert_eq!(before.outcome, RunOutcome::Pass);
    let removal_us = before.faults[0].removal_requested_us.unwrap();
    let during = removal_us as f64 / 1e6 - 1.0;
    for action in [
        HandAction::StopFault {
            fault: fault.clone(),
        },
        HandAction::StopAllFaults,
    ] {
        let verdict = stopped(during, action.clone());
        assert_eq!(verdict.outcome, RunOutcome::Inconclusive, "{action:?}");
        let gate = gate(&verdict, "opens");
        assert_eq!(gate.state, GateState::Inconclusive);
        assert!(gate.explanation.contains("by hand"), "{}", gate.explanation);
        // Too late to change anything.
        let after = stopped(removal_us as f64 / 1e6 + 1.0, action);
        assert_eq!(after.outcome, RunOutcome::Pass);
    }
    let other = HandAction::StopFault {
        fault: "another".to_owned(),
    };
    assert_eq!(stopped(during, other).outcome, RunOutcome::Pass);
    let text = "now we look".to_owned();
    let marked = stopped(during, HandAction::Mark { text });
    assert_eq!(marked.outcome, RunOutcome::Pass);
}

/// Both have few samples, but only one of them for want of load.
#[test]
fn too_few_and_cut_short_by_hand_differ() {
    let judged = |event: Option<RunEvent>| {
        let mut record = passing();
        let mut block = during("slow recommendations", 0, vec![success(99.99)], 1);
        block.confidence = Share::new(0.95);
        only(&mut record, block);
        let removal_us = judge(&record).faults[0].removal_requested_us.unwrap();
        let seconds = removal_us as f64 / 1e6 - 1.0;
        record.events.extend(event.map(|event| at(seconds, event)));
        let verdict = judge(&record);
        let gate = gate(&verdict, "during slow recommendations: success");
        assert_eq!(gate.state, GateState::Inconclusive);
        gate.explanation.clone()
    };
    let too_few = judged(None);
    assert!(too_few.contains("too few to tell"), "{too_few}");
    assert!(!too_few.contains("hand"), "{too_few}");
    let (action, from) = (HandAction::StopAllFaults, HandSide::Own);
    let stopped = judged(Some(RunEvent::ByHand { action, from }));
    assert!(
        stopped.starts_with("the fault `slow recommendations` was stopped by hand at "),
        "{stopped}"
    );
    let finished = judged(Some(RunEvent::Interrupted {
        reason: StopReason::Finish,
    }));
    assert!(
        finished.starts_with("the run was finished early by hand before the window did; so far: "),
        "{finished}"
    );
}

#[test]
fn what_an_abort_kept_from_beginning_is_not_reached() {
    let mut record = passing();
    record.intervals.truncate(12);
    record.events.retain(|stamped| stamped.at_us < 12 * SECOND);
    record.events.push(at(
        12.0,
        RunEvent::Abort {
            guard: "error_rate > 80% for 10s".to_owned(),
            detail: "91%".to_owned(),
        },
    ));
    record.complete = false;
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Aborted);
    assert_eq!(gate(&verdict, "opens").state, GateState::NotReached);
}

#[test]
fn a_killed_run_is_judged_as_far_as_it_goes() {
    let mut record = passing();
    record.intervals.truncate(30);
    record.events.retain(|stamped| stamped.at_us < 29 * SECOND);
    record.complete = false;
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Inconclusive);
    assert_eq!(gate(&verdict, "opens").state, GateState::Inconclusive);
    assert_eq!(gate(&verdict, "closes").state, GateState::NotReached);
}

#[test]
fn variants_prove_that_a_scenario_can_fail() {
    let variant = |metric: &str| Variant {
        name: "breakers off".to_owned(),
        with: Vec::new(),
        fails: vec![located(
            ExpectedFailure {
                metric: metric.to_owned(),
                window: "slow recommendations".to_owned(),
            },
            50,
        )],
    };
    let failed = judge(&failing(0.02, 25.0, 35.0));
    assert!(matches!(
        variant_outcome(&failed, &variant("success")),
        VariantOutcome::Proven(_)
    ));
    assert!(matches!(
        variant_outcome(&failed, &variant("p99.9")),
        VariantOutcome::Nothing(_)
    ));
    let breaker = "breaker recommendations opens within 8s";
    assert!(matches!(
        variant_outcome(&failed, &variant(breaker)),
        VariantOutcome::Nothing(_)
    ));
    let passed = judge(&passing());
    assert!(matches!(
        variant_outcome(&passed, &variant("success")),
        VariantOutcome::Toothless(_)
    ));
    let void = judge(&failing(0.02, 5.0, 35.0));
    assert!(matches!(
        variant_outcome(&void, &variant("success")),
        VariantOutcome::Nothing(_)
    ));
}

#[test]
fn failures_are_set_against_the_budget_of_a_month() {
    let mut record = failing(1.0, 30.0, 32.0);
    only(&mut record, during("whole run", 0, vec![success(99.9)], 1));
    let verdict = judge(&record);
    let success = gate(&verdict, "whole run: success");
    // 2 s of outage; 30 days at 99.9 % allow 2 592 s.
    let cost = success.evidence.budget_30d.unwrap();
    assert!((cost - 2.0 / 2592.0).abs() < 1e-6, "{cost}");
    assert!(
        success
            .explanation
            .contains("0.08% of a 30-day 99.9% budget"),
        "{}",
        success.explanation
    );
    only(
        &mut record,
        during("baseline", 0, vec![crate::synthetic::success(99.0)], 1),
    );
    let verdict = judge(&record);
    assert_eq!(
        gate(&verdict, "during baseline: success")
            .evidence
            .budget_30d,
        None
    );
}
