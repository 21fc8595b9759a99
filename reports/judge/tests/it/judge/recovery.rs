//! Breakers that open and close, and a system that comes back or does not.

use super::*;

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
fn a_variant_may_fail_on_its_recovery() {
    let variant = |metric: &str| Variant {
        name: "no breakers".to_owned(),
        with: Vec::new(),
        fails: vec![located(
            ExpectedFailure {
                metric: metric.to_owned(),
                window: "after slow recommendations".to_owned(),
            },
            50,
        )],
    };
    let late = judge(&failing(0.3, 21.0, 52.0));
    assert!(matches!(
        variant_outcome(&late, &variant("baseline returns")),
        VariantOutcome::Proven(_)
    ));
    // What a breaker does is no proof by itself.
    assert!(matches!(
        variant_outcome(&late, &variant("breaker recommendations closes")),
        VariantOutcome::Nothing(_)
    ));
    assert!(matches!(
        variant_outcome(&judge(&passing()), &variant("baseline returns")),
        VariantOutcome::Toothless(_)
    ));
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
