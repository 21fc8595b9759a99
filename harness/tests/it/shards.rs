//! A load that is split over machines and merged is the load of one machine,
//! to the last arrival and the last bucket; the server is simulated.

use std::time::Duration;

use proptest::prelude::*;
use squall_judge::judge;
use squall_load::{Brought, Cached, First, Gaps, Recorder, RequestMaker, Schedule, Settled};
use squall_record::{
    BadKind, Counts, DropCause, Interval, Manifest, Outcome, Parts, Phase, RECORD_SCHEMA_VERSION,
    Record, RunEvent, Shard, ShardSet, Stamped, merge,
};
use squall_scenario::Scenario;
use squall_scenario::seed::nth;
use squall_scenario_file::{ParseOptions, Source, parse_scenario};

const SEED: u64 = 11;

fn scenario(shape: &str) -> Scenario {
    let text = format!(
        "version: 1\nname: split\nseed: {SEED}\ntarget: http://127.0.0.1:9\n\
         load:\n  shape:\n{shape}\
         \x20 requests:\n    - {{ name: a, send: GET /a, weight: 3 }}\n    - {{ name: b, send: GET /b }}\n\
         slo:\n  - during: whole run\n    expect: [ success >= 50% ]\n"
    );
    let source = Source::new("split.yaml", text);
    let checked = parse_scenario(&source, &ParseOptions::new(&|_| None));
    let said = checked.render(false);
    checked.value.unwrap_or_else(|| panic!("{said}"))
}

/// What the simulated server makes of arrival `number`.
fn answer(number: u64) -> Settled {
    let dice = nth(99, number);
    let outcome = match dice % 20 {
        0 => Outcome::Bad(BadKind::Status),
        1 => Outcome::Bad(BadKind::Timeout),
        2 => Outcome::Dropped,
        _ => Outcome::Good,
    };
    let response_us = 1 + dice % 3_000_000;
    Settled {
        outcome,
        dropped: (outcome == Outcome::Dropped).then_some(DropCause::InFlight),
        own_us: dice % 700,
        resent: dice.is_multiple_of(11),
        retries: 0,
        lag_us: dice % 700,
        wait_us: dice % 90,
        service_us: response_us / 2,
        response_us,
        parts: Parts {
            connect_us: dice.is_multiple_of(9).then_some(dice % 300),
            tls_us: None,
            first_byte_us: Some(dice % 5_000),
            ..Parts::default()
        },
        late_by_lag: false,
        fallback: dice.is_multiple_of(7),
        bytes: dice % 1_000,
        cached: match dice % 23 {
            0 => Cached::Hit,
            1 => Cached::Revalidated,
            2 | 3 => Cached::Missed,
            _ => Cached::Unasked,
        },
        evicted: u32::from(dice.is_multiple_of(29)),
    }
}

/// What the stream of such an answer brings: two messages.
fn brought(response_us: u64) -> Brought {
    let us = Duration::from_micros;
    let mut gaps = Gaps::default();
    gaps.add(us(response_us / 2), us(response_us % 3));
    let first = First {
        all: us(response_us / 4),
        unlagged: us(response_us / 5),
    };
    Brought {
        first: Some(first),
        gaps,
    }
}

/// The record of one machine; `edges_us` are cuts that only it has.
fn record(scenario: &Scenario, shard: Option<Shard>, edges_us: &[i64]) -> Record {
    let maker = RequestMaker::new(&scenario.load, SEED).unwrap();
    let whole = Schedule::new(&scenario.load.shape, SEED);
    let schedule = match shard {
        Some(shard) => whole.of_shard(shard),
        None => whole,
    };
    let routes = scenario.load.routes().map(|r| r.name.clone());
    let mut recorder = Recorder::new(routes.collect());
    for edge_us in edges_us {
        assert!(recorder.cut(*edge_us));
    }
    for arrival in schedule {
        let at_us = i64::try_from(arrival.at.as_micros()).unwrap();
        let ticket = recorder.schedule(at_us, maker.route_of(arrival.number));
        let settled = answer(arrival.number);
        if settled.outcome == Outcome::Good {
            recorder.brought(ticket, brought(settled.response_us));
        }
        recorder.settle(ticket, settled);
    }
    let end_us = i64::try_from(scenario.load.duration().as_micros()).unwrap();
    let events = [
        (0, RunEvent::Phase(Phase::Load)),
        (
            end_us,
            RunEvent::LoadFinished {
                scheduled: recorder.scheduled(),
                lag_max_us: recorder.lag_max_us(),
            },
        ),
        (end_us, RunEvent::Phase(Phase::Finished)),
    ];
    Record {
        manifest: Manifest {
            schema_version: RECORD_SCHEMA_VERSION,
            squall_version: "0".into(),
            run_id: "run".into(),
            started_utc: "2026-11-22T12:00:00Z".into(),
            host: "here".into(),
            seed: SEED,
            rerun: "squall run split.yaml".into(),
            variant: None,
            scenario_path: "split.yaml".into(),
            scenario_text: String::new(),
            scenario: scenario.clone(),
            shards: shard.map(|shard| ShardSet::single(shard, None)),
        },
        events: events
            .map(|(at_us, event)| Stamped { at_us, event })
            .to_vec(),
        intervals: recorder.finish(end_us),
        samples: Vec::new(),
        complete: true,
        damage: Vec::new(),
    }
}

fn split(scenario: &Scenario, count: u32, edges_us: &[i64]) -> Vec<(String, Record)> {
    (1..=count)
        .map(|number| {
            let shard = Shard::new(number, count).unwrap();
            let own = if number == 1 { edges_us } else { &[] };
            (
                format!("shard-{number}"),
                record(scenario, Some(shard), own),
            )
        })
        .collect()
}

/// What lag carried over an edge is known to those alone who know of the edge.
fn assert_same(merged: &[Interval], whole: &[Interval], edges_us: &[i64]) {
    assert_eq!(merged.len(), whole.len());
    for (a, b) in merged.iter().zip(whole) {
        assert_eq!((a.start_us, a.end_us), (b.start_us, b.end_us));
        assert_eq!(a.lag, b.lag, "lag at {}", a.start_us);
        assert_eq!(a.wait, b.wait);
        assert_eq!(a.parts, b.parts);
        assert_eq!(a.routes.len(), b.routes.len());
        for (a, b) in a.routes.iter().zip(&b.routes) {
            let counts = Counts {
                displaced: b.counts.displaced,
                ..a.counts
            };
            assert_eq!((&a.route, counts), (&b.route, b.counts));
            assert_eq!(a.response, b.response);
            if edges_us.is_empty() {
                assert_eq!(a.unlagged, b.unlagged);
            }
            assert_eq!(a.messages, b.messages);
            let told = (a.messages.begun, a.messages.gaps);
            assert_eq!(told, (a.counts.good, a.counts.good), "two messages each");
        }
    }
}

const SHAPE: &str = "    - ramp: { from: 0/s, to: 300/s, over: 3s }\n    \
                     - hold: { rate: 300/s, for: 5s, arrivals: poisson }\n";

#[test]
fn one_two_four_and_eight_shards_are_one_machine() {
    let scenario = scenario(SHAPE);
    let whole = record(&scenario, None, &[]);
    let verdict = judge(&whole);
    assert_eq!(verdict.outcome.word(), "PASS", "{}", verdict.sentence);
    for count in [1, 2, 4, 8] {
        // Edges that only the first shard knows are cuts of no merged record.
        let edges_us: &[i64] = if count == 1 {
            &[]
        } else {
            &[1_234_567, 4_400_000]
        };
        let merged = merge(split(&scenario, count, edges_us)).unwrap();
        assert_same(&merged.intervals, &whole.intervals, edges_us);
        let again = judge(&merged);
        assert_eq!(again.conservation, verdict.conservation);
        assert_eq!(again.outcome, verdict.outcome, "{}", again.sentence);
        assert_eq!(
            serde_json::to_value(&again.gates).unwrap(),
            serde_json::to_value(&verdict.gates).unwrap()
        );
    }
}

#[test]
fn a_missing_shard_proves_nothing() {
    let scenario = scenario(SHAPE);
    let mut shards = split(&scenario, 4, &[]);
    shards.remove(2);
    let verdict = judge(&merge(shards).unwrap());
    assert_eq!(verdict.outcome.word(), "INCONCLUSIVE");
    assert!(
        verdict
            .reasons
            .iter()
            .any(|reason| reason.contains("shard 3 of 4 is missing"))
    );
}

#[test]
fn a_shard_counts_once_and_alone_proves_nothing() {
    let scenario = scenario(SHAPE);
    let mut shards = split(&scenario, 2, &[]);
    let lone = judge(&shards[1].1);
    assert_eq!(lone.outcome.word(), "INCONCLUSIVE");
    assert!(
        lone.reasons
            .iter()
            .any(|reason| reason.contains("shard 2 of 2 alone"))
    );
    let scheduled = judge(&merge(shards.clone()).unwrap())
        .conservation
        .scheduled;
    shards.push(("again".to_owned(), shards[1].1.clone()));
    let verdict = judge(&merge(shards).unwrap());
    assert_eq!(verdict.conservation.scheduled, scheduled);
    assert_eq!(verdict.outcome.word(), "INCONCLUSIVE");
    assert!(
        verdict
            .reasons
            .iter()
            .any(|reason| reason.contains("twice")),
        "{verdict:?}"
    );
}

#[test]
fn damaged_and_foreign_shards_are_told() {
    let scenario = scenario(SHAPE);
    let mut shards = split(&scenario, 2, &[]);
    shards[1]
        .1
        .damage
        .push("events.ndjson: line 3 was cut off".to_owned());
    shards[1].1.complete = false;
    let merged = merge(shards.clone()).unwrap();
    assert!(!merged.complete);
    let reasons = judge(&merged).reasons.join("\n");
    assert!(reasons.contains("shard-2 is damaged"), "{reasons}");
    assert!(
        reasons.contains("shard-2 did not come to its end"),
        "{reasons}"
    );
    shards[1].1.manifest.seed = 12;
    assert!(
        merge(shards.clone())
            .unwrap_err()
            .to_string()
            .contains("seed")
    );
    shards[1].1.manifest.shards = None;
    let error = merge(vec![shards.remove(1)]).unwrap_err().to_string();
    assert!(error.contains("is no shard"), "{error}");
    assert!(merge(Vec::new()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_split_of_any_load_is_whole(
        (rate, seconds, count) in (1_u32..400, 1_u32..5, 1_u32..9),
        edges_us in prop::collection::vec(1_i64..5_000_000, 0..4),
        swings in any::<bool>(),
    ) {
        let stage = if swings {
            format!("wave: {{ from: {rate}/s, to: 100/s, every: 1300ms, for: {seconds}s }}")
        } else {
            format!("hold: {{ rate: {rate}/s, for: {seconds}s, arrivals: poisson }}")
        };
        let scenario = scenario(&format!("    - {stage}\n"));
        let whole = record(&scenario, None, &[]);
        let own = if count == 1 { &[][..] } else { &edges_us };
        let merged = merge(split(&scenario, count, own)).unwrap();
        assert_same(&merged.intervals, &whole.intervals, own);
    }

    /// Who merges a few first, or names them in another order, has the same in the
    /// end.
    #[test]
    fn the_order_of_merging_does_not_matter(
        count in 2_u32..7, rate in 1_u32..200, turn in any::<prop::sample::Index>(),
        first in any::<prop::sample::Index>(),
    ) {
        let shape = format!("    - hold: {{ rate: {rate}/s, for: 3s, arrivals: poisson }}\n");
        let shards = split(&scenario(&shape), count, &[1_234_567]);
        let at_once = merge(shards.clone()).unwrap();
        let mut turned = shards;
        let (turn, first) = (turn.index(turned.len()), first.index(turned.len()));
        turned.rotate_left(turn);
        let rest = turned.split_off(first + 1);
        let some = merge(turned).unwrap();
        let present = some.manifest.shards.clone().unwrap().present;
        prop_assert!(present.is_sorted() && present.len() == first + 1);
        let stepwise = [vec![("some".to_owned(), some)], rest].concat();
        let stepwise = merge(stepwise).unwrap();
        assert_same(&stepwise.intervals, &at_once.intervals, &[]);
        prop_assert_eq!(&stepwise.manifest.shards, &at_once.manifest.shards);
        let [a, b] = [judge(&stepwise), judge(&at_once)];
        prop_assert_eq!((a.outcome, a.conservation), (b.outcome, b.conservation));
    }
}

/// Users are shared by shards: one that two of them served counts once.
#[test]
fn users_of_shards_are_united() {
    let scenario = scenario(SHAPE);
    let whole = with_users(record(&scenario, None, &[]), None);
    let shards = split(&scenario, 4, &[])
        .into_iter()
        .zip(1..)
        .map(|((name, record), number)| (name, with_users(record, Some((number, 4)))))
        .collect();
    let merged = judge(&merge(shards).unwrap());
    let whole = judge(&whole);
    let users = whole.windows.last().unwrap().users.unwrap();
    assert!(
        users.seen > 100 && users.hurt > 0 && users.hurt < users.seen,
        "{users}"
    );
    for (a, b) in merged.windows.iter().zip(&whole.windows) {
        assert_eq!(a.users, b.users);
    }
}

/// Records again, with a user for every arrival.
fn with_users(mut record: Record, share: Option<(u32, u32)>) -> Record {
    let scenario = &record.manifest.scenario;
    let whole = Schedule::new(&scenario.load.shape, SEED);
    let schedule = match share {
        Some((number, of)) => whole.of_shard(Shard::new(number, of).unwrap()),
        None => whole,
    };
    let maker = RequestMaker::new(&scenario.load, SEED).unwrap();
    let routes = scenario.load.routes().map(|r| r.name.clone());
    let mut recorder = Recorder::new(routes.collect());
    for arrival in schedule {
        let at_us = i64::try_from(arrival.at.as_micros()).unwrap();
        let route = maker.route_of(arrival.number);
        let user = nth(5, arrival.number) % 800;
        let ticket = recorder.schedule_for(at_us, route, Some(user));
        recorder.settle(ticket, answer(arrival.number));
    }
    let end_us = i64::try_from(scenario.load.duration().as_micros()).unwrap();
    record.intervals = recorder.finish(end_us);
    record
}
