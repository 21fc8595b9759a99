//! Gates on what is read beside the arrivals, judged and guarded.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::synthetic::*;
use squall_judge::live::ReadingGuard;
use squall_judge::quantity::Quantity;
use squall_judge::verdict::{GateState, GateVerdict};
use squall_judge::*;
use squall_record::*;
use squall_scenario::*;
use squall_scenario_file::parse_gate;

const MIB: u64 = 1 << 20;

fn process(instance: &str, s: f64, change: ProcessChange) -> Stamped {
    let event = RunEvent::Process {
        process: "catalog".to_owned(),
        instance: instance.to_owned(),
        change,
    };
    at(s, event)
}

fn exited(expected: bool) -> ProcessChange {
    ProcessChange::Exited {
        status: "signal 9".to_owned(),
        expected,
    }
}

fn used(cpu_ms: u64, rss_bytes: u64, fds: u64) -> ResourceUse {
    ResourceUse {
        cpu_ms,
        rss_bytes,
        fds: Some(fds),
    }
}

/// Adds events to a record, in order.
fn add(record: &mut Record, events: impl IntoIterator<Item = Stamped>) {
    record.events.extend(events);
    record.events.sort_by_key(|stamped| stamped.at_us);
}

/// A passing run with `catalog-0` and `catalog-1`, read every second from -2.5
/// to 59.5 s by `read`.
fn with_catalog(read: impl Fn(&str, i64) -> Option<ResourceUse>) -> Record {
    let mut record = passing();
    record
        .events
        .retain(|stamped| !matches!(stamped.event, RunEvent::Resources { .. }));
    let instances = ["catalog-0", "catalog-1"];
    let started = ProcessChange::Started { pid: 7 };
    let starts = instances.map(|who| process(who, -4.0, started.clone()));
    add(&mut record, starts);
    let readings = (-3..60).map(|s| {
        let usage: BTreeMap<String, ResourceUse> = instances
            .iter()
            .filter_map(|who| Some(((*who).to_owned(), read(who, s)?)))
            .collect();
        at(s as f64 + 0.5, RunEvent::Resources { usage })
    });
    add(&mut record, readings);
    record
}

fn steady(_: &str, s: i64) -> Option<ResourceUse> {
    Some(used((s + 3).unsigned_abs() * 500, 100 * MIB, 30))
}

/// The verdict of one gate during a window.
fn judged(record: &Record, window: &str, gate: &str) -> GateVerdict {
    let mut record = record.clone();
    let gate = parse_gate(gate).unwrap();
    record.manifest.scenario.steady_state = None;
    record.manifest.scenario.slo = vec![during(window, 0, vec![gate], 1)];
    judge(&record).gates.remove(0)
}

#[test]
fn every_instance_keeps_the_limit_at_every_reading() {
    let record = with_catalog(|who, s| {
        let peak = who == "catalog-1" && s == 30;
        Some(used(0, if peak { 600 } else { 100 } * MIB, 30))
    });
    let window = "slow recommendations";
    let gate = judged(&record, window, "memory of catalog < 500MiB");
    assert_eq!(gate.state, GateState::Fail, "{}", gate.explanation);
    assert_eq!(gate.evidence.observed, Some(Quantity::Bytes(600 * MIB)));
    assert_eq!((gate.evidence.n, gate.evidence.bad), (40, 1));
    let names = "catalog-1 read 600MiB at 30.5s";
    assert!(gate.explanation.contains(names), "{}", gate.explanation);
    assert_eq!(gate.evidence.resolution_us, Some(1_000_000));
    for (window, of, state) in [
        ("slow recommendations", "catalog-0", GateState::Pass),
        ("slow recommendations", "catalog-1", GateState::Fail),
        ("recovery", "catalog", GateState::Pass),
        ("whole run", "catalog", GateState::Fail),
    ] {
        let gate = judged(&record, window, &format!("memory of {of} < 500MiB"));
        assert_eq!(gate.state, state, "{window} {of}: {}", gate.explanation);
    }
    let fds = judged(&record, window, "fds of catalog <= 30");
    assert_eq!(fds.state, GateState::Pass, "{}", fds.explanation);
    let fds = judged(&record, window, "fds of catalog < 30");
    assert_eq!(fds.evidence.bad, 40);
}

#[test]
fn cpu_is_a_slope_and_no_slope_spans_a_restart() {
    let gate = judged(&with_catalog(steady), "whole run", "cpu of catalog < 0.6");
    assert_eq!(gate.state, GateState::Pass, "{}", gate.explanation);
    assert_eq!(gate.evidence.observed, Some(Quantity::Cores(0.5)));
    assert_eq!(gate.evidence.n, 2 * 59);
    // Killed at 30.7 s and back at 31.2 s with a counter of its own, which is
    // soon greater than the old one was.
    let mut record = with_catalog(|who, s| match (who, s) {
        ("catalog-0", ..=30) => Some(used(10, 0, 3)),
        ("catalog-0", s) => Some(used(5_000 + (s.unsigned_abs() - 31) * 100, 0, 3)),
        (who, s) => steady(who, s),
    });
    let of_first = "cpu of catalog-0 < 1";
    let fooled = judged(&record, "whole run", of_first);
    assert_eq!(fooled.state, GateState::Fail, "{}", fooled.explanation);
    let life = [
        process("catalog-0", 30.7, exited(true)),
        process("catalog-0", 31.2, ProcessChange::Started { pid: 8 }),
    ];
    add(&mut record, life);
    let gate = judged(&record, "whole run", of_first);
    assert_eq!(gate.state, GateState::Pass, "{}", gate.explanation);
    assert_eq!(gate.evidence.observed, Some(Quantity::Cores(0.1)));
}

#[test]
fn no_reading_is_never_a_pass() {
    let none = with_catalog(|_, _| None);
    let gate = judged(&none, "whole run", "memory of catalog < 500MiB");
    assert_eq!(gate.state, GateState::Inconclusive, "{}", gate.explanation);
    // One instance of two is not read.
    let one = with_catalog(|who, s| steady(who, s).filter(|_| who == "catalog-0"));
    let gate = judged(&one, "whole run", "memory of catalog < 500MiB");
    assert_eq!(gate.state, GateState::Inconclusive, "{}", gate.explanation);
    assert!(gate.explanation.contains("catalog-1"));
    // A gap that nobody can explain.
    let gap = with_catalog(|who, s| steady(who, s).filter(|_| !(22..32).contains(&s)));
    let gate = judged(&gap, "slow recommendations", "memory of catalog < 500MiB");
    assert_eq!(gate.state, GateState::Inconclusive, "{}", gate.explanation);
    let said = gate.explanation.contains("was not read for 11s from 21.5s");
    assert!(said, "{}", gate.explanation);
    let elsewhere = judged(&gap, "recovery", "memory of catalog < 500MiB");
    assert_eq!(elsewhere.state, GateState::Pass);
    // The same gap while the process was down.
    let mut down = gap.clone();
    for who in ["catalog-0", "catalog-1"] {
        let life = [
            process(who, 21.6, exited(true)),
            process(who, 31.9, ProcessChange::Started { pid: 9 }),
        ];
        add(&mut down, life);
    }
    let gate = judged(&down, "slow recommendations", "memory of catalog < 500MiB");
    assert_eq!(gate.state, GateState::Pass, "{}", gate.explanation);
    // Records of older versions have no descriptors.
    let old = with_catalog(|who, s| {
        let fds = None;
        steady(who, s).map(|used| ResourceUse { fds, ..used })
    });
    let gate = judged(&old, "whole run", "fds of catalog < 1000");
    assert_eq!(gate.state, GateState::Inconclusive);
    let unknown = judged(&none, "whole run", "memory of payments < 1GiB");
    assert_eq!(unknown.state, GateState::Inconclusive);
}

#[test]
fn restarts_are_counted_in_their_window_and_say_who_asked() {
    let mut record = with_catalog(steady);
    let again = |pid| ProcessChange::Started { pid };
    let life = [
        process("catalog-0", 25.0, exited(true)),
        process("catalog-0", 26.0, again(8)),
        process("catalog-1", 30.0, exited(false)),
        process("catalog-1", 31.0, again(9)),
        process("catalog-1", 50.0, exited(false)),
        process("catalog-1", 51.0, again(10)),
    ];
    add(&mut record, life);
    for (window, gate, state, count) in [
        ("baseline", "restarts of catalog = 0", GateState::Pass, 0),
        (
            "slow recommendations",
            "restarts of catalog <= 1",
            GateState::Fail,
            2,
        ),
        (
            "slow recommendations",
            "restarts of catalog-0 <= 1",
            GateState::Pass,
            1,
        ),
        ("recovery", "restarts of catalog <= 1", GateState::Pass, 1),
        ("whole run", "restarts of catalog <= 2", GateState::Fail, 3),
    ] {
        let gate = judged(&record, window, gate);
        assert_eq!(gate.state, state, "{window}: {}", gate.explanation);
        assert_eq!(gate.evidence.observed, Some(Quantity::Count(count)));
    }
    let gate = judged(&record, "whole run", "restarts of catalog <= 2");
    let said = "1 of them because a fault had ended it";
    assert!(gate.explanation.contains(said), "{}", gate.explanation);
}

fn probe(every_ms: u64) -> Probe {
    Probe {
        name: "queue length".to_owned(),
        every: Duration::from_millis(every_ms),
        within: Duration::from_millis(500),
        read: ProbeRead::Log {
            of: "catalog".to_owned(),
            pattern: "x".to_owned(),
        },
    }
}

fn reading(value: Option<f64>, error: Option<&str>) -> RunEvent {
    RunEvent::Probe(ProbeReading {
        probe: "queue length".to_owned(),
        value,
        error: error.map(str::to_owned),
        took_us: 20_000,
        looked_us: None,
    })
}

/// A passing run whose queue is `length(s)` long at every full second.
fn with_queue(length: impl Fn(i64) -> Option<f64>) -> Record {
    let mut record = passing();
    record.manifest.scenario.system.probes = vec![probe(1000)];
    let readings = (0..60).map(|s| {
        let value = length(s);
        let error = value.is_none().then_some("connection refused");
        at(s as f64 + 0.1, reading(value, error))
    });
    add(&mut record, readings);
    record
}

#[test]
fn a_probe_holds_at_every_reading_and_a_failed_one_is_no_pass() {
    let window = "slow recommendations";
    let gate = |record: &Record| judged(record, window, "probe queue length < 100");
    let calm = gate(&with_queue(|s| Some(s as f64)));
    assert_eq!(calm.state, GateState::Pass, "{}", calm.explanation);
    assert_eq!(calm.evidence.observed, Some(Quantity::Number(39.0)));
    assert_eq!(calm.evidence.n, 20);
    let peak = gate(&with_queue(|s| Some(if s == 30 { 100.0 } else { 3.0 })));
    assert_eq!(peak.state, GateState::Fail, "{}", peak.explanation);
    assert_eq!(peak.evidence.bad, 1);
    let blind = gate(&with_queue(|s| (s != 30).then_some(3.0)));
    assert_eq!(blind.state, GateState::Inconclusive);
    let said = blind.explanation.contains("1 of 20 readings");
    let why = blind.explanation.contains("connection refused");
    assert!(said && why, "{}", blind.explanation);
    // A violation is one, whatever else could not be read.
    let both = gate(&with_queue(|s| (s != 30).then_some(s as f64 * 3.0)));
    assert_eq!(both.state, GateState::Fail, "{}", both.explanation);
    // Elsewhere a failed reading is of no interest.
    let elsewhere = with_queue(|s| (s != 50).then_some(3.0));
    assert_eq!(gate(&elsewhere).state, GateState::Pass);
    // Fewer readings than were due.
    let mut gap = with_queue(|_| Some(3.0));
    let between = seconds(25.0)..seconds(29.0);
    gap.events.retain(|stamped| {
        !(matches!(stamped.event, RunEvent::Probe(_)) && between.contains(&stamped.at_us))
    });
    let gap = gate(&gap);
    assert_eq!(gap.state, GateState::Inconclusive, "{}", gap.explanation);
    let none = gate(&passing());
    assert_eq!(none.state, GateState::Inconclusive);
}

#[test]
fn a_reading_across_the_edge_of_a_window_is_of_neither() {
    let mut record = passing();
    record.manifest.scenario.system.probes = vec![probe(30_000)];
    // Asked at 19.99 s, answered at 20.02 s: the fault is seen at 20.013 s.
    let event = RunEvent::Probe(ProbeReading {
        probe: "queue length".to_owned(),
        value: Some(5.0),
        error: None,
        took_us: 30_000,
        looked_us: None,
    });
    add(&mut record, [at(20.02, event)]);
    for window in ["baseline", "slow recommendations"] {
        let gate = judged(&record, window, "probe queue length < 100");
        assert_eq!(gate.evidence.n, 0, "{window}");
        assert_eq!(gate.state, GateState::Inconclusive);
    }
    let whole = judged(&record, "whole run", "probe queue length < 100");
    assert_eq!(whole.evidence.n, 1);
}

fn fallbacks(instance: &str, s: f64, calls: u64, fallbacks: u64) -> Stamped {
    let reading = FallbackReading {
        breaker: "recommendations".to_owned(),
        instance: instance.to_owned(),
        window_us: 10_000_000,
        calls,
        fallbacks,
    };
    at(s, RunEvent::Fallbacks(reading))
}

#[test]
fn the_fallback_share_of_a_breaker_counts_every_call_once() {
    let mut record = passing();
    let source = BreakerSource::HystrixStream {
        of: "api".to_owned(),
        path: "/hystrix.stream".to_owned(),
        command: "recommendations".to_owned(),
    };
    let breakers = &mut record.manifest.scenario.system.breakers;
    breakers.push(("recommendations".to_owned(), source));
    // Half of what the windows of the first readings hold was before the fault.
    let readings = (0..60).flat_map(|s| {
        let at_s = s as f64 + 0.2;
        let share = if s < 20 { 0 } else { (s - 20).min(10) * 10 };
        [
            fallbacks("api-0", at_s, 1000, share * 10),
            fallbacks("api-1", at_s, 100, share / 2),
        ]
    });
    add(&mut record, readings);
    let window = "slow recommendations";
    let gate = judged(&record, window, "fallback of recommendations > 90%");
    // The last windows of the 20 s end at 39.2 s and begin at 29.2 s; the one
    // before would begin at 19.2 s, before the fault.
    assert_eq!(gate.evidence.n, 1100, "{}", gate.explanation);
    let share = (1000.0 + 50.0) / 1100.0;
    assert_eq!(gate.evidence.observed, Some(Quantity::Share(share)));
    assert_eq!(gate.state, GateState::Pass);
    let more = judged(&record, window, "fallback of breaker recommendations > 96%");
    assert_eq!(more.state, GateState::Fail, "{}", more.explanation);
    let whole = judged(&record, "whole run", "fallback of recommendations > 0%");
    assert_eq!(whole.evidence.n, 5 * 1100, "{}", whole.explanation);
    let mut short = record.clone();
    short.manifest.scenario.slo = vec![during(
        window,
        12,
        vec![parse_gate("fallback of recommendations > 90%").unwrap()],
        1,
    )];
    let gate = judge(&short).gates.pop().unwrap();
    assert_eq!(gate.state, GateState::Inconclusive, "{}", gate.explanation);
}

#[test]
fn the_fallback_share_of_a_request_is_of_its_good_answers() {
    let mut record = passing();
    for interval in &mut record.intervals {
        for route in &mut interval.routes {
            if route.route == "homepage" && interval.start_us >= seconds(20.013) {
                route.counts.fallback = route.counts.good / 2;
            }
        }
    }
    let before = judged(&record, "baseline", "fallback of homepage <= 1%");
    assert_eq!(before.state, GateState::Pass, "{}", before.explanation);
    let after = judged(&record, "recovery", "fallback of homepage <= 1%");
    assert_eq!(after.state, GateState::Fail, "{}", after.explanation);
    let play = judged(&record, "recovery", "fallback of request play > 1%");
    assert_eq!(play.state, GateState::Fail);
    let nobody = judged(&record, "recovery", "fallback of nobody > 1%");
    assert_eq!(nobody.state, GateState::Inconclusive);
}

fn guard(text: &str) -> ReadingGuard {
    let Gate::Reading(gate) = parse_gate(text).unwrap() else {
        panic!("no reading");
    };
    let instances = ["catalog-0", "catalog-1"].map(|who| (who.to_owned(), "catalog".to_owned()));
    ReadingGuard::new(gate, BTreeMap::from(instances))
}

/// The first time a guard trips on the events of a record.
fn trips(text: &str, record: &Record) -> Option<(i64, String)> {
    let mut guard = guard(text);
    let mut trips = record
        .events
        .iter()
        .filter_map(|stamped| Some((stamped.at_us, guard.hear(stamped)?.detail)));
    let first = trips.next();
    assert!(trips.next().is_none(), "a guard trips once");
    first
}

#[test]
fn a_guard_trips_on_one_instance_and_only_when_it_lasts() {
    let record = with_catalog(|who, s| {
        let heavy = who == "catalog-1" && (s == 10 || s >= 30);
        let rss = if heavy { 2000 } else { 100 };
        Some(used((s + 3).unsigned_abs() * 500, rss * MIB, 30))
    });
    let at_once = trips("memory of catalog > 1GiB", &record).unwrap();
    assert_eq!(at_once.0, seconds(10.5));
    let lasting = trips("memory of catalog > 1GiB for 5s", &record).unwrap();
    assert_eq!(lasting.0, seconds(35.5));
    assert!(
        lasting.1.contains("catalog-1 read 1.95GiB"),
        "{}",
        lasting.1
    );
    assert_eq!(trips("memory of catalog-0 > 1GiB", &record), None);
    assert!(trips("cpu of catalog > 0.4", &record).is_some());
    assert_eq!(trips("cpu of catalog > 0.6", &record), None);
    let queue = with_queue(|s| Some(s as f64));
    let full = trips("probe queue length >= 40 for 2s", &queue).unwrap();
    assert_eq!(full.0, seconds(42.1));
    let mut restarted = with_catalog(steady);
    let life = [
        process("catalog-0", 25.0, exited(true)),
        process("catalog-0", 26.0, ProcessChange::Started { pid: 8 }),
        process("catalog-1", 27.0, exited(false)),
        process("catalog-1", 28.0, ProcessChange::Started { pid: 9 }),
    ];
    add(&mut restarted, life);
    let one = trips("restarts of catalog > 1", &restarted).unwrap();
    assert_eq!(one.0, seconds(28.0));
}

/// A passing run that counts lines: looked at five times a second, told when
/// it is due or has changed.
fn with_lines(readings: &[(f64, Result<f64, &str>)]) -> Record {
    let mut record = passing();
    record.manifest.scenario.system.probes = vec![probe(1000)];
    let events = readings.iter().map(|(s, result)| {
        let RunEvent::Probe(reading) = reading(result.ok(), result.err()) else {
            panic!("another event")
        };
        let looked_us = result.is_ok().then_some(200_000);
        let reading = ProbeReading {
            looked_us,
            ..reading
        };
        at(*s, RunEvent::Probe(reading))
    });
    let events: Vec<_> = events.collect();
    add(&mut record, events);
    record
}

/// Of every second in `seconds`, this one.
fn every_second(
    seconds: std::ops::Range<i64>,
    value: f64,
) -> Vec<(f64, Result<f64, &'static str>)> {
    let all = seconds.map(|s| (s as f64 + 0.1, Ok(value)));
    all.collect()
}

#[test]
fn a_count_that_lagged_counts_when_it_has_caught_up() {
    let behind = "8MiB of output are not read yet";
    let gate = |readings: &[(f64, Result<f64, &str>)], gate: &str| {
        judged(&with_lines(readings), "whole run", gate)
    };
    // The fault's window ends at 40 s, the run at 60 s; the last reading comes
    // after it.
    let mut calm = every_second(0..30, 0.0);
    calm.extend((30..50).map(|s| (s as f64 + 0.1, Err(behind))));
    let mut caught_up = calm.clone();
    caught_up.extend(every_second(50..60, 0.0));
    caught_up.push((60.5, Ok(0.0)));
    let fine = gate(&caught_up, "probe queue length < 1");
    assert_eq!(fine.state, GateState::Pass, "{}", fine.explanation);
    // It caught up and found something: that lies in the time it was behind.
    let mut found = calm.clone();
    found.extend(every_second(50..61, 1.0));
    let fail = gate(&found, "probe queue length < 1");
    assert_eq!(fail.state, GateState::Fail, "{}", fail.explanation);
    let at_least = gate(&found, "probe queue length >= 0");
    assert_eq!(at_least.state, GateState::Pass, "{}", at_least.explanation);
    // It never did.
    calm.extend((50..61).map(|s| (s as f64 + 0.1, Err(behind))));
    let never = gate(&calm, "probe queue length < 1");
    assert_eq!(
        never.state,
        GateState::Inconclusive,
        "{}",
        never.explanation
    );
    assert!(never.explanation.contains(behind), "{}", never.explanation);
}

#[test]
fn the_number_at_the_end_of_a_window_is_known_from_the_reading_after_it() {
    let gate = |last: (f64, Result<f64, &'static str>)| {
        let mut readings = every_second(0..59, 0.0);
        readings.push((59.5, Ok(0.0)));
        readings.push(last);
        judged(
            &with_lines(&readings),
            "whole run",
            "probe queue length < 1",
        )
    };
    assert_eq!(gate((60.3, Ok(0.0))).state, GateState::Pass);
    // A line after the end of the load: not changed 200 ms before 60.28 s.
    assert_eq!(gate((60.3, Ok(1.0))).state, GateState::Pass);
    // One that may have come before it.
    let edge = gate((60.1, Ok(1.0)));
    assert_eq!(edge.state, GateState::Inconclusive, "{}", edge.explanation);
    let why = &edge.explanation;
    assert!(
        why.contains("which it was when the window ended, at 60.0s"),
        "{why}"
    );
    // Asked for in the window and answered after it, it is of the window.
    let inside = gate((60.01, Ok(1.0)));
    assert_eq!(inside.state, GateState::Fail, "{}", inside.explanation);
    // The last of the output was never read.
    let behind = gate((65.0, Err("24MiB of output are not read yet")));
    assert_eq!(
        behind.state,
        GateState::Inconclusive,
        "{}",
        behind.explanation
    );
    assert!(
        behind.explanation.contains("24MiB"),
        "{}",
        behind.explanation
    );
}

#[test]
fn a_count_that_fails_until_the_first_time_it_is_read_says_nothing_before() {
    let mut readings: Vec<_> = (0..10).map(|s| (s as f64 + 0.1, Err("gone"))).collect();
    readings.extend(every_second(10..61, 3.0));
    let record = with_lines(&readings);
    let late = judged(&record, "whole run", "probe queue length >= 1");
    assert_eq!(late.state, GateState::Inconclusive, "{}", late.explanation);
    let fault = judged(&record, "slow recommendations", "probe queue length >= 1");
    assert_eq!(fault.state, GateState::Pass, "{}", fault.explanation);
}
