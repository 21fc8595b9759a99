//! An answer comes when it comes, however late it is read.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use http::Method;
use squall_load::{Connector, Sender as _};
use squall_scenario::HttpVersion;

use crate::client::Client;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// How long the client looks away while an answer lies in its socket.
const LOOKS_AWAY: Duration = Duration::from_millis(30);
/// Longer than anything may hang.
const HANG: Duration = Duration::from_secs(60);

/// A server of one connection on a thread of its own; tells when each answer had
/// been written.
fn server() -> (SocketAddr, Receiver<Instant>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0; 1];
        while let Ok(1) = stream.read(&mut byte) {
            request.push(byte[0]);
            if request.ends_with(b"\r\n\r\n") {
                request.clear();
                stream.write_all(ANSWER).unwrap();
                if tell.send(Instant::now()).is_err() {
                    return;
                }
            }
        }
    });
    (address, told)
}

#[tokio::test(flavor = "local")]
async fn an_answer_that_lay_in_the_socket_is_not_late() {
    let (address, written) = server();
    let client = Client::new(vec![address], None);
    client.send(&Method::GET, b"").await.result.unwrap();
    written.recv_timeout(HANG).unwrap();
    for tries in 0.. {
        let answer = client.begin(&Method::GET, b"");
        let answered = written.recv_timeout(HANG).unwrap();
        while answered.elapsed() < LOOKS_AWAY {
            std::thread::yield_now();
        }
        let exchange = answer.await.unwrap().result.unwrap();
        // The kernel begins to stamp some time after it was first asked to.
        if client.transport().may_let_lie() {
            assert!(exchange.done < answered + LOOKS_AWAY / 2);
            break;
        }
        assert!(tries < 1_000, "the kernel stamps nothing");
        assert!(exchange.done >= answered + LOOKS_AWAY, "when it was read");
    }
}

/// A server that ends an answer by closing the connection, when it is told to; tells
/// when the answer had been written.
fn server_that_closes() -> (SocketAddr, Receiver<()>, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    let (close, closes) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0; 1];
        while !request.ends_with(b"\r\n\r\n") {
            assert_eq!(stream.read(&mut byte).unwrap(), 1);
            request.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").unwrap();
        tell.send(()).unwrap();
        // A test that has ended says nothing.
        let _ = closes.recv_timeout(HANG);
    });
    (address, told, close)
}

#[tokio::test(flavor = "local")]
async fn an_answer_that_ends_with_its_connection_comes_when_that_ends() {
    let (address, _written) = server();
    let stamped = Client::new(vec![address], None);
    while !stamped.transport().may_let_lie() {
        stamped.send(&Method::GET, b"").await.result.unwrap();
    }
    let (address, written, close) = server_that_closes();
    let client = Client::new(vec![address], None);
    let mut answer = client.begin(&Method::GET, b"");
    let begun = Instant::now();
    while written.try_recv().is_err() {
        assert!(begun.elapsed() < HANG, "it hangs");
        tokio::task::yield_now().await;
    }
    // It is read, and not over.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(answer.try_recv().is_err());
    let closed = Instant::now();
    close.send(()).unwrap();
    let exchange = answer.await.unwrap().result.unwrap();
    assert_eq!(exchange.body_bytes, 5);
    assert!(exchange.done >= closed);
}

/// A server of one connection over HTTP/2 that answers when it is told to; tells when it
/// was asked, and when an answer had been written.
fn server_of_streams() -> (SocketAddr, Receiver<()>, Sender<()>, Receiver<Instant>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (ask, asked) = channel();
    let (go, goes) = channel();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 24]).unwrap();
        stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
        let mut head = [0; 9];
        while stream.read_exact(&mut head).is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            stream.read_exact(&mut payload).unwrap();
            match head[3] {
                // SETTINGS, that of the client.
                4 if head[4] == 0 => stream.write_all(&[0, 0, 0, 4, 1, 0, 0, 0, 0]).unwrap(),
                1 => {
                    ask.send(()).unwrap();
                    goes.recv_timeout(HANG).unwrap();
                    // HEADERS that end the stream: `:status: 200`.
                    let answer = [&[0, 0, 1, 1, 5][..], &head[5..], &[0x88]].concat();
                    stream.write_all(&answer).unwrap();
                    if tell.send(Instant::now()).is_err() {
                        return;
                    }
                }
                _ => {}
            }
        }
    });
    (address, asked, go, told)
}

#[tokio::test(flavor = "local")]
async fn an_answer_over_http_2_that_lay_in_the_socket_is_not_late() {
    let (address, asked, go, written) = server_of_streams();
    let connector = Connector {
        http: HttpVersion::Two,
        ..Connector::plain([address])
    };
    let client = Client::with(connector, None);
    for tries in 0.. {
        let answer = client.begin(&Method::GET, b"");
        let begun = Instant::now();
        while asked.try_recv().is_err() {
            assert!(begun.elapsed() < HANG, "it hangs");
            tokio::task::yield_now().await;
        }
        go.send(()).unwrap();
        let answered = written.recv_timeout(HANG).unwrap();
        while answered.elapsed() < LOOKS_AWAY {
            std::thread::yield_now();
        }
        let exchange = answer.await.unwrap().result.unwrap();
        // The kernel begins to stamp some time after it was first asked to.
        if exchange.done < answered + LOOKS_AWAY / 2 {
            break;
        }
        assert!(tries < 100, "nothing is stamped");
    }
}
