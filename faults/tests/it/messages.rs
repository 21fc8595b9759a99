//! Faults on HTTP over real sockets, injected and removed as a run does.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{HANG, proxy_to, soon, stalled, until};
use squall_faults::{Fault, FaultContext, FaultError, Journal, MessageFault, Pauses, Proxy};
use squall_scenario::inject::{Answer, Http, HttpAction, Matching, Message};
use squall_scenario::{ByteCount, EvidenceLevel, OnHttp, Share};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};

/// A server that answers every request with its path, in a body of 20 bytes.
pub(crate) async fn serve_paths() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = Vec::new();
                while stream
                    .read_buf(&mut read)
                    .await
                    .is_ok_and(|length| length > 0)
                {
                    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
                        continue;
                    };
                    let head = String::from_utf8(read.drain(..end + 4).collect()).unwrap();
                    let path = head.split(' ').nth(1).unwrap();
                    let text = format!("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{path:20}");
                    if stream.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// One request on a connection: the status and the body.
pub(crate) async fn get(stream: &mut TcpStream, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8(read.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).unwrap();
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if body.len() == length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, body.trim().to_owned());
            }
        }
        let length = soon(stream.read_buf(&mut read)).await.unwrap();
        assert!(length > 0, "{text}");
    }
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

fn context(dir: &TempDir) -> FaultContext {
    FaultContext {
        fault: "maintenance".to_owned(),
        injection: 0,
        journal: Arc::new(Journal::create(dir.path(), "run").unwrap()),
        guardian: None,
        pauses: Pauses::default(),
        limits: squall_faults::Limits::default(),
        deadline: HANG,
    }
}

fn on(proxy: &Proxy, path: &str, at_most: Option<u32>, action: HttpAction) -> Fault {
    let when = Matching {
        path: Some(path.to_owned()),
        ..Matching::default()
    };
    Fault::Messages(MessageFault {
        proxies: vec![proxy.clone()],
        inject: OnHttp::Http(Http {
            when,
            share: Share::WHOLE,
            at_most,
            scoped: false,
            message: Message::Answer,
            action,
        }),
        scopes: None,
    })
}

#[tokio::test]
async fn a_route_answers_503_until_the_fault_is_removed_and_no_connection_is_lost() {
    let dir = TempDir::new().unwrap();
    let proxy = proxy_to(serve_paths().await);
    let mut live = connect(&proxy).await;
    assert_eq!(
        get(&mut live, "/titles/1").await,
        (200, "/titles/1".to_owned())
    );
    let answer = Answer {
        status: 503,
        headers: Vec::new(),
        body: "closed".to_owned(),
    };
    let fault = on(&proxy, "/titles/**", None, HttpAction::Answer(answer));
    let context = context(&dir);
    let mut guard = fault.inject(&context).await.unwrap();
    let before = soon(guard.verify()).await.unwrap();
    assert_eq!(before.level, EvidenceLevel::Acted);

    // Known from its first byte, and known again after one whole exchange.
    let mut fresh = connect(&proxy).await;
    assert_eq!(
        get(&mut fresh, "/titles/2").await,
        (503, "closed".to_owned())
    );
    assert_eq!(get(&mut fresh, "/other").await, (200, "/other".to_owned()));
    assert_eq!(get(&mut live, "/titles/3").await.0, 200);
    assert_eq!(get(&mut live, "/titles/4").await.0, 503);
    let mut redis = connect(&proxy).await;
    redis.write_all(b"*1\r\n$4\r\nPING\r\n").await.unwrap();
    let felt = async || soon(guard.verify()).await.unwrap().to_string();
    let expected = "2 requests answered with 503 (2 of 3 requests matched) on link echo; \
                    1 connection was not HTTP and passed untouched";
    soon(async {
        while felt().await != expected {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let again = fault.inject(&context).await;
    assert!(matches!(again, Err(FaultError::Attach(_))));

    let removed = soon(guard.remove()).await.unwrap();
    assert_eq!(removed.level, EvidenceLevel::Felt);
    assert!(
        removed
            .to_string()
            .starts_with("taken off 3 live connections of link echo; 2 requests")
    );
    for stream in [&mut live, &mut fresh] {
        assert_eq!(
            get(stream, "/titles/5").await,
            (200, "/titles/5".to_owned())
        );
    }
    assert_eq!(
        soon(guard.remove()).await.unwrap().level,
        EvidenceLevel::Felt
    );
}

#[tokio::test]
async fn an_abort_reaches_both_sides_behind_the_bytes_that_pass() {
    let dir = TempDir::new().unwrap();
    let proxy = proxy_to(serve_paths().await);
    let after = ByteCount(5);
    let fault = on(&proxy, "/**", None, HttpAction::Abort { after });
    let guard = fault.inject(&context(&dir)).await.unwrap();
    let mut stream = connect(&proxy).await;
    stream
        .write_all(b"GET /abcdefgh HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let mut heard = Vec::new();
    let error = soon(stream.read_to_end(&mut heard)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(heard.ends_with(b"\r\n\r\n/abcd"), "{heard:?}");
    until("it is counted", || proxy.counters().reset == 1).await;
    let evidence = soon(guard.verify()).await.unwrap().to_string();
    assert!(
        evidence.starts_with("1 answer ended by a reset (1 of 1"),
        "{evidence}"
    );
}

#[tokio::test]
async fn no_more_suffer_at_once_than_may_and_what_is_held_goes_on_when_it_is_removed() {
    let dir = TempDir::new().unwrap();
    let proxy = proxy_to(serve_paths().await);
    let action = HttpAction::Delay {
        by: Duration::from_secs(3600),
        jitter: Duration::ZERO,
    };
    let fault = on(&proxy, "/late", Some(1), action);
    let mut guard = fault.inject(&context(&dir)).await.unwrap();
    let mut held = connect(&proxy).await;
    let late = tokio::spawn(async move { get(&mut held, "/late").await });
    until("it is held", || proxy.counters().bytes_to > 0).await;
    let mut other = connect(&proxy).await;
    assert_eq!(get(&mut other, "/late").await.0, 200);
    let mut evidence = String::new();
    soon(async {
        while !evidence.starts_with("1 answer delayed by 1h") {
            evidence = guard.verify().await.unwrap().to_string();
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(evidence.contains("1 over the cap of 1"), "{evidence}");
    assert!(!late.is_finished());
    soon(guard.remove()).await.unwrap();
    assert_eq!(soon(late).await.unwrap(), (200, "/late".to_owned()));
}

#[tokio::test]
async fn the_same_seed_decides_the_same_for_every_request() {
    let dir = TempDir::new().unwrap();
    let context = context(&dir);
    let upstream = serve_paths().await;
    let mut drawn = Vec::new();
    for _ in 0..2 {
        let proxy = proxy_to(upstream);
        let answer = Answer {
            status: 500,
            headers: Vec::new(),
            body: String::new(),
        };
        let Fault::Messages(mut fault) = on(&proxy, "/**", None, HttpAction::Answer(answer)) else {
            unreachable!()
        };
        let OnHttp::Http(http) = &mut fault.inject;
        http.share = Share::new(0.3).unwrap();
        let guard = Fault::Messages(fault).inject(&context).await.unwrap();
        let mut statuses = Vec::new();
        for _ in 0..3 {
            let mut stream = connect(&proxy).await;
            for _ in 0..20 {
                statuses.push(get(&mut stream, "/x").await.0);
            }
        }
        drop(guard);
        drawn.push(statuses);
    }
    assert_eq!(drawn[0], drawn[1]);
    let hit = drawn[0].iter().filter(|status| **status == 500).count();
    assert!((8..30).contains(&hit), "{hit} of 60 for 30%");
}

/// A caller that sends a body without end, and its target, which has read nothing
/// but the head; nothing moves any more.
async fn upload(proxy: &Proxy, listener: &TcpListener) -> (OwnedReadHalf, TcpStream) {
    let caller = TcpStream::connect(proxy.address());
    let (caller, accepted) = tokio::join!(caller, listener.accept());
    let (hears, mut says) = caller.unwrap().into_split();
    let mut target = accepted.unwrap().0;
    let head = b"POST / HTTP/1.1\r\nContent-Length: 1000000000000\r\n\r\n";
    soon(says.write_all(head)).await.unwrap();
    soon(target.read_exact(&mut vec![0; head.len()]))
        .await
        .unwrap();
    tokio::spawn(async move { while says.write_all(&[0; 65536]).await.is_ok() {} });
    stalled(|| proxy.counters().bytes_to - head.len() as u64).await;
    (hears, target)
}

#[tokio::test]
async fn an_answer_is_aborted_while_nobody_takes_the_request() {
    let dir = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy_to(listener.local_addr().unwrap());
    let after = ByteCount(2);
    let fault = on(&proxy, "/**", None, HttpAction::Abort { after });
    let _guard = fault.inject(&context(&dir)).await.unwrap();
    let (mut hears, mut target) = upload(&proxy, &listener).await;
    let answer = b"HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nmuch";
    target.write_all(answer).await.unwrap();
    let mut heard = Vec::new();
    let error = soon(hears.read_to_end(&mut heard)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_answer_that_is_held_comes_while_nobody_takes_the_request() {
    let dir = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy_to(listener.local_addr().unwrap());
    let rate = HttpAction::Throttle(ByteCount(1 << 30));
    let Fault::Messages(mut slow) = on(&proxy, "/**", None, rate) else {
        unreachable!()
    };
    let OnHttp::Http(http) = &mut slow.inject;
    http.message = Message::Request;
    let slow = Fault::Messages(slow);
    let by = Duration::from_millis(50);
    let jitter = Duration::ZERO;
    let late = on(&proxy, "/**", None, HttpAction::Delay { by, jitter });
    let one = context(&dir);
    let other = FaultContext {
        fault: "other".to_owned(),
        ..context(&TempDir::new().unwrap())
    };
    let _slow = slow.inject(&one).await.unwrap();
    let _late = late.inject(&other).await.unwrap();
    let (mut hears, mut target) = upload(&proxy, &listener).await;
    let answer = b"HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nmuch";
    target.write_all(answer).await.unwrap();
    let mut heard = vec![0; answer.len()];
    soon(hears.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard, answer);
}
