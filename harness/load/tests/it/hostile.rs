//! Servers that answer wrongly, each in its own way: what the client makes of it,
//! and that no answer ever goes to another request.
//!
//! Every request carries an id that only its own answer may carry back. A server
//! misbehaves for `/bad/ID` and answers `/good/ID` as it should, on the same
//! connections.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use squall_load::{FIELDS_MAX, HEAD_BYTES_MAX, Sender as _, give_up_late};
use squall_record::{BadKind, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::client::{Client, Sent};

mod scripts;

use scripts::{Act, CASES};

/// Longer than anything may hang.
const HANG: Duration = Duration::from_secs(120);
/// What a client may take of an answer that it refuses: the most that it reads
/// of a head, and what the sockets of both sides hold.
const TAKEN_MAX: u64 = 24 << 20;
const _: () = assert!(HEAD_BYTES_MAX as u64 * 8 < TAKEN_MAX);

/// A server that follows a script, and what it has done.
struct Server {
    address: SocketAddr,
    /// Scripts that came to their end, or to where the client left.
    played: Arc<AtomicU64>,
    /// Bytes that were sent within the longest script.
    sent_max: Arc<AtomicU64>,
}

async fn server(script: &'static [Act]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server {
        address: listener.local_addr().unwrap(),
        played: Arc::default(),
        sent_max: Arc::default(),
    };
    let (played, sent_max) = (Arc::clone(&server.played), Arc::clone(&server.sent_max));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let serves = serve(stream, script, Arc::clone(&played), Arc::clone(&sent_max));
            tokio::spawn(serves);
        }
    });
    server
}

async fn serve(
    mut stream: TcpStream,
    script: &'static [Act],
    played: Arc<AtomicU64>,
    sent_max: Arc<AtomicU64>,
) {
    while let Some((bad, id)) = asked(&mut stream).await {
        if !bad {
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{id}",
                id.len()
            );
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            continue;
        }
        let mut sent = 0;
        let mut ended = false;
        for act in script {
            match perform(act, &mut stream, &id).await {
                Ok(bytes) => sent += bytes,
                Err(Ended) => {
                    ended = true;
                    break;
                }
            }
        }
        sent_max.fetch_max(sent, Ordering::SeqCst);
        if ended {
            // Whoever hears of it finds the connection closed.
            drop(stream);
            played.fetch_add(1, Ordering::SeqCst);
            return;
        }
        played.fetch_add(1, Ordering::SeqCst);
    }
}

/// The connection is over.
struct Ended;

/// Does one thing; how many bytes that sent.
async fn perform(act: &Act, stream: &mut TcpStream, id: &str) -> Result<u64, Ended> {
    match act {
        Act::Say(text) => {
            let text = text.replace("{id}", id);
            stream.write_all(text.as_bytes()).await.map_err(|_| Ended)?;
            Ok(text.len() as u64)
        }
        Act::Drip(text) => {
            for byte in text.bytes() {
                stream.write_all(&[byte]).await.map_err(|_| Ended)?;
                // Each comes alone.
                yield_now().await;
            }
            Ok(text.len() as u64)
        }
        Act::Times(times, text) => say_again(stream, text, *times).await,
        Act::Forever(text) => say_again(stream, text, u64::MAX).await,
        Act::Close => Err(Ended),
        Act::Reset => {
            stream.set_zero_linger().unwrap();
            Err(Ended)
        }
    }
}

/// Says a text so many times, or until the client has left.
async fn say_again(stream: &mut TcpStream, text: &str, times: u64) -> Result<u64, Ended> {
    let at_once = (64 << 10) / text.len() as u64;
    let block = text.repeat(at_once as usize);
    let (mut sent, mut left) = (0, times);
    while left > 0 {
        let now = left.min(at_once);
        let block = &block.as_bytes()[..now as usize * text.len()];
        stream.write_all(block).await.map_err(|_| Ended)?;
        sent += block.len() as u64;
        left -= now;
        assert!(sent < TAKEN_MAX || times < u64::MAX, "it is never refused");
    }
    Ok(sent)
}

/// The next request: whether it is to be answered badly, and its id.
async fn asked(stream: &mut TcpStream) -> Option<(bool, String)> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(request).unwrap();
    let (kind, id) = text
        .strip_prefix("GET /")?
        .split_once(' ')?
        .0
        .split_once('/')?;
    Some((kind == "bad", id.to_owned()))
}

/// A request on its way, with its id.
struct Pending {
    path: String,
    told: oneshot::Receiver<Sent>,
}

fn ask(client: &Rc<Client>, path: &str) -> Pending {
    Pending {
        path: path.to_owned(),
        told: client.ask(path),
    }
}

impl Pending {
    /// Waits for what becomes of it; patience ends once `is_over` says so.
    async fn outcome(mut self, client: &Rc<Client>, is_over: impl Fn() -> bool) -> Outcome {
        let path = &self.path;
        let waits = async {
            loop {
                match self.told.try_recv() {
                    Ok(sent) => return sent,
                    Err(oneshot::error::TryRecvError::Closed) => panic!("{path} was forgotten"),
                    Err(oneshot::error::TryRecvError::Empty) => {}
                }
                if is_over()
                    && let Some(end) = client.transport().patience_ends(Duration::ZERO)
                {
                    give_up_late(client, end, Duration::ZERO);
                }
                // Sockets are looked at only where there is something to wait for.
                tokio::time::sleep(Duration::from_micros(50)).await;
            }
        };
        let sent = tokio::time::timeout(HANG, waits).await;
        let sent = sent.unwrap_or_else(|_| panic!("{path} hangs"));
        let outcome = sent.outcome();
        if let Ok(exchange) = sent.result {
            let (_, id) = path.rsplit_once('/').unwrap();
            let body = &exchange.kept.unwrap().body;
            let said = match exchange.fallback {
                Some(header) if body.is_empty() => header,
                _ => String::from_utf8(body.clone()).unwrap(),
            };
            assert_eq!(said, id, "{path} got the answer of another");
        }
        outcome
    }
}

/// The rows of [`CASES`]: on a fresh connection, on one that was used before, and
/// beside others; and the next request is answered as if nothing had been.
#[tokio::test(flavor = "local")]
async fn whatever_a_server_does_is_called_what_it_is() {
    for case in CASES {
        let name = case.name;
        let stays = case.expected == Outcome::Bad(BadKind::Timeout);
        let server = server(case.script).await;
        let client = Client::new(vec![server.address], Some(2));
        let mut bad = 0;
        for path in ["/bad/01", "/good/02", "/bad/03", "/good/04"] {
            let is_bad = path.starts_with("/bad");
            bad += u64::from(is_bad);
            // What has come is taken before something is sent.
            yield_now().await;
            let played = || stays && is_bad && server.played.load(Ordering::SeqCst) >= bad;
            let got = ask(&client, path).outcome(&client, played).await;
            let expected = if is_bad { case.expected } else { Outcome::Good };
            assert_eq!(got, expected, "{name}: {path}");
        }
        let paths = ["/good/05", "/bad/06", "/good/07", "/good/08"];
        let beside = paths.map(|path| ask(&client, path));
        for pending in beside {
            let path = pending.path.clone();
            let is_bad = path.starts_with("/bad");
            let expected = if is_bad { case.expected } else { Outcome::Good };
            let played = || stays && is_bad && server.played.load(Ordering::SeqCst) > bad;
            let got = pending.outcome(&client, played).await;
            assert_eq!(got, expected, "{name}: {path}, beside others");
        }
        let sent = server.sent_max.load(Ordering::SeqCst);
        assert!(
            sent < TAKEN_MAX || case.expected == Outcome::Good,
            "{name}: {sent} bytes were taken"
        );
    }
}

/// A field more than is read is named; so many are read.
#[test]
fn the_row_of_too_many_fields_has_one_too_many() {
    let times = CASES.iter().flat_map(|case| case.script);
    let most = times.filter_map(|act| match act {
        Act::Times(times, _) => usize::try_from(*times).ok(),
        _ => None,
    });
    assert!(most.into_iter().any(|fields| fields == FIELDS_MAX + 1));
}

#[tokio::test(flavor = "local")]
async fn where_nobody_listens_nothing_is_connected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::new(vec![nobody], Some(1));
    for path in ["/good/1", "/good/2"] {
        let got = ask(&client, path).outcome(&client, || false).await;
        assert_eq!(got, Outcome::Bad(BadKind::Connect));
    }
}

/// The kernel accepts no more than it was told to: whoever comes then is heard by
/// nobody, and is not sent either.
#[tokio::test(flavor = "local")]
async fn where_nobody_accepts_patience_ends_before_a_connection() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let first = TcpStream::connect(address).await.unwrap();
    let client = Client::new(vec![address], Some(1));
    let got = ask(&client, "/good/1").outcome(&client, || true).await;
    assert_eq!(got, Outcome::Bad(BadKind::Timeout));
    drop((first, listener));
}

/// A connection that is closed, or broken, as soon as it is made.
#[tokio::test(flavor = "local")]
async fn a_door_that_shuts_at_once_is_broken() {
    for resets in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if resets {
                    stream.set_zero_linger().unwrap();
                }
            }
        });
        let client = Client::new(vec![address], Some(1));
        for path in ["/good/1", "/good/2"] {
            let got = ask(&client, path).outcome(&client, || false).await;
            // The kernel may tell of a reset before it tells that it has connected.
            let also = if resets {
                BadKind::Connect
            } else {
                BadKind::Broken
            };
            let known = [BadKind::Broken, also].map(Outcome::Bad);
            assert!(known.contains(&got), "resets: {resets}, {got:?}");
        }
    }
}
