//! Server-sent events over HTTP/1.1 and HTTP/2, against servers that end them, hold them
//! up, break them and never end them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::Response;
use squall_record::{Counts, Outcome};
use squall_scenario::{
    AnswerCheck, Arrivals, Connecting, HttpVersion, Journey, Load, Rate, Request, SeriesCheck,
    Stage, Stay, Step, Take, Template,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::grpc::{CALLS, HANG, json, load, run_against};
use crate::serving::server;

/// Three events in parts that end anywhere, with a comment that keeps the stream alive.
const PARTS: [&str; 5] = [
    ": welcome\n\nid: 7\nevent: price\nda",
    "ta: {\"of\":\ndata: \"squall\"}\n",
    "\n",
    "data: [DONE]\r\n\r",
    "\n:\n\ndata: 3\n\n",
];

/// What a server does for a request, by the last part of its path.
enum Act {
    /// All parts, and then the end.
    Ends,
    /// All parts, and then nothing.
    Waits,
    /// Nothing at all.
    Silent,
    /// The head, and nothing more.
    Nothing,
    /// All parts, and then the connection breaks, or the stream.
    Breaks,
    /// All parts, some time later, and then the end.
    Slow,
    /// More and more events.
    Floods,
    /// Another answer: its status, and what it says that it is.
    Other(u16, &'static str),
}

fn act(path: &str) -> Act {
    match path.rsplit('/').next().unwrap_or_default() {
        "waits" => Act::Waits,
        "silent" => Act::Silent,
        "nothing" => Act::Nothing,
        "breaks" => Act::Breaks,
        "slow" => Act::Slow,
        "floods" => Act::Floods,
        "page" => Act::Other(200, "text/html"),
        "empty" => Act::Other(200, "text/event-stream"),
        "busy" => Act::Other(503, "text/event-stream"),
        _ => Act::Ends,
    }
}

/// Answers over HTTP/1.1: in chunks, or to `/close/…` until the connection ends.
async fn serve_one(stream: TcpStream, open: Arc<AtomicU64>) {
    let mut stream = BufReader::new(stream);
    open.fetch_add(1, Ordering::SeqCst);
    while let Some(path) = path_of(&mut stream).await {
        if answer_one(&path, &mut stream).await.is_none() {
            break;
        }
    }
    open.fetch_sub(1, Ordering::SeqCst);
}

/// The path of the next request.
async fn path_of(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut path, mut line) = (None, String::new());
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        path = path.or_else(|| line.split(' ').nth(1).map(str::to_owned));
    }
    path
}

/// Whether another request may follow.
async fn answer_one(path: &str, stream: &mut BufReader<TcpStream>) -> Option<()> {
    let closes = path.contains("/close/");
    let framing = match closes {
        true => "connection: close",
        false => "transfer-encoding: chunked",
    };
    let framed = |part: &str| match closes {
        true => part.to_owned(),
        false => format!("{:x}\r\n{part}\r\n", part.len()),
    };
    let (status, media, parts) = match act(path) {
        Act::Other(status, media) => (status, media, &["<p>"][..]),
        Act::Nothing => (200, "text/event-stream", &[][..]),
        _ => (200, "text/event-stream; charset=utf-8", &PARTS[..]),
    };
    if matches!(act(path), Act::Slow) {
        tokio::time::sleep(STAY + Duration::from_millis(500)).await;
    }
    if !matches!(act(path), Act::Silent) {
        let head = format!("HTTP/1.1 {status} It\r\ncontent-type: {media}\r\n{framing}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.ok()?;
        for part in parts {
            stream.write_all(framed(part).as_bytes()).await.ok()?;
            tokio::task::yield_now().await;
        }
    }
    match act(path) {
        Act::Ends | Act::Slow | Act::Other(..) if closes => None,
        Act::Ends | Act::Slow | Act::Other(..) => stream.write_all(b"0\r\n\r\n").await.ok(),
        Act::Breaks => {
            stream.get_ref().set_zero_linger().unwrap();
            None
        }
        Act::Floods => {
            let many = framed(&"data: more\n\n".repeat(1_000));
            while stream.write_all(many.as_bytes()).await.is_ok() {}
            None
        }
        // Until the client leaves.
        Act::Waits | Act::Silent | Act::Nothing => path_of(stream).await.map(|_| ()),
    }
}

/// The same over HTTP/2.
async fn serve_two(stream: TcpStream, open: Arc<AtomicU64>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut to))) = connection.accept().await {
        let open = Arc::clone(&open);
        open.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let path = request.uri().path().to_owned();
            let (status, media, parts) = match act(&path) {
                Act::Other(status, media) => (status, media, &["<p>"][..]),
                Act::Nothing => (200, "text/event-stream", &[][..]),
                _ => (200, "text/event-stream", &PARTS[..]),
            };
            if matches!(act(&path), Act::Silent) {
                let _ = std::future::poll_fn(|cx| to.poll_reset(cx)).await;
                open.fetch_sub(1, Ordering::SeqCst);
                return;
            }
            let head = Response::builder().status(status);
            let head = head.header("content-type", media).body(()).unwrap();
            let mut stream = to.send_response(head, false).unwrap();
            for part in parts {
                let _ = stream.send_data(Bytes::from_static(part.as_bytes()), false);
                tokio::task::yield_now().await;
            }
            match act(&path) {
                Act::Ends | Act::Slow | Act::Other(..) => {
                    drop(stream.send_data(Bytes::new(), true))
                }
                Act::Breaks => stream.send_reset(Reason::INTERNAL_ERROR),
                Act::Floods => {
                    let many = Bytes::from("data: more\n\n".repeat(1_000));
                    loop {
                        stream.reserve_capacity(many.len());
                        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                        let Some(Ok(room)) = room else { break };
                        let part = many.slice(..room.min(many.len()));
                        if stream.send_data(part, false).is_err() {
                            break;
                        }
                    }
                }
                Act::Waits | Act::Silent | Act::Nothing => {
                    let _ = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
                }
            }
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// A server that speaks one of the versions, and how many streams are open there.
pub(crate) async fn serves(http: HttpVersion) -> (SocketAddr, Arc<AtomicU64>) {
    let open = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&open);
    let (address, _) = server(move |_, stream| {
        let open = Arc::clone(&counted);
        async move {
            match http {
                HttpVersion::One => serve_one(stream, open).await,
                HttpVersion::Two => serve_two(stream, open).await,
            }
        }
    })
    .await;
    (address, open)
}

pub(crate) fn events(path: &str, stay: Stay) -> Request {
    Request {
        events: Some(stay),
        expect_status: vec![(200, 200)],
        ..Request::plain("stream", "GET", Template::parse(path))
    }
}

pub(crate) fn count(count: u64) -> Stay {
    Stay {
        count: Some(count),
        time: None,
    }
}

pub(crate) fn time(time: Duration) -> Stay {
    Stay {
        count: None,
        time: Some(time),
    }
}

/// One journey of two steps, the first of which takes something.
fn journey([first, second]: [Request; 2], take: Vec<(String, Take)>) -> Vec<Journey> {
    let step = |request, take| Step {
        request,
        take,
        player: None,
        think: None,
        leave: None,
    };
    vec![Journey {
        name: "j".to_owned(),
        weight: 1,
        persona: None,
        steps: vec![step(first, take), step(second, vec![])],
    }]
}

pub(crate) fn rate(per_second: f64, duration: Duration) -> Stage {
    Stage::Hold {
        rate: Rate::per_second(per_second).unwrap(),
        duration,
        arrivals: Arrivals::Even,
    }
}

/// For second steps, which are due before the load ends or never.
fn time_for_more() -> Stage {
    Stage::Hold {
        rate: Rate::default(),
        duration: Duration::from_secs(2),
        arrivals: Arrivals::Even,
    }
}

pub(crate) fn over(http: HttpVersion, requests: Vec<Request>, journeys: Vec<Journey>) -> Load {
    Load {
        connecting: Connecting {
            http,
            ..Connecting::default()
        },
        ..load(requests, journeys)
    }
}

/// Over both versions, and in both framings of the first, the same count.
async fn all_are(request: Request, of: fn(&Counts) -> u64) -> Vec<String> {
    let mut asked = JoinSet::new();
    for (http, path) in ways(request.path.source()) {
        let request = Request {
            path: Template::parse(&path),
            ..request.clone()
        };
        asked.spawn(async move {
            let (address, _) = serves(http).await;
            let ran = run_against(address, over(http, vec![request], vec![])).await;
            let counted = of(&ran.counts[0]);
            assert_eq!(counted, CALLS, "{http:?} {path}: {:?}", ran.samples);
            let mut samples = ran.samples.into_iter();
            let bad = samples.find(|it| it.outcome != Outcome::Good);
            bad.and_then(|it| it.detail)
        });
    }
    asked.join_all().await.into_iter().flatten().collect()
}

/// Both versions, and both framings of the first.
pub(crate) fn ways(path: &str) -> [(HttpVersion, String); 3] {
    [
        (HttpVersion::One, path.to_owned()),
        (HttpVersion::One, format!("/close{path}")),
        (HttpVersion::Two, path.to_owned()),
    ]
}

fn good(counts: &Counts) -> u64 {
    counts.good
}

#[tokio::test]
async fn a_stream_that_its_server_ends_is_a_list_and_is_counted() {
    let checks = vec![
        json("/0/event", "price"),
        json("/0/id", "7"),
        json("/0/data/of", "squall"),
        json("/1/event", "message"),
        json("/1/data", "[DONE]"),
        json("/2/data", "3"),
        AnswerCheck::Contains(Template::parse("[DONE]")),
        AnswerCheck::Events(SeriesCheck::AtLeast(3)),
        AnswerCheck::Events(SeriesCheck::AtMost(3)),
        AnswerCheck::Events(SeriesCheck::First(Duration::from_secs(60))),
        AnswerCheck::Events(SeriesCheck::Gap(Duration::from_secs(60))),
    ];
    let with = |checks| Request {
        checks,
        ..events("/ends", Stay::default())
    };
    all_are(with(checks), good).await;
    let more = AnswerCheck::Events(SeriesCheck::AtLeast(4));
    let told = all_are(with(vec![more]), |counts| counts.check).await;
    assert_eq!(told, ["3 events came, fewer than 4"; 3]);
    // Nothing is faster than this.
    let first = AnswerCheck::Events(SeriesCheck::First(Duration::from_nanos(1)));
    let told = all_are(with(vec![first]), |counts| counts.check).await;
    assert!(
        told.iter().all(|it| it.contains("the first of the events")),
        "{told:?}"
    );
}

/// Of more than it waits for, and though the server sends them without end.
#[tokio::test]
async fn who_waits_for_so_many_leaves_behind_them() {
    let absent = AnswerCheck::Json {
        pointer: "/2".to_owned(),
        expected: squall_scenario::Expected::Absent,
    };
    for path in ["/ends", "/waits", "/floods"] {
        let request = Request {
            checks: vec![json("/1/data", "[DONE]"), absent.clone()],
            ..events(path, count(2))
        };
        all_are(request, good).await;
    }
}

/// How long clients stay that leave before their stream ends: longer than a busy machine
/// stands still.
pub(crate) const STAY: Duration = Duration::from_secs(3);

/// The stream is still open then, or floods its client.
#[tokio::test]
async fn who_stays_for_a_time_leaves_behind_it() {
    let mut stays = JoinSet::new();
    for path in ["/waits", "/floods", "/nothing"] {
        for (http, path) in ways(path) {
            // One that floods leaves no time for many more, where much else is done.
            let users = if path.ends_with("floods") { 1 } else { CALLS };
            stays.spawn(leaves_behind_its_stay(http, path, users));
        }
    }
    stays.join_all().await;
}

/// So many have a good answer, stayed as long as they would and let go of their stream.
async fn leaves_behind_its_stay(http: HttpVersion, path: String, users: u64) {
    let (address, open) = serves(http).await;
    let load = over(http, vec![events(&path, time(STAY))], vec![]);
    let shape = vec![rate(10.0, Duration::from_millis(100 * users))];
    let ran = run_against(address, Load { shape, ..load }).await;
    let good = ran.counts[0].good;
    assert_eq!(good, users, "{http:?} {path}: {:?}", ran.samples);
    for sample in &ran.samples {
        let stayed = Duration::from_micros(sample.service_us);
        assert!(stayed >= STAY, "{http:?} {path}: {sample:?}");
    }
    let left = async {
        while open.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await
        }
    };
    let left = tokio::time::timeout(HANG, left).await;
    left.expect("it stays open");
}

/// Silence to the end of the stay lies between two events as well.
#[tokio::test]
async fn what_came_within_a_stay_is_held_to_its_times() {
    let asks = |path: &str, stay, check| Request {
        checks: vec![AnswerCheck::Events(check)],
        ..events(path, stay)
    };
    let in_check = |counts: &Counts| counts.check;
    let brief = SeriesCheck::Gap(Duration::from_millis(25));
    let silence = all_are(asks("/waits", time(STAY), brief), in_check);
    let nothing = [
        ("/nothing", time(STAY), SeriesCheck::First(HANG)),
        ("/nothing", time(STAY), SeriesCheck::Gap(HANG)),
        ("/empty", Stay::default(), SeriesCheck::First(HANG)),
        ("/empty", Stay::default(), SeriesCheck::Gap(HANG)),
    ];
    let mut asked = JoinSet::new();
    for (path, stay, check) in nothing {
        asked.spawn(all_are(asks(path, stay, check), in_check));
    }
    for told in silence.await {
        assert!(told.contains("lay between two events"), "{told}");
    }
    for told in asked.join_all().await {
        assert_eq!(told, ["none of the events came"; 3]);
    }
}

#[tokio::test]
async fn what_goes_wrong_with_a_stream_has_its_kind() {
    let stays = Stay::default();
    let told = all_are(events("/breaks", stays), |counts| counts.broken).await;
    assert_eq!(told.len(), 3);
    let told = all_are(events("/page", stays), |counts| counts.malformed).await;
    assert!(
        told.iter()
            .all(|it| it.contains("content-type is \"text/html\"")),
        "{told:?}"
    );
    all_are(events("/busy", stays), |counts| counts.status).await;
    let told = all_are(
        events("/silent", time(Duration::from_millis(50))),
        |counts| counts.timeout,
    )
    .await;
    assert!(
        told.iter()
            .all(|it| it.contains("as long as the client stayed")),
        "{told:?}"
    );
    // Who waits for what never comes gives up when its patience ends.
    for http in [HttpVersion::One, HttpVersion::Two] {
        let (address, _) = serves(http).await;
        let impatient = Load {
            timeout: Duration::from_millis(200),
            ..over(http, vec![events("/waits", count(9))], vec![])
        };
        let ran = run_against(address, impatient).await;
        assert_eq!(ran.counts[0].timeout, CALLS, "{http:?} {:?}", ran.samples);
    }
}

/// A stream that its server ended leaves the connection to the next request; one that
/// was left does not.
#[tokio::test]
async fn a_stream_that_ended_leaves_its_connection_in_order() {
    let (address, connections) = server(|_, stream| serve_one(stream, Arc::default())).await;
    let one = |request| Load {
        connections: Some(1),
        ..over(HttpVersion::One, vec![request], vec![])
    };
    let ended = run_against(address, one(events("/ends", Stay::default()))).await;
    assert_eq!(ended.counts[0].good, CALLS);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let left = run_against(address, one(events("/ends", count(1)))).await;
    assert_eq!(left.counts[0].good, CALLS);
    assert_eq!(connections.load(Ordering::SeqCst), 1 + CALLS);
}

/// How long a client would have stayed says nothing of the next on its connection.
#[tokio::test]
async fn a_stay_ends_with_its_stream() {
    let (address, connections) = server(|_, stream| serve_one(stream, Arc::default())).await;
    let slow = Request {
        name: "j/slow".to_owned(),
        ..Request::plain("slow", "GET", Template::parse("/slow"))
    };
    let ended = Request {
        name: "j/ended".to_owned(),
        ..events("/ends", time(STAY))
    };
    let load = Load {
        connections: Some(1),
        ..over(HttpVersion::One, vec![], journey([ended, slow], vec![]))
    };
    // One user, with time for the second step.
    let shape = [rate(10.0, Duration::from_millis(100)), time_for_more()];
    let load = Load {
        shape: shape.into(),
        ..load
    };
    let ran = run_against(address, load).await;
    let good = ran.counts.iter().map(|counts| counts.good);
    assert!(good.eq([1, 1]), "{:?}", ran.samples);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_an_event_says_goes_into_the_next_step() {
    let first = Request {
        name: "j/first".to_owned(),
        ..events("/waits", count(1))
    };
    let take = vec![("act".to_owned(), Take::Json("/0/event".to_owned()))];
    let second = Request {
        name: "j/second".to_owned(),
        ..events("/$act/ends", count(3))
    };
    let journeys = journey([first, second], take);
    for http in [HttpVersion::One, HttpVersion::Two] {
        let (address, _) = serves(http).await;
        let mut load = over(http, vec![], journeys.clone());
        load.shape.push(time_for_more());
        let ran = run_against(address, load).await;
        assert_eq!(ran.counts[0].good, CALLS, "{:?}", ran.samples);
        assert_eq!(ran.counts[1].good, CALLS, "{:?}", ran.samples);
    }
}
