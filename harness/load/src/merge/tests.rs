//! Whatever the threads do, the joined record is that of one thread.

use std::time::Duration;

use proptest::prelude::*;
use squall_record::{BadKind, Counts, DropCause, Interval, JourneyEnds, Outcome, Parts, Times};

use super::*;
use crate::heard::{Brought, First, Gaps};
use crate::recorder::Recorder;
use crate::settled::{Cached, Settled};

const ROUTES: [&str; 2] = ["a", "b"];

fn recorder() -> Recorder {
    Recorder::new(ROUTES.map(str::to_owned).into())
}

/// An arrival of the whole schedule, in its order.
#[derive(Debug, Clone)]
struct Arrival {
    at_us: i64,
    route: usize,
    user: Option<u64>,
    settled: Settled,
    /// Whether it was dropped so late that it is only counted.
    folded: bool,
}

fn arrival() -> impl Strategy<Value = Arrival> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Good),
        1 => Just(Outcome::Bad(BadKind::Timeout)),
        1 => Just(Outcome::Bad(BadKind::Late)),
        1 => Just(Outcome::Dropped),
        1 => Just(Outcome::Unfinished),
    ];
    let users = prop::option::of(0..9_u64);
    let times = (0..3_000_000_i64, 1..2_000_000_u64);
    (times, 0..2_usize, users, outcome, 0..8_u8).prop_map(
        |((at_us, response_us), route, user, outcome, dice)| Arrival {
            folded: dice == 0,
            at_us,
            route,
            user,
            settled: Settled {
                outcome,
                dropped: (outcome == Outcome::Dropped).then_some(DropCause::Ports),
                lag_us: response_us / 7,
                wait_us: response_us / 5,
                response_us,
                parts: Parts {
                    connect_us: response_us.is_multiple_of(4).then_some(response_us / 9),
                    tls_us: response_us.is_multiple_of(8).then_some(response_us / 8),
                    first_byte_us: Some(response_us / 3),
                    ..Parts::default()
                },
                own_us: response_us / 6,
                late_by_lag: response_us.is_multiple_of(2),
                fallback: response_us.is_multiple_of(3),
                bytes: response_us,
                cached: Cached::Unasked,
                evicted: 0,
                resent: response_us.is_multiple_of(5),
                retries: u32::try_from(response_us % 3).unwrap(),
                ..Settled::UNFINISHED
            },
        },
    )
}

/// A whole load, and how its threads saw it.
#[derive(Debug, Clone)]
struct Scene {
    arrivals: Vec<Arrival>,
    threads: usize,
    /// Edges that all threads heard of in time.
    cuts_us: Vec<i64>,
    /// Edges that only some threads heard of in time.
    torn_us: Vec<(i64, usize)>,
    /// Which thread tells next, again and again.
    turns: Vec<usize>,
}

fn scene() -> impl Strategy<Value = Scene> {
    let cut = 1..3_000_000_i64;
    (
        prop::collection::vec(arrival(), 0..60),
        1..5_usize,
        prop::collection::vec(cut.clone(), 0..4),
        prop::collection::vec((cut, 0..5_usize), 0..3),
        prop::collection::vec(0..5_usize, 1..20),
    )
        .prop_map(|(mut arrivals, threads, cuts_us, torn_us, turns)| {
            arrivals.sort_by_key(|arrival| arrival.at_us);
            Scene {
                arrivals,
                threads,
                cuts_us,
                torn_us,
                turns,
            }
        })
}

/// What a stream brings that has this response time; of some, nothing.
fn brought(response_us: u64) -> Brought {
    let us = Duration::from_micros;
    let first = (!response_us.is_multiple_of(5)).then(|| First {
        all: us(response_us / 2),
        unlagged: us(response_us / 3),
    });
    let mut gaps = Gaps::default();
    for part in 4..4 + first.map_or(0, |_| response_us % 4) {
        gaps.add(us(response_us / part), us(response_us % 2));
    }
    Brought { first, gaps }
}

const END_US: i64 = 3_000_000;

/// The stretches of the arrivals with a number that is `nth` modulo `of`.
fn record(scene: &Scene, nth: usize, of: usize, torn: bool) -> Recorder {
    let mut recorder = recorder();
    for at_us in &scene.cuts_us {
        assert!(recorder.cut(*at_us));
    }
    for (at_us, only) in scene.torn_us.iter().filter(|_| torn) {
        if only % of == nth && of > 1 {
            assert!(recorder.cut(*at_us));
        }
    }
    let own = scene.arrivals.iter().skip(nth).step_by(of);
    for arrival in own {
        let (route, user) = (arrival.route, arrival.user);
        if arrival.folded {
            recorder.drop_late(arrival.at_us, route, user, DropCause::Lag);
            continue;
        }
        let ticket = recorder.schedule_for(arrival.at_us, route, user);
        if arrival.settled.outcome == Outcome::Good {
            recorder.brought(ticket, brought(arrival.settled.response_us));
        }
        recorder.settle(ticket, arrival.settled);
    }
    recorder
}

/// All that the merged threads told.
fn merged(scene: &Scene) -> Vec<LoadOutput> {
    let mut told: Vec<VecDeque<Told>> = (0..scene.threads)
        .map(|nth| {
            let mut recorder = record(scene, nth, scene.threads, true);
            let stretches = recorder.finish_stretches(END_US).into_iter();
            let mut told: VecDeque<_> = stretches.map(Told::Stretch).collect();
            told.push_front(Told::Draining);
            told.push_back(Told::Finished {
                scheduled: recorder.scheduled(),
                lag_max_us: recorder.lag_max_us(),
                journeys: vec![],
                viewings: vec![],
            });
            told
        })
        .collect();
    let mut merge = Merge::new(ROUTES.map(str::to_owned).into(), scene.threads);
    let mut out = Vec::new();
    let mut turns = scene.turns.iter().cycle();
    while let Some(longest) = told.iter().position(|told| !told.is_empty()) {
        let turn = turns.next().map_or(longest, |turn| turn % scene.threads);
        let part = if told[turn].is_empty() { longest } else { turn };
        if let Some(next) = told[part].pop_front() {
            merge.hear(part, next, &mut out);
        }
    }
    assert!(merge.is_finished());
    out
}

/// An interval as it is told apart from others. What lag carried over a torn edge is
/// known to those alone who heard of it.
fn seen(interval: &Interval, torn: bool) -> impl PartialEq + std::fmt::Debug + use<> {
    let routes: Vec<_> = interval
        .routes
        .iter()
        .map(|route| {
            (
                route.route.clone(),
                Counts {
                    displaced: if torn { 0 } else { route.counts.displaced },
                    ..route.counts
                },
                route.response.clone(),
                route.unlagged.clone().filter(|_| !torn),
                route.messages.clone(),
            )
        })
        .collect();
    let Interval {
        start_us,
        end_us,
        lag,
        wait,
        parts,
        users,
        ..
    } = interval.clone();
    (start_us, end_us, lag, wait, parts, users, routes)
}

proptest! {
    #[test]
    fn many_threads_record_what_one_does(scene in scene()) {
        let torn = !scene.torn_us.is_empty();
        let mut one = record(&scene, 0, 1, false);
        let expected: Vec<_> = one.finish(END_US).iter().map(|it| seen(it, torn)).collect();
        let out = merged(&scene);
        let intervals = out.iter().filter_map(|output| match output {
            LoadOutput::Interval(interval) => Some(seen(interval, torn)),
            _ => None,
        });
        prop_assert_eq!(intervals.collect::<Vec<_>>(), expected);
        for interval in one_by_one(&out) {
            for route in &interval.routes {
                let (messages, counts) = (&route.messages, &route.counts);
                prop_assert_eq!(messages.begun + messages.empty, counts.good);
                for (times, counted) in [
                    (&messages.first, messages.begun),
                    (&messages.first_unlagged, messages.begun),
                    (&messages.between, messages.gaps),
                    (&messages.between_unlagged, messages.gaps),
                ] {
                    prop_assert_eq!(times.as_ref().map_or(0, Times::len), counted);
                }
            }
        }
        let draining = out.iter().filter(|output| matches!(output, LoadOutput::Draining));
        prop_assert_eq!(draining.count(), 1);
        let Some(LoadOutput::Finished { scheduled, lag_max_us }) = out.last() else {
            panic!("not finished: {out:?}");
        };
        prop_assert_eq!((*scheduled, *lag_max_us), (one.scheduled(), one.lag_max_us()));
    }
}

fn one_by_one(out: &[LoadOutput]) -> impl Iterator<Item = &Interval> {
    out.iter().filter_map(|output| match output {
        LoadOutput::Interval(interval) => Some(interval),
        _ => None,
    })
}

fn stretch(start_us: i64, end_us: i64) -> Told {
    Told::Stretch(Stretch {
        start_us,
        end_us,
        entries: Vec::new(),
        brought: Vec::new(),
        folded: None,
    })
}

fn spans(out: &[LoadOutput]) -> Vec<(i64, i64)> {
    let span = |output: &LoadOutput| match output {
        LoadOutput::Interval(interval) => Some((interval.start_us, interval.end_us)),
        _ => None,
    };
    out.iter().filter_map(span).collect()
}

#[test]
fn an_edge_that_one_thread_missed_cuts_nothing_and_is_told_once() {
    let mut merge = Merge::new(vec![], 3);
    let mut out = Vec::new();
    let at = Instant::now();
    for (part, told) in [
        (0, stretch(0, 400_000)),
        (1, stretch(0, 400_000)),
        (0, stretch(400_000, SECOND_US)),
        (2, Told::LateCut { at }),
        (1, stretch(400_000, SECOND_US)),
        (1, Told::LateCut { at }),
    ] {
        merge.hear(part, told, &mut out);
    }
    assert!(
        matches!(out.as_slice(), [LoadOutput::LateCut { .. }]),
        "{out:?}"
    );
    merge.hear(2, stretch(0, SECOND_US), &mut out);
    assert_eq!(spans(&out), [(0, SECOND_US)]);
}

#[test]
fn a_thread_that_stopped_before_the_others_holds_nobody_up() {
    let mut merge = Merge::new(vec![], 2);
    let mut out = Vec::new();
    merge.hear(0, stretch(0, 300_000), &mut out);
    merge.hear(1, stretch(0, 300_500), &mut out);
    assert!(spans(&out).is_empty());
    let finished = || Told::Finished {
        scheduled: 1,
        lag_max_us: 2,
        journeys: vec![ends(3)],
        viewings: vec![],
    };
    merge.hear(0, finished(), &mut out);
    assert_eq!(spans(&out), [(0, 300_500)]);
    merge.hear(1, finished(), &mut out);
    let journeys = out.iter().find_map(|output| match output {
        LoadOutput::Journeys(journeys) => Some(journeys),
        _ => None,
    });
    assert_eq!(journeys, Some(&vec![ends(6)]));
    assert!(matches!(
        out.last(),
        Some(LoadOutput::Finished {
            scheduled: 2,
            lag_max_us: 2
        })
    ));
}

/// Each part tells of the players of its own load, in the order of that.
#[test]
fn what_viewers_saw_is_added_up_by_the_names_of_players() {
    let mut merge = Merge::new(vec![], 3);
    let mut out = Vec::new();
    let seen = |player: &str, played_us| {
        let mut viewings = Viewings::new(player);
        viewings.second(4).played_us = played_us;
        viewings
    };
    let parts = [
        vec![seen("a/title", 1), seen("b/title", 10)],
        vec![],
        vec![seen("b/title", 20), seen("a/title", 2), seen("c/title", 3)],
    ];
    for (part, viewings) in parts.into_iter().enumerate() {
        let told = Told::Finished {
            scheduled: 1,
            lag_max_us: 2,
            journeys: vec![],
            viewings,
        };
        merge.hear(part, told, &mut out);
    }
    let told = out.iter().find_map(|output| match output {
        LoadOutput::Viewings(viewings) => Some(viewings.clone()),
        _ => None,
    });
    let whole = vec![seen("a/title", 3), seen("b/title", 30), seen("c/title", 3)];
    assert_eq!(told, Some(whole));
}

fn ends(started: u64) -> JourneyEnds {
    JourneyEnds {
        journey: "buy".to_owned(),
        started,
        completed: started,
        left: 0,
        failed: 0,
        unfinished: 0,
    }
}

fn sample(at_us: i64, outcome: Outcome) -> Sample {
    Sample {
        arrival: 0,
        route: "a".into(),
        scheduled_us: at_us,
        lag_us: 0,
        wait_us: 0,
        service_us: 0,
        response_us: at_us.unsigned_abs(),
        parts: Parts::default(),
        outcome,
        dropped: None,
        status: None,
        address: None,
        request: String::new(),
        detail: None,
    }
}

#[test]
fn of_samples_as_many_are_kept_as_of_one_thread_once_their_second_is_over() {
    let mut merge = Merge::new(vec![], 4);
    let mut out = Vec::new();
    let failed = Outcome::Bad(BadKind::Status);
    for part in 0..4 {
        let samples = (0..5)
            .map(|n| sample(n, failed))
            .chain([sample(SECOND_US, failed)]);
        merge.hear(part, Told::Samples(samples.collect()), &mut out);
        assert!(out.is_empty());
        merge.hear(part, stretch(0, SECOND_US), &mut out);
    }
    let Some(LoadOutput::Samples(kept)) = out.last() else {
        panic!("{out:?}");
    };
    assert_eq!(kept.len(), 5, "{kept:?}");
}
