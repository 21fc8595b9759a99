//! Calls of gRPC through a link, between a client and a server of the h2 crate.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use squall_faults::{
    Fault, FaultContext, FaultGuard, Journal, MessageFault, Pauses, Proxy, Scope, ScopeKey,
};
use squall_scenario::inject::{
    Answer, GrpcAnswer, GrpcStatus, Http, HttpAction, Matching, Message, SCOPE_HEADER,
};
use squall_scenario::{EvidenceLevel, OnHttp, Share};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{HANG, proxy_to, soon};

/// Longer than a window that nobody opens again.
const LONG: usize = 300_000;

/// The paths of what a server was asked.
type Asked = Arc<Mutex<Vec<String>>>;

/// A server that sends back what it is sent, then a status of its own.
async fn serve_echo() -> (SocketAddr, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Asked::default();
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let heard = Arc::clone(&heard);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await?;
                while let Some(call) = connection.accept().await {
                    let (request, mut respond) = call?;
                    heard.lock().unwrap().push(request.uri().path().to_owned());
                    let tag = request.headers().get("x-tag").cloned();
                    let response = Response::builder().header("content-type", "application/grpc");
                    let sending = respond.send_response(response.body(()).unwrap(), false)?;
                    tokio::spawn(async move {
                        let mut sending = echo(request.into_body(), sending).await?;
                        let mut trailers = HeaderMap::new();
                        trailers.insert("grpc-status", 0.into());
                        if let Some(tag) = tag {
                            trailers.insert("x-tag", tag);
                        }
                        sending.send_trailers(trailers)
                    });
                }
                Ok::<_, h2::Error>(())
            });
        }
    });
    (address, asked)
}

async fn echo(
    mut body: RecvStream,
    mut to: SendStream<Bytes>,
) -> Result<SendStream<Bytes>, h2::Error> {
    while let Some(bytes) = body.data().await {
        let bytes = bytes?;
        body.flow_control().release_capacity(bytes.len())?;
        to = send(to, bytes).await?;
    }
    Ok(to)
}

/// Sends all of it as the receiver has room.
async fn send(mut to: SendStream<Bytes>, mut bytes: Bytes) -> Result<SendStream<Bytes>, h2::Error> {
    while !bytes.is_empty() {
        to.reserve_capacity(bytes.len());
        let room = std::future::poll_fn(|cx| to.poll_capacity(cx)).await;
        let room = room.transpose()?.unwrap_or_default();
        to.send_data(bytes.split_to(room.min(bytes.len())), false)?;
    }
    Ok(to)
}

/// What a call came to: the status with its message, its body, and the tag that came
/// back.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    status: String,
    message: Option<String>,
    body: usize,
    tag: Option<String>,
}

impl Came {
    fn ok(body: usize, tag: &str) -> Self {
        Self {
            status: "0".to_owned(),
            message: None,
            body,
            tag: Some(tag.to_owned()),
        }
    }

    fn unavailable() -> Self {
        Self {
            status: "14".to_owned(),
            message: Some("closed %25%0A".to_owned()),
            body: 0,
            tag: None,
        }
    }
}

/// A caller with one connection.
struct Caller(SendRequest<Bytes>);

impl Caller {
    async fn of(proxy: &Proxy) -> Self {
        let stream = TcpStream::connect(proxy.address()).await.unwrap();
        let (send, connection) = soon(h2::client::handshake(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(send)
    }

    /// One call that sends so many bytes.
    async fn call(&self, path: &str, length: usize, tag: &str) -> Came {
        self.call_with(path, length, tag, None).await
    }

    /// The same with this scope.
    async fn call_with(&self, path: &str, length: usize, tag: &str, scope: Option<&str>) -> Came {
        let mut ready = soon(self.0.clone().ready()).await.unwrap();
        let request = Request::post(format!("http://shop.test{path}"))
            .header("content-type", "application/grpc+proto")
            .header("te", "trailers")
            .header("x-same", "the same in every call")
            .header("x-tag", tag);
        let request = match scope {
            Some(scope) => request.header(SCOPE_HEADER, scope),
            None => request,
        };
        let request = request.body(()).unwrap();
        let (response, sending) = ready.send_request(request, length == 0).unwrap();
        if length > 0 {
            // Whoever has its answer cares no more for what it sends.
            tokio::spawn(async move {
                let mut sending = send(sending, vec![7; length].into()).await?;
                sending.send_data(Bytes::new(), true)
            });
        }
        let response = soon(response).await.unwrap();
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("application/grpc"), "{kind}");
        let head = response.headers().clone();
        let mut body = response.into_body();
        let mut came = 0;
        while let Some(bytes) = soon(body.data()).await {
            let bytes = bytes.unwrap();
            came += bytes.len();
            body.flow_control().release_capacity(bytes.len()).unwrap();
        }
        let trailers = soon(body.trailers()).await.unwrap().unwrap_or(head);
        let text = |name: &str| Some(trailers.get(name)?.to_str().unwrap().to_owned());
        Came {
            status: text("grpc-status").unwrap(),
            message: text("grpc-message"),
            body: came,
            tag: text("x-tag"),
        }
    }
}

fn on(path: &str, action: HttpAction) -> Http {
    Http {
        when: Matching {
            path: Some(path.to_owned()),
            ..Matching::default()
        },
        share: Share::WHOLE,
        at_most: None,
        scoped: false,
        message: Message::Answer,
        action,
    }
}

async fn inject(proxy: &Proxy, path: &str, action: HttpAction) -> (FaultGuard, TempDir) {
    inject_http(proxy, on(path, action), None).await
}

async fn inject_http(proxy: &Proxy, http: Http, scopes: Option<ScopeKey>) -> (FaultGuard, TempDir) {
    let dir = TempDir::new().unwrap();
    let fault = Fault::Messages(MessageFault {
        proxies: vec![proxy.clone()],
        inject: OnHttp::Http(http),
        scopes,
    });
    let context = FaultContext {
        fault: "closed".to_owned(),
        injection: 0,
        journal: Arc::new(Journal::create(dir.path(), "run").unwrap()),
        guardian: None,
        pauses: Pauses::default(),
        limits: squall_faults::Limits::default(),
        deadline: HANG,
    };
    (fault.inject(&context).await.unwrap(), dir)
}

fn unavailable() -> HttpAction {
    HttpAction::Grpc(GrpcAnswer {
        status: GrpcStatus::Unavailable,
        message: "closed %\n".to_owned(),
    })
}

#[tokio::test]
async fn calls_pass_with_their_trailers_and_their_flow_control_where_nothing_hits_them() {
    let (address, asked) = serve_echo().await;
    let proxy = proxy_to(address);
    proxy.follow_calls();
    let caller = Caller::of(&proxy).await;
    for n in 0..3 {
        let tag = format!("call {n}");
        assert_eq!(
            caller.call("/shop.Pay/Charge", LONG, &tag).await,
            Came::ok(LONG, &tag)
        );
    }
    let caller = Arc::new(caller);
    let mut at_once = tokio::task::JoinSet::new();
    for n in 0..20 {
        let caller = Arc::clone(&caller);
        at_once.spawn(async move {
            let tag = format!("at once {n}");
            let came = caller.call("/shop.Pay/All", LONG / 10, &tag).await;
            assert_eq!(came, Came::ok(LONG / 10, &tag));
        });
    }
    soon(at_once.join_all()).await;
    assert_eq!(asked.lock().unwrap().len(), 23);
}

#[tokio::test]
async fn a_method_ends_with_a_status_on_a_live_connection_and_the_others_go_on() {
    let (address, asked) = serve_echo().await;
    let proxy = proxy_to(address);
    proxy.follow_calls();
    let caller = Caller::of(&proxy).await;
    assert_eq!(
        caller.call("/shop.Pay/Charge", 10, "a").await,
        Came::ok(10, "a")
    );
    let (mut guard, _dir) = inject(&proxy, "/shop.Pay/Charge", unavailable()).await;
    soon(guard.verify()).await.unwrap();
    for n in 0..5 {
        let tag = format!("tag {n}");
        assert_eq!(
            caller.call("/shop.Pay/Charge", 0, &tag).await,
            Came::unavailable()
        );
        assert_eq!(
            caller.call("/shop.Pay/Charge", 10, &tag).await,
            Came::unavailable()
        );
        // Its headers refer to those of calls that the server never saw.
        assert_eq!(
            caller.call("/shop.Pay/Refund", 10, &tag).await,
            Came::ok(10, &tag)
        );
    }
    let evidence = soon(guard.remove()).await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Felt);
    let seen = evidence.seen[0].to_string();
    assert!(
        seen.contains("10 calls answered with UNAVAILABLE (10 of "),
        "{seen}"
    );
    assert_eq!(
        caller.call("/shop.Pay/Charge", 10, "b").await,
        Came::ok(10, "b")
    );
    let asked = asked.lock().unwrap();
    let charged = asked.iter().filter(|path| *path == "/shop.Pay/Charge");
    assert_eq!((charged.count(), asked.len()), (2, 7));
}

#[tokio::test]
async fn what_is_sent_on_an_answered_call_takes_no_room_from_the_others() {
    let (address, asked) = serve_echo().await;
    let proxy = proxy_to(address);
    let (_guard, _dir) = inject(&proxy, "/shop.Pay/**", unavailable()).await;
    let caller = Caller::of(&proxy).await;
    // More than the windows of the connection and of each stream hold.
    for n in 0..4 {
        let tag = format!("{n}");
        assert_eq!(
            caller.call("/shop.Pay/Upload", LONG, &tag).await,
            Came::unavailable()
        );
        assert_eq!(
            caller.call("/shop.Look/All", LONG, &tag).await,
            Came::ok(LONG, &tag)
        );
    }
    assert_eq!(asked.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn a_link_that_follows_calls_carries_http_1_and_its_faults_as_well() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy_to(listener.local_addr().unwrap());
    proxy.follow_calls();
    let closed = HttpAction::Answer(Answer {
        status: 503,
        headers: Vec::new(),
        body: String::new(),
    });
    let (_guard, _dir) = inject(&proxy, "/closed", closed).await;
    let mut caller = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut target, _) = soon(listener.accept()).await.unwrap();
    let mut read = vec![0; 1024];
    caller.write_all(b"P").await.unwrap();
    caller
        .write_all(b"OST /open HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let mut heard = String::new();
    while !heard.ends_with("\r\n\r\n") {
        let length = soon(target.read(&mut read)).await.unwrap();
        heard.push_str(std::str::from_utf8(&read[..length]).unwrap());
    }
    assert_eq!(heard, "POST /open HTTP/1.1\r\n\r\n");
    target
        .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
        .await
        .unwrap();
    let length = soon(caller.read(&mut read)).await.unwrap();
    assert!(read[..length].starts_with(b"HTTP/1.1 204"));
    caller
        .write_all(b"GET /closed HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let length = soon(caller.read(&mut read)).await.unwrap();
    assert!(read[..length].starts_with(b"HTTP/1.1 503"));
}

#[tokio::test]
async fn the_same_seed_ends_the_same_share_of_calls() {
    let (address, asked) = serve_echo().await;
    let mut hits = Vec::new();
    for _ in 0..2 {
        let proxy = proxy_to(address);
        let mut half = on("/shop.Pay/**", unavailable());
        half.share = Share::new(0.5).unwrap();
        let (mut guard, _dir) = inject_http(&proxy, half, None).await;
        let caller = Caller::of(&proxy).await;
        let mut hit = Vec::new();
        for n in 0..100 {
            let tag = format!("{n}");
            let came = caller.call("/shop.Pay/Charge", 0, &tag).await;
            match came == Came::unavailable() {
                true => hit.push(n),
                false => assert_eq!(came, Came::ok(0, &tag)),
            }
        }
        let evidence = soon(guard.remove()).await.unwrap();
        let seen = evidence.seen[0].to_string();
        let said = format!("{} calls answered with UNAVAILABLE (100 of 100 ", hit.len());
        assert!(seen.contains(&said), "{seen}");
        hits.push(hit);
    }
    assert_eq!(hits[0], hits[1]);
    assert!((30..70).contains(&hits[0].len()), "{:?}", hits[0]);
    let passed: usize = hits.iter().map(|hit| 100 - hit.len()).sum();
    assert_eq!(asked.lock().unwrap().len(), passed);
}

#[tokio::test]
async fn only_calls_in_scope_end_where_scopes_are_asked_for() {
    let (address, _) = serve_echo().await;
    let proxy = proxy_to(address);
    let key = ScopeKey::of([7; 32]);
    let mut scoped = on("/shop.Pay/**", unavailable());
    scoped.scoped = true;
    let (mut guard, _dir) = inject_http(&proxy, scoped, Some(key.clone())).await;
    let caller = Caller::of(&proxy).await;
    let of = |fault: &str, share| Scope {
        faults: vec![fault.to_owned()],
        share: Share::new(share),
        magnitude: None,
    };
    let forged = ScopeKey::of([8; 32]).sign(&of("closed", 1.0));
    for (scope, is_hit) in [
        (Some(key.sign(&of("closed", 1.0))), true),
        (None, false),
        (Some(key.sign(&of("another", 1.0))), false),
        (Some(key.sign(&of("closed", 0.0))), false),
        (Some(forged), false),
    ] {
        let came = caller.call_with("/shop.Pay/Charge", 10, "a", scope.as_deref());
        let expected = match is_hit {
            true => Came::unavailable(),
            false => Came::ok(10, "a"),
        };
        assert_eq!(came.await, expected, "{scope:?}");
    }
    let evidence = soon(guard.remove()).await.unwrap();
    let seen = evidence.seen[0].to_string();
    assert!(seen.contains("1 call answered"), "{seen}");
    assert!(seen.contains("1 scope was not signed"), "{seen}");
}

#[tokio::test]
async fn a_call_keeps_its_place_until_its_caller_has_sent_all() {
    let (address, _) = serve_echo().await;
    let proxy = proxy_to(address);
    let mut one = on("/shop.Pay/**", unavailable());
    one.at_most = Some(1);
    let (mut guard, _dir) = inject_http(&proxy, one, None).await;
    let caller = Caller::of(&proxy).await;
    let mut ready = soon(caller.0.clone().ready()).await.unwrap();
    let request = Request::post("http://shop.test/shop.Pay/Stream")
        .header("content-type", "application/grpc");
    let (response, mut sending) = ready
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    let response = soon(response).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "14");
    assert_eq!(
        caller.call("/shop.Pay/Charge", 0, "over").await,
        Came::ok(0, "over")
    );
    sending.send_data(Bytes::new(), true).unwrap();
    // It is free as soon as that has reached the link.
    let again =
        async { while caller.call("/shop.Pay/Charge", 0, "again").await != Came::unavailable() {} };
    soon(again).await;
    let evidence = soon(guard.remove()).await.unwrap();
    let seen = evidence.seen[0].to_string();
    assert!(seen.contains("2 calls answered"), "{seen}");
    assert!(seen.contains("over the cap of 1"), "{seen}");
}
