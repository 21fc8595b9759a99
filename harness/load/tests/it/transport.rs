//! The client that sends the load, against servers that misbehave on purpose.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Method;
use squall_load::{Endpoint, Sender as _, give_up_late};
use squall_record::{BadKind, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot::error::TryRecvError;

use crate::client::{Client, Sent};
use crate::serving::server;

/// Longer than anything may hang.
const HANG: Duration = Duration::from_secs(60);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

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

fn client(address: SocketAddr) -> Rc<Client> {
    Client::new(vec![address], None)
}

async fn send(client: &Rc<Client>, method: Method) -> Sent {
    let sent = client.send(&method, b"");
    tokio::time::timeout(HANG, sent).await.expect("it hangs")
}

/// Answers once and ends the connection under the second request, unanswered.
async fn dies_under_the_second(_: u64, mut stream: TcpStream) {
    if asked(&mut stream).await {
        stream.write_all(ANSWER).await.unwrap();
        asked(&mut stream).await;
    }
}

#[tokio::test(flavor = "local")]
async fn what_may_be_repeated_is_sent_once_more_when_a_kept_connection_dies() {
    for (method, again) in [
        (Method::GET, true),
        (Method::PUT, true),
        (Method::DELETE, true),
        (Method::POST, false),
        (Method::PATCH, false),
    ] {
        let (address, connections) = server(dies_under_the_second).await;
        let client = client(address);
        assert_eq!(send(&client, Method::GET).await.outcome(), Outcome::Good);
        let second = send(&client, method.clone()).await;
        assert_eq!(second.course.resent, again, "{method}");
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

#[tokio::test(flavor = "local")]
async fn a_fresh_connection_that_dies_is_a_failure() {
    let (address, connections) = server(|_, mut stream: TcpStream| async move {
        asked(&mut stream).await;
    })
    .await;
    let sent = send(&client(address), Method::GET).await;
    assert_eq!(sent.outcome(), Outcome::Bad(BadKind::Broken));
    assert!(!sent.course.resent);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "local")]
async fn nothing_is_sent_a_third_time() {
    let (address, connections) = server(|number, mut stream: TcpStream| async move {
        if asked(&mut stream).await && number == 0 {
            stream.write_all(ANSWER).await.unwrap();
            asked(&mut stream).await;
        }
    })
    .await;
    let client = client(address);
    send(&client, Method::GET).await;
    let second = send(&client, Method::GET).await;
    assert_eq!(second.outcome(), Outcome::Bad(BadKind::Broken));
    assert!(second.course.resent);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "local")]
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
        let client = client(address);
        send(&client, Method::GET).await;
        let second = send(&client, Method::GET).await;
        assert_eq!(second.outcome(), Outcome::Bad(BadKind::Broken), "{cut}");
        assert!(!second.course.resent);
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }
}

/// What a server says unasked is nobody's answer, on a kept connection too.
#[tokio::test(flavor = "local")]
async fn an_answer_before_its_request_is_never_good() {
    let (address, connections) = server(|_, mut stream: TcpStream| async move {
        while asked(&mut stream).await {
            let twice = [ANSWER, b"HTTP/1.1 500 Unasked\r\ncontent-length: 0\r\n\r\n"].concat();
            stream.write_all(&twice).await.unwrap();
        }
    })
    .await;
    let client = client(address);
    for sent in 1..=3 {
        let exchange = send(&client, Method::GET).await.result.unwrap();
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
    let client = Client::new(vec![address], None);
    assert_eq!(send(&client, Method::GET).await.outcome(), Outcome::Good);
    let _ = speaks.await;
    let second = send(&client, Method::GET).await;
    assert_eq!(second.result.unwrap().status, 200);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "local")]
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
        let sent = send(&client(address), Method::GET).await;
        assert_eq!(sent.outcome(), Outcome::Bad(BadKind::Malformed));
    }
}

/// A server may refuse a large body before it has read it.
#[tokio::test(flavor = "local")]
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
    let client = client(address);
    let large = vec![b'x'; 32 << 20];
    for sent in 1..=2 {
        let exchange = client.send(&Method::PUT, &large).await.result.unwrap();
        assert_eq!(exchange.status, 413);
        assert_eq!(
            connections.load(Ordering::SeqCst),
            sent,
            "half a request lies in it"
        );
    }
}

/// With a cap, exchanges wait for a connection and go in the order they came.
#[tokio::test(flavor = "local")]
async fn those_that_wait_for_a_connection_go_in_order() {
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    let (address, opened) = server(move |_, mut stream: TcpStream| {
        let seen = Arc::clone(&seen);
        async move {
            let mut request = vec![0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut request).await {
                seen.lock().unwrap().push(request[length - 1]);
                stream.write_all(ANSWER).await.unwrap();
            }
        }
    })
    .await;
    let client = Client::new(vec![address], Some(1));
    let all = [b"1", b"2", b"3", b"4"].map(|body| client.begin(&Method::POST, body));
    for told in all {
        assert_eq!(told.await.unwrap().outcome(), Outcome::Good);
    }
    assert_eq!(*order.lock().unwrap(), b"1234");
    assert_eq!(opened.load(Ordering::SeqCst), 1);
}

/// Patience ends for the oldest first; its connection is closed, and who waits
/// for one gets a fresh one.
#[tokio::test(flavor = "local")]
async fn patience_ends_in_the_order_of_dispatch_and_frees_the_connection() {
    let (address, opened) = server(|number, mut stream: TcpStream| async move {
        while asked(&mut stream).await {
            if number > 0 {
                stream.write_all(ANSWER).await.unwrap();
            }
        }
    })
    .await;
    let client = Client::new(vec![address], Some(1));
    let hung = client.begin(&Method::GET, b"");
    let waits = client.begin(&Method::GET, b"");
    while opened.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let first = client.transport().patience_ends(Duration::ZERO).unwrap();
    give_up_late(&client, first, Duration::ZERO);
    let (hung, waits) = (hung.await.unwrap(), waits.await.unwrap());
    assert_eq!(hung.outcome(), Outcome::Bad(BadKind::Timeout));
    assert_eq!(waits.outcome(), Outcome::Good);
    assert_eq!(opened.load(Ordering::SeqCst), 2);
}

/// Addresses take turns; one that refuses is passed over.
#[tokio::test(flavor = "local")]
async fn addresses_take_turns_and_the_next_takes_what_one_refuses() {
    let answers = |_, mut stream: TcpStream| async move {
        while asked(&mut stream).await {
            stream.write_all(ANSWER).await.unwrap();
        }
    };
    let ((a, _), (b, _)) = (server(answers).await, server(answers).await);
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = refused.local_addr().unwrap();
    drop(refused);
    let client = Client::new(vec![a, gone, b], None);
    let mut seen = Vec::new();
    for _ in 0..6 {
        let exchange = send(&client, Method::GET).await.result.unwrap();
        seen.push(exchange.address);
    }
    assert_eq!(seen, [a, b, b, a, b, b].map(Endpoint::Ip));
}

/// A client outlives answers of any common size, and of none.
#[tokio::test(flavor = "local")]
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
    let client = client(address);
    for number in 0..20 {
        let exchange = send(&client, Method::GET).await.result.unwrap();
        assert_eq!(exchange.body_bytes, number * 5_000);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "local")]
async fn what_a_burst_opened_is_closed_when_nobody_uses_it() {
    let (address, opened) = server(|_, mut stream| async move {
        while asked(&mut stream).await {
            stream.write_all(ANSWER).await.unwrap();
        }
    })
    .await;
    let client = client(address);
    let burst = || send(&client, Method::GET);
    tokio::join!(burst(), burst(), burst());
    assert_eq!(
        (client.transport().idle(), opened.load(Ordering::SeqCst)),
        (3, 3)
    );
    let now = std::time::Instant::now();
    client.transport().sweep(now);
    assert_eq!(client.transport().idle(), 3, "they were used just now");
    client.transport().sweep(now + Duration::from_secs(91));
    assert_eq!(client.transport().idle(), 0);
}

/// More than one read holds.
#[tokio::test(flavor = "local")]
async fn the_course_says_when_what_happened() {
    const LARGE: usize = 8 << 20;
    let (address, _) = server(|_, mut stream: TcpStream| async move {
        while asked(&mut stream).await {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b'x'; LARGE]).await.unwrap();
        }
    })
    .await;
    let client = client(address);
    let first = send(&client, Method::GET).await;
    let (course, exchange) = (first.course, first.result.unwrap());
    let (made, written) = (course.made.unwrap(), course.written.unwrap());
    assert!(course.dispatch.at <= made.begun && made.begun < made.connected);
    assert_eq!(made.encrypted, None);
    assert!(made.connected <= written && written < exchange.first_byte);
    assert!(exchange.first_byte < exchange.done);
    let second = send(&client, Method::GET).await;
    assert_eq!(second.course.made, None, "the connection was there");
}

/// However much of one answer has come: the others have their turns, and so has the
/// driver, which sends what is due.
#[tokio::test(flavor = "local")]
async fn an_answer_that_has_much_to_read_leaves_turns_to_others() {
    const READ_AT_ONCE_MAX: usize = 4 * (64 << 10);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tells, told) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        tells.send(0).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        // As much as the sockets hold.
        stream.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(more) = stream.write(&[b'x'; 4096]) {
            written += more;
        }
        tells.send(written).unwrap();
    });
    let mut hears = client(address).begin(&Method::GET, b"");
    while told.try_recv().is_err() {
        tokio::task::yield_now().await;
    }
    let written = told.recv_timeout(HANG).unwrap();
    server.join().unwrap();
    let mut turns = 0;
    let sent = loop {
        tokio::task::yield_now().await;
        turns += 1;
        match hears.try_recv() {
            Ok(sent) => break sent,
            Err(error) => assert_eq!(error, TryRecvError::Empty),
        }
    };
    assert_eq!(sent.result.unwrap().body_bytes, written as u64);
    assert!(
        turns >= written / READ_AT_ONCE_MAX,
        "{turns} of {written} bytes"
    );
}
