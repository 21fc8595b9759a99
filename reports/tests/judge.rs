//! The judge on records of runs that never happened: every path to a verdict.

mod synthetic;

use std::time::Duration;

use squall_reports::verdict::{GateState, GateVerdict};
use squall_reports::*;
use squall_scenario::*;
use synthetic::*;

fn gate<'a>(verdict: &'a Verdict, text: &str) -> &'a GateVerdict {
    verdict
        .gates
        .iter()
        .find(|gate| gate.name().contains(text))
        .unwrap_or_else(|| panic!("no gate {text}: {:#?}", verdict.gates))
}

fn only(record: &mut Record, block: SloBlock) {
    record.manifest.scenario.slo = vec![block];
}

fn remove(record: &mut Record, unwanted: fn(&FaultChange) -> bool) {
    record.events.retain(
        |stamped| !matches!(&stamped.event, RunEvent::Fault { change, .. } if unwanted(change)),
    );
}

/// The healthy run with failures of `share` from `from_s` to `to_s`.
fn failing(share: f64, from_s: f64, to_s: f64) -> Record {
    with_behaviour(&move |_, s| Behaviour {
        fail: if (from_s..to_s).contains(&s) {
            share
        } else {
            0.0
        },
        ..Behaviour::healthy(14_000.0)
    })
}

#[test]
fn a_healthy_run_passes() {
    let verdict = judge(&passing());
    assert_eq!(verdict.outcome, RunOutcome::Pass, "{:#?}", verdict.reasons);
    assert_eq!(verdict.exit_code, 0);
    assert_eq!(verdict.gates.len(), 8);
    let opens = gate(&verdict, "opens");
    assert_eq!(
        opens.evidence.observed,
        Some(quantity::Quantity::Micros(3_087_000))
    );
    let closes = gate(&verdict, "closes");
    assert_eq!(
        closes.evidence.observed,
        Some(quantity::Quantity::Micros(2_379_000))
    );
    assert!(
        gate(&verdict, "baseline returns")
            .explanation
            .starts_with("back at the baseline after 0")
    );
}

#[test]
fn windows_are_cut_where_the_fault_was_seen() {
    let verdict = judge(&passing());
    let ranges: Vec<_> = verdict
        .windows
        .iter()
        .map(|w| (w.name.as_str(), w.ranges[0].start_us, w.ranges[0].end_us))
        .collect();
    assert_eq!(
        ranges,
        [
            ("baseline", 0, 20_000_000),
            ("slow recommendations", 20_013_000, 40_000_000),
            ("recovery", 40_021_000, 60_000_000),
            ("hold", 0, 60_000_000),
            ("whole run", 0, 60_000_000),
        ]
    );
    let whole = verdict.windows.last().unwrap();
    assert_eq!(whole.all.counts.scheduled, verdict.conservation.scheduled);
    let routes: u64 = whole.routes.iter().map(|r| r.counts.scheduled).sum();
    assert_eq!(routes, whole.all.counts.scheduled);
}

#[test]
fn failures_fail_the_gate_they_break() {
    let verdict = judge(&failing(0.02, 25.0, 35.0));
    assert_eq!(verdict.outcome, RunOutcome::Fail, "{:#?}", verdict.reasons);
    let success = gate(&verdict, "during slow recommendations: success");
    assert_eq!(success.state, GateState::Fail);
    assert!(success.evidence.bad > success.evidence.bad_allowed.unwrap());
    assert!(!success.evidence.samples.is_empty());
    assert!(success.evidence.margin.unwrap() < 0.0);
    assert_eq!(success.span.line, 38);
}

#[test]
fn failures_are_infinitely_slow() {
    let verdict = judge(&failing(0.05, 25.0, 35.0));
    let p99 = gate(&verdict, "p99 of homepage < 600ms");
    assert_eq!(p99.state, GateState::Fail);
    assert_eq!(p99.evidence.observed, Some(quantity::Quantity::Never));
}

#[test]
fn a_quantile_and_its_share_agree() {
    let record = passing();
    for ms in [20, 40, 100, 330, 360, 400, 700] {
        let mut record = record.clone();
        only(
            &mut record,
            during("whole run", 0, vec![p99_below(None, ms)], 1),
        );
        let verdict = judge(&record);
        let gate = gate(&verdict, "whole run");
        let quantity::Quantity::Micros(p99_us) = gate.evidence.observed.unwrap() else {
            panic!()
        };
        assert_eq!(
            gate.state == GateState::Pass,
            p99_us < ms * 1000,
            "{ms}: {gate:#?}"
        );
        assert_eq!(
            gate.state == GateState::Pass,
            gate.evidence.bad <= gate.evidence.bad_allowed.unwrap()
        );
    }
}

#[test]
fn too_few_samples_prove_nothing_but_a_disaster_still_fails() {
    let mut record = passing();
    // play gets 20/s: 20 s are 400 arrivals, too few for p99.9.
    let p999 = |ms| {
        metric(
            Metric::Quantile(0.999),
            Some("play"),
            Comparison::Below,
            GateValue::Duration(Duration::from_millis(ms)),
        )
    };
    only(
        &mut record,
        during("slow recommendations", 0, vec![p999(900)], 1),
    );
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Inconclusive);
    let evidence = &gate(&verdict, "p99.9").evidence;
    assert_eq!(evidence.needed, Some(2_995));
    assert!(verdict.sentence.contains("too few"), "{}", verdict.sentence);
    only(
        &mut record,
        during("slow recommendations", 0, vec![p999(5)], 1),
    );
    assert_eq!(judge(&record).outcome, RunOutcome::Fail);
}

#[test]
fn no_data_is_never_a_pass() {
    let mut record = passing();
    only(
        &mut record,
        during(
            "whole run",
            0,
            vec![metric(
                Metric::ErrorRate,
                Some("nobody"),
                Comparison::Below,
                GateValue::Share(Share::new(0.5).unwrap()),
            )],
            1,
        ),
    );
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Inconclusive);
    record.intervals.clear();
    record.manifest.scenario.slo.clear();
    record.events.retain(|s| {
        let load = matches!(s.event, RunEvent::Phase(Phase::Load));
        !load && !matches!(s.event, RunEvent::LoadFinished { .. })
    });
    assert_eq!(judge(&record).outcome, RunOutcome::Inconclusive);
}

#[test]
fn a_broken_baseline_is_nothing_to_come_back_to() {
    let mut record = passing();
    record.manifest.scenario.steady_state = None;
    let returns = |record: &Record| {
        let verdict = judge(record);
        let gate = gate(&verdict, "baseline returns");
        (gate.state, gate.explanation.clone())
    };
    assert_eq!(returns(&record).0, GateState::Pass);
    for interval in &mut record.intervals {
        for route in &mut interval.routes {
            let counts = &mut route.counts;
            counts.status += std::mem::take(&mut counts.good);
            route.response = None;
            route.unlagged = None;
        }
    }
    let (state, why) = returns(&record);
    assert_eq!(state, GateState::Inconclusive, "{why}");
    assert!(why.contains("already broken"), "{why}");
}

#[test]
fn a_load_that_vanishes_is_an_internal_error() {
    let mut record = passing();
    record
        .events
        .retain(|s| !matches!(s.event, RunEvent::LoadFinished { .. }));
    let verdict = judge(&record);
    assert_eq!(
        verdict.outcome,
        RunOutcome::Internal,
        "{}",
        verdict.sentence
    );
}

#[test]
fn a_fault_without_effect_proves_nothing_either_way() {
    for mut record in [passing(), failing(0.5, 25.0, 35.0)] {
        for stamped in &mut record.events {
            if let RunEvent::Fault {
                change: FaultChange::Observed { effective, .. },
                ..
            } = &mut stamped.event
            {
                *effective = false;
            }
        }
        let verdict = judge(&record);
        assert_eq!(
            verdict.outcome,
            RunOutcome::Inconclusive,
            "{:#?}",
            verdict.reasons
        );
        assert!(
            verdict.sentence.contains("no traffic felt it"),
            "{}",
            verdict.sentence
        );
        remove(&mut record, |change| {
            matches!(change, FaultChange::Observed { .. })
        });
        assert_eq!(judge(&record).outcome, RunOutcome::Inconclusive);
    }
}

#[test]
fn a_fault_that_was_not_seen_active_or_gone_proves_nothing() {
    let mut record = passing();
    remove(&mut record, |change| {
        matches!(change, FaultChange::Active { .. })
    });
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Inconclusive);
    assert!(
        verdict.sentence.contains("was not seen in force"),
        "{}",
        verdict.sentence
    );

    let mut record = passing();
    remove(&mut record, |change| {
        matches!(change, FaultChange::Removed { .. })
    });
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Inconclusive);
    assert_eq!(gate(&verdict, "success >= 99.9%").state, GateState::Pass);
    assert_eq!(gate(&verdict, "closes").state, GateState::Inconclusive);
    assert!(
        gate(&verdict, "closes")
            .explanation
            .contains("not seen to be gone")
    );
}

#[test]
fn a_broken_baseline_voids_the_run() {
    let verdict = judge(&failing(0.02, 5.0, 35.0));
    assert_eq!(
        verdict.outcome,
        RunOutcome::Inconclusive,
        "{:#?}",
        verdict.reasons
    );
    assert!(
        verdict.sentence.contains("already broken"),
        "{}",
        verdict.sentence
    );
    let success = gate(&verdict, "during slow recommendations: success");
    assert_eq!(
        (success.state, success.by_figures),
        (GateState::Inconclusive, GateState::Fail)
    );
}

#[test]
fn a_steady_state_that_is_never_reached_voids_the_run() {
    let mut record = passing();
    for stamped in &mut record.events {
        if let RunEvent::SteadyState { reached, .. } = &mut stamped.event {
            *reached = false;
        }
    }
    assert_eq!(judge(&record).outcome, RunOutcome::Inconclusive);
}

#[test]
fn unfinished_arrivals_never_pass() {
    let mut record = passing();
    let interval = record
        .intervals
        .iter_mut()
        .find(|i| i.start_us == 30 * SECOND)
        .unwrap();
    let counts = &mut interval.routes[0].counts;
    counts.unfinished += 1;
    counts.scheduled += 1;
    for stamped in &mut record.events {
        if let RunEvent::LoadFinished { scheduled, .. } = &mut stamped.event {
            *scheduled += 1;
        }
    }
    let verdict = judge(&record);
    assert_eq!(
        verdict.outcome,
        RunOutcome::Inconclusive,
        "{:#?}",
        verdict.reasons
    );
    assert_eq!(
        gate(&verdict, "during slow recommendations: success").state,
        GateState::Inconclusive
    );
}

#[test]
fn the_generators_own_lag_never_fails_a_gate() {
    let mut record = passing();
    for interval in &mut record.intervals {
        for route in &mut interval.routes {
            let mut lagged = histogram::new_histogram();
            for (top_us, count) in route.unlagged.as_ref().unwrap().iter() {
                for _ in 0..count {
                    histogram::record_us(&mut lagged, top_us + 700_000);
                }
            }
            route.response = Some(Times::of(&lagged));
        }
    }
    let verdict = judge(&record);
    let p99 = gate(&verdict, "p99 of homepage < 600ms");
    assert_eq!(p99.state, GateState::Inconclusive);
    assert!(p99.explanation.contains("the generator was late"));
    // Without evidence that it was lag, the same times are the system's doing.
    for interval in &mut record.intervals {
        for route in &mut interval.routes {
            route.unlagged = route.response.clone();
        }
    }
    record.manifest.scenario.steady_state = None;
    assert_eq!(judge(&record).outcome, RunOutcome::Fail);
}

#[test]
fn late_answers_are_excused_only_as_far_as_lag_explains_them() {
    let mut record = failing(0.02, 25.0, 35.0);
    for interval in &mut record.intervals {
        for route in &mut interval.routes {
            route.counts.late = std::mem::take(&mut route.counts.status);
            route.counts.late_by_lag = route.counts.late;
        }
    }
    only(
        &mut record,
        during("slow recommendations", 0, vec![success(99.9)], 1),
    );
    assert_eq!(judge(&record).outcome, RunOutcome::Inconclusive);
    for interval in &mut record.intervals {
        for route in &mut interval.routes {
            route.counts.late_by_lag = 0;
        }
    }
    assert_eq!(judge(&record).outcome, RunOutcome::Fail);
}

#[test]
fn confidence_asks_for_more_than_arithmetic() {
    let mut record = passing();
    let mut block = during("slow recommendations", 0, vec![success(99.99)], 1);
    only(&mut record, block.clone());
    assert_eq!(judge(&record).outcome, RunOutcome::Pass);
    block.confidence = Share::new(0.95);
    only(&mut record, block);
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Inconclusive);
    let success = gate(&verdict, "during slow recommendations: success");
    assert_eq!(success.evidence.needed, Some(299_559), "{success:#?}");
    assert!(
        success.explanation.contains("needs"),
        "{}",
        success.explanation
    );
}

#[test]
fn breakers_are_judged_by_every_live_instance() {
    let late = |record: &mut Record, drop: &str| {
        record.events.retain(|stamped| !matches!(&stamped.event, RunEvent::Breaker(report) if report.instance == drop && report.state == Some(BreakerState::Open)));
    };
    // One of two never opens.
    let mut record = passing();
    late(&mut record, "api-1");
    let verdict = judge(&record);
    assert_eq!(gate(&verdict, "opens").state, GateState::Fail);
    assert_eq!(verdict.outcome, RunOutcome::Fail);
    // The same, but that one is dead.
    record.events.insert(
        0,
        at(
            -1.0,
            RunEvent::Process {
                process: "api".to_owned(),
                instance: "api-1".to_owned(),
                change: ProcessChange::Exited {
                    status: "exit 1".to_owned(),
                    expected: false,
                },
            },
        ),
    );
    record.events.sort_by_key(|stamped| stamped.at_us);
    assert_eq!(gate(&judge(&record), "opens").state, GateState::Pass);
    // Nobody reports.
    record
        .events
        .retain(|stamped| !matches!(stamped.event, RunEvent::Breaker(_)));
    assert_eq!(
        gate(&judge(&record), "opens").state,
        GateState::Inconclusive
    );
    // Open before the fault.
    let mut record = passing();
    for instance in ["api-0", "api-1"] {
        record.events.push(at(
            10.0,
            breaker("recommendations", instance, BreakerState::Open, 100, 60),
        ));
    }
    record.events.sort_by_key(|stamped| stamped.at_us);
    assert_eq!(
        gate(&judge(&record), "opens").state,
        GateState::Inconclusive
    );
}

#[test]
fn a_breaker_that_opens_again_has_not_closed() {
    let mut record = passing();
    record.events.push(at(
        55.0,
        breaker("recommendations", "api-0", BreakerState::Open, 100, 60),
    ));
    record.events.sort_by_key(|stamped| stamped.at_us);
    let verdict = judge(&record);
    assert_eq!(gate(&verdict, "closes").state, GateState::Fail);
    only(
        &mut record,
        during(
            "baseline",
            0,
            vec![Gate::BreakerIs {
                name: "recommendations".to_owned(),
                state: BreakerState::Closed,
            }],
            1,
        ),
    );
    assert_eq!(judge(&record).outcome, RunOutcome::Pass);
    only(
        &mut record,
        during(
            "whole run",
            0,
            vec![Gate::BreakerIs {
                name: "recommendations".to_owned(),
                state: BreakerState::Closed,
            }],
            1,
        ),
    );
    assert_eq!(judge(&record).outcome, RunOutcome::Fail);
}

#[test]
fn recovery_is_an_interval_and_must_hold() {
    // Failures until 4 s after the removal.
    let verdict = judge(&failing(0.3, 21.0, 44.0));
    let returns = gate(&verdict, "baseline returns");
    assert_eq!(returns.state, GateState::Pass, "{}", returns.explanation);
    let took = verdict.recoveries[0].took.unwrap();
    assert_eq!((took.start_us, took.end_us), (2_979_000, 3_979_000));
    // Too late.
    let verdict = judge(&failing(0.3, 21.0, 52.0));
    assert_eq!(gate(&verdict, "baseline returns").state, GateState::Fail);
    // A relapse at the end undoes it; the load ends before it could hold again.
    let relapse = with_behaviour(&|_, s| Behaviour {
        fail: if (57.0..58.0).contains(&s) { 0.5 } else { 0.0 },
        ..Behaviour::healthy(14_000.0)
    });
    let verdict = judge(&relapse);
    assert_eq!(gate(&verdict, "baseline returns").state, GateState::Fail);
    assert_eq!(verdict.recoveries[0].relapses, 1);
    assert_eq!(verdict.recoveries[0].took, None);
}

#[test]
fn a_recovery_cut_off_by_the_end_is_not_judged() {
    let mut record = failing(0.3, 21.0, 60.0);
    record.manifest.scenario.slo = vec![after(
        "slow recommendations",
        30,
        vec![Gate::BaselineReturns],
        1,
    )];
    let verdict = judge(&record);
    assert_eq!(
        verdict.outcome,
        RunOutcome::Inconclusive,
        "{:#?}",
        verdict.reasons
    );
    record.manifest.scenario.slo = vec![after(
        "slow recommendations",
        15,
        vec![Gate::BaselineReturns],
        1,
    )];
    assert_eq!(judge(&record).outcome, RunOutcome::Fail);
}

#[test]
fn arrivals_that_do_not_add_up_are_our_fault() {
    let mut record = passing();
    record.intervals[30].routes[0].counts.good -= 1;
    assert_eq!(judge(&record).outcome, RunOutcome::Internal);
    let mut record = passing();
    record.intervals.remove(30);
    assert_eq!(judge(&record).outcome, RunOutcome::Internal);
    // The same hole in a damaged journal is damage.
    record
        .damage
        .push("events.ndjson: line 77 cannot be read".to_owned());
    assert_eq!(judge(&record).outcome, RunOutcome::Inconclusive);
}

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
fn a_fault_that_was_stopped_by_hand_passes_nothing() {
    let stopped = |seconds: f64, action: HandAction| {
        let mut record = passing();
        record.events.push(at(
            seconds,
            RunEvent::ByHand {
                action,
                from: HandSide::default(),
            },
        ));
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
fn a_system_that_stays_down_without_the_fault_is_metastable() {
    // 20 s after the fault are seen: three times 5 s, but not three times 10 s.
    let mut record = failing(0.5, 20.0, 60.0);
    only(
        &mut record,
        after("slow recommendations", 5, vec![Gate::BaselineReturns], 1),
    );
    let verdict = judge(&record);
    let returns = gate(&verdict, "baseline returns");
    assert_eq!(returns.state, GateState::Fail);
    assert!(returns.explanation.contains("metastable"), "{returns:#?}");
    assert!(verdict.recoveries[0].metastable);
    only(
        &mut record,
        after("slow recommendations", 10, vec![Gate::BaselineReturns], 1),
    );
    let verdict = judge(&record);
    assert_eq!(gate(&verdict, "baseline returns").state, GateState::Fail);
    assert!(!verdict.recoveries[0].metastable);
    // Back after 16 s is metastable too; back at once is not.
    for (down_until_s, metastable) in [(56.0, true), (40.0, false)] {
        let mut record = failing(0.5, 20.0, down_until_s);
        only(
            &mut record,
            after("slow recommendations", 5, vec![Gate::BaselineReturns], 1),
        );
        assert_eq!(judge(&record).recoveries[0].metastable, metastable);
    }
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
        during("baseline", 0, vec![synthetic::success(99.0)], 1),
    );
    let verdict = judge(&record);
    assert_eq!(
        gate(&verdict, "during baseline: success")
            .evidence
            .budget_30d,
        None
    );
}
