//! Closed loops against a server that counts how many ask at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use squall_load::{Destination, LoadCommand, LoadHandle, LoadOutput, LoadPlan};
use squall_record::{Counts, Interval};
use squall_scenario::{DataSource, Load, Request, Stage, Template, Think};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[derive(Default)]
struct Seen {
    asking: AtomicU32,
    most: AtomicU32,
    connections: AtomicU32,
    /// How often each user of ten asked.
    users: Mutex<BTreeMap<u64, u64>>,
}

impl Seen {
    /// Notes which user of ten asks, as the number of its request says.
    fn note(&self, request: &[u8]) {
        let text = String::from_utf8_lossy(request);
        let path = text.split(' ').nth(1).unwrap_or_default();
        let Ok(number) = path.trim_start_matches('/').parse::<u64>() else {
            return;
        };
        let mut users = self.users.lock().unwrap();
        *users.entry(number % 10).or_default() += 1;
    }
}

fn closed(users: u32, think: Option<Think>, milliseconds: u64) -> Stage {
    Stage::Closed {
        users,
        think,
        duration: Duration::from_millis(milliseconds),
    }
}

fn load(shape: Vec<Stage>) -> Load {
    let page = Request::plain("page", "GET", Template::parse("/"));
    Load {
        // Does not count: a user has one request.
        in_flight_max: 1,
        ..Load::plain(shape, vec![page])
    }
}

/// A server that answers after so many milliseconds.
async fn server(seen: Arc<Seen>, after_ms: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let seen = Arc::clone(&seen);
            seen.connections.fetch_add(1, SeqCst);
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut request).await {
                    seen.note(&request[..length]);
                    let asking = seen.asking.fetch_add(1, SeqCst) + 1;
                    seen.most.fetch_max(asking, SeqCst);
                    tokio::time::sleep(Duration::from_millis(after_ms)).await;
                    seen.asking.fetch_sub(1, SeqCst);
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

/// All that is recorded of a load, which has `lead_ms` of warm-up where that is more
/// than nothing.
async fn run(load: Load, address: SocketAddr, lead_ms: u64) -> (Counts, Vec<Interval>) {
    let plan = LoadPlan {
        shard: None,
        load,
        seed: 42,
        destination: Destination::plain(vec![address], address.to_string()),
        lead: lead_ms > 0,
    };
    let mut handle = LoadHandle::start(plan).unwrap();
    let zero = Instant::now() + Duration::from_millis(lead_ms);
    tokio::time::sleep_until(zero.into()).await;
    let begin = LoadCommand::Begin { zero };
    handle.commands.send(begin).await.unwrap();
    let mut intervals: Vec<Interval> = vec![];
    let mut total = Counts::default();
    while let Some(output) = handle.outputs.recv().await {
        if let LoadOutput::Interval(interval) = output {
            interval.routes.iter().for_each(|it| total.add(&it.counts));
            intervals.push(interval);
        }
    }
    handle.join().await.unwrap();
    assert!(total.is_conserved());
    assert_eq!((total.dropped, total.unfinished), (0, 0), "{total:?}");
    (total, intervals)
}

/// The warm-up included: its users go on, and are not joined by others.
#[tokio::test]
async fn so_many_users_ask_at_once_and_never_more() {
    let seen = Arc::new(Seen::default());
    let address = server(Arc::clone(&seen), 5).await;
    let mut load = load(vec![closed(6, None, 400), closed(3, None, 400)]);
    load.workers = Some(2);
    // A fault's edge is no different here: what was asked for before it ends after it.
    let (total, intervals) = run(load, address, 100).await;
    assert_eq!(seen.most.load(SeqCst), 6);
    assert!(seen.connections.load(SeqCst) <= 6, "each has its own");
    assert_eq!(total.good, total.scheduled);
    // As many as the server let them: 6 for 400 ms, 3 for 400 ms, 5 ms each.
    assert!((20..=6 * 81 + 3 * 81).contains(&total.good), "{total:?}");
    assert_eq!(intervals.last().unwrap().end_us, 800_000);
}

#[tokio::test]
async fn users_think_before_they_ask_again() {
    let seen = Arc::new(Seen::default());
    let address = server(Arc::clone(&seen), 0).await;
    let think = Think::always(Duration::from_millis(100));
    let (total, _) = run(load(vec![closed(4, Some(think), 1_000)]), address, 0).await;
    assert_eq!(total.good, total.scheduled);
    // The first within a thought, then one behind each: 10 each, if nothing is slow.
    assert!((8..=40).contains(&total.good), "{total:?}");
}

/// A target that refuses is not asked as fast as this machine can.
#[tokio::test]
async fn users_who_get_no_answer_wait_before_they_try_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (total, _) = run(load(vec![closed(2, None, 500)]), address, 0).await;
    assert_eq!(total.connect, total.scheduled);
    assert!((2..=10).contains(&total.connect), "{total:?}");
}

/// Whoever sends right behind an answer waits for a connection behind those who do.
#[tokio::test]
async fn users_take_turns_on_too_few_connections() {
    let seen = Arc::new(Seen::default());
    let address = server(Arc::clone(&seen), 2).await;
    let load = Load {
        requests: vec![Request::plain("page", "GET", Template::parse("/$n"))],
        data: vec![("n".into(), DataSource::Count { from: 0 })],
        connections: Some(2),
        workers: Some(1),
        ..load(vec![closed(10, None, 600)])
    };
    let (total, _) = run(load, address, 0).await;
    assert_eq!(total.good, total.scheduled);
    assert!(seen.connections.load(SeqCst) <= 2);
    let users = seen.users.lock().unwrap();
    let (least, most) = (users.values().min().unwrap(), users.values().max().unwrap());
    assert!(users.len() == 10 && least + 2 >= *most, "{users:?}");
}
