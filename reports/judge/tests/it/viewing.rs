//! Gates on what viewers saw.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use crate::synthetic::*;
use squall_judge::quantity::Quantity;
use squall_judge::verdict::{GateState, GateVerdict, Subject};
use squall_judge::*;
use squall_record::*;
use squall_scenario_file::parse_gate;

/// A passing run of 60 s in whose seconds viewers saw this, of one player.
fn seen(see: impl Fn(u64, &mut ViewingSecond)) -> Record {
    let mut record = passing();
    let mut player = Viewings::new("watch/title");
    for second in 0..60 {
        see(second, player.second(second));
    }
    let players = vec![player];
    let told = Viewings::events(players).into_iter();
    record.events.extend(told.map(|event| at(59.9, event)));
    record.events.sort_by_key(|stamped| stamped.at_us);
    record
}

/// Two viewers begin in a second and see their first frame after `ms`; eight see the
/// picture.
fn well(second: &mut ViewingSecond, ms: u64) {
    second.first_frames = vec![(ms, 2)];
    second.played_us = 8_000_000;
    second.segments = 4;
    second.kbps_sum = 4 * 3_000;
}

fn judged(record: &Record, gate: &str) -> GateVerdict {
    let mut record = record.clone();
    record.manifest.scenario.steady_state = None;
    let gate = parse_gate(gate).unwrap();
    record.manifest.scenario.slo = vec![during("whole run", 0, vec![gate], 1)];
    judge(&record).gates.remove(0)
}

#[test]
fn what_viewers_saw_is_compared_with_what_is_asked() {
    let record = seen(|n, second| {
        well(second, if n < 57 { 300 } else { 5_000 });
        if n == 30 {
            second.stalled_us = 4_800_000;
            second.stalls = 3;
        }
    });
    for (gate, state, observed) in [
        // 4.8 s of 484.8 s.
        (
            "rebuffer_ratio <= 1%",
            GateState::Pass,
            Quantity::Share(4.8 / 484.8),
        ),
        (
            "rebuffer_ratio of watch/title < 0.9%",
            GateState::Fail,
            Quantity::Share(4.8 / 484.8),
        ),
        (
            "time_to_first_frame p95 < 2s",
            GateState::Pass,
            Quantity::Micros(300_000),
        ),
        (
            "time_to_first_frame p97 <= 2s",
            GateState::Fail,
            Quantity::Micros(5_000_000),
        ),
        (
            "bitrate mean >= 3Mbit/s",
            GateState::Pass,
            Quantity::KbitPerSecond(3_000.0),
        ),
        (
            "bitrate mean > 3000kbit/s",
            GateState::Fail,
            Quantity::KbitPerSecond(3_000.0),
        ),
    ] {
        let verdict = judged(&record, gate);
        assert_eq!(verdict.state, state, "{gate}: {}", verdict.explanation);
        assert_eq!(verdict.evidence.observed, Some(observed), "{gate}");
        assert_eq!(verdict.subject, Subject::Users);
        assert!(verdict.evidence.threshold.is_some() && verdict.evidence.n > 0);
    }
}

#[test]
fn who_never_sees_a_frame_is_slower_than_everybody() {
    let record = seen(|n, second| {
        well(second, 300);
        second.never = u64::from(n < 5);
    });
    let verdict = judged(&record, "time_to_first_frame p99 < 60s");
    assert_eq!(
        verdict.state,
        GateState::Inconclusive,
        "125 viewers are too few for p99"
    );
    let verdict = judged(&record, "time_to_first_frame p97 < 60s");
    assert_eq!(verdict.state, GateState::Fail, "{}", verdict.explanation);
    assert_eq!(verdict.evidence.observed, Some(Quantity::Never));
    assert_eq!(verdict.evidence.bad, 5);
    let verdict = judged(&record, "time_to_first_frame p95 < 60s");
    assert_eq!(verdict.state, GateState::Pass);
}

#[test]
fn who_was_cut_short_may_have_seen_one_soon_or_never() {
    let record = seen(|n, second| {
        well(second, 300);
        second.unfinished = u64::from(n >= 50);
    });
    let verdict = judged(&record, "time_to_first_frame p95 < 1s");
    assert_eq!(
        verdict.state,
        GateState::Inconclusive,
        "{}",
        verdict.explanation
    );
    let verdict = judged(&record, "time_to_first_frame p90 < 1s");
    assert_eq!(verdict.state, GateState::Pass, "all of them could be slow");
}

#[test]
fn no_viewer_is_never_a_pass() {
    for record in [passing(), seen(|_, _| {})] {
        for gate in [
            "rebuffer_ratio <= 100%",
            "time_to_first_frame p50 < 60s",
            "bitrate mean >= 0kbit/s",
        ] {
            let verdict = judged(&record, gate);
            assert_eq!(verdict.state, GateState::Inconclusive, "{gate}");
        }
    }
    let other = judged(
        &seen(|_, second| well(second, 1)),
        "rebuffer_ratio of x <= 100%",
    );
    assert_eq!(other.state, GateState::Inconclusive);
}

#[test]
fn a_window_has_the_seconds_whose_middle_lies_in_it() {
    let record = seen(|n, second| {
        well(second, 300);
        // The fault of this run lasts from 20 s to 40 s.
        second.stalled_us = if (20..40).contains(&n) { 8_000_000 } else { 0 };
    });
    let mut record = record;
    record.manifest.scenario.steady_state = None;
    let gate = || parse_gate("rebuffer_ratio <= 40%").unwrap();
    record.manifest.scenario.slo = vec![
        during("slow recommendations", 0, vec![gate()], 1),
        during("baseline", 0, vec![gate()], 2),
    ];
    let gates = judge(&record).gates;
    assert_eq!(gates[0].state, GateState::Fail, "{}", gates[0].explanation);
    assert_eq!(gates[1].state, GateState::Pass, "{}", gates[1].explanation);
    assert_eq!(gates[1].evidence.observed, Some(Quantity::Share(0.0)));
}

#[test]
fn what_is_told_in_pieces_is_judged_whole() {
    let mut record = seen(|n, second| well(second, if n < 30 { 300 } else { 5_000 }));
    let whole = judged(&record, "time_to_first_frame p95 < 2s");
    assert_eq!(whole.state, GateState::Fail, "{}", whole.explanation);
    let place = record
        .events
        .iter()
        .position(|stamped| matches!(stamped.event, RunEvent::Viewings { .. }))
        .unwrap();
    let mut second = record.events[place].clone();
    let cut = |stamped: &mut Stamped, keeps: fn(u64) -> bool| {
        let RunEvent::Viewings { players, piece } = &mut stamped.event else {
            return;
        };
        players[0].seconds.retain(|second| keeps(second.second));
        let number = if keeps(0) { 1 } else { 2 };
        *piece = Some(Piece { number, of: 2 });
    };
    cut(&mut record.events[place], |n| n < 30);
    cut(&mut second, |n| n >= 30);
    record.events.insert(place + 1, second.clone());
    assert_eq!(judged(&record, "time_to_first_frame p95 < 2s"), whole);
    // Told twice it counts once.
    record.events.insert(place + 2, second);
    assert_eq!(judged(&record, "time_to_first_frame p95 < 2s"), whole);
    // Without the slow half it would pass.
    record.events.drain(place + 1..place + 3);
    let half = judged(&record, "time_to_first_frame p95 < 2s");
    assert_eq!(half.state, GateState::Inconclusive, "{}", half.explanation);
    let why = "1 of the 2 records of what viewers saw are lost";
    assert!(half.explanation.contains(why), "{}", half.explanation);
}
