//! HTTP/2 as the load speaks it, against servers that do right and wrong.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Method, Request, Response};
use squall_load::{Connector, Sender as _, Tls, give_up_late};
use squall_record::{BadKind, Outcome};
use squall_scenario::HttpVersion;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::client::{Client, Sent};
use crate::serving::server;

/// Longer than anything may hang.
const HANG: Duration = Duration::from_secs(60);

type Asked = (Request<RecvStream>, SendResponse<Bytes>);

/// Hands every request of a connection to `asked`, until it ends.
async fn hand_over(
    mut connection: Connection<impl AsyncRead + AsyncWrite + Unpin, Bytes>,
    asked: mpsc::UnboundedSender<Asked>,
) {
    while let Some(Ok(request)) = connection.accept().await {
        // A test that has ended asks no more.
        let _ = asked.send(request);
    }
}

/// A server whose requests are answered by the test.
async fn asked_by_hand(streams: Option<u32>) -> (SocketAddr, Arc<AtomicU64>, Inbox) {
    let (told, asked) = mpsc::unbounded_channel();
    let (address, count) = server(move |_, stream| {
        let told = told.clone();
        async move {
            let mut builder = h2::server::Builder::new();
            if let Some(streams) = streams {
                builder.max_concurrent_streams(streams);
            }
            let connection = builder.handshake(stream).await.unwrap();
            hand_over(connection, told).await;
        }
    })
    .await;
    (address, count, Inbox(asked))
}

struct Inbox(mpsc::UnboundedReceiver<Asked>);

impl Inbox {
    async fn next(&mut self) -> Asked {
        let next = tokio::time::timeout(HANG, self.0.recv()).await;
        next.expect("it hangs").unwrap()
    }
}

fn answer(mut to: SendResponse<Bytes>, body: &'static [u8]) {
    let mut stream = to.send_response(Response::new(()), false).unwrap();
    stream.send_data(Bytes::from_static(body), true).unwrap();
}

fn client(address: SocketAddr, connections: Option<u32>) -> Rc<Client> {
    let connector = Connector {
        http: HttpVersion::Two,
        ..Connector::plain([address])
    };
    Client::with(connector, connections)
}

async fn ended(told: oneshot::Receiver<Sent>) -> Sent {
    let sent = tokio::time::timeout(HANG, told).await;
    sent.expect("it hangs").unwrap()
}

/// Answers with what it is sent.
async fn echoes(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut to))) = connection.accept().await {
        tokio::spawn(async move {
            let mut body = request.into_body();
            let mut stream = to.send_response(Response::new(()), false).unwrap();
            while let Some(Ok(mut part)) = body.data().await {
                body.flow_control().release_capacity(part.len()).unwrap();
                while !part.is_empty() {
                    stream.reserve_capacity(part.len());
                    let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                    let room = room.unwrap().unwrap().min(part.len());
                    stream.send_data(part.split_to(room), false).unwrap();
                }
            }
            stream.send_data(Bytes::new(), true).unwrap();
        });
    }
}

#[tokio::test(flavor = "local")]
async fn many_requests_are_under_way_on_one_connection() {
    let (address, connections, mut asked) = asked_by_hand(None).await;
    let client = client(address, None);
    let all: Vec<_> = (0..50).map(|_| client.begin(&Method::GET, b"")).collect();
    let mut waiting = Vec::new();
    for _ in 0..50 {
        waiting.push(asked.next().await.1);
    }
    // The last is answered first.
    for to in waiting.into_iter().rev() {
        answer(to, b"ok");
    }
    let mut made = 0;
    for told in all {
        let sent = ended(told).await;
        made += u32::from(sent.course.made.is_some());
        assert_eq!(sent.result.unwrap().body_bytes, 2);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    assert_eq!(made, 1, "one of them had it made");
}

#[tokio::test(flavor = "local")]
async fn what_is_asked_is_what_the_scenario_says() {
    let (address, _, mut asked) = asked_by_hand(None).await;
    let told = client(address, None).begin(&Method::PUT, b"body");
    let (request, to) = asked.next().await;
    assert_eq!(request.method(), Method::PUT);
    assert_eq!(request.uri(), "http://localhost/");
    assert_eq!(request.headers()["content-length"], "4");
    let mut body = request.into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), &b"body"[..]);
    answer(to, b"");
    assert_eq!(ended(told).await.outcome(), Outcome::Good);
}

/// Patience ends for one exchange; its connection and all others on it go on.
#[tokio::test(flavor = "local")]
async fn who_is_given_up_costs_nobody_else_the_connection() {
    let (address, connections, mut asked) = asked_by_hand(None).await;
    let client = client(address, None);
    let hung = client.begin(&Method::GET, b"");
    let (_request, mut hung_to) = asked.next().await;
    let other = client.begin(&Method::GET, b"");
    let (_, other_to) = asked.next().await;
    let first = client.transport().patience_ends(Duration::ZERO).unwrap();
    give_up_late(&client, first, Duration::ZERO);
    assert_eq!(ended(hung).await.outcome(), Outcome::Bad(BadKind::Timeout));
    let reset = std::future::poll_fn(|cx| hung_to.poll_reset(cx));
    let reset = tokio::time::timeout(HANG, reset)
        .await
        .expect("nobody says");
    assert_eq!(reset.unwrap(), Reason::CANCEL);
    answer(other_to, b"ok");
    assert_eq!(ended(other).await.outcome(), Outcome::Good);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "local")]
async fn a_reset_is_a_broken_exchange_unless_nobody_looked_at_it() {
    let (address, connections, mut asked) = asked_by_hand(None).await;
    let client = client(address, None);
    let broken = client.begin(&Method::GET, b"");
    let (_, mut to) = asked.next().await;
    to.send_reset(Reason::INTERNAL_ERROR);
    let broken = ended(broken).await;
    assert_eq!(broken.outcome(), Outcome::Bad(BadKind::Broken));
    let why = broken.result.unwrap_err().detail;
    assert!(why.contains("before an answer"), "{why}");
    let refused = client.begin(&Method::POST, b"once");
    let (_, mut to) = asked.next().await;
    to.send_reset(Reason::REFUSED_STREAM);
    let (_, to) = asked.next().await;
    answer(to, b"ok");
    let refused = ended(refused).await;
    assert_eq!(refused.outcome(), Outcome::Good);
    assert!(refused.course.resent);
    let twice = client.begin(&Method::GET, b"");
    for _ in 0..2 {
        let (_, mut to) = asked.next().await;
        to.send_reset(Reason::REFUSED_STREAM);
    }
    let twice = ended(twice).await;
    assert_eq!(twice.outcome(), Outcome::Bad(BadKind::Broken));
    let why = twice.result.unwrap_err().detail;
    assert!(why.contains("refused"), "{why}");
    let cut = client.begin(&Method::GET, b"");
    let (_, mut to) = asked.next().await;
    let mut stream = to.send_response(Response::new(()), false).unwrap();
    // More than a client takes before it has read some of it.
    let mut left = 3 << 20;
    while left > 0 {
        stream.reserve_capacity(left);
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let part = room.unwrap().unwrap().min(left);
        stream.send_data(vec![b'x'; part].into(), false).unwrap();
        left -= part;
    }
    stream.send_reset(Reason::REFUSED_STREAM);
    let cut = ended(cut).await;
    assert_eq!(cut.outcome(), Outcome::Bad(BadKind::Broken));
    assert!(!cut.course.resent, "half of an answer is one");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

/// Who is sent again has left its place.
#[tokio::test(flavor = "local")]
async fn however_often_a_server_refuses_its_connection_has_room() {
    let (address, connections, mut asked) = asked_by_hand(None).await;
    let client = client(address, Some(1));
    for _ in 0..300 {
        let told = client.begin(&Method::GET, b"");
        let (_, mut to) = asked.next().await;
        to.send_reset(Reason::REFUSED_STREAM);
        answer(asked.next().await.1, b"ok");
        assert_eq!(ended(told).await.outcome(), Outcome::Good);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

/// A server that closes what it kept is not at fault, nor is the user; one that closes
/// what is fresh is.
#[tokio::test(flavor = "local")]
async fn a_connection_that_dies_is_excused_where_it_had_brought_an_answer() {
    let (address, connections) = server(|number, stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let mut held = Vec::new();
        if number == 1 {
            let (_, to) = connection.accept().await.unwrap().unwrap();
            answer(to, b"ok");
        }
        while held.len() < 2 {
            held.push(connection.accept().await.unwrap().unwrap());
        }
    })
    .await;
    let client = client(address, None);
    for fresh in [true, false] {
        if !fresh {
            let first = ended(client.begin(&Method::GET, b"")).await;
            assert_eq!(first.outcome(), Outcome::Good);
        }
        let both = [(); 2].map(|()| client.begin(&Method::GET, b""));
        for told in both {
            let sent = ended(told).await;
            assert_eq!(sent.outcome(), Outcome::Bad(BadKind::Broken));
            assert_eq!(sent.course.resent, !fresh, "only once");
            let why = sent.result.unwrap_err().detail;
            assert!(why.contains("before an answer"), "{why}");
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "local")]
async fn a_server_that_takes_no_more_is_left_when_it_has_answered() {
    let (address, connections) = server(|_, stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        if let Some(Ok((_, to))) = connection.accept().await {
            answer(to, b"ok");
            connection.graceful_shutdown();
        }
        while let Some(Ok((_, to))) = connection.accept().await {
            answer(to, b"ok");
        }
    })
    .await;
    let client = client(address, None);
    for _ in 0..5 {
        let told = client.begin(&Method::POST, b"x");
        assert_eq!(ended(told).await.outcome(), Outcome::Good);
    }
    assert!(connections.load(Ordering::SeqCst) > 1);
}

#[tokio::test(flavor = "local")]
async fn bodies_of_any_size_go_both_ways() {
    let (address, connections) = server(|_, stream| echoes(stream)).await;
    let client = client(address, None);
    for length in [0, 1, 16_384, 100_000, 8 << 20] {
        let told = client.begin(&Method::PUT, &vec![b'x'; length]);
        let sent = ended(told).await;
        let written = sent.course.written.unwrap();
        let exchange = sent.result.unwrap();
        assert_eq!(exchange.body_bytes, length as u64);
        assert!(written <= exchange.first_byte && exchange.first_byte <= exchange.done);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

/// A server says how much it takes at a time; the rest waits here.
#[tokio::test(flavor = "local")]
async fn no_more_are_under_way_than_the_server_allows() {
    let (address, connections, mut asked) = asked_by_hand(Some(2)).await;
    let client = client(address, Some(1));
    // So that its settings are known.
    let first = client.begin(&Method::GET, b"");
    answer(asked.next().await.1, b"ok");
    assert_eq!(ended(first).await.outcome(), Outcome::Good);
    let all: Vec<_> = (0..6).map(|_| client.begin(&Method::GET, b"")).collect();
    for _ in 0..3 {
        let (one, two) = (asked.next().await, asked.next().await);
        assert!(asked.0.try_recv().is_err(), "a third at a time");
        answer(one.1, b"ok");
        answer(two.1, b"ok");
    }
    for told in all {
        assert_eq!(ended(told).await.outcome(), Outcome::Good);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "local")]
async fn a_connection_for_each_request_is_used_once() {
    let (address, connections) = server(|_, stream| echoes(stream)).await;
    let connector = Connector {
        http: HttpVersion::Two,
        per_request: true,
        ..Connector::plain([address])
    };
    let client = Client::with(connector, None);
    for number in 1..=3 {
        let sent = ended(client.begin(&Method::PUT, b"x")).await;
        assert_eq!(sent.outcome(), Outcome::Good);
        assert!(sent.course.made.is_some());
        assert_eq!(connections.load(Ordering::SeqCst), number);
    }
    let connector = Connector {
        http: HttpVersion::Two,
        per_request: true,
        ..Connector::plain([address])
    };
    let client = Client::with(connector, Some(1));
    for told in [(); 3].map(|()| client.begin(&Method::PUT, b"x")) {
        assert_eq!(ended(told).await.outcome(), Outcome::Good, "one by one");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 6);
}

#[tokio::test(flavor = "local")]
async fn who_speaks_something_else_is_told_from_who_is_not_there() {
    let (address, _) = server(|_, mut stream: TcpStream| async move {
        let mut some = [0; 1024];
        assert!(stream.read(&mut some).await.unwrap() > 0);
        let answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        // Until the client leaves.
        while let Ok(1..) = stream.read(&mut some).await {}
    })
    .await;
    let sent = ended(client(address, None).begin(&Method::GET, b"")).await;
    assert_eq!(sent.outcome(), Outcome::Bad(BadKind::Malformed));
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let sent = ended(client(address, None).begin(&Method::GET, b"")).await;
    assert_eq!(sent.outcome(), Outcome::Bad(BadKind::Connect));
}

#[tokio::test(flavor = "local")]
async fn tls_agrees_on_it_first() {
    let authority = Authority::new();
    for (offers, outcome) in [
        (&["h2"][..], Outcome::Good),
        (&[], Outcome::Bad(BadKind::Malformed)),
        (&["http/1.1"], Outcome::Bad(BadKind::Tls)),
    ] {
        let mut config = Arc::unwrap_or_clone(authority.server("shop.test", false));
        config.alpn_protocols = offers.iter().map(|it| it.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (address, _) = server(move |_, stream| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await
                    && stream.get_ref().1.alpn_protocol().is_some()
                {
                    echoes(stream).await;
                }
            }
        })
        .await;
        let tls = Tls::new(&authority.trusted(), "shop.test", HttpVersion::Two).unwrap();
        let connector = Connector {
            http: HttpVersion::Two,
            tls: Some(tls),
            ..Connector::plain([address])
        };
        let client = Client::with(connector, None);
        let sent = ended(client.begin(&Method::PUT, b"x")).await;
        assert_eq!(sent.outcome(), outcome, "{offers:?}");
        let encrypted = sent.course.made.and_then(|made| made.encrypted);
        assert_eq!(encrypted.is_some(), outcome == Outcome::Good);
    }
}

#[tokio::test(flavor = "local")]
async fn what_nobody_uses_is_closed() {
    let (address, connections) = server(|_, stream| echoes(stream)).await;
    let client = client(address, None);
    for number in 1..=2 {
        let sent = ended(client.begin(&Method::PUT, b"x")).await;
        assert_eq!(sent.outcome(), Outcome::Good);
        assert_eq!(connections.load(Ordering::SeqCst), number);
        let now = std::time::Instant::now();
        client.transport().sweep(now + Duration::from_secs(91));
    }
}
