//! The load generator against servers whose truth the test knows.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use squall_load::{Destination, LoadCommand, LoadHandle, LoadOutput, LoadPlan, Schedule};
use squall_record::histogram::new_histogram;
use squall_record::{Counts, Interval};
use squall_scenario::{Arrivals, Load, Rate, Request, Stage, Template};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn load(rate: f64, length: Duration, connections: Option<u32>) -> Load {
    Load {
        data: vec![("n".into(), squall_scenario::DataSource::Count { from: 0 })],
        connections,
        ..Load::plain(
            vec![Stage::Hold {
                rate: Rate::per_second(rate).unwrap(),
                duration: length,
                arrivals: Arrivals::Even,
            }],
            vec![Request::plain("page", "GET", Template::parse("/$n"))],
        )
    }
}

/// Everything a load told, time zero given.
async fn run(load: Load, address: SocketAddr, stop_after: Option<Duration>) -> Told {
    let plan = LoadPlan {
        shard: None,
        load,
        seed: 42,
        destination: Destination::plain(vec![address], address.to_string()),
        lead: true,
    };
    let mut handle = LoadHandle::start(plan).unwrap();
    let zero = Instant::now() + Duration::from_millis(20);
    handle
        .commands
        .send(LoadCommand::Begin { zero })
        .await
        .unwrap();
    let mut told = Told {
        zero,
        intervals: vec![],
        scheduled: 0,
        lag_max_us: 0,
    };
    if let Some(after) = stop_after {
        let commands = handle.commands.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let _ = commands
                .send(LoadCommand::Stop {
                    grace: Duration::ZERO,
                })
                .await;
        });
    }
    while let Some(output) = handle.outputs.recv().await {
        match output {
            LoadOutput::Interval(interval) => told.intervals.push(interval),
            LoadOutput::Finished {
                scheduled,
                lag_max_us,
            } => {
                (told.scheduled, told.lag_max_us) = (scheduled, lag_max_us);
                break;
            }
            _ => {}
        }
    }
    handle.join().await.unwrap();
    told
}

struct Told {
    zero: Instant,
    intervals: Vec<Interval>,
    scheduled: u64,
    lag_max_us: u64,
}

impl Told {
    fn counts(&self) -> Counts {
        let mut total = Counts::default();
        for route in self.intervals.iter().flat_map(|interval| &interval.routes) {
            total.add(&route.counts);
        }
        total
    }

    fn response(&self) -> Histogram<u64> {
        let mut all = new_histogram();
        for route in self.intervals.iter().flat_map(|interval| &interval.routes) {
            route.response.as_ref().unwrap().add_to(&mut all);
        }
        all
    }
}

/// A server that answers after a millisecond but is frozen in the first second
/// of every five, counted from its start. Stamps when each reply was written,
/// by the number in its path.
async fn freezing_server(stamps: Arc<Mutex<Vec<(u64, Instant)>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let start = Instant::now();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let stamps = Arc::clone(&stamps);
            tokio::spawn(async move {
                stream.set_nodelay(true).unwrap();
                let mut request = vec![0; 4096];
                while let Ok(length) = stream.read(&mut request).await {
                    if length == 0 {
                        return;
                    }
                    let text = String::from_utf8_lossy(&request[..length]).into_owned();
                    let path = text
                        .split(' ')
                        .nth(1)
                        .unwrap_or("/")
                        .trim_start_matches('/');
                    let number: u64 = path.parse().unwrap();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    let into_cycle = start.elapsed().as_millis() % 5000;
                    if into_cycle < 1000 {
                        let rest = 1000 - u64::try_from(into_cycle).unwrap();
                        tokio::time::sleep(Duration::from_millis(rest)).await;
                    }
                    if stream.write_all(ANSWER).await.is_err() {
                        return;
                    }
                    stamps.lock().unwrap().push((number, Instant::now()));
                }
            });
        }
    });
    address
}

/// A server that accepts and never answers, until its task is aborted.
async fn silent_server() -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok(connection) = listener.accept().await {
            kept.push(connection);
        }
    });
    (address, task)
}

/// Coordinated omission: with 10 connections and a server that freezes, the
/// quantiles must be those of the schedule and the server's own stamps.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_freezing_server_does_not_hide_behind_its_own_silence() {
    let stamps = Arc::new(Mutex::new(Vec::new()));
    let address = freezing_server(Arc::clone(&stamps)).await;
    let load = load(500.0, Duration::from_secs(8), Some(10));
    let schedule: Vec<_> = Schedule::new(&load.shape, 42).collect();
    let told = run(load, address, None).await;

    let counts = told.counts();
    assert_eq!(told.scheduled, 4_000);
    assert_eq!(
        (counts.scheduled, counts.good),
        (4_000, 4_000),
        "{counts:?}"
    );
    assert!(counts.is_conserved());

    let mut truth_us: Vec<u64> = stamps
        .lock()
        .unwrap()
        .iter()
        .filter_map(|(number, replied)| {
            let arrival = schedule.get(usize::try_from(*number).ok()?)?;
            let due = told.zero + arrival.at;
            Some(u64::try_from(replied.saturating_duration_since(due).as_micros()).unwrap())
        })
        .collect();
    truth_us.sort_unstable();
    assert_eq!(truth_us.len(), 4_000);
    let measured = told.response();
    for quantile in [0.9, 0.99] {
        let rank = (quantile * truth_us.len() as f64).ceil() as usize - 1;
        let truth = truth_us[rank] as f64;
        let seen = measured.value_at_quantile(quantile) as f64;
        println!(
            "p{:.0}: truth {truth} us, measured {seen} us",
            quantile * 100.0
        );
        assert!(
            (seen / truth - 1.0).abs() <= 0.03,
            "p{quantile}: {seen} us, truth {truth} us"
        );
    }
    assert!(
        measured.value_at_quantile(0.9) > 300_000,
        "the freeze must show"
    );
}

/// A run that is cut short loses nothing: what was under way is unfinished.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_run_that_is_cut_short_still_conserves_its_arrivals() {
    let (address, silent) = silent_server().await;
    let load = load(200.0, Duration::from_secs(30), None);
    let told = run(load, address, Some(Duration::from_millis(1500))).await;
    let counts = told.counts();
    assert!(counts.is_conserved(), "{counts:?}");
    assert_eq!(counts.scheduled, told.scheduled);
    assert_eq!(counts.unfinished, counts.scheduled);
    assert!(counts.scheduled > 100, "{counts:?}");
    silent.abort();
}

/// With nobody answering, arrivals above the cap are dropped and counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn arrivals_above_the_cap_are_dropped_and_counted() {
    let (address, silent) = silent_server().await;
    let mut load = load(200.0, Duration::from_secs(1), None);
    load.in_flight_max = 50;
    load.timeout = Duration::from_secs(2);
    let told = run(load, address, None).await;
    let counts = told.counts();
    assert_eq!((counts.scheduled, counts.dropped), (200, 150));
    // Those that were sent late took the room of others, which is no doing of the system.
    let (cause, other) = match told.lag_max_us > 100_000 {
        true => (counts.drops.in_flight + counts.drops.lag, 0),
        false => (counts.drops.in_flight, counts.drops.lag),
    };
    assert_eq!((cause, other), (150, 0), "{counts:?}");
    assert_eq!(counts.timeout, 50);
    assert!(counts.is_conserved());
    silent.abort();
}

/// Nobody listens: every arrival fails with a refused connection, none hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_dead_target_is_a_failure_for_every_arrival() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let counts = run(load(100.0, Duration::from_secs(1), None), address, None)
        .await
        .counts();
    assert_eq!((counts.scheduled, counts.connect), (100, 100), "{counts:?}");
}

/// However many threads send, the schedule is the same, each arrival is sent once,
/// and the record is that of all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_two_and_four_threads_send_the_same() {
    for workers in [1, 2, 4] {
        let stamps = Arc::new(Mutex::new(Vec::new()));
        let address = counting_server(Arc::clone(&stamps)).await;
        let mut load = load(400.0, Duration::from_millis(1_300), None);
        load.workers = Some(workers);
        let told = run(load, address, None).await;
        let mut seen = stamps.lock().unwrap().clone();
        // Before time zero other data is drawn.
        seen.retain(|number| *number < 1 << 40);
        seen.sort_unstable();
        assert_eq!(seen, (0..520).collect::<Vec<_>>(), "{workers} threads");
        let counts = told.counts();
        assert_eq!((told.scheduled, counts.good), (520, 520), "{counts:?}");
        let spans: Vec<_> = told
            .intervals
            .iter()
            .map(|interval| (interval.start_us, interval.end_us))
            .collect();
        assert_eq!(spans, [(0, 1_000_000), (1_000_000, 1_300_000)]);
    }
}

/// A server that answers at once and notes the number in every path.
async fn counting_server(seen: Arc<Mutex<Vec<u64>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut request).await {
                    let text = String::from_utf8_lossy(&request[..length]).into_owned();
                    let path = text.split(' ').nth(1).unwrap_or("/");
                    let number = path.trim_start_matches('/').parse().unwrap();
                    seen.lock().unwrap().push(number);
                    if stream.write_all(ANSWER).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
