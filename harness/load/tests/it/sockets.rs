//! WebSockets: against a server of somebody else's, and against servers that refuse,
//! break, close, hold up and never end them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_load::Destination;
use squall_record::{Counts, Outcome, Sample};
use squall_scenario::{
    AnswerCheck, Arrivals, Connecting, Expected, HttpVersion, Journey, Load, Rate, Request,
    SeriesCheck, Socket, Stage, Stay, Step, Take, Template,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::rustls::{ServerConnection, StreamOwned};
use tungstenite::Message;
use tungstenite::handshake::derive_accept_key;

use crate::authority::Authority;
use crate::events::{STAY, rate};
use crate::grpc::{CALLS, json, load, run_against, run_to};
use crate::serving::server;

/// What a server heard: messages, and how it was closed.
pub(crate) type Heard = Arc<Mutex<Vec<String>>>;

/// An echo by tungstenite, which takes no frame that is not masked.
pub(crate) fn echo() -> (SocketAddr, Heard) {
    echo_over(|stream| stream)
}

/// The same over what `wrap` makes of each connection.
fn echo_over<S: Read + Write>(
    wrap: impl Fn(std::net::TcpStream) -> S + Clone + Send + 'static,
) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let told = Arc::clone(&heard);
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let (told, wrap) = (Arc::clone(&told), wrap.clone());
            std::thread::spawn(move || converse(wrap(stream), &told));
        }
    });
    (address, heard)
}

fn converse(stream: impl Read + Write, told: &Heard) {
    let tell = |text: String| told.lock().unwrap().push(text);
    let Ok(mut socket) = tungstenite::accept(stream) else {
        return tell("no handshake".to_owned());
    };
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => {
                tell(text.to_string());
                let _ = socket.send(Message::Text(text));
            }
            Ok(Message::Close(said)) => {
                let code = said.map(|said| u16::from(said.code));
                tell(format!("closed {code:?}"));
            }
            Ok(_) => {}
            Err(tungstenite::Error::ConnectionClosed) => return,
            Err(error) => return tell(error.to_string()),
        }
    }
}

/// A frame as servers send it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, payload.len() as u8], payload].concat()
}

/// The path of a request and its key.
async fn asked(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut path, mut key, mut line) = (None, String::new(), String::new());
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        path = path.or_else(|| line.split(' ').nth(1).map(str::to_owned));
        if let Some(value) = line.strip_prefix("sec-websocket-key: ") {
            key = value.trim().to_owned();
        }
    }
    Some((path?, key))
}

/// Does what the path says.
async fn misbehave(stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    let Some((path, key)) = asked(&mut stream).await else {
        return;
    };
    let key = match path.as_str() {
        "/other-key" => "x".to_owned(),
        _ => key,
    };
    let accept = derive_accept_key(key.as_bytes());
    let head = match path.as_str() {
        "/refused" => {
            "HTTP/1.1 403 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned()
        }
        "/page" => "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi".to_owned(),
        "/silent" => String::new(),
        _ => format!(
            "HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: {accept}\r\n\r\n"
        ),
    };
    let says = match path.as_str() {
        "/opcode" => vec![0x83, 0],
        "/masked" => vec![0x81, 0x80, 1, 2, 3, 4],
        "/binary" => frame(0x81, b"\xff"),
        "/fragments" => [
            frame(0x01, b"{\"a\":"),
            frame(0x89, b"are you there"),
            frame(0x80, b"7}"),
            frame(0x82, b"two"),
        ]
        .concat(),
        "/closes" => [frame(0x81, b"1"), frame(0x88, b"\x0f\xa1shut")].concat(),
        "/goes" => [frame(0x81, b"1"), frame(0x88, b"\x03\xe9")].concat(),
        "/cut" => frame(0x81, b"1"),
        "/reset" => frame(0x81, b"1"),
        _ => vec![],
    };
    // The head and the first frame in one.
    let _ = stream.write_all(&[head.as_bytes(), &says].concat()).await;
    match path.as_str() {
        "/cut" => {}
        "/reset" => stream.get_ref().set_zero_linger().unwrap(),
        "/floods" => {
            let many = frame(0x82, &[b'x'; 100]).repeat(1_000);
            while stream.write_all(&many).await.is_ok() {}
        }
        _ => {
            // Whatever comes, until the client leaves.
            let mut sink = vec![0; 4096];
            while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
        }
    }
}

pub(crate) fn opens(path: &str, messages: &[&str], stay: Stay) -> Request {
    let messages = messages.iter().map(|text| Template::parse(text)).collect();
    Request {
        socket: Some(Socket { messages, stay }),
        expect_status: vec![(1000, 1001), (1005, 1005)],
        ..Request::plain("socket", "GET", Template::parse(path))
    }
}

pub(crate) fn count(count: u64) -> Stay {
    Stay {
        count: Some(count),
        time: None,
    }
}

fn time(time: Duration) -> Stay {
    Stay {
        count: None,
        time: Some(time),
    }
}

pub(crate) fn over_one(requests: Vec<Request>, journeys: Vec<Journey>) -> Load {
    Load {
        connecting: Connecting {
            http: HttpVersion::One,
            ..Connecting::default()
        },
        ..load(requests, journeys)
    }
}

async fn ran(address: SocketAddr, request: Request) -> (Counts, Vec<Sample>) {
    let ran = run_against(address, over_one(vec![request], vec![])).await;
    (ran.counts[0], ran.samples)
}

/// What became of sockets that a server of this kind opens.
async fn opened(request: Request) -> (Counts, Option<String>) {
    let (address, _) = server(|_, stream| misbehave(stream)).await;
    let (counts, samples) = ran(address, request).await;
    let bad = |sample: &&Sample| sample.outcome != Outcome::Good;
    let detail = samples.iter().find(bad).and_then(|it| it.detail.clone());
    (counts, detail)
}

/// Waits until a server has heard so much.
async fn heard_by(heard: &Heard, count: usize) -> Vec<String> {
    let enough = async {
        while heard.lock().unwrap().len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), enough).await;
    let all = heard.lock().unwrap().clone();
    waited.unwrap_or_else(|_| panic!("only this was heard: {all:?}"));
    all
}

#[tokio::test]
async fn what_is_said_comes_back_and_the_socket_is_closed_in_order() {
    let (address, heard) = echo();
    let long = "x".repeat(70_000);
    let request = Request {
        checks: vec![
            json("/0/n", "$n"),
            json("/0/word", "$word"),
            json("/1", "plain $word $n"),
            json("/2", "*xxx"),
            AnswerCheck::Json {
                pointer: "/3".to_owned(),
                expected: Expected::Absent,
            },
            AnswerCheck::Series(SeriesCheck::AtLeast(3)),
            AnswerCheck::Series(SeriesCheck::AtMost(3)),
            AnswerCheck::Series(SeriesCheck::First(Duration::from_secs(60))),
            AnswerCheck::Series(SeriesCheck::Gap(Duration::from_secs(60))),
        ],
        ..opens(
            "/echo?n=$n",
            &[r#"{"n":$n,"word":"$word"}"#, "plain $word $n", &long],
            count(3),
        )
    };
    let (counts, samples) = ran(address, request.clone()).await;
    assert_eq!(counts.good, CALLS, "{samples:?}");
    let all = heard_by(&heard, 4 * CALLS as usize).await;
    let of = |text: &str| all.iter().filter(|it| it.as_str() == text).count() as u64;
    assert_eq!(of("closed Some(1000)"), CALLS, "{all:?}");
    assert_eq!(of(r#"{"n":1,"word":"a\"b"}"#), 1, "{all:?}");
    assert_eq!(of("plain a\"b 1"), 1, "{all:?}");
    assert_eq!(of(&long), CALLS);
    let more = Request {
        checks: vec![AnswerCheck::Series(SeriesCheck::AtLeast(4))],
        ..request
    };
    let (counts, samples) = ran(address, more).await;
    assert_eq!(counts.check, CALLS, "{samples:?}");
    let told = samples[0].detail.as_deref();
    assert_eq!(told, Some("3 messages came, fewer than 4"));
}

/// Messages of more than a record of TLS, both ways.
#[tokio::test]
async fn sockets_are_opened_over_tls() {
    let authority = Authority::new();
    let config = authority.server("shop.test", false);
    let (address, heard) = echo_over(move |stream| {
        StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream)
    });
    let long = "x".repeat(200_000);
    let request = Request {
        checks: vec![json("/0", "hello $n"), json("/1", "*xxx")],
        ..opens("/echo", &["hello $n", &long], count(2))
    };
    let mut load = over_one(vec![request], vec![]);
    load.connecting.tls = authority.trusted();
    let destination = Destination {
        server_name: Some("shop.test".to_owned()),
        ..Destination::plain(vec![address], "shop.test".to_owned())
    };
    let ran = run_to(destination, load).await;
    assert_eq!(ran.counts[0].good, CALLS, "{:?}", ran.samples);
    let all = heard_by(&heard, 3 * CALLS as usize).await;
    let closed = all.iter().filter(|it| it.as_str() == "closed Some(1000)");
    assert_eq!(closed.count() as u64, CALLS, "{all:?}");
}

#[tokio::test]
async fn who_stays_for_a_time_leaves_behind_it() {
    let (address, heard) = echo();
    let checks = vec![json("/0", "hello")];
    let request = Request {
        checks,
        ..opens("/echo", &["hello"], time(STAY))
    };
    let echoed = async {
        let (counts, samples) = ran(address, request).await;
        assert_eq!(counts.good, CALLS, "{samples:?}");
        let stayed = |it: &Sample| Duration::from_micros(it.service_us) >= STAY;
        assert!(samples.iter().all(stayed), "{samples:?}");
        let all = heard_by(&heard, 2 * CALLS as usize).await;
        assert!(all.contains(&"closed Some(1000)".to_owned()), "{all:?}");
    };
    let mut others = JoinSet::new();
    // Who is sent more and more, and whose goodbye nobody answers.
    for (path, stay) in [
        ("/floods", time(STAY)),
        ("/floods", count(3)),
        ("/stays", time(STAY)),
    ] {
        others.spawn(async move {
            let (address, _) = server(|_, stream| misbehave(stream)).await;
            let load = over_one(vec![opens(path, &[], stay)], vec![]);
            let shape = vec![rate(10.0, Duration::from_millis(100))];
            let ran = run_against(address, Load { shape, ..load }).await;
            assert_eq!(ran.counts[0].good, 1, "{path} {:?}", ran.samples);
        });
    }
    for check in [SeriesCheck::First, SeriesCheck::Gap] {
        let request = Request {
            checks: vec![AnswerCheck::Series(check(Duration::from_secs(60)))],
            ..opens("/stays", &[], time(STAY))
        };
        others.spawn(async {
            let (counts, detail) = opened(request).await;
            assert_eq!(counts.check, CALLS);
            assert_eq!(detail.as_deref(), Some("none of the messages came"));
        });
    }
    echoed.await;
    others.join_all().await;
}

#[tokio::test]
async fn messages_in_fragments_are_whole_and_pings_are_answered() {
    let request = Request {
        checks: vec![json("/0/a", "7"), json("/1", "two")],
        ..opens("/fragments", &[], count(2))
    };
    let (counts, detail) = opened(request).await;
    assert_eq!(counts.good, CALLS, "{detail:?}");
    assert_eq!(counts.bytes, CALLS * 10, "of messages");
}

#[tokio::test]
async fn what_goes_wrong_with_a_socket_has_its_kind() {
    type Of = fn(&Counts) -> u64;
    let (status, malformed, broken): (Of, Of, Of) =
        (|it| it.status, |it| it.malformed, |it| it.broken);
    for (path, of, says) in [
        ("/refused", status, "no socket was opened: HTTP status 403"),
        ("/page", status, "no socket was opened: HTTP status 200"),
        ("/closes", status, "the server closed with 4001: shut"),
        ("/other-key", malformed, "sec-websocket-accept"),
        ("/opcode", malformed, "opcode"),
        ("/masked", malformed, "masked"),
        ("/binary", malformed, "not UTF-8"),
        ("/cut", broken, "before the socket was"),
        ("/reset", broken, "before the socket was"),
    ] {
        let (counts, detail) = opened(opens(path, &["hello"], count(9))).await;
        assert_eq!(of(&counts), CALLS, "{path} {detail:?}");
        let detail = detail.unwrap();
        assert!(detail.contains(says), "{path}: {detail}");
    }
    let (counts, detail) = opened(opens(
        "/silent",
        &["hello"],
        time(Duration::from_millis(50)),
    ))
    .await;
    assert_eq!(counts.timeout, CALLS, "{detail:?}");
    let (counts, detail) = opened(opens("/goes", &["hello"], count(9))).await;
    assert_eq!(
        counts.good, CALLS,
        "who goes away has done nothing wrong: {detail:?}"
    );
    for (path, code) in [("/closes", 4001), ("/refused", 403)] {
        let expected = Request {
            expect_status: vec![(code, code)],
            ..opens(path, &[], count(9))
        };
        let (counts, detail) = opened(expected).await;
        assert_eq!(counts.good, CALLS, "{path} {detail:?}");
    }
    // Who waits for what never comes gives up when its patience ends.
    let (address, _) = server(|_, stream| misbehave(stream)).await;
    let impatient = Load {
        timeout: Duration::from_millis(200),
        ..over_one(vec![opens("/stays", &["hello"], count(1))], vec![])
    };
    let ran = run_against(address, impatient).await;
    assert_eq!(ran.counts[0].timeout, CALLS, "{:?}", ran.samples);
}

/// A connection that is upgraded carries no other request.
#[tokio::test]
async fn connections_are_shared_with_what_comes_before_a_socket_only() {
    let (address, _) = echo();
    let one = Load {
        connections: Some(1),
        ..over_one(vec![opens("/echo", &["hello"], count(1))], vec![])
    };
    let ran = run_against(address, one).await;
    assert_eq!(ran.counts[0].good, CALLS, "{:?}", ran.samples);
}

#[tokio::test]
async fn what_a_socket_says_goes_into_the_next_step() {
    let step = |name: &str, request, take| Step {
        request: Request {
            name: format!("j/{name}"),
            ..request
        },
        take,
        player: None,
        think: None,
        leave: None,
    };
    let take = vec![("room".to_owned(), Take::Json("/0/room".to_owned()))];
    let second = Request {
        checks: vec![json("/0", "join r$n")],
        ..opens("/echo", &["join $room"], count(1))
    };
    let journey = Journey {
        name: "j".to_owned(),
        weight: 1,
        persona: None,
        steps: vec![
            step(
                "first",
                opens("/echo", &[r#"{"room":"r$n"}"#], count(1)),
                take,
            ),
            step("second", second, vec![]),
        ],
    };
    let (address, _) = echo();
    let mut load = over_one(vec![], vec![journey]);
    // Time enough for the second step.
    load.shape.push(Stage::Hold {
        rate: Rate::default(),
        duration: Duration::from_secs(1),
        arrivals: Arrivals::Even,
    });
    let ran = run_against(address, load).await;
    assert_eq!(ran.counts[0].good, CALLS, "{:?}", ran.samples);
    assert_eq!(ran.counts[1].good, CALLS, "{:?}", ran.samples);
}
