//! A plain request costs no allocation, and no answer costs more than it may. A program of
//! its own without the harness of tests, as it counts the allocations of the whole process,
//! and other threads have theirs.
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use squall_load::{Destination, LoadCommand, LoadHandle, LoadOutput, LoadPlan};
use squall_record::{BadKind, Counts};
use squall_scenario::{
    AnswerCheck, Arrivals, Auth, DataSource, Expected, Load, Rate, Request, Stage, Stay, Template,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn main() {
    a_plain_request_costs_no_allocation();
    a_request_of_a_closed_loop_costs_no_allocation();
    a_message_of_a_stream_costs_no_allocation();
    an_answer_takes_no_more_memory_than_it_may();
    a_value_of_a_list_takes_no_tree_of_it();
}

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

/// Answers that are in time for nobody: of failures so many are kept as samples in each
/// second, and of good answers each that is slower than all before it.
fn in_vain(load: Load) -> Load {
    let mut load = load;
    for request in &mut load.requests {
        request.within = Some(Duration::from_nanos(1));
    }
    load
}

/// How many requests of a load were answered, and what was allocated meanwhile.
fn cost(load: Load, address: SocketAddr) -> (u64, usize) {
    let (counts, spent) = measure(in_vain(load), address);
    // What a busy machine is too late to send costs nothing either.
    assert_eq!(counts.late + counts.dropped, counts.scheduled, "{counts:?}");
    (counts.late, spent.allocations + spent.reallocations)
}

/// What a thread, its connections, its intervals and their samples may differ by from one
/// load to the next.
const ALL_ELSE: u64 = 300;

fn costs_no_more((few, cost_of_few): (u64, usize), (many, cost_of_many): (u64, usize)) {
    let requests = many.saturating_sub(few);
    let more = cost_of_many.saturating_sub(cost_of_few) as u64;
    assert!(
        more < ALL_ELSE + requests / 100,
        "{more} allocations for {requests} requests more ({cost_of_few}, {cost_of_many})"
    );
}

fn a_plain_request_costs_no_allocation() {
    let address = server(answer);
    let of = |rate| cost(load(rate), address);
    costs_no_more(of(100.0), of(1_300.0));
}

/// Nor does one that a user sends right behind the answer to its last.
fn a_request_of_a_closed_loop_costs_no_allocation() {
    let address = server(answer);
    let of = |milliseconds| {
        let closed = Stage::Closed {
            users: 4,
            think: None,
            duration: Duration::from_millis(milliseconds),
        };
        let shape = vec![closed];
        cost(Load { shape, ..load(1.0) }, address)
    };
    costs_no_more(of(100), of(1_000));
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

/// As many events as there are in what is kept of a stream, as small as can be, and
/// then its end.
fn tiny_events(mut stream: TcpStream) {
    let mut request = [0; 4096];
    let Ok(1..) = stream.read(&mut request) else {
        return;
    };
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n";
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all("data:0\n\n".repeat((1 << 20) / 8).as_bytes());
}

/// The time of each is recorded all the same.
fn a_message_of_a_stream_costs_no_allocation() {
    let mut load = load(1.0);
    load.requests.truncate(1);
    let address = server(tiny_events);
    let of = |count| {
        let mut load = load.clone();
        load.requests[0].events = Some(Stay {
            count: Some(count),
            time: None,
        });
        let (counts, spent) = measure(load, address);
        assert_eq!((counts.scheduled, counts.good), (1, 1), "{counts:?}");
        (count, spent.allocations + spent.reallocations)
    };
    costs_no_more(of(1), of(100_000));
}

/// Bytes that are asked for, one after the other, to make the list of so many events. A
/// tree of it would take as much again several times, and all at once.
const ASKED_FOR_A_LIST_MAX: usize = 64 << 20;

fn a_value_of_a_list_takes_no_tree_of_it() {
    let mut load = load(1.0);
    load.requests.truncate(1);
    let request = &mut load.requests[0];
    request.events = Some(Stay::default());
    let value = |pointer: &str, expected| AnswerCheck::Json {
        pointer: pointer.to_owned(),
        expected,
    };
    request.checks = vec![
        value("/131071/data", Expected::Like(Template::parse("0"))),
        value("/131072", Expected::Absent),
        value("/0/event", Expected::Present),
    ];
    let (counts, spent) = measure(load, server(tiny_events));
    assert_eq!((counts.scheduled, counts.good), (1, 1), "{counts:?}");
    let asked = spent.bytes_allocated;
    assert!(asked < ASKED_FOR_A_LIST_MAX, "{asked} bytes were asked for");
}

/// What is served and what it is called; whether its body is looked into.
type Row = (&'static str, fn(TcpStream), Option<BadKind>, bool);

/// Bytes that may be asked for on behalf of one answer, all together: twice the
/// most that is kept of one, for every doubling of a buffer that holds it.
const ASKED_MAX: usize = 12 << 20;

fn an_answer_takes_no_more_memory_than_it_may() {
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
