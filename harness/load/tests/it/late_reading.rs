//! An answer comes when it comes, however late it is read.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use http::Method;
use squall_load::Sender as _;

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
