//! The driver conserves arrivals, whatever it is asked and answered.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use proptest::prelude::*;
use squall_record::{Counts, Interval, JourneyEnds, Shard};
use squall_scenario::{DataSource, Journey, Replay, Request, Share, Step, Template, Think};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::requests::{CompiledRequests, RequestMaker};
use crate::stretch::interval;
use crate::transport::Connector;

mod overload;
mod reading;

const SEED: u64 = 7;

/// What the target does with a request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Good { after_ms: u64 },
    Failed,
    Nonsense,
    Hangup,
    Never,
}

#[derive(Debug, Clone)]
struct Scene {
    shape: Vec<Stage>,
    shard: Shard,
    in_flight_max: u32,
    connections: Option<u32>,
    /// By the number of the arrival, plus that of the step, again and again.
    answers: Vec<Answer>,
    /// How much of the schedule is due when the load begins.
    due_ms: u64,
    /// Edges that are told at once.
    cuts_us: Vec<u64>,
    /// Edges that are told after so many milliseconds.
    late_cuts: Vec<(u64, u64)>,
    /// When it is told to stop, and the grace; otherwise all is due but the last
    /// so many milliseconds.
    stop_ms: Option<(u64, u64)>,
    ahead_ms: u64,
    /// Between the order to stop and when it holds.
    stop_ahead_ms: u64,
    /// The longest that is thought before a step of a journey, and how many leave.
    think_ms: u64,
    leave: f64,
    outputs_max: usize,
}

fn stage() -> impl Strategy<Value = Stage> {
    let per_second = || (0.0..150.0).prop_map(|rate| Rate::per_second(rate).unwrap());
    let length = || (50..700_u64).prop_map(Duration::from_millis);
    let hold = |arrivals| {
        (per_second(), length()).prop_map(move |(rate, duration)| Stage::Hold {
            rate,
            duration,
            arrivals,
        })
    };
    prop_oneof![
        hold(Arrivals::Even),
        hold(Arrivals::Poisson),
        (per_second(), per_second(), length()).prop_map(|(from, to, over)| Stage::Ramp {
            from,
            to,
            over
        }),
        prop::collection::vec(0..40_u64, 1..60).prop_map(|gaps_ms| {
            let mut at = Duration::ZERO;
            let times = gaps_ms.iter().map(|gap_ms| {
                at += Duration::from_millis(*gap_ms);
                at
            });
            let times: Vec<_> = times.collect();
            let file = ("arrivals.txt".into(), "00".into());
            Stage::Replay(Replay::new(file, &times, 2.0, None))
        }),
        (per_second(), per_second(), length(), length()).prop_map(|(from, to, every, duration)| {
            Stage::Wave {
                from,
                to,
                every,
                duration,
            }
        }),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => (0..15_u64).prop_map(|after_ms| Answer::Good { after_ms }),
        1 => Just(Answer::Failed),
        1 => Just(Answer::Nonsense),
        1 => Just(Answer::Hangup),
        1 => Just(Answer::Never),
    ]
}

fn scene() -> impl Strategy<Value = Scene> {
    let edge_us = || 0..1_500_000_u64;
    let load = (
        prop::collection::vec(stage(), 1..4),
        (1..4_u32, 0..3_u32).prop_map(|(of, nth)| Shard::new(nth % of + 1, of).unwrap()),
        prop_oneof![1..4_u32, 4..200_u32],
        prop::option::of(1..5_u32),
        prop::collection::vec(answer(), 1..8),
    );
    let play = (
        0..1_500_u64,
        prop::collection::vec(edge_us(), 0..4),
        prop::collection::vec((0..20_u64, edge_us()), 0..3),
        prop::option::of((0..25_u64, 0..15_u64)),
        (0..4_u64, 0..60_u64),
        (0..15_u64, prop_oneof![Just(0.0), 0.0..1.0]),
        1..20_usize,
    );
    (load, play).prop_map(
        |(
            (shape, shard, in_flight_max, connections, answers),
            (
                due_ms,
                cuts_us,
                late_cuts,
                stop_ms,
                (stop_ahead_ms, ahead_ms),
                (think_ms, leave),
                outputs_max,
            ),
        )| Scene {
            shape,
            shard,
            in_flight_max,
            connections,
            answers,
            due_ms,
            cuts_us,
            late_cuts,
            stop_ms,
            ahead_ms,
            stop_ahead_ms,
            think_ms,
            leave,
            outputs_max,
        },
    )
}

impl Scene {
    /// So many arrivals a second, of which one may be under way.
    fn of(rate: f64, duration: Duration) -> Self {
        Self {
            shape: vec![Stage::Hold {
                rate: Rate::per_second(rate).unwrap(),
                duration,
                arrivals: Arrivals::Even,
            }],
            shard: Shard::new(1, 1).unwrap(),
            in_flight_max: 1,
            connections: None,
            answers: vec![Answer::Never],
            due_ms: 0,
            cuts_us: vec![],
            late_cuts: vec![],
            stop_ms: None,
            ahead_ms: 0,
            stop_ahead_ms: 0,
            think_ms: 0,
            leave: 0.0,
            outputs_max: 6,
        }
    }

    fn load(&self) -> Load {
        Load {
            journeys: vec![Journey {
                name: "j".into(),
                weight: 2,
                persona: None,
                steps: (1..=STEPS)
                    .map(|nth| Step {
                        player: None,
                        request: request(&format!("j/{nth}"), &format!("/$n/{nth}")),
                        take: vec![],
                        think: (nth > 1).then_some(Think {
                            from: Duration::ZERO,
                            to: Duration::from_millis(self.think_ms),
                        }),
                        leave: (nth < STEPS).then(|| Share::new(self.leave).unwrap()),
                    })
                    .collect(),
            }],
            data: vec![("n".into(), DataSource::Count { from: 0 })],
            connections: self.connections,
            in_flight_max: self.in_flight_max,
            timeout: Duration::from_millis(20),
            ..Load::plain(
                self.shape.clone(),
                ["a", "b"].map(|name| request(name, "/$n")).into(),
            )
        }
    }

    fn length(&self) -> Duration {
        self.shape.iter().map(Stage::duration).sum()
    }

    /// When its arrivals are due, in microseconds.
    fn planned_us(&self) -> Vec<i64> {
        let schedule = Schedule::new(&self.shape, SEED).of_shard(self.shard);
        schedule.map(|arrival| micros_i64(arrival.at)).collect()
    }
}

/// Steps of the journey.
const STEPS: usize = 3;
/// What arrivals may begin with: two requests and the first step of the journey.
const BEGIN: usize = 3;

fn routes() -> Vec<String> {
    let steps = (1..=STEPS).map(|nth| format!("j/{nth}"));
    ["a", "b"]
        .map(str::to_owned)
        .into_iter()
        .chain(steps)
        .collect()
}

fn request(name: &str, path: &str) -> Request {
    Request {
        within: Some(Duration::from_millis(400)),
        ..Request::plain(name, "GET", Template::parse(path))
    }
}

async fn serve(mut stream: TcpStream, answers: Vec<Answer>) {
    let mut request = vec![0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut request).await {
        let text = String::from_utf8_lossy(&request[..length]);
        let path = text.split(' ').nth(1).unwrap_or_default();
        let numbers = path
            .split('/')
            .filter_map(|part| part.parse::<usize>().ok());
        let number: usize = numbers.sum();
        let said: &[u8] = match answers[number % answers.len()] {
            Answer::Good { after_ms } => {
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
            }
            Answer::Failed => b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
            Answer::Nonsense => b"good day to you\r\n\r\n",
            Answer::Hangup => return,
            Answer::Never => std::future::pending().await,
        };
        if stream.write_all(said).await.is_err() {
            return;
        }
    }
}

/// A driver that sends all of a scene to `address`, and what it tells.
fn driver(scene: &Scene, address: SocketAddr) -> (Driver, mpsc::Receiver<Told>) {
    let load = scene.load();
    let maker = RequestMaker::new(&load, SEED).unwrap();
    let requests = Arc::new(CompiledRequests::new(maker, "target").unwrap());
    let slice = Slice::of(SEED, Some(scene.shard), (0, 1));
    let worker = Worker::new(&load, (0, slice), requests, Connector::plain([address]));
    let routes = load.routes().map(|it| it.name.clone()).collect();
    let (outputs, told) = mpsc::channel(scene.outputs_max);
    let driver = Driver::new((load, routes), slice, Rc::new(worker), outputs);
    (driver, told)
}

/// All that the driver told, with time zero so long ago that next to
/// nothing is waited for.
async fn tell_all(scene: &Scene) -> (Instant, Vec<Told>) {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = target.local_addr().unwrap();
    let answers = scene.answers.clone();
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = target.accept().await {
            tokio::task::spawn_local(serve(stream, answers.clone()));
        }
    });
    let (driver, mut told) = driver(scene, address);
    let (orders, queue) = mpsc::channel(64);
    let due = match scene.stop_ms {
        Some(_) => Duration::from_millis(scene.due_ms),
        None => scene
            .length()
            .saturating_sub(Duration::from_millis(scene.ahead_ms)),
    };
    let zero = Instant::now().checked_sub(due).unwrap();
    orders.try_send(Order::Begin { zero }).unwrap();
    for at_us in &scene.cuts_us {
        let at = zero + Duration::from_micros(*at_us);
        orders.try_send(Order::Cut { at }).unwrap();
    }
    let later = scene.late_cuts.iter().map(|(after_ms, at_us)| {
        let at = zero + Duration::from_micros(*at_us);
        (*after_ms, Order::Cut { at })
    });
    let begun = Instant::now();
    let stop = scene.stop_ms.map(|(after_ms, grace_ms)| {
        let at = begun + Duration::from_millis(after_ms + scene.stop_ahead_ms);
        let grace = Duration::from_millis(grace_ms);
        (after_ms, Order::Stop { at, grace })
    });
    for (after_ms, order) in later.chain(stop) {
        let orders = orders.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            // It may be over.
            let _ = orders.send(order).await;
        });
    }
    let collected = async {
        let mut all = Vec::new();
        while let Some(output) = told.recv().await {
            all.push(output);
        }
        all
    };
    let (ran, all) = tokio::join!(driver.run(queue, (begun, false)), collected);
    ran.unwrap();
    (zero, all)
}

fn play(scene: &Scene) -> (Instant, Vec<Told>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    let patience = Duration::from_secs(60);
    let told = async { tokio::time::timeout(patience, tell_all(scene)).await };
    local.block_on(&runtime, told).expect("it ends")
}

fn counts<'a>(intervals: impl IntoIterator<Item = &'a Interval>) -> Counts {
    let mut total = Counts::default();
    for route in intervals.into_iter().flat_map(|one| &one.routes) {
        total.add(&route.counts);
    }
    total
}

/// How many arrivals of the schedule were due in an interval.
fn begun(interval: &Interval) -> u64 {
    let first = interval.routes.iter().take(BEGIN);
    first.map(|route| route.counts.scheduled).sum()
}

/// Behind a step that goes on comes the next one, unless the user leaves or the load
/// ends; every journey ends in one way.
fn follow_one_another(
    intervals: &[&Interval],
    ends: &JourneyEnds,
    leave: f64,
) -> Result<(), TestCaseError> {
    let steps: Vec<Counts> = (BEGIN - 1..BEGIN - 1 + STEPS)
        .map(|route| {
            let mut total = Counts::default();
            let each = intervals.iter().map(|one| &one.routes[route].counts);
            each.for_each(|counts| total.add(counts));
            total
        })
        .collect();
    let goes_on = |counts: &Counts| counts.good + counts.late;
    let failed = |counts: &Counts| counts.bad() - counts.late + counts.dropped;
    let (mut behind, mut unfinished) = (0, steps[0].unfinished);
    for pair in steps.windows(2) {
        let (come, next) = (goes_on(&pair[0]), pair[1].scheduled);
        prop_assert!(next <= come, "{next} came of {come}");
        behind += come - next;
        unfinished += pair[1].unfinished;
    }
    prop_assert!(ends.is_conserved(), "{ends:?}");
    prop_assert_eq!(ends.started, steps[0].scheduled);
    prop_assert_eq!(ends.completed, goes_on(&steps[STEPS - 1]));
    prop_assert_eq!(ends.failed, steps.iter().map(failed).sum::<u64>());
    prop_assert_eq!(ends.left + ends.unfinished, behind + unfinished);
    prop_assert!(leave > 0.0 || ends.left == 0);
    Ok(())
}

fn span(interval: &Interval) -> Range<i64> {
    interval.start_us..interval.end_us
}

/// Edges that stand in the queue when the load is over already.
#[test]
fn an_edge_that_was_told_before_the_end_is_one_though_nothing_is_waited_for() {
    let scene = Scene {
        answers: vec![Answer::Failed],
        due_ms: 51,
        cuts_us: vec![525_631, 46_713, 13_169],
        stop_ms: Some((3, 6)),
        stop_ahead_ms: 1,
        ..Scene::of(0.0, Duration::from_millis(50))
    };
    let (_, told) = play(&scene);
    let edges: Vec<_> = told
        .into_iter()
        .filter_map(|output| match output {
            Told::Stretch(stretch) => Some(interval(&routes(), &[stretch]).end_us),
            _ => None,
        })
        .collect();
    assert_eq!(edges, [13_169, 46_713, 50_000]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// The seed decides what is sent and when, not who sends it.
    #[test]
    fn threads_and_shards_send_the_arrivals_of_one(
        shape in prop::collection::vec(stage(), 1..4), seed: u64,
    ) {
        let whole: Vec<_> = Schedule::new(&shape, seed).collect();
        for (shards, threads) in [(1, 1), (1, 2), (1, 4), (2, 2), (3, 4)] {
            let parts = (1..=shards).flat_map(|shard| {
                let shard = (shards > 1).then(|| Shard::new(shard, shards).unwrap());
                (0..threads).map(move |nth| Slice::of(seed, shard, (nth, threads)))
            });
            let mut union: Vec<_> = parts.flat_map(|part| part.schedule(&shape)).collect();
            union.sort_by_key(|arrival| arrival.number);
            prop_assert_eq!(&union, &whole, "{} shards of {} threads", shards, threads);
        }
    }

    /// Whatever the shape, the answers, the limits and the moments of the
    /// commands are.
    #[test]
    fn every_arrival_is_told_once_in_the_interval_it_was_due_in(scene in scene()) {
        let (zero, told) = play(&scene);
        // One that came when what it parts was counted already is told, and is no edge.
        let late: Vec<i64> = told.iter().filter_map(|output| match output {
            Told::LateCut { at } => Some(micros_i64(at.saturating_duration_since(zero))),
            _ => None,
        }).collect();
        let Some(Told::Finished { scheduled, journeys, .. }) = told.last() else {
            panic!("it did not finish: {told:?}");
        };
        let (scheduled, ends) = (*scheduled, journeys[0].clone());
        let intervals: Vec<Interval> = told.into_iter().filter_map(|output| match output {
            Told::Stretch(stretch) => Some(interval(&routes(), &[stretch])),
            _ => None,
        }).collect();
        let intervals: Vec<&Interval> = intervals.iter().collect();
        let planned = scene.planned_us();
        let due: u64 = intervals.iter().map(|one| begun(one)).sum();
        let (entered, left) = planned.split_at(usize::try_from(due).unwrap());

        let total = counts(intervals.iter().copied());
        prop_assert!(total.is_conserved(), "{total:?}");
        prop_assert_eq!(total.scheduled, scheduled);
        let mut end_us = 0;
        for interval in intervals.iter().copied() {
            prop_assert_eq!(interval.start_us, end_us, "a gap or an overlap");
            end_us = interval.end_us;
            let of = counts([interval]);
            let own = entered.iter().filter(|at_us| span(interval).contains(at_us)).count();
            prop_assert_eq!(begun(interval), own as u64, "{:?}", span(interval));
            prop_assert!(of.is_conserved());
            let edge = scene.cuts_us.iter().map(|us| *us as i64)
                .filter(|us| !late.contains(us))
                .find(|us| (interval.start_us + 1..interval.end_us).contains(us));
            prop_assert_eq!(edge, None, "a cut is no edge");
        }
        // The microsecond of the end may hold what came right behind it.
        prop_assert!(left.iter().all(|at_us| *at_us >= end_us - 1), "{left:?} of {end_us}");
        if scene.stop_ms.is_none() {
            prop_assert_eq!((left.len(), total.unfinished), (0, 0));
            prop_assert_eq!(end_us, micros_i64(scene.length()));
        }
        follow_one_another(&intervals, &ends, scene.leave)?;
    }
}
