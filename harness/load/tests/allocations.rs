//! A plain request costs no allocation, and no answer costs more than it may. An
//! executable of its own, as it counts those of the whole process.
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use squall_load::{Destination, LoadCommand, LoadHandle, LoadOutput, LoadPlan};
use squall_record::{BadKind, Counts};
use squall_scenario::{
    AnswerCheck, Arrivals, Auth, DataSource, Load, Rate, Request, Stage, Template,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What is counted is that of one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// A server that allocates for a connection and never for a request.
fn server(answer: fn(TcpStream)) -> SocketAddr {
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
            auth: body.map(|_| Auth::Basic {
                user: Template::parse("$user"),
                password: Template::parse("$word"),
            }),
            body: body.map(Template::parse),
            ..Request::plain(name, method, Template::parse(path))
        }
    };
    Load {
        data: vec![
            ("n".into(), DataSource::Count { from: 0 }),
            ("user".into(), DataSource::Uniform { from: 1, to: 100 }),
            (
                "word".into(),
                DataSource::Pick(vec!["a b".into(), "c\"d".into()]),
            ),
        ],
        connections: Some(4),
        workers: Some(1),
        timeout: Duration::from_secs(60),
        ..Load::plain(
            vec![Stage::Hold {
                rate: Rate::per_second(rate).unwrap(),
                duration: Duration::from_secs(1),
                arrivals: Arrivals::Even,
            }],
            vec![
                request("page", "/", None),
                request("item", "/$word?n=$n", Some(r#"{"word":"$word","n":$n}"#)),
            ],
        )
    }
}

/// What became of the arrivals of a load, and what was allocated for them.
fn measure(load: Load, address: SocketAddr) -> (Counts, Stats) {
    let plan = LoadPlan {
        load,
        seed: 1,
        destination: Destination::plain(vec![address], "localhost".into()),
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
    let mut counts = Counts::default();
    while let Some(output) = handle.outputs.blocking_recv() {
        if let LoadOutput::Interval(interval) = output {
            let routes = interval.routes.iter();
            routes.for_each(|route| counts.add(&route.counts));
        }
    }
    (counts, region.change())
}

#[test]
fn a_plain_request_costs_no_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let address = server(answer);
    let measure = |rate| {
        let (counts, spent) = measure(load(rate), address);
        (counts.good, spent.allocations + spent.reallocations)
    };
    // Few enough for the slowest machine to keep up with: where it cannot, each
    // answer is the slowest so far, and kept as a sample.
    let (few, cost_of_few) = measure(100.0);
    let (many, cost_of_many) = measure(1_300.0);
    assert_eq!((few, many), (100, 1_300));
    // What there is for a thread, a connection and an interval is the same; where
    // the machine stands still some answers are samples all the same.
    let more = cost_of_many.saturating_sub(cost_of_few);
    assert!(
        more < 600,
        "{more} allocations for 1 200 requests more ({cost_of_few}, {cost_of_many})"
    );
}

/// Nor does one that a user sends right behind the answer to its last.
#[test]
fn a_request_of_a_closed_loop_costs_no_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let address = server(answer);
    let measure = |milliseconds| {
        let closed = Stage::Closed {
            users: 4,
            think: None,
            duration: Duration::from_millis(milliseconds),
        };
        let load = Load {
            shape: vec![closed],
            ..load(1.0)
        };
        let (counts, spent) = measure(load, address);
        assert_eq!(counts.good, counts.scheduled);
        (counts.good, spent.allocations + spent.reallocations)
    };
    let (few, cost_of_few) = measure(100);
    let (many, cost_of_many) = measure(1_000);
    let requests = many.saturating_sub(few);
    let more = cost_of_many.saturating_sub(cost_of_few) as u64;
    assert!(
        more < 500 + requests / 2,
        "{more} allocations for {requests} requests more ({cost_of_few}, {cost_of_many})"
    );
}

/// Reads a request, begins an answer and goes on until it is long enough or the
/// client has had enough of it.
fn endless(mut stream: TcpStream, begin: &str, unit: &str, bytes: u64) {
    let mut request = [0; 4096];
    let Ok(1..) = stream.read(&mut request) else {
        return;
    };
    let piece = unit.repeat((1 << 20) / unit.len());
    let mut left = bytes;
    let mut said = stream.write_all(begin.as_bytes());
    while left > 0 && said.is_ok() {
        let now = left.min(piece.len() as u64);
        said = stream.write_all(&piece.as_bytes()[..now as usize]);
        left -= now;
    }
    // Until the client has left.
    let _ = stream.read(&mut request);
}

const GIGABYTE: u64 = 1_000_000_000;

fn large_body(stream: TcpStream) {
    let begin = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n";
    endless(stream, begin, "x", GIGABYTE);
}

fn endless_head(stream: TcpStream) {
    endless(stream, "HTTP/1.1 200 OK\r\n", "x: field\r\n", GIGABYTE);
}

fn endless_field(stream: TcpStream) {
    endless(stream, "HTTP/1.1 200 OK\r\nx: ", "field", GIGABYTE);
}

fn endless_interim(stream: TcpStream) {
    endless(stream, "", "HTTP/1.1 100 Continue\r\n\r\n", GIGABYTE);
}

fn endless_trailer(stream: TcpStream) {
    let begin = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
    endless(stream, begin, "x: field\r\n", GIGABYTE);
}

fn endless_line_breaks(stream: TcpStream) {
    endless(stream, "", "\n", GIGABYTE);
}

/// What is served and what it is called; whether its body is looked into.
type Row = (&'static str, fn(TcpStream), Option<BadKind>, bool);

/// Bytes that may be asked for on behalf of one answer, all together: twice the
/// most that is kept of one, for every doubling of a buffer that holds it.
const ASKED_MAX: usize = 12 << 20;

#[test]
fn an_answer_takes_no_more_memory_than_it_may() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let malformed = Some(BadKind::Malformed);
    let rows: [Row; 7] = [
        ("a gigabyte", large_body, None, false),
        // More of it than is kept: that it has the text cannot be said.
        (
            "a gigabyte that is looked into",
            large_body,
            Some(BadKind::Check),
            true,
        ),
        ("a head without end", endless_head, malformed, false),
        ("a field without end", endless_field, malformed, true),
        (
            "interim answers without end",
            endless_interim,
            malformed,
            true,
        ),
        ("fields behind chunks", endless_trailer, malformed, false),
        ("line breaks", endless_line_breaks, malformed, false),
    ];
    for (name, serve, expected, looks) in rows {
        let mut load = load(1.0);
        load.requests.truncate(1);
        if looks {
            let text = AnswerCheck::Contains(Template::parse("xxx"));
            load.requests[0].checks = vec![text];
        }
        let (counts, spent) = measure(load, server(serve));
        assert_eq!(counts.scheduled, 1, "{name}");
        match expected {
            None => assert_eq!((counts.good, counts.bytes), (1, GIGABYTE), "{name}"),
            Some(kind) => assert_eq!(counts.of(kind), 1, "{name}: {counts:?}"),
        }
        let asked = spent.bytes_allocated;
        assert!(asked < ASKED_MAX, "{name}: {asked} bytes were asked for");
    }
}
