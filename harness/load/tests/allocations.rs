//! A plain request costs no allocation. An executable of its own, as it counts
//! those of the whole process.
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use squall_load::{LoadCommand, LoadHandle, LoadOutput, LoadPlan};
use squall_scenario::{Arrivals, DataSource, Load, Rate, Request, Stage, Template};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server that allocates for a connection and never for a request.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || answer(stream.unwrap()));
        }
    });
    address
}

fn answer(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut request = [0; 4096];
    while let Ok(1..) = stream.read(&mut request) {
        if stream.write_all(ANSWER).is_err() {
            return;
        }
    }
}

/// Two kinds of request, one of them with data in every place.
fn load(rate: f64) -> Load {
    let request = |name: &str, path: &str, body: Option<&str>| {
        let method = if body.is_some() { "POST" } else { "GET" };
        Request {
            headers: vec![("x-user".into(), Template::parse("$user"))],
            body: body.map(Template::parse),
            ..Request::plain(name, method, Template::parse(path))
        }
    };
    Load {
        shape: vec![Stage::Hold {
            rate: Rate::per_second(rate).unwrap(),
            duration: Duration::from_secs(1),
            arrivals: Arrivals::Even,
        }],
        requests: vec![
            request("page", "/", None),
            request("item", "/$word?n=$n", Some(r#"{"word":"$word","n":$n}"#)),
        ],
        data: vec![
            ("n".into(), DataSource::Count { from: 0 }),
            ("user".into(), DataSource::Uniform { from: 1, to: 100 }),
            (
                "word".into(),
                DataSource::Pick(vec!["a b".into(), "c\"d".into()]),
            ),
        ],
        users: None,
        connections: Some(4),
        in_flight_max: 10_000,
        workers: Some(1),
        timeout: Duration::from_secs(60),
        warm_up: Duration::ZERO,
    }
}

/// Good answers, and what was allocated on the way to them.
fn measure(rate: f64, address: SocketAddr) -> (u64, usize) {
    let plan = LoadPlan {
        load: load(rate),
        seed: 1,
        addresses: vec![address],
        host: "localhost".into(),
        shard: None,
        lead: false,
    };
    let region = Region::new(ALLOCATOR);
    let mut handle = LoadHandle::start(plan).unwrap();
    let zero = Instant::now();
    handle
        .commands
        .blocking_send(LoadCommand::Begin { zero })
        .unwrap();
    let mut good = 0;
    while let Some(output) = handle.outputs.blocking_recv() {
        if let LoadOutput::Interval(interval) = output {
            good += interval.routes.iter().map(|it| it.counts.good).sum::<u64>();
        }
    }
    let spent = region.change();
    (good, spent.allocations + spent.reallocations)
}

#[test]
fn a_plain_request_costs_no_allocation() {
    let address = server();
    let (few, cost_of_few) = measure(500.0, address);
    let (many, cost_of_many) = measure(5_500.0, address);
    assert_eq!((few, many), (500, 5_500));
    // What there is for a thread, a connection and an interval is the same.
    let more = cost_of_many.saturating_sub(cost_of_few);
    assert!(
        more < 500,
        "{more} allocations for 5 000 requests more ({cost_of_few}, {cost_of_many})"
    );
}
