//! Faults on HTTP, one exchange on a connection of its own each.

use std::io;
use std::time::{Duration, Instant};

use squall_scenario::inject::{Answer, Http, HttpAction, Matching, Message, Part};
use squall_scenario::{ByteCount, OnHttp, Share};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::{Pair, Stage};
use super::{Amount, Measured, NotMeasured, Observed};
use crate::{Fault, MessageFault, Proxy};

/// Exchanges of each measurement.
const TIMES: usize = 20;
/// What a server answers with.
const BODY_BYTES: usize = 4096;
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4096\r\nx-told: yes\r\n\r\n";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: measured\r\nconnection: close\r\n\r\n";
/// A request without an end.
const REQUEST_BYTES_MAX: usize = 4096;

/// What came back of a request.
struct Got {
    bytes: Vec<u8>,
    took: Duration,
    reset: bool,
}

/// What is looked for in what came back.
enum Look {
    Takes(Duration),
    Carries(ByteCount),
    Body(ByteCount),
    Shows(fn(&Got) -> bool),
}

pub(super) async fn all(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    let pair = Pair::start(answer).await?;
    let mut measured = Vec::new();
    for (what, action, look) in actions() {
        measured.push(take(stage, &pair, what, action, look).await?);
    }
    pair.clear().await;
    Ok(measured)
}

fn actions() -> Vec<(&'static str, HttpAction, Look)> {
    let late = Duration::from_millis(20);
    let delay = HttpAction::Delay {
        by: late,
        jitter: Duration::ZERO,
    };
    let unavailable = HttpAction::Answer(Answer {
        status: 503,
        headers: Vec::new(),
        body: String::new(),
    });
    let abort = HttpAction::Abort {
        after: ByteCount(0),
    };
    let kept = ByteCount(1024);
    let set = HttpAction::SetHeaders(vec![("x-told".to_owned(), "no".to_owned())]);
    let remove = HttpAction::RemoveHeaders(vec!["x-told".to_owned()]);
    let rate = ByteCount(64 * 1024);
    let mut actions = vec![
        ("http delay 20ms", delay, Look::Takes(late)),
        (
            "http answer 503",
            unavailable,
            Look::Shows(|got| got.bytes.starts_with(b"HTTP/1.1 503")),
        ),
        ("http abort", abort, Look::Shows(|got| got.reset)),
        (
            "http truncate 1KiB",
            HttpAction::Truncate(Part::Bytes(kept)),
            Look::Body(kept),
        ),
        (
            "http header set",
            set,
            Look::Shows(|got| has(got, b"x-told: no\r\n")),
        ),
        (
            "http header removed",
            remove,
            Look::Shows(|got| !has(got, b"x-told")),
        ),
        (
            "http throttle 64KiB/s",
            HttpAction::Throttle(rate),
            Look::Carries(rate),
        ),
    ];
    if let Some(share) = Share::new(0.25) {
        actions.push((
            "http corrupt 25%",
            HttpAction::Corrupt(share),
            Look::Shows(|got| {
                let body = body(&got.bytes);
                let changed = body.iter().filter(|byte| **byte != b'x').count();
                body.len() == BODY_BYTES && changed > 0
            }),
        ));
    }
    actions
}

async fn take(
    stage: &Stage,
    pair: &Pair,
    what: &str,
    action: HttpAction,
    look: Look,
) -> Result<Measured, NotMeasured> {
    let fault = Fault::Messages(MessageFault {
        proxies: vec![pair.link.clone()],
        inject: OnHttp::Http(Http {
            when: Matching::default(),
            share: Share::WHOLE,
            at_most: None,
            scoped: false,
            message: Message::Answer,
            action,
        }),
        scopes: None,
    });
    let mut guard = fault.inject(stage.context()).await?;
    let (mut hit, mut spared) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        hit.push(request(&pair.link).await?);
        spared.push(request(&pair.beside).await?);
    }
    guard.remove().await?;
    let requested = match look {
        Look::Takes(time) => Amount::Time(time),
        Look::Carries(rate) => Amount::Rate(rate),
        Look::Body(bytes) => Amount::Bytes(bytes),
        Look::Shows(_) => Amount::Always,
    };
    Ok(Measured {
        fault: what.to_owned(),
        requested,
        observed: look.at(&hit),
        beside: look.at(&spared),
    })
}

impl Look {
    fn at(&self, all: &[Got]) -> Observed {
        match self {
            Self::Takes(_) => Observed::times(all.iter().map(|got| got.took).collect()),
            Self::Carries(_) => {
                let bytes: usize = all.iter().map(|got| body(&got.bytes).len()).sum();
                let took: Duration = all.iter().map(|got| got.took).sum();
                let rate = bytes as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE);
                Observed::Rate(ByteCount(rate as u64))
            }
            Self::Body(_) => {
                let sizes: Vec<_> = all.iter().map(|got| body(&got.bytes).len()).collect();
                Observed::sizes(&sizes)
            }
            Self::Shows(shown) => Observed::Happened {
                times: all.iter().filter(|got| shown(got)).count(),
                of: all.len(),
            },
        }
    }
}

/// One exchange, until the connection is closed or the whole body has come.
async fn request(link: &Proxy) -> io::Result<Got> {
    let mut stream = TcpStream::connect(link.address()).await?;
    stream.set_nodelay(true)?;
    let sent = Instant::now();
    stream.write_all(REQUEST).await?;
    let (mut bytes, mut reset) = (Vec::new(), false);
    while body(&bytes).len() < BODY_BYTES {
        match stream.read_buf(&mut bytes).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                reset = true;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Got {
        bytes,
        took: sent.elapsed(),
        reset,
    })
}

fn has(got: &Got, part: &[u8]) -> bool {
    got.bytes.windows(part.len()).any(|at| at == part)
}

/// What follows the head.
fn body(answer: &[u8]) -> &[u8] {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|at| at == END);
    end.map_or(&[], |end| &answer[end + END.len()..])
}

/// Answers one request and waits until the caller has gone.
async fn answer(mut stream: TcpStream) {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        match stream.read_buf(&mut asked).await {
            Ok(read) if read > 0 && asked.len() < REQUEST_BYTES_MAX => {}
            Ok(_) | Err(_) => return,
        }
    }
    let answer = [HEAD.as_bytes(), &[b'x'; BODY_BYTES]].concat();
    // A reset is what some faults are for.
    if stream.write_all(&answer).await.is_ok() {
        let _ = stream.read(&mut [0; 1]).await;
    }
}
