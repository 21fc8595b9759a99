//! What a verdict needs before it may be one: data, a sound baseline, a fault that
//! took effect, a generator that kept up.

use super::*;
use squall_judge::verdict::{FailureOrigin, Subject};
use squall_record::histogram::{new_histogram, record_us};

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

/// A reason is given where it was observed: what ended says nothing of traffic.
#[test]
fn a_fault_that_was_lost_says_how() {
    let mut record = passing();
    for stamped in &mut record.events {
        if let RunEvent::Fault {
            change:
                FaultChange::Observed {
                    evidence,
                    effective,
                    lost,
                },
            ..
        } = &mut stamped.event
        {
            let why = "api-0 (pid 7) ended (signal 9) while it was paused".to_owned();
            *evidence = Evidence::lost(why).into();
            (*effective, *lost) = (false, true);
        }
    }
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Inconclusive);
    let told = "was not in force to its end: api-0 (pid 7) ended (signal 9) while it was paused";
    assert!(verdict.sentence.contains(told), "{}", verdict.sentence);
    assert!(!format!("{:?}", verdict.reasons).contains("no traffic felt it"));
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

/// What was due before a fault and met it because squall was late to send it is none of the
/// baseline's failures; what was sent in time is.
#[test]
fn what_lag_carried_under_a_fault_is_no_failure_of_the_baseline() {
    let displaced = |share: u64| {
        let mut record = passing();
        let baseline = record
            .intervals
            .iter_mut()
            .find(|it| it.start_us >= 8 * SECOND);
        for route in &mut baseline.unwrap().routes {
            let counts = &mut route.counts;
            counts.status = counts.good / 2;
            counts.displaced = counts.status * share / 100;
            counts.good -= counts.status;
            let quickest = |times: &Option<Times>| {
                let mut histogram = new_histogram();
                let each = times
                    .iter()
                    .flat_map(Times::iter)
                    .flat_map(|(us, n)| (0..n).map(move |_| us));
                each.take(counts.good as usize)
                    .for_each(|us| record_us(&mut histogram, us));
                Some(Times::of(&histogram))
            };
            (route.response, route.unlagged) =
                (quickest(&route.response), quickest(&route.unlagged));
        }
        record.manifest.scenario.steady_state = None;
        only(&mut record, during("baseline", 0, vec![success(99.9)], 1));
        judge(&record)
    };
    let verdict = displaced(100);
    assert_eq!(
        verdict.outcome,
        RunOutcome::Inconclusive,
        "{}",
        verdict.sentence
    );
    assert!(
        verdict.gates[0]
            .explanation
            .contains("the generator was late")
    );
    let told = &verdict.generator.summary;
    assert!(
        told.contains("sent behind a fault's beginning or end"),
        "{told}"
    );
    let verdict = displaced(50);
    assert_eq!(verdict.outcome, RunOutcome::Fail, "{}", verdict.sentence);
}

/// What squall had no socket for is not the system's failure; what the system
/// left unanswered until the limit was reached is.
#[test]
fn limits_of_the_generator_are_excused_and_those_of_the_system_are_not() {
    let dropped_by = |cause: Option<DropCause>| {
        let mut record = failing(0.02, 25.0, 35.0);
        for interval in &mut record.intervals {
            for route in &mut interval.routes {
                let counts = &mut route.counts;
                counts.dropped = std::mem::take(&mut counts.status);
                for _ in 0..counts.dropped {
                    cause
                        .into_iter()
                        .for_each(|cause| counts.drops.count(cause));
                }
            }
        }
        let none = metric(
            Metric::DroppedArrivals,
            None,
            Comparison::Equal,
            GateValue::Count(0),
        );
        let gates = vec![success(99.9), none];
        only(&mut record, during("slow recommendations", 0, gates, 1));
        judge(&record)
    };
    for cause in squall_record::ALL_DROP_CAUSES {
        let verdict = dropped_by(Some(cause));
        let excused = cause != DropCause::InFlight;
        let (outcome, origin) = match excused {
            true => (RunOutcome::Inconclusive, FailureOrigin::Generator),
            false => (RunOutcome::Fail, FailureOrigin::System),
        };
        assert_eq!(verdict.outcome, outcome, "{cause:?}");
        let error = &verdict.errors[0];
        assert_eq!((error.origin, error.dropped), (origin, Some(cause)));
        let summary = &verdict.generator.summary;
        assert!(summary.contains(&cause.to_string()), "{summary}");
        let open = verdict.gates.iter().filter(|g| g.state != GateState::Pass);
        for gate in open {
            let told = gate.explanation.contains("the generator was at its limits");
            assert_eq!(told, excused, "{}", gate.explanation);
        }
    }
    // A record of before says nothing about the cause, and nor does squall.
    let old = dropped_by(None);
    assert_eq!(old.outcome, RunOutcome::Fail);
    let error = &old.errors[0];
    assert_eq!(
        (error.origin, error.dropped),
        (FailureOrigin::Generator, None)
    );
    assert!(
        !old.generator.summary.contains("in flight"),
        "{}",
        old.generator.summary
    );
}

#[test]
fn a_pass_stands_in_spite_of_the_generators_limits() {
    let mut record = passing();
    for interval in record.intervals.iter_mut().filter(|i| i.start_us == 0) {
        let counts = &mut interval.routes[0].counts;
        counts.scheduled += 1;
        counts.dropped += 1;
        counts.drops.ports += 1;
    }
    for stamped in &mut record.events {
        if let RunEvent::LoadFinished { scheduled, .. } = &mut stamped.event {
            *scheduled += 1;
        }
    }
    assert_eq!(judge(&record).outcome, RunOutcome::Pass);
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
fn requests_that_were_under_way_when_the_fault_began_do_not_break_the_baseline() {
    // What was asked for in the last second before the fault at 20 s met it.
    let verdict = judge(&failing(0.2, 19.0, 20.0));
    let steady = &verdict.gates[0];
    assert_eq!(steady.state, GateState::Pass, "{}", steady.explanation);
    assert!(
        steady
            .explanation
            .ends_with("since 19.0s was still under way when the first fault began"),
        "{}",
        steady.explanation
    );
    let baseline = verdict
        .windows
        .iter()
        .find(|w| w.name == "baseline")
        .unwrap();
    assert_eq!(baseline.ranges[0].end_us, 19 * SECOND);
    assert_eq!(verdict.outcome, RunOutcome::Pass, "{}", verdict.sentence);
    // A second earlier the answers were due before the fault began.
    let earlier = judge(&failing(0.2, 18.0, 19.0));
    assert_eq!(earlier.outcome, RunOutcome::Inconclusive);
    assert!(
        earlier.sentence.contains("baseline"),
        "{}",
        earlier.sentence
    );
}

#[test]
fn answers_that_met_the_fault_excuse_nothing_that_was_due_before_it() {
    // Asked for in the last second, they were held by the fault; what failed at
    // 18 s did so by itself.
    let mut record = failing(0.2, 18.0, 19.0);
    let last = |interval: &&mut Interval| interval.start_us == 19 * SECOND;
    for route in &mut record.intervals.iter_mut().find(last).unwrap().routes {
        let mut held = squall_record::histogram::new_histogram();
        held.record_n(1_500_000, route.counts.good).unwrap();
        route.response = Some(Times::of(&held));
    }
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Inconclusive);
    assert!(
        verdict.sentence.contains("baseline"),
        "{}",
        verdict.sentence
    );
}

/// A link of squall that went without a port in the second before `s`.
fn went_without(s: f64) -> Stamped {
    at(
        s,
        RunEvent::LinkShort(LinkShort {
            link: "recommendations-0".to_owned(),
            cause: DropCause::Ports,
            times: 54,
            over_us: 1_000_000,
        }),
    )
}

#[test]
fn a_failure_that_a_link_of_squall_may_have_made_is_undecided() {
    let mut record = failing(0.2, 25.0, 30.0);
    let failed = judge(&record);
    assert_eq!(failed.outcome, RunOutcome::Fail, "{}", failed.sentence);
    record.events.push(went_without(24.0));
    let verdict = judge(&record);
    assert_eq!(
        verdict.outcome,
        RunOutcome::Inconclusive,
        "{}",
        verdict.sentence
    );
    for gate in verdict.gates_in(GateState::Inconclusive) {
        let said = "link recommendations-0 failed its callers 54 times, whatever its target \
                    did: no local port was left (from 23.0s); for what it is worth: ";
        assert!(gate.explanation.starts_with(said), "{}", gate.explanation);
    }
    let told = verdict.generator.summary;
    assert!(
        told.contains("SQUALL SHORT: link recommendations-0"),
        "{told}"
    );
    // What was over before stands, and what was before time zero is over.
    let steady = &verdict.gates[0];
    assert_eq!(steady.state, GateState::Pass, "{}", steady.explanation);
    record.events.pop();
    for elsewhere in [-0.5, 1e6] {
        record.events.push(went_without(elsewhere));
        assert_eq!(judge(&record).outcome, RunOutcome::Fail, "{elsewhere}");
        record.events.pop();
    }
}

#[test]
fn a_pass_on_users_stands_though_a_link_went_without_and_others_do_not() {
    let mut record = passing();
    record.events.push(went_without(24.0));
    let verdict = judge(&record);
    let users = |gate: &&GateVerdict| gate.metric.starts_with("success");
    assert!(verdict.gates.iter().filter(users).count() > 0);
    for gate in verdict.gates.iter().filter(users) {
        assert_eq!(gate.state, GateState::Pass, "{}", gate.explanation);
    }
    let breakers = verdict
        .gates
        .iter()
        .filter(|gate| gate.subject == Subject::Breaker);
    let states: Vec<_> = breakers.map(|gate| gate.state).collect();
    assert!(!states.is_empty() && states.iter().all(|state| *state == GateState::Inconclusive));
}

#[test]
fn connections_that_a_link_of_squall_broke_are_not_the_systems() {
    let mut record = failing(0.2, 25.0, 30.0);
    for stamped in &mut record.events {
        if let RunEvent::LinkUp { listen, .. } = &mut stamped.event {
            "127.0.0.1:8000".clone_into(listen);
        }
    }
    for interval in &mut record.intervals {
        for route in &mut interval.routes {
            let counts = &mut route.counts;
            counts.broken += std::mem::take(&mut counts.status);
        }
    }
    for sample in &mut record.samples {
        sample.address = Some("127.0.0.1:8000".to_owned());
    }
    let routes: Vec<_> = record
        .samples
        .iter()
        .map(|sample| sample.route.clone())
        .collect();
    let broken = |record: &Record| {
        let errors = judge(record).errors.into_iter();
        let broken = errors
            .filter(|error| error.kind == Some(BadKind::Broken) && routes.contains(&error.route));
        let mut sums = std::collections::BTreeMap::new();
        for error in broken {
            *sums.entry(error.origin).or_insert(0) += error.count;
        }
        sums
    };
    let before = broken(&record);
    assert!(
        !before.contains_key(&FailureOrigin::Generator),
        "{before:?}"
    );
    (25..=31).for_each(|s| record.events.push(went_without(f64::from(s))));
    let after = broken(&record);
    assert!(after[&FailureOrigin::Generator] > 0, "{after:?}");
    assert_eq!(after.values().sum::<u64>(), before.values().sum::<u64>());
}
