//! Judging while the run goes on.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use crate::synthetic::*;
use proptest::prelude::*;
use squall_judge::live::{AbortGuard, AbortTrip, GateBoard, LiveGate, LiveState};
use squall_judge::*;
use squall_record::*;
use squall_scenario::*;

/// Events and intervals in the order a run tells them.
fn told(record: &Record) -> Vec<Stamped> {
    let intervals = record.intervals.iter().map(|interval| Stamped {
        at_us: interval.end_us + SECOND,
        event: RunEvent::Interval(interval.clone()),
    });
    let mut all: Vec<Stamped> = record.events.iter().cloned().chain(intervals).collect();
    all.sort_by_key(|stamped| stamped.at_us);
    all
}

#[test]
fn the_board_ends_where_the_judge_does() {
    for record in [passing(), failing(0.05, 25.0, 35.0)] {
        let mut board = GateBoard::new(&record.manifest.scenario);
        for stamped in told(&record) {
            board.hear(&stamped);
        }
        let verdict = judge(&record);
        let judged: Vec<_> = verdict.gates.iter().skip(2).collect();
        assert_eq!(board.gates().len(), judged.len());
        for (live, judged) in board.gates().iter().zip(judged) {
            assert_eq!(live.gate, judged.gate);
            if live.state != LiveState::Pending {
                assert_eq!(
                    (live.n, live.observed),
                    (judged.evidence.n, judged.evidence.observed),
                    "{}",
                    live.gate
                );
                assert_eq!(
                    live.state == LiveState::OnTrack,
                    judged.state == verdict::GateState::Pass
                );
            }
        }
        assert_ne!(board.gates()[0].state, LiveState::Pending);
        let of_breakers = |gate: &&LiveGate| gate.gate.starts_with("breaker");
        let gates = board.gates();
        let mut breakers = gates.iter().filter(of_breakers).peekable();
        assert!(
            breakers.peek().is_some(),
            "the scenario has gates on breakers"
        );
        for gate in breakers {
            assert_ne!(gate.state, LiveState::Pending, "{}", gate.gate);
        }
    }
}

/// The board at `end_s` of a run without the events that `leave_out` names.
fn board_at(record: &Record, end_s: i64, leave_out: impl Fn(&Stamped) -> bool) -> LiveGate {
    let mut board = GateBoard::new(&record.manifest.scenario);
    for stamped in told(record) {
        if stamped.at_us <= end_s * SECOND && !leave_out(&stamped) {
            board.hear(&stamped);
        }
    }
    let gates = board.gates();
    let opens = gates.iter().find(|gate| gate.gate.contains("opens within"));
    opens.unwrap().clone()
}

#[test]
fn a_breaker_gate_says_what_the_judge_would_once_its_time_is_up() {
    let record = passing();
    let opens = |stamped: &Stamped| {
        matches!(&stamped.event, RunEvent::Breaker(report)
            if report.state == Some(BreakerState::Open))
    };
    let injected = record.events.iter().find(|stamped| {
        matches!(
            &stamped.event,
            RunEvent::Fault {
                change: FaultChange::Active { .. },
                ..
            }
        )
    });
    let injected_s = injected.unwrap().at_us / SECOND;
    // Injected, not open: it has 8 s.
    let waiting = board_at(&record, injected_s + 6, opens);
    assert_eq!(waiting.state, LiveState::Pending, "{waiting:?}");
    let words = waiting.explanation.unwrap();
    assert!(words.contains("before the time was up"), "{words}");
    let late = board_at(&record, injected_s + 10, opens);
    assert_eq!(late.state, LiveState::Failing, "{late:?}");
    let words = late.explanation.unwrap();
    assert!(words.contains("had not opened in"), "{words}");
    // It did open in the run.
    let open = board_at(&record, injected_s + 10, |_| false);
    assert_eq!(open.state, LiveState::OnTrack, "{open:?}");
    assert!(open.evidence.margin.is_some() && open.observed.is_some());
    // And the judge says the same of the whole run.
    let whole = board_at(&record, 1000, |_| false);
    let verdict = judge(&record);
    let judged = verdict.gates.iter().find(|gate| gate.gate == whole.gate);
    let judged = judged.unwrap();
    assert_eq!(whole.explanation.as_ref(), Some(&judged.explanation));
    assert_eq!(whole.observed, judged.evidence.observed);
}

#[test]
fn a_gate_is_pending_until_its_window_begins() {
    let record = passing();
    let mut board = GateBoard::new(&record.manifest.scenario);
    for stamped in told(&record)
        .into_iter()
        .filter(|stamped| stamped.at_us < 20 * SECOND)
    {
        board.hear(&stamped);
    }
    assert!(
        board
            .gates()
            .iter()
            .all(|gate| gate.state == LiveState::Pending && gate.n == 0)
    );
}

fn guard(sustained_s: Option<u64>) -> AbortGuard {
    guard_on(0.8, sustained_s)
}

fn guard_on(share: f64, sustained_s: Option<u64>) -> AbortGuard {
    AbortGuard::new(AbortRule {
        gate: MetricGate {
            metric: Metric::ErrorRate,
            of: None,
            comparison: Comparison::Above,
            value: GateValue::Share(Share::new(share).unwrap()),
            sustained: sustained_s.map(Duration::from_secs),
            every: None,
        },
    })
}

fn first_trip(guard: &mut AbortGuard, record: &Record) -> Option<(i64, AbortTrip)> {
    told(record)
        .iter()
        .find_map(|stamped| Some((stamped.at_us, guard.hear(stamped)?)))
}

#[test]
fn a_guard_trips_when_its_condition_has_held_long_enough() {
    let record = failing(0.99, 30.0, 45.0);
    let (at_us, trip) = first_trip(&mut guard(Some(10)), &record).unwrap();
    // Ten seconds after 30 s, the edges at 40 s included, told one second later.
    assert_eq!(at_us, 41 * SECOND);
    assert_eq!(trip.guard, "error_rate > 80% for 10s");
    assert!(trip.detail.contains("held for 10s"), "{}", trip.detail);
    // Without `for` it takes what a hundredth of a chance in the whole run
    // takes, with failures that may come in bursts of ten.
    assert_eq!(
        first_trip(&mut guard(None), &record).unwrap().0,
        35 * SECOND
    );
    assert_eq!(first_trip(&mut guard(Some(16)), &record), None);
    assert_eq!(
        first_trip(&mut guard(Some(2)), &failing(0.5, 30.0, 45.0)),
        None
    );
}

#[test]
fn a_break_starts_the_stretch_anew() {
    let record = with_behaviour(&|_, s| Behaviour {
        fail: if (25.0..32.0).contains(&s) || (34.0..41.0).contains(&s) {
            0.99
        } else {
            0.0
        },
        ..Behaviour::healthy(14_000.0)
    });
    assert_eq!(first_trip(&mut guard(Some(10)), &record), None);
    assert_eq!(
        first_trip(&mut guard(Some(7)), &record).map(|(at_us, _)| at_us),
        Some(33 * SECOND)
    );
}

#[test]
fn a_guard_trips_once() {
    let record = failing(0.99, 30.0, 60.0);
    let mut guard = guard(None);
    let trips = told(&record)
        .iter()
        .filter_map(|stamped| guard.hear(stamped))
        .count();
    assert_eq!(trips, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// A rule that asks for more ends no run before one that asks for less does.
    #[test]
    fn a_stricter_guard_never_trips_first(
        share in 0.02..0.9_f64, begins_s in 2..30_u32, lasts_s in 1..30_u32,
        rules in prop::collection::vec((0.01..0.95_f64, 0..15_u64), 2),
    ) {
        let (from_s, to_s) = (f64::from(begins_s), f64::from(begins_s + lasts_s));
        let record = failing(share, from_s, to_s);
        let trips_us = |share: f64, sustained_s: u64| {
            let mut guard = guard_on(share, (sustained_s > 0).then_some(sustained_s));
            first_trip(&mut guard, &record).map(|(at_us, _)| at_us)
        };
        let lenient = (rules[0].0.min(rules[1].0), rules[0].1.min(rules[1].1));
        let strict = (rules[0].0.max(rules[1].0), rules[0].1.max(rules[1].1));
        let (early, late) = (trips_us(lenient.0, lenient.1), trips_us(strict.0, strict.1));
        if let Some(late) = late {
            prop_assert!(early.is_some_and(|early| early <= late), "{early:?}, {late}");
            // It has heard of failures, and for as long as it asks for.
            let least = i64::from(begins_s) + i64::try_from(strict.1).unwrap();
            prop_assert!(late >= least * SECOND, "{late}");
        }
    }
}
