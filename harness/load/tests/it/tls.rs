//! Connections that are encrypted, that lead to unix sockets, and that are made for
//! each request anew.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use squall_load::{Connector, Endpoint, Tls};
use squall_record::{BadKind, Outcome};
use squall_scenario::{ClientTls, HttpVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::authority::{Authority, file};
use crate::client::{Client, Sent};

/// Longer than anything may hang.
const HANG: Duration = Duration::from_secs(60);
const HOST: &str = "shop.test";

/// Shakes hands with whoever comes and serves each by `serve`; counts those who
/// came.
async fn server<S, F>(config: Arc<ServerConfig>, serve: S) -> (SocketAddr, Arc<AtomicU64>)
where
    S: Fn(TlsStream<TcpStream>) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let (acceptor, serve) = (TlsAcceptor::from(Arc::clone(&config)), serve.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream).await;
                }
            });
        }
    });
    (address, count)
}

/// Reads one request with its body, whose length is the last field; whether there
/// was one, and how long the body was.
async fn asked(stream: &mut (impl AsyncRead + Unpin)) -> Option<usize> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|it| it.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(body.len())
}

/// Answers with so many bytes as it is asked by.
async fn echoes(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    while let Some(length) = asked(&mut stream).await {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; length]).await.unwrap();
        stream.flush().await.unwrap();
    }
}

fn client(endpoint: impl Into<Endpoint>, tls: Option<&ClientTls>) -> Rc<Client> {
    let connector = Connector {
        endpoints: vec![endpoint.into()],
        leads: None,
        tls: tls.map(|tls| Tls::new(tls, HOST, HttpVersion::One).unwrap()),
        http: HttpVersion::One,
        per_request: false,
    };
    Client::with(connector, None)
}

async fn send(client: &Rc<Client>, body: &[u8]) -> Sent {
    let method = if body.is_empty() {
        Method::GET
    } else {
        Method::PUT
    };
    let sent = client.send(&method, body);
    tokio::time::timeout(HANG, sent).await.expect("it hangs")
}

/// What became of one request over TLS, and what was said of it.
async fn failed(address: SocketAddr, tls: &ClientTls) -> (Outcome, String) {
    let sent = send(&client(address, Some(tls)), b"").await;
    let outcome = sent.outcome();
    (outcome, sent.result.unwrap_err().detail)
}

#[tokio::test(flavor = "local")]
async fn bodies_of_any_size_go_both_ways_over_one_encrypted_connection() {
    let authority = Authority::new();
    let (address, connections) = server(authority.server(HOST, false), echoes).await;
    let client = client(address, Some(&authority.trusted()));
    let first = send(&client, b"").await;
    let (made, written) = (first.course.made.unwrap(), first.course.written.unwrap());
    let encrypted = made.encrypted.unwrap();
    assert!(made.connected < encrypted && encrypted <= written);
    assert_eq!(first.outcome(), Outcome::Good);
    for length in [1, 16_384, 16_385, 65_536, 100_000, 8 << 20] {
        let sent = send(&client, &vec![b'x'; length]).await;
        assert_eq!(sent.course.made, None);
        assert_eq!(sent.result.unwrap().body_bytes, length as u64);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "local")]
async fn whom_nobody_vouches_for_is_not_trusted_unless_anybody_is() {
    let (authority, other) = (Authority::new(), Authority::called("other"));
    let (address, _) = server(authority.server(HOST, false), echoes).await;
    let (outcome, why) = failed(address, &other.trusted()).await;
    assert_eq!(outcome, Outcome::Bad(BadKind::Tls));
    assert!(why.contains("tls: { ca: FILE }"), "{why}");
    let insecure = ClientTls {
        insecure: true,
        ..ClientTls::default()
    };
    let sent = send(&client(address, Some(&insecure)), b"").await;
    assert_eq!(sent.outcome(), Outcome::Good);
}

/// What people make with one line of openssl, and then name as the authority too.
#[tokio::test(flavor = "local")]
async fn the_certificate_of_an_authority_is_no_server_s() {
    let authority = Authority::new();
    let (address, _) = server(authority.itself(), echoes).await;
    let (outcome, why) = failed(address, &authority.trusted()).await;
    assert_eq!(outcome, Outcome::Bad(BadKind::Tls));
    assert!(why.contains("issue one for it"), "{why}");
}

#[tokio::test(flavor = "local")]
async fn the_name_that_is_to_be_proven_may_be_another() {
    let authority = Authority::new();
    let (address, _) = server(authority.server("pay.test", false), echoes).await;
    let mut tls = authority.trusted();
    let (outcome, why) = failed(address, &tls).await;
    assert_eq!(outcome, Outcome::Bad(BadKind::Tls));
    assert!(why.contains("shop.test"), "{why}");
    tls.server_name = Some("pay.test".into());
    let sent = send(&client(address, Some(&tls)), b"").await;
    assert_eq!(sent.outcome(), Outcome::Good);
}

#[tokio::test(flavor = "local")]
async fn a_client_shows_its_certificate_to_who_asks() {
    let authority = Authority::new();
    let (address, _) = server(authority.server(HOST, true), echoes).await;
    let mut tls = authority.trusted();
    let (outcome, why) = failed(address, &tls).await;
    assert_eq!(outcome, Outcome::Bad(BadKind::Tls));
    assert!(why.contains("certificate: FILE, key: FILE"), "{why}");
    tls.shows = Some(authority.identity("a client").shown());
    let sent = send(&client(address, Some(&tls)), b"").await;
    assert_eq!(sent.outcome(), Outcome::Good);
}

#[tokio::test(flavor = "local")]
async fn what_is_no_tls_and_who_leaves_is_a_failure_of_tls() {
    let trusted = Authority::new().trusted();
    let said: [&[u8]; 2] = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""];
    for said in said {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 4096];
            assert!(stream.read(&mut hello).await.unwrap() > 0);
            stream.write_all(said).await.unwrap();
        });
        let (outcome, why) = failed(address, &trusted).await;
        assert_eq!(outcome, Outcome::Bad(BadKind::Tls), "{why}");
        let word = if said.is_empty() { "closed" } else { "no TLS" };
        assert!(why.contains(word), "{why}");
    }
}

/// Whoever cuts a connection could cut an answer short that ends with it.
#[tokio::test(flavor = "local")]
async fn an_answer_without_length_needs_the_goodbye_of_tls() {
    for (goodbye, outcome) in [
        (true, Outcome::Good),
        (false, Outcome::Bad(BadKind::Broken)),
    ] {
        let authority = Authority::new();
        let serve = move |mut stream: TlsStream<TcpStream>| async move {
            asked(&mut stream).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf")
                .await
                .unwrap();
            stream.flush().await.unwrap();
            match goodbye {
                true => stream.shutdown().await.unwrap(),
                false => stream.get_mut().0.shutdown().await.unwrap(),
            }
        };
        let (address, _) = server(authority.server(HOST, false), serve).await;
        let sent = send(&client(address, Some(&authority.trusted())), b"").await;
        assert_eq!(sent.outcome(), outcome, "{goodbye}");
    }
}

/// A server that closes what it kept is not at fault, nor is the user.
#[tokio::test(flavor = "local")]
async fn a_kept_connection_that_ends_under_a_request_is_made_anew() {
    let authority = Authority::new();
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        if asked(&mut stream).await.is_some() {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            asked(&mut stream).await;
        }
    };
    let (address, connections) = server(authority.server(HOST, false), serve).await;
    let client = client(address, Some(&authority.trusted()));
    assert_eq!(send(&client, b"").await.outcome(), Outcome::Good);
    let second = send(&client, b"").await;
    assert_eq!(second.outcome(), Outcome::Good);
    assert!(second.course.resent);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[test]
fn settings_that_cannot_be_used_say_which() {
    let wrong = |tls: &ClientTls, host: &str| {
        Tls::new(tls, host, HttpVersion::One)
            .unwrap_err()
            .to_string()
    };
    let authority = Authority::new();
    let none = wrong(&authority.trusted(), "a..b");
    assert!(
        none.contains("a..b") && none.contains("server_name"),
        "{none}"
    );
    let empty = ClientTls {
        ca: Some(file("empty.pem", "")),
        ..ClientTls::default()
    };
    assert!(wrong(&empty, HOST).contains("empty.pem"));
    let (one, two) = (authority.identity("a"), authority.identity("b"));
    let mut mixed = one.shown();
    mixed.key = two.shown().key;
    let mixed = ClientTls {
        shows: Some(mixed),
        ..authority.trusted()
    };
    let why = wrong(&mixed, HOST);
    assert!(why.to_lowercase().contains("key"), "{why}");
}

#[tokio::test(flavor = "local")]
async fn unix_sockets_carry_what_others_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let gone = client(Endpoint::Unix(path.as_path().into()), None);
    let refused = send(&gone, b"").await;
    assert_eq!(refused.outcome(), Outcome::Bad(BadKind::Connect));
    let why = refused.result.unwrap_err().detail;
    assert!(why.contains("app.sock"), "{why}");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echoes(stream));
        }
    });
    let client = client(Endpoint::Unix(path.as_path().into()), None);
    for length in [0, 5, 3 << 20] {
        let exchange = send(&client, &vec![b'x'; length]).await.result.unwrap();
        assert_eq!(exchange.body_bytes, length as u64);
        assert_eq!(exchange.address, Endpoint::Unix(path.as_path().into()));
    }
}

#[tokio::test(flavor = "local")]
async fn addresses_of_the_sixth_version_are_addresses() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs IPv6\n").unwrap();
        return;
    };
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echoes(stream));
        }
    });
    let sent = send(&client(address, None), b"12345").await;
    assert_eq!(sent.result.unwrap().body_bytes, 5);
}

#[tokio::test(flavor = "local")]
async fn a_connection_for_each_request_is_used_once() {
    let authority = Authority::new();
    let (address, connections) = server(authority.server(HOST, false), echoes).await;
    let connector = Connector {
        endpoints: vec![address.into()],
        leads: None,
        tls: Some(Tls::new(&authority.trusted(), HOST, HttpVersion::One).unwrap()),
        http: HttpVersion::One,
        per_request: true,
    };
    let client = Client::with(connector, None);
    for number in 1..=3 {
        let sent = send(&client, b"").await;
        assert!(sent.course.made.is_some());
        assert_eq!(sent.outcome(), Outcome::Good);
        assert_eq!(connections.load(Ordering::SeqCst), number);
    }
}
