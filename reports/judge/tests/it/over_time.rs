//! Gates that ask when things happened: sliding windows, outages, multiples of
//! the baseline, detection.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use crate::synthetic::*;
use squall_judge::quantity::Quantity;
use squall_judge::verdict::{GateState, GateVerdict};
use squall_judge::*;
use squall_record::*;
use squall_scenario::*;
use squall_scenario_file::parse_gate;

/// The run of the design page in which a share of arrivals fails in some
/// stretches.
fn failing(stretches: &[(f64, f64, f64)]) -> Record {
    let stretches = stretches.to_vec();
    with_behaviour(&move |_, s| Behaviour {
        fail: stretches
            .iter()
            .find(|(from, to, _)| (*from..*to).contains(&s))
            .map_or(0.0, |(_, _, share)| *share),
        ..Behaviour::healthy(14_000.0)
    })
}

/// The only gate, judged during the fault.
fn judged(record: &Record, text: &str) -> GateVerdict {
    judged_in(record, text, |_| {})
}

fn judged_in(record: &Record, text: &str, change: impl Fn(&mut SloBlock)) -> GateVerdict {
    let mut record = record.clone();
    let gate = parse_gate(text).unwrap();
    let mut block = during("slow recommendations", 0, vec![gate], 1);
    change(&mut block);
    record.manifest.scenario.slo = vec![block];
    judge(&record).gates.pop().unwrap()
}

#[test]
fn a_bad_stretch_hides_in_a_window_but_not_from_a_sliding_one() {
    // 6 % of 2 s are 0.6 % of 20 s, but 2.4 % of 5 s.
    let record = failing(&[(30.0, 32.0, 0.06)]);
    let whole = judged(&record, "success >= 99%");
    assert_eq!(whole.state, GateState::Pass, "{}", whole.explanation);
    let sliding = judged(&record, "success >= 99% in every 5s");
    assert_eq!(sliding.state, GateState::Fail, "{}", sliding.explanation);
    let stretches = sliding.evidence.stretches.unwrap();
    // From 20.013 to 40: one at each edge that leaves five seconds.
    assert_eq!(stretches.count, 16);
    assert!((2..=8).contains(&stretches.violated), "{stretches:?}");
    let worst = stretches.worst.unwrap();
    assert!(worst.range.start_us <= 31 * SECOND && worst.range.end_us >= 31 * SECOND);
    assert_eq!(worst.range.length_us(), 5_000_000);
    assert_eq!(
        (worst.n, worst.bad),
        (sliding.evidence.n, sliding.evidence.bad)
    );
    assert!(worst.bad > sliding.evidence.bad_allowed.unwrap());
    let inside = worst.range.start_us..worst.range.end_us;
    assert!(!sliding.evidence.samples.is_empty());
    for sample in &sliding.evidence.samples {
        assert!(inside.contains(&sample.scheduled_us), "{sample:?}");
    }
}

#[test]
fn a_quantile_slides_too_and_needs_its_samples() {
    let record = with_behaviour(&|_, s| {
        let slow = (30.0..32.0).contains(&s);
        Behaviour::healthy(if slow { 400_000.0 } else { 14_000.0 })
    });
    let quantile = |text: &str| judged(&record, text);
    assert_eq!(quantile("p50 < 300ms").state, GateState::Pass);
    assert_eq!(quantile("p50 < 300ms in every 2s").state, GateState::Fail);
    assert_eq!(quantile("p90 < 900ms in every 10s").state, GateState::Pass);
    // 20 arrivals a second of `play`: 40 are too few for p99.
    let few = quantile("p99 of play < 900ms in every 2s");
    assert_eq!(few.state, GateState::Inconclusive);
    assert_eq!(few.evidence.needed, Some(299));
    assert!(few.explanation.contains("too few"), "{}", few.explanation);
}

#[test]
fn a_stretch_without_arrivals_is_never_passed() {
    let mut record = failing(&[]);
    for interval in &mut record.intervals {
        if (30 * SECOND..31 * SECOND).contains(&interval.start_us) {
            for route in &mut interval.routes {
                route.counts = Counts::default();
                route.response = None;
                route.unlagged = None;
            }
        }
    }
    record
        .events
        .retain(|stamped| !matches!(stamped.event, RunEvent::LoadFinished { .. }));
    record.complete = false;
    let state = |text: &str| judged(&record, text).by_figures;
    assert_eq!(state("success >= 99% in every 1s"), GateState::Inconclusive);
    assert_eq!(state("success >= 99% in every 2s"), GateState::Pass);
}

#[test]
fn lag_and_unfinished_arrivals_leave_stretches_open() {
    let mut record = failing(&[]);
    let edit = |record: &mut Record, edit: fn(&mut Counts)| {
        for interval in &mut record.intervals {
            if interval.start_us == 30 * SECOND {
                edit(&mut interval.routes[0].counts);
            }
        }
    };
    edit(&mut record, |counts| {
        counts.good -= 40;
        counts.late += 40;
        counts.late_by_lag += 40;
    });
    let lagged = judged(&record, "success >= 99% in every 5s");
    assert_eq!(lagged.state, GateState::Inconclusive);
    assert!(lagged.explanation.contains("lag"), "{}", lagged.explanation);
    let lagged = judged(&record, "outages <= 0");
    assert_eq!(lagged.by_figures, GateState::Inconclusive);
    let mut record = failing(&[]);
    edit(&mut record, |counts| {
        counts.good -= 1;
        counts.unfinished += 1;
    });
    let open = judged(&record, "success >= 99% in every 5s");
    assert_eq!(open.by_figures, GateState::Inconclusive);
    assert_eq!(
        judged(&record, "outages <= 0").by_figures,
        GateState::Inconclusive
    );
}

#[test]
fn metrics_that_are_no_shares_slide_too() {
    let record = failing(&[(30.0, 31.0, 0.5)]);
    assert_eq!(judged(&record, "goodput > 180/s").state, GateState::Pass);
    let sliding = judged(&record, "goodput > 180/s in every 1s");
    assert_eq!(sliding.state, GateState::Fail);
    let worst = sliding.evidence.stretches.unwrap().worst.unwrap();
    assert_eq!(worst.range.start_us, 30 * SECOND);
}

#[test]
fn confidence_asks_every_stretch_for_its_proof() {
    let record = failing(&[]);
    let state = |text: &str, burst| {
        let sure = |block: &mut SloBlock| {
            block.confidence = Share::new(0.95);
            block.burst = Some(burst);
        };
        judged_in(&record, text, sure).state
    };
    // 1 000 clean arrivals prove 99 % of single failures, not of bursts of 10.
    assert_eq!(state("success >= 99% in every 5s", 1), GateState::Pass);
    assert_eq!(
        state("success >= 99% in every 5s", 10),
        GateState::Inconclusive
    );
    let record = failing(&[(30.0, 35.0, 0.5)]);
    let sure = |block: &mut SloBlock| block.confidence = Share::new(0.95);
    let broken = judged_in(&record, "success >= 99% in every 5s", sure);
    assert_eq!(broken.state, GateState::Fail, "{}", broken.explanation);
}

#[test]
fn outages_are_counted_and_timed() {
    let record = failing(&[(25.0, 28.0, 0.9), (33.0, 34.0, 0.4), (36.0, 36.2, 0.02)]);
    let outages = judged(&record, "outages <= 2");
    assert_eq!(outages.state, GateState::Pass, "{}", outages.explanation);
    assert_eq!(outages.evidence.observed, Some(Quantity::Count(2)));
    let ranges: Vec<_> = outages
        .evidence
        .outages
        .iter()
        .map(|outage| (outage.range.start_us / SECOND, outage.range.end_us / SECOND))
        .collect();
    assert_eq!(ranges, [(25, 28), (33, 34)]);
    assert_eq!(judged(&record, "outages <= 1").state, GateState::Fail);
    let longest = judged(&record, "longest_outage <= 2s");
    assert_eq!(longest.state, GateState::Fail);
    assert_eq!(longest.evidence.observed, Some(Quantity::Micros(3_000_000)));
    assert_eq!(
        judged(&record, "outages below 50% <= 1").state,
        GateState::Pass
    );
    let verdict = judge(&record);
    let window = verdict
        .windows
        .iter()
        .find(|w| w.name == "whole run")
        .unwrap();
    let summary = window.outages.as_ref().unwrap();
    assert_eq!(
        (summary.count, summary.longest_us, summary.total_us),
        (2, 3_000_000, 4_000_000)
    );
}

#[test]
fn a_stray_failure_is_no_outage() {
    // Faults cut at 20.013 s and 40.021 s; the failures hit short intervals.
    let mut record = failing(&[]);
    for interval in &mut record.intervals {
        let short = interval.end_us - interval.start_us < 100_000;
        if short && interval.routes[0].counts.good > 0 {
            interval.routes[0].counts.good -= 1;
            interval.routes[0].counts.status += 1;
        }
    }
    let verdict = judge(&record);
    for window in &verdict.windows {
        assert_eq!(window.outages.as_ref().unwrap().count, 0, "{}", window.name);
    }
    // One failure a second of 20 arrivals a second.
    let record = with_behaviour(&|route, _| Behaviour {
        fail: if route == "play" { 0.02 } else { 0.0 },
        ..Behaviour::healthy(14_000.0)
    });
    assert_eq!(
        judged(&record, "outages of play <= 3").by_figures,
        GateState::Pass
    );
}

/// The latency during the fault in baselines.
fn slower(times: f64) -> Record {
    with_behaviour(&move |_, s| {
        let during = (20.013..40.0).contains(&s);
        Behaviour::healthy(if during { 20_000.0 * times } else { 20_000.0 })
    })
}

#[test]
fn a_multiple_of_the_baseline_is_decided_where_it_is_clear() {
    let states = [
        (1.0, GateState::Pass),
        (1.24, GateState::Inconclusive),
        (2.0, GateState::Fail),
    ];
    for (times, expected) in states {
        for text in [
            "p95 <= 1.25x baseline",
            "p50 <= 1.25x baseline",
            "mean <= 1.25x baseline",
        ] {
            if times == 1.24 && text != "p95 <= 1.25x baseline" {
                continue;
            }
            let gate = judged(&slower(times), text);
            assert_eq!(gate.state, expected, "{times} {text}: {}", gate.explanation);
            let Some(Quantity::Times(seen)) = gate.evidence.observed else {
                panic!("{gate:#?}")
            };
            assert!((seen / times - 1.0).abs() < 0.2, "{seen} {times}");
            let again = judged(&slower(times), text);
            assert_eq!(again, gate, "the same seed gives the same bound");
        }
    }
}

#[test]
fn failures_are_slower_than_any_multiple() {
    let gate = judged(&failing(&[(20.0, 40.0, 0.3)]), "p95 <= 1.25x baseline");
    assert_eq!(gate.state, GateState::Fail, "{}", gate.explanation);
    assert_eq!(gate.evidence.observed, Some(Quantity::Never));
    let broken = judged(
        &failing(&[(0.0, 60.0, 0.3)]),
        "p95 of play <= 1.25x baseline",
    );
    assert_eq!(broken.by_figures, GateState::Inconclusive);
}

#[test]
fn a_fault_is_felt_when_a_second_is_bad_for_sure() {
    let felt = |record: &Record| judge(record).detections[0].felt;
    assert_eq!(felt(&failing(&[])), None);
    // Half of all fail from 24 s on: one second is enough.
    let record = failing(&[(24.0, 60.0, 0.5)]);
    let range = felt(&record).unwrap();
    assert_eq!((range.start_us, range.end_us), (3_987_000, 4_987_000));
    // 2 % fail: four in a second are bad, and the next second confirms it.
    let range = felt(&failing(&[(24.0, 60.0, 0.03)])).unwrap();
    assert!(range.start_us >= 3_987_000, "{range:?}");
    // A cut leaves a moment without arrivals: nobody was there to feel it.
    let mut record = failing(&[]);
    let until_us = judge(&record).detections[0].until_us;
    let empty = |interval: &squall_record::Interval| squall_record::Interval {
        start_us: until_us - 2_000,
        end_us: until_us - 1_000,
        routes: Vec::new(),
        ..interval.clone()
    };
    let last = record
        .intervals
        .iter()
        .position(|i| i.end_us >= until_us)
        .unwrap();
    record
        .intervals
        .insert(last, empty(&record.intervals[last]));
    assert_eq!(felt(&record), None);
    // One bad second that may be chance is not believed.
    let mut record = failing(&[]);
    for interval in &mut record.intervals {
        if interval.start_us == 30 * SECOND {
            interval.routes[0].counts.good -= 4;
            interval.routes[0].counts.status += 4;
        }
    }
    assert_eq!(felt(&record), None);
}

#[test]
fn breakers_react_and_recovery_counts_from_the_injection_too() {
    let verdict = judge(&passing());
    let reactions = &verdict.detections[0].breakers;
    assert_eq!(reactions.len(), 1);
    assert_eq!(reactions[0].opened_us, 23_100_000);
    assert_eq!(reactions[0].closed_us, Some(42_400_000));
    let recovery = &verdict.recoveries[0];
    let (took, since) = (recovery.took.unwrap(), recovery.from_injection.unwrap());
    // Asked for at 20 s, gone at 40.021 s.
    assert_eq!(since.end_us - took.end_us, 20_021_000);
}

#[test]
fn failures_say_whose_doing_they_are() {
    use verdict::FailureOrigin::{Generator, InjectedFault, System};
    let mut record = failing(&[(25.0, 27.0, 0.5), (50.0, 51.0, 0.5)]);
    for interval in &mut record.intervals {
        if interval.start_us == 10 * SECOND {
            let counts = &mut interval.routes[0].counts;
            counts.good -= 5;
            counts.late += 3;
            counts.late_by_lag += 2;
            counts.dropped += 2;
        }
    }
    let origins = |record: &Record| {
        let mut origins: Vec<_> = judge(record)
            .errors
            .iter()
            .filter(|error| error.route == "homepage")
            .map(|error| (error.origin, error.kind))
            .collect();
        origins.sort();
        origins
    };
    let (late, status) = (Some(BadKind::Late), Some(BadKind::Status));
    // The fault is deep in the system, which should have kept it from users.
    assert_eq!(
        origins(&record),
        [
            (System, late),
            (System, status),
            (Generator, None),
            (Generator, late)
        ]
    );
    // The same fault on the link that the requests themselves go through.
    for stamped in &mut record.events {
        if let RunEvent::LinkUp { listen, .. } = &mut stamped.event {
            *listen = "127.0.0.1:21000".to_owned();
        }
    }
    assert_eq!(
        origins(&record),
        [
            (System, late),
            (System, status),
            (InjectedFault, status),
            (Generator, None),
            (Generator, late)
        ]
    );
}

#[test]
fn every_injection_must_be_felt() {
    let mut record = passing();
    record.manifest.scenario.faults[0].repeat = Some(Repeat {
        every: std::time::Duration::from_secs(10),
        times: 2,
        control: false,
    });
    let name = "slow recommendations";
    let say = |injection, change| fault(name, injection, &["recommendations-0"], change);
    let seen = || "seen".to_owned();
    let felt = |effective| FaultChange::Observed {
        evidence: FaultSeen::Words(seen()),
        effective,
        lost: false,
    };
    record.events.extend([
        at(30.0, say(1, FaultChange::Requested)),
        at(
            30.1,
            say(
                1,
                FaultChange::Active {
                    evidence: FaultSeen::Words(seen()),
                },
            ),
        ),
        at(31.0, say(1, felt(false))),
        at(39.0, say(1, FaultChange::RemovalRequested)),
        at(
            39.1,
            say(
                1,
                FaultChange::Removed {
                    evidence: FaultSeen::Words(seen()),
                },
            ),
        ),
    ]);
    record.events.sort_by_key(|stamped| stamped.at_us);
    let verdict = judge(&record);
    let evidence = &verdict.faults[0];
    assert_eq!((evidence.active, evidence.felt), (2, 1));
    assert_eq!(evidence.effective, Some(true));
    assert!(
        evidence.problems[0].contains("1 of 2"),
        "{:?}",
        evidence.problems
    );
    assert_eq!(verdict.outcome, RunOutcome::Inconclusive);
    record.events.push(at(38.0, say(1, felt(true))));
    let verdict = judge(&record);
    assert!(
        verdict.faults[0].problems.is_empty(),
        "{:?}",
        verdict.faults[0].problems
    );
}
