//! Breakers of which nothing was heard, for a while or at all: silence decides
//! nothing.

use super::*;

const WHY: &str = "GET /hystrix.stream says nothing of a command `recommendations`";

/// A report of an instance that runs and gives no state.
fn silent(s: f64, instance: &str) -> Stamped {
    let RunEvent::Breaker(report) =
        breaker("recommendations", instance, BreakerState::Closed, 0, 0)
    else {
        panic!("another event")
    };
    let report = BreakerReport {
        state: None,
        why: Some(WHY.to_owned()),
        ..report
    };
    at(s, RunEvent::Breaker(report))
}

fn says(s: f64, instance: &str, state: BreakerState) -> Stamped {
    at(s, breaker("recommendations", instance, state, 100, 0))
}

/// A passing run with these events instead of what it heard of its breaker.
fn with(events: impl IntoIterator<Item = Stamped>) -> Record {
    let mut record = passing();
    record
        .events
        .retain(|stamped| !matches!(stamped.event, RunEvent::Breaker(_)));
    record.events.extend(events);
    record.events.sort_by_key(|stamped| stamped.at_us);
    record
}

const GATES: [&str; 4] = [
    "breaker recommendations is closed",
    "breaker recommendations opens within 8s",
    "breaker recommendations opens",
    "breaker recommendations closes",
];

/// The verdict of one gate; `after: slow recommendations` for what closes.
fn judged(record: &Record, window: &str, gate: &str) -> GateVerdict {
    let mut record = record.clone();
    record.manifest.scenario.steady_state = None;
    let Ok(gate) = parse_gate(gate) else {
        panic!("no gate: {gate}");
    };
    let mut block = during(window, 0, vec![gate], 1);
    if window == "after" {
        block.when.value = When::After {
            fault: "slow recommendations".to_owned(),
            within: Duration::from_secs(10),
            hold: Duration::from_secs(1),
        };
    }
    only(&mut record, block);
    judge(&record).gates.remove(0)
}

fn log_source(record: &mut Record) {
    let source = BreakerSource::Log {
        of: "api".to_owned(),
        open: "open".to_owned(),
        closed: "closed".to_owned(),
        half_open: None,
        starts_closed: false,
    };
    let breakers = &mut record.manifest.scenario.system.breakers;
    breakers.retain(|(name, _)| name != "recommendations");
    breakers.push(("recommendations".to_owned(), source));
}

#[test]
fn a_breaker_nobody_heard_of_is_never_decided() {
    // Nothing at all; silence with its reason; and without one, as records of
    // older versions have it.
    let mute = |s: f64, instance: &str| {
        let mut stamped = silent(s, instance);
        if let RunEvent::Breaker(report) = &mut stamped.event {
            report.why = None;
        }
        stamped
    };
    let silences = [
        with([]),
        with([silent(-6.0, "api-0"), silent(-6.0, "api-1")]),
        with([mute(-6.0, "api-0"), mute(-6.0, "api-1")]),
    ];
    for (number, record) in silences.iter().enumerate() {
        for window in ["slow recommendations", "baseline", "whole run"] {
            for gate in GATES {
                let gate = judged(record, window, gate);
                let (state, why) = (gate.state, &gate.explanation);
                assert_eq!(state, GateState::Inconclusive, "{number} {gate:#?}");
                assert!(why.contains("no instance reported a breaker"), "{why}");
                assert_eq!(why.contains(WHY), number == 1, "{why}");
            }
        }
        let closes = judged(record, "after", "breaker recommendations closes");
        assert_eq!(closes.state, GateState::Inconclusive, "{closes:#?}");
    }
    // The reason is told of what a fallback counts, too.
    let fallback = judged(
        &silences[1],
        "baseline",
        "fallback of breaker recommendations > 95%",
    );
    assert_eq!(fallback.state, GateState::Inconclusive);
    assert!(fallback.explanation.contains(WHY), "{fallback:#?}");
}

#[test]
fn what_was_not_open_cannot_close() {
    let calm = with([
        says(-6.0, "api-0", BreakerState::Closed),
        says(-6.0, "api-1", BreakerState::Closed),
    ]);
    for window in ["after", "slow recommendations", "whole run"] {
        let closes = judged(&calm, window, "breaker recommendations closes");
        assert_eq!(closes.state, GateState::Inconclusive, "{closes:#?}");
        let why = &closes.explanation;
        assert!(why.contains("never heard to be open"), "{why}");
    }
    // One instance that was open is enough, and so is half-open.
    for state in [BreakerState::Open, BreakerState::HalfOpen] {
        let mut record = calm.clone();
        add(
            &mut record,
            [
                says(25.0, "api-0", state),
                says(42.0, "api-0", BreakerState::Closed),
            ],
        );
        for window in ["after", "whole run"] {
            let closes = judged(&record, window, "breaker recommendations closes");
            assert_eq!(closes.state, GateState::Pass, "{closes:#?}");
        }
        // Closed before the fault was gone: it has been since.
        let mut early = calm.clone();
        add(
            &mut early,
            [
                says(25.0, "api-0", state),
                says(30.0, "api-0", BreakerState::Closed),
            ],
        );
        let closes = judged(&early, "after", "breaker recommendations closes");
        assert_eq!(closes.state, GateState::Pass, "{closes:#?}");
    }
    // Open in another window says nothing of this one.
    let mut before = calm.clone();
    add(
        &mut before,
        [
            says(5.0, "api-0", BreakerState::Open),
            says(9.0, "api-0", BreakerState::Closed),
        ],
    );
    let closes = judged(&before, "after", "breaker recommendations closes");
    assert_eq!(closes.state, GateState::Inconclusive, "{closes:#?}");
}

fn add<const N: usize>(record: &mut Record, events: [Stamped; N]) {
    record.events.extend(events);
    record.events.sort_by_key(|stamped| stamped.at_us);
}

#[test]
fn a_last_state_does_not_last_for_ever() {
    // Both were closed; the stream of one is lost.
    let lost = |from_s: f64, until_s: f64| {
        with([
            says(-6.0, "api-0", BreakerState::Closed),
            says(-6.0, "api-1", BreakerState::Closed),
            silent(from_s, "api-1"),
            says(until_s, "api-1", BreakerState::Closed),
        ])
    };
    let is_closed = |record: &Record| {
        judged(
            record,
            "slow recommendations",
            "breaker recommendations is closed",
        )
    };
    let shortly = is_closed(&lost(25.0, 27.5));
    assert_eq!(shortly.state, GateState::Pass, "{shortly:#?}");
    let long = is_closed(&lost(25.0, 33.0));
    assert_eq!(long.state, GateState::Inconclusive, "{long:#?}");
    let why = &long.explanation;
    assert!(
        why.contains("nothing is known of recommendations for 5s from 28.0s"),
        "{why}"
    );
    assert!(why.contains(WHY), "{why}");
    // It was lost before the window, and is until after it.
    let all_along = is_closed(&lost(5.0, 50.0));
    assert_eq!(all_along.state, GateState::Inconclusive, "{all_along:#?}");
    // What was heard against the gate stands, whatever was not.
    let mut record = lost(25.0, 33.0);
    add(&mut record, [says(35.0, "api-0", BreakerState::Open)]);
    assert_eq!(is_closed(&record).state, GateState::Fail);
    // Nobody knows whether it opened in time.
    let mut record = lost(21.0, 35.0);
    let opens = |record: &Record| {
        judged(
            record,
            "slow recommendations",
            "breaker recommendations opens within 8s",
        )
    };
    // The one that is heard did not, which is enough.
    assert_eq!(opens(&record).state, GateState::Fail);
    add(
        &mut record,
        [
            says(22.0, "api-0", BreakerState::Open),
            says(36.0, "api-1", BreakerState::Open),
        ],
    );
    let late = opens(&record);
    assert_eq!(late.state, GateState::Inconclusive, "{late:#?}");
}

#[test]
fn a_restart_is_no_change_of_a_breaker() {
    let process = |s: f64, change| {
        let (process, instance) = ("api".to_owned(), "api-0".to_owned());
        at(
            s,
            RunEvent::Process {
                process,
                instance,
                change,
            },
        )
    };
    let status = "signal 9".to_owned();
    let expected = true;
    let events = [
        says(-6.0, "api-0", BreakerState::Closed),
        process(25.0, ProcessChange::Exited { status, expected }),
        process(26.0, ProcessChange::Started { pid: 9 }),
        process(26.3, ProcessChange::Ready),
        silent(26.4, "api-0"),
        says(27.0, "api-0", BreakerState::Closed),
    ];
    let gate = "breaker recommendations is closed";
    let back = judged(&with(events.clone()), "slow recommendations", gate);
    assert_eq!(back.state, GateState::Pass, "{back:#?}");
    // It stays away: there is nobody to be closed.
    let gone = with(events.into_iter().take(2));
    let gone = judged(&gone, "slow recommendations", gate);
    assert_eq!(gone.state, GateState::Inconclusive, "{gone:#?}");
}

#[test]
fn open_when_it_is_first_heard_is_not_opening_but_a_line_is() {
    let mut record = with([
        silent(-6.0, "api-0"),
        says(25.0, "api-0", BreakerState::Open),
        says(42.0, "api-0", BreakerState::Closed),
    ]);
    let gate = "breaker recommendations opens within 8s";
    let opens = judged(&record, "slow recommendations", gate);
    assert_eq!(opens.state, GateState::Inconclusive, "{opens:#?}");
    assert!(opens.explanation.contains("first heard of"), "{opens:#?}");
    let reactions = |record: &Record| judge(record).detections[0].breakers.len();
    assert_eq!(reactions(&record), 0);
    log_source(&mut record);
    let opens = judged(&record, "slow recommendations", gate);
    assert_eq!(opens.state, GateState::Pass, "{opens:#?}");
    assert_eq!(reactions(&record), 1);
    let closes = judged(&record, "after", "breaker recommendations closes");
    assert_eq!(closes.state, GateState::Pass, "{closes:#?}");
    // What it was before its first line, nobody said.
    let before = judged(&record, "baseline", "breaker recommendations is closed");
    assert_eq!(before.state, GateState::Inconclusive, "{before:#?}");
}

#[test]
fn the_scenarios_word_counts_and_is_told() {
    let on_trust = |s: f64| {
        let mut stamped = says(s, "api-0", BreakerState::Closed);
        if let RunEvent::Breaker(report) = &mut stamped.event {
            report.assumed = true;
        }
        stamped
    };
    let mut record = with([on_trust(-6.0)]);
    log_source(&mut record);
    let gate = "breaker recommendations is closed";
    let closed = judged(&record, "slow recommendations", gate);
    assert_eq!(closed.state, GateState::Pass, "{closed:#?}");
    let why = &closed.explanation;
    assert!(why.contains("no line of output ever spoke of it"), "{why}");
    let closes = judged(&record, "after", "breaker recommendations closes");
    assert_eq!(closes.state, GateState::Inconclusive, "{closes:#?}");
    // As soon as a line did, it stands on its own.
    add(
        &mut record,
        [
            says(25.0, "api-0", BreakerState::Open),
            says(42.0, "api-0", BreakerState::Closed),
        ],
    );
    for (window, gate) in [
        ("baseline", gate),
        ("after", "breaker recommendations closes"),
    ] {
        let gate = judged(&record, window, gate);
        assert_eq!(gate.state, GateState::Pass, "{gate:#?}");
        assert!(!gate.explanation.contains("word"), "{gate:#?}");
    }
}
