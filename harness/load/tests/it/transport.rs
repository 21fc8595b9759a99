//! The client that sends the load, against servers that misbehave on purpose.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::Method;
use squall_load::{Course, Exchange, ExchangeFailure, PreparedRequest, Transport};
use squall_record::{BadKind, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than anything may hang.
const HANG: std::time::Duration = std::time::Duration::from_secs(60);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn request(method: Method) -> PreparedRequest {
    PreparedRequest {
        route: 0,
        method,
        path: "/".to_owned(),
        headers: vec![],
        body: Bytes::new(),
    }
}

/// Serves each connection by `serve`, which is told its number; counts them.
async fn server<S, F>(serve: S) -> (SocketAddr, Arc<AtomicU64>)
where
    S: Fn(u64, TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let number = counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(number, stream));
        }
    });
    (address, count)
}

/// Reads one request without a body; whether there was one.
async fn asked(stream: &mut TcpStream) -> bool {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0; 1];
        match stream.read(&mut byte).await {
            Ok(1) => request.push(byte[0]),
            _ => return false,
        }
    }
    true
}

fn transport(address: SocketAddr) -> Transport {
    Transport::new(vec![address], "localhost", None).unwrap()
}

struct Sent {
    result: Result<Exchange, ExchangeFailure>,
    resent: bool,
}

impl Sent {
    fn outcome(&self) -> Outcome {
        match &self.result {
            Ok(_) => Outcome::Good,
            Err(failure) => failure.outcome,
        }
    }
}

async fn send(transport: &Transport, method: Method) -> Sent {
    let course = Course::default();
    let request = request(method);
    let exchange = transport.exchange(&request, 0, &course);
    let result = tokio::time::timeout(HANG, exchange)
        .await
        .expect("it hangs");
    Sent {
        result,
        resent: course.resent.get(),
    }
}

/// Answers once and ends the connection under the second request, unanswered.
async fn dies_under_the_second(_: u64, mut stream: TcpStream) {
    if asked(&mut stream).await {
        stream.write_all(ANSWER).await.unwrap();
        asked(&mut stream).await;
    }
}

#[tokio::test]
async fn what_may_be_repeated_is_sent_once_more_when_a_kept_connection_dies() {
    for (method, again) in [
        (Method::GET, true),
        (Method::PUT, true),
        (Method::DELETE, true),
        (Method::POST, false),
        (Method::PATCH, false),
    ] {
        let (address, connections) = server(dies_under_the_second).await;
        let transport = transport(address);
        assert_eq!(send(&transport, Method::GET).await.outcome(), Outcome::Good);
        let second = send(&transport, method.clone()).await;
        assert_eq!(second.resent, again, "{method}");
        let outcome = if again {
            Outcome::Good
        } else {
            Outcome::Bad(BadKind::Broken)
        };
        assert_eq!(second.outcome(), outcome, "{method}");
        let opened = if again { 2 } else { 1 };
        assert_eq!(connections.load(Ordering::SeqCst), opened, "{method}");
    }
}

#[tokio::test]
async fn a_fresh_connection_that_dies_is_a_failure() {
    let (address, connections) = server(|_, mut stream: TcpStream| async move {
        asked(&mut stream).await;
    })
    .await;
    let sent = send(&transport(address), Method::GET).await;
    assert_eq!(sent.outcome(), Outcome::Bad(BadKind::Broken));
    assert!(!sent.resent);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nothing_is_sent_a_third_time() {
    let (address, connections) = server(|number, mut stream: TcpStream| async move {
        if asked(&mut stream).await && number == 0 {
            stream.write_all(ANSWER).await.unwrap();
            asked(&mut stream).await;
        }
    })
    .await;
    let transport = transport(address);
    send(&transport, Method::GET).await;
    let second = send(&transport, Method::GET).await;
    assert_eq!(second.outcome(), Outcome::Bad(BadKind::Broken));
    assert!(second.resent);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_asked_for_again() {
    for cut in [5, ANSWER.len() - 1] {
        let (address, connections) = server(move |_, mut stream: TcpStream| async move {
            asked(&mut stream).await;
            stream.write_all(ANSWER).await.unwrap();
            if asked(&mut stream).await {
                stream.write_all(&ANSWER[..cut]).await.unwrap();
            }
        })
        .await;
        let transport = transport(address);
        send(&transport, Method::GET).await;
        let second = send(&transport, Method::GET).await;
        assert_eq!(second.outcome(), Outcome::Bad(BadKind::Broken), "{cut}");
        assert!(!second.resent);
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }
}

/// What a server says unasked is nobody's answer, on a kept connection too.
#[tokio::test]
async fn an_answer_before_its_request_is_never_good() {
    let (address, connections) = server(|_, mut stream: TcpStream| async move {
        while asked(&mut stream).await {
            let twice = [ANSWER, b"HTTP/1.1 500 Unasked\r\ncontent-length: 0\r\n\r\n"].concat();
            stream.write_all(&twice).await.unwrap();
        }
    })
    .await;
    let transport = transport(address);
    for sent in 1..=3 {
        let exchange = send(&transport, Method::GET).await.result.unwrap();
        assert_eq!(exchange.status, 200);
        assert_eq!(
            connections.load(Ordering::SeqCst),
            sent,
            "none is used twice"
        );
    }

    let (spoken, speaks) = tokio::sync::oneshot::channel::<()>();
    let spoken = std::sync::Mutex::new(Some(spoken));
    let (address, connections) = server(move |number, mut stream: TcpStream| {
        let spoken = spoken.lock().unwrap().take();
        async move {
            while asked(&mut stream).await {
                stream.write_all(ANSWER).await.unwrap();
                if number == 0 {
                    tokio::task::yield_now().await;
                    stream
                        .write_all(b"HTTP/1.1 500 Unasked\r\n\r\n")
                        .await
                        .unwrap();
                    drop(spoken);
                    // Kept open: only the bytes tell.
                    return std::future::pending().await;
                }
            }
        }
    })
    .await;
    let transport = Transport::new(vec![address], "localhost", None).unwrap();
    assert_eq!(send(&transport, Method::GET).await.outcome(), Outcome::Good);
    let _ = speaks.await;
    let second = send(&transport, Method::GET).await;
    assert_eq!(second.result.unwrap().status, 200);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_no_http_is_malformed_and_not_broken() {
    for answer in [
        &b"SSH-2.0-OpenSSH_9\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n",
    ] {
        let (address, _) = server(move |_, mut stream: TcpStream| async move {
            asked(&mut stream).await;
            stream.write_all(answer).await.unwrap();
            asked(&mut stream).await;
        })
        .await;
        let sent = send(&transport(address), Method::GET).await;
        assert_eq!(sent.outcome(), Outcome::Bad(BadKind::Malformed));
    }
}

/// A server may refuse a large body before it has read it.
#[tokio::test]
async fn an_answer_may_come_before_the_request_is_written() {
    let (address, connections) = server(|_, mut stream: TcpStream| async move {
        let mut some = [0; 64];
        let _ = stream.read(&mut some).await;
        let answer = b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        // Reads no more, and stays.
        std::future::pending::<()>().await;
    })
    .await;
    let transport = transport(address);
    let large = PreparedRequest {
        body: Bytes::from(vec![b'x'; 32 << 20]),
        ..request(Method::PUT)
    };
    for sent in 1..=2 {
        let course = Course::default();
        let exchange = transport.exchange(&large, 0, &course).await.unwrap();
        assert_eq!(exchange.status, 413);
        assert_eq!(
            connections.load(Ordering::SeqCst),
            sent,
            "half a request lies in it"
        );
    }
}

/// A client outlives answers of any common size, and of none.
#[tokio::test]
async fn many_requests_share_one_connection() {
    let (address, connections) = server(|_, mut stream: TcpStream| async move {
        let mut number = 0;
        while asked(&mut stream).await {
            let body = "x".repeat(number * 5_000);
            let answer = format!(
                "HTTP/1.1 200\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            number += 1;
        }
    })
    .await;
    let transport = transport(address);
    for number in 0..20 {
        let exchange = send(&transport, Method::GET).await.result.unwrap();
        assert_eq!(exchange.body_bytes, number * 5_000);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_a_burst_opened_is_closed_when_nobody_uses_it() {
    let (address, opened) = server(|_, mut stream| async move {
        while asked(&mut stream).await {
            stream.write_all(ANSWER).await.unwrap();
        }
    })
    .await;
    let transport = transport(address);
    let burst = || send(&transport, Method::GET);
    tokio::join!(burst(), burst(), burst());
    assert_eq!((transport.idle(), opened.load(Ordering::SeqCst)), (3, 3));
    let now = std::time::Instant::now();
    transport.sweep(now);
    assert_eq!(transport.idle(), 3, "they were used just now");
    transport.sweep(now + std::time::Duration::from_secs(91));
    assert_eq!(transport.idle(), 0);
}
