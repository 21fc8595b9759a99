//! HTTP/2 as the load speaks it, against a server that writes its frames by hand: what
//! no library would send.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::Method;
use squall_load::{Connector, give_up_late};
use squall_record::{BadKind, Outcome};
use squall_scenario::HttpVersion;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use crate::client::{Client, Sent};
use crate::serving::server;

/// Longer than anything may hang.
const HANG: Duration = Duration::from_secs(60);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Types of frames (RFC 9113 §6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
/// The head is whole, and nothing follows it.
const WHOLE: u8 = 5;
/// `:status: 200`, as HPACK's table has it.
const STATUS_200: &[u8] = &[0x88];

/// One side of a connection.
struct Frames(TcpStream);

impl Frames {
    /// Speaks with a client that has just connected.
    async fn new(mut stream: TcpStream) -> Self {
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(preface, PREFACE);
        let mut frames = Self(stream);
        frames.write((SETTINGS, 0), 0, b"").await;
        frames
    }

    async fn write(&mut self, (kind, flags): (u8, u8), stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat()).await.unwrap();
    }

    async fn answer(&mut self, stream: u32) {
        self.write((HEADERS, WHOLE), stream, STATUS_200).await;
    }

    /// The next frame of a stream: of which type, and of which; `None` at the end.
    async fn next(&mut self) -> Option<(u8, u32)> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
            let mut payload = vec![0; (word(0) >> 8) as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            let (kind, flags, stream) = (head[3], head[4], word(5));
            if kind == SETTINGS && flags & ACK == 0 {
                self.write((SETTINGS, ACK), 0, b"").await;
            }
            if kind == HEADERS || kind == RST_STREAM {
                return Some((kind, stream));
            }
        }
    }
}

fn client(address: std::net::SocketAddr) -> Rc<Client> {
    let connector = Connector {
        http: HttpVersion::Two,
        ..Connector::plain([address])
    };
    Client::with(connector, None)
}

async fn ended(told: oneshot::Receiver<Sent>) -> Sent {
    let sent = tokio::time::timeout(HANG, told).await;
    sent.expect("it hangs").unwrap()
}

/// Who answers late does nothing wrong, however often.
#[tokio::test(flavor = "local")]
async fn answers_to_those_who_were_given_up_cost_nobody_the_connection() {
    const AT_ONCE: usize = 100;
    const ROUNDS: usize = 12;
    let (tell, mut asked) = mpsc::unbounded_channel();
    let (address, connections) = server(move |_, stream| {
        let tell = tell.clone();
        async move {
            let mut frames = Frames::new(stream).await;
            let mut count = 0;
            while let Some((kind, stream)) = frames.next().await {
                if kind == RST_STREAM || count == AT_ONCE * ROUNDS {
                    frames.answer(stream).await;
                } else {
                    count += 1;
                    // A test that has ended hears no more.
                    let _ = tell.send(());
                }
            }
        }
    })
    .await;
    let client = client(address);
    for _ in 0..ROUNDS {
        let all: Vec<_> = (0..AT_ONCE)
            .map(|_| client.begin(&Method::GET, b""))
            .collect();
        for _ in 0..AT_ONCE {
            let next = tokio::time::timeout(HANG, asked.recv()).await;
            next.expect("it hangs").unwrap();
        }
        let late = Instant::now() + Duration::from_secs(61);
        give_up_late(&client, late, Duration::ZERO);
        for told in all {
            assert_eq!(ended(told).await.outcome(), Outcome::Bad(BadKind::Timeout));
        }
    }
    let last = ended(client.begin(&Method::GET, b"")).await;
    assert_eq!(last.outcome(), Outcome::Good);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

/// Looks at so many of the requests that come on a connection, and ends it in good order
/// when all `that` come have come, as nginx does behind `keepalive_requests`.
async fn looks_at(count: usize, that: usize, stream: TcpStream) {
    let mut frames = Frames::new(stream).await;
    let mut asked = Vec::new();
    while asked.len() < that
        && let Some((_, stream)) = frames.next().await
    {
        asked.push(stream);
    }
    asked.truncate(count);
    let last = asked.last().copied().unwrap_or_default();
    let no_error = 0_u32;
    let said = [last.to_be_bytes(), no_error.to_be_bytes()].concat();
    frames.write((GOAWAY, 0), 0, &said).await;
    for stream in asked {
        frames.answer(stream).await;
    }
    // Until the client leaves.
    while frames.next().await.is_some() {}
}

#[tokio::test(flavor = "local")]
async fn a_connection_that_is_ended_in_good_order_costs_no_request() {
    const ALL: usize = 6;
    // One is looked at on each, and all others go on.
    let serve = |number: u64, stream| looks_at(1, ALL - number as usize, stream);
    let (address, connections) = server(serve).await;
    let client = client(address);
    let all = [(); ALL].map(|()| client.begin(&Method::POST, b""));
    let mut resent = 0;
    for told in all {
        let sent = ended(told).await;
        assert_eq!(sent.outcome(), Outcome::Good);
        resent += usize::from(sent.course.resent);
    }
    assert_eq!(resent, ALL - 1);
    assert_eq!(connections.load(Ordering::SeqCst), ALL as u64);
}

#[tokio::test(flavor = "local")]
async fn a_server_that_ends_every_connection_is_not_asked_for_ever() {
    let (address, connections) = server(|_, stream| looks_at(0, 1, stream)).await;
    let sent = ended(client(address).begin(&Method::GET, b"")).await;
    assert_eq!(sent.outcome(), Outcome::Bad(BadKind::Broken));
    assert!(sent.course.resent);
    assert_eq!(connections.load(Ordering::SeqCst), 8);
}

/// What is beyond the last stream that a server looked at was not processed, whatever
/// the reason is for which it goes; what is not may have been.
#[tokio::test(flavor = "local")]
async fn who_goes_away_has_not_looked_at_what_is_beyond() {
    const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];
    let (address, connections) = server(|number, stream| async move {
        let mut frames = Frames::new(stream).await;
        while let Some((_, stream)) = frames.next().await {
            match (number, stream) {
                (0, 1) => {}
                (0, _) => {
                    let said = [1_u32.to_be_bytes(), ENHANCE_YOUR_CALM].concat();
                    return frames.write((GOAWAY, 0), 0, &said).await;
                }
                _ => frames.answer(stream).await,
            }
        }
    })
    .await;
    let client = client(address);
    let [within, beyond] = [(); 2].map(|()| client.begin(&Method::POST, b""));
    let within = ended(within).await;
    assert_eq!(within.outcome(), Outcome::Bad(BadKind::Broken));
    assert!(!within.course.resent);
    let beyond = ended(beyond).await;
    assert_eq!(beyond.outcome(), Outcome::Good);
    assert!(beyond.course.resent);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}
