//! Several loads at once against a server that notes what came on which connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use squall_load::{Destination, LoadCommand, LoadHandle, LoadOutput, LoadPlan, Schedule};
use squall_record::Interval;
use squall_scenario::{Arrivals, Load, LoadBeside, Rate, Replay, Request, Stage, Template};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The paths that came on each connection, and how often.
type Paths = Arc<Mutex<Vec<BTreeMap<String, u64>>>>;

fn load(route: &str, rate: f64, milliseconds: u64) -> Load {
    Load {
        connections: Some(2),
        ..Load::plain(
            vec![Stage::Hold {
                rate: Rate::per_second(rate).unwrap(),
                duration: Duration::from_millis(milliseconds),
                arrivals: Arrivals::Even,
            }],
            vec![Request::plain(
                route,
                "GET",
                Template::parse(&format!("/{route}")),
            )],
        )
    }
}

async fn server(paths: Paths) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let paths = Arc::clone(&paths);
            let number = paths.lock().unwrap().len();
            paths.lock().unwrap().push(BTreeMap::new());
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut request).await {
                    let text = String::from_utf8_lossy(&request[..length]).into_owned();
                    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                    *paths.lock().unwrap()[number].entry(path).or_default() += 1;
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn loads_are_sent_side_by_side_each_with_its_own_and_told_as_one() {
    let paths = Paths::default();
    let address = server(Arc::clone(&paths)).await;
    let mut main = load("page", 200.0, 2_500);
    for (name, workers) in [("beat", 2), ("ping", 1)] {
        let mut load = load(name, 80.0, 1_250);
        load.workers = Some(workers);
        let name = name.to_owned();
        main.beside.push(LoadBeside { name, load });
    }
    let plan = LoadPlan {
        shard: None,
        load: main,
        seed: 42,
        destination: Destination::plain(vec![address], address.to_string()),
        lead: false,
    };
    let mut handle = LoadHandle::start(plan).unwrap();
    let zero = Instant::now();
    let begin = LoadCommand::Begin { zero };
    handle.commands.send(begin).await.unwrap();
    // Behind the end of the shorter loads, and an edge for all.
    let at = zero + Duration::from_millis(1_700);
    handle.commands.send(LoadCommand::Cut { at }).await.unwrap();
    let mut intervals: Vec<Interval> = vec![];
    let scheduled = loop {
        match handle.outputs.recv().await.unwrap() {
            LoadOutput::Interval(interval) => intervals.push(interval),
            LoadOutput::Finished { scheduled, .. } => break scheduled,
            LoadOutput::LateCut { at } => panic!("too late: {at:?}"),
            _ => {}
        }
    };
    handle.join().await.unwrap();
    let edges: Vec<_> = intervals.iter().map(|it| it.end_us / 1_000).collect();
    assert_eq!(edges, [1_000, 1_700, 2_000, 2_500]);
    let counts = |route: &str| -> Vec<u64> {
        let of = |interval: &Interval| {
            let mut routes = interval.routes.iter();
            let counts = routes.find(|it| it.route == route).unwrap().counts;
            assert_eq!(counts.scheduled, counts.good, "{counts:?}");
            counts.good
        };
        intervals.iter().map(of).collect()
    };
    assert_eq!(counts("page"), [200, 140, 60, 100]);
    for route in ["beat", "ping"] {
        assert_eq!(counts(route), [80, 20, 0, 0], "{route}");
    }
    assert_eq!(scheduled, 700);
    let paths = paths.lock().unwrap();
    assert!(paths.len() <= 6, "two for each load: {paths:?}");
    assert!(
        paths.iter().all(|paths| paths.len() <= 1),
        "no load uses the connections of another: {paths:?}"
    );
}

/// How many requests came, on all connections.
fn seen(paths: &Paths) -> u64 {
    let paths = paths.lock().unwrap();
    paths.iter().flat_map(BTreeMap::values).sum()
}

#[tokio::test]
async fn what_is_sent_before_time_zero_is_in_no_figure_whatever_the_shape() {
    let rate = |per_second| Rate::per_second(per_second).unwrap();
    let duration = Duration::from_millis(400);
    let times: Vec<_> = (0..40).map(|nth| Duration::from_millis(nth * 10)).collect();
    let file = ("arrivals.txt".to_owned(), "00".to_owned());
    let shapes = [
        Stage::Ramp {
            from: rate(0.0),
            to: rate(200.0),
            over: duration,
        },
        Stage::Wave {
            from: rate(0.0),
            to: rate(200.0),
            every: duration,
            duration,
        },
        Stage::Hold {
            rate: rate(100.0),
            duration,
            arrivals: Arrivals::Poisson,
        },
        Stage::Replay(Replay::new(file, &times, 1.0, Some(duration))),
    ];
    for shape in shapes {
        let planned = Schedule::new(std::slice::from_ref(&shape), 42).count() as u64;
        let paths = Paths::default();
        let address = server(Arc::clone(&paths)).await;
        let load = Load {
            shape: vec![shape],
            ..load("page", 0.0, 1)
        };
        let plan = LoadPlan {
            shard: None,
            load,
            seed: 42,
            destination: Destination::plain(vec![address], address.to_string()),
            lead: true,
        };
        let mut handle = LoadHandle::start(plan).unwrap();
        let first = async {
            while seen(&paths) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let warm = tokio::time::timeout(Duration::from_secs(20), first).await;
        warm.expect("a warm-up");
        let zero = Instant::now();
        let begin = LoadCommand::Begin { zero };
        handle.commands.send(begin).await.unwrap();
        let (mut counted, mut start_us) = (0, i64::MAX);
        while let Some(output) = handle.outputs.recv().await {
            if let LoadOutput::Interval(interval) = output {
                start_us = start_us.min(interval.start_us);
                counted += interval.routes[0].counts.scheduled;
            }
        }
        handle.join().await.unwrap();
        assert_eq!((counted, start_us), (planned, 0));
        assert!(seen(&paths) > planned, "the warm-up was sent, too");
    }
}
