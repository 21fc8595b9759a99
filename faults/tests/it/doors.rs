//! Faults that act before the first byte, on real sockets: whom they keep out,
//! who is inside, and that all is as before when they are gone.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_faults::{
    AttachError, Fault, FaultContext, FaultError, FaultGuard, Journal, Limits, Pauses, Proxy,
    ToxicFault,
};
use squall_scenario::inject::{
    AcceptReset, Beyond, ConnectionLimit, Refuse, Slicer, SlowConnect, Stall,
};
use squall_scenario::{ByteCount, EvidenceLevel, OnBytes, Share};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{HANG, connect_through, echo_proxy, exchange, proxy_to, soon, until};

const AN_HOUR: Duration = Duration::from_secs(3600);

fn slow_connect(by: Duration) -> OnBytes {
    OnBytes::SlowConnect(SlowConnect { by })
}

fn limit(most: u32, beyond: Beyond) -> OnBytes {
    OnBytes::ConnectionLimit(ConnectionLimit { most, beyond })
}

/// Every one of them, with the words of its evidence when it has met nobody.
fn doors() -> [(OnBytes, &'static str); 6] {
    [
        (OnBytes::Refuse(Refuse {}), "listening stopped"),
        (OnBytes::Stall(Stall {}), "no new connection yet"),
        (
            OnBytes::AcceptReset(AcceptReset {}),
            "no new connection yet",
        ),
        (slow_connect(AN_HOUR), "no new connection yet"),
        (limit(1, Beyond::Wait), "none beyond the limit yet"),
        (limit(1, Beyond::Reset), "none beyond the limit yet"),
    ]
}

struct Bench {
    dir: TempDir,
    journal: Arc<Journal>,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let journal = Arc::new(Journal::create(dir.path(), "run").unwrap());
        Self { dir, journal }
    }

    async fn inject(
        &self,
        name: &str,
        proxy: &Proxy,
        inject: &OnBytes,
    ) -> Result<FaultGuard, FaultError> {
        assert!(self.dir.path().exists());
        let context = FaultContext {
            fault: name.to_owned(),
            injection: 0,
            journal: Arc::clone(&self.journal),
            guardian: None,
            pauses: Pauses::default(),
            limits: Limits::default(),
            deadline: HANG,
        };
        let fault = Fault::Toxic(ToxicFault {
            proxies: vec![proxy.clone()],
            inject: inject.clone(),
            share: Share::WHOLE,
        });
        soon(fault.inject(&context)).await
    }
}

async fn connect(proxy: &Proxy) -> TcpStream {
    soon(TcpStream::connect(proxy.address())).await.unwrap()
}

/// Says something and closes its side; hears it all and the end of the stream.
async fn says_and_closes(stream: &mut TcpStream) {
    stream.write_all(b"all of it").await.unwrap();
    stream.shutdown().await.unwrap();
    hears(stream).await;
}

async fn hears(stream: &mut TcpStream) {
    let mut heard = Vec::new();
    soon(stream.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard, b"all of it");
}

async fn is_reset(stream: &mut TcpStream) -> bool {
    match soon(stream.read(&mut [0])).await {
        Ok(_) => false,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn kept(proxy: &Proxy) -> u64 {
    proxy.counters().toxics[0].done.kept
}

#[tokio::test]
async fn each_leaves_who_is_inside_alone_and_is_gone_when_it_is_removed() {
    for (door, unmet) in doors() {
        let bench = Bench::new();
        let proxy = echo_proxy().await;
        let mut inside = connect(&proxy).await;
        inside.write_all(b"a").await.unwrap();
        soon(inside.read_exact(&mut [0])).await.unwrap();

        let mut first = bench.inject("first", &proxy, &door).await.unwrap();
        let evidence = soon(first.verify()).await.unwrap().to_string();
        assert!(evidence.contains(unmet), "{evidence}");
        let mut second = bench.inject("second", &proxy, &door).await.unwrap();
        says_and_closes(&mut inside).await;

        // Twice is as good as once, and one of two leaves the other.
        for _ in 0..2 {
            soon(first.remove()).await.unwrap();
        }
        let left = proxy.counters().toxics;
        assert_eq!((left.len(), &*left[0].id), (1, "second#0"));
        soon(second.remove()).await.unwrap();
        assert!(proxy.counters().toxics.is_empty() && proxy.is_listening());
        says_and_closes(&mut connect(&proxy).await).await;
        until("nobody is left", || proxy.counters().open == 0).await;
    }
}

#[tokio::test]
async fn each_can_be_removed_where_the_target_has_gone_and_not_injected_where_the_link_has() {
    for (door, _) in doors() {
        let bench = Bench::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = proxy_to(listener.local_addr().unwrap());
        let mut guard = bench.inject("first", &proxy, &door).await.unwrap();
        drop(listener);
        soon(guard.remove()).await.unwrap();
        assert!(proxy.counters().toxics.is_empty());

        soon(proxy.shutdown()).await;
        let refused = bench.inject("second", &proxy, &door).await;
        assert!(matches!(
            refused,
            Err(FaultError::Attach(AttachError::ShutDown { .. }))
        ));
    }
}

#[tokio::test]
async fn a_link_that_refuses_does_not_listen_and_says_where_nobody_did_before() {
    let bench = Bench::new();
    let refuse = OnBytes::Refuse(Refuse {});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy_to(listener.local_addr().unwrap());
    let mut client = connect(&proxy).await;
    let (mut server, _) = soon(listener.accept()).await.unwrap();
    let mut guard = bench.inject("refusal", &proxy, &refuse).await.unwrap();
    let evidence = soon(guard.verify()).await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Felt);
    assert_eq!(evidence.to_string(), "listening stopped on link echo");
    let error = soon(TcpStream::connect(proxy.address())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    exchange(&mut client, &mut server).await;
    soon(guard.remove()).await.unwrap();
    assert!(proxy.is_listening());
    assert_eq!(proxy.counters().closed, 0);

    proxy.close();
    until("the link is closed", || !proxy.is_listening()).await;
    let mut guard = bench.inject("again", &proxy, &refuse).await.unwrap();
    let evidence = soon(guard.verify()).await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Acted);
    assert!(evidence.to_string().ends_with("nobody listened before"));
    proxy.follow();
    soon(guard.remove()).await.unwrap();
    assert!(proxy.is_listening());
}

#[tokio::test]
async fn nothing_of_a_stalled_connection_is_read_and_all_of_it_goes_on_when_it_is_removed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy_to(listener.local_addr().unwrap());
    for door in [OnBytes::Stall(Stall {}), slow_connect(Duration::MAX)] {
        proxy.attach("door", &door, Share::WHOLE).unwrap();
        let read = proxy.counters().read_to;
        let mut client = connect(&proxy).await;
        client.write_all(b"all of it").await.unwrap();
        client.shutdown().await.unwrap();
        until("it waits", || kept(&proxy) == 1).await;
        assert_eq!(soon(proxy.switched(HANG)).await.waiting, 0);
        let dialled = std::pin::pin!(listener.accept());
        assert!(futures_now(dialled).is_none(), "the target was dialled");
        assert_eq!(proxy.counters().read_to, read);

        assert!(proxy.detach("door"));
        let (mut server, _) = soon(listener.accept()).await.unwrap();
        hears(&mut server).await;
        server.write_all(b"all of it").await.unwrap();
        drop(server);
        hears(&mut client).await;
    }
}

/// What a future gives without waiting.
fn futures_now<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(done) => Some(done),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_connection_that_is_served_later_is_served_whole() {
    let proxy = echo_proxy().await;
    let by = Duration::from_millis(40);
    proxy
        .attach("later", &slow_connect(by), Share::WHOLE)
        .unwrap();
    let begun = Instant::now();
    says_and_closes(&mut connect(&proxy).await).await;
    assert!(begun.elapsed() >= by);
    assert_eq!(kept(&proxy), 1);
}

#[tokio::test]
async fn a_share_of_new_connections_is_turned_away_by_the_seed() {
    let turned_away = async || {
        let proxy = echo_proxy().await;
        let half = Share::new(0.5).unwrap();
        let reset = OnBytes::AcceptReset(AcceptReset {});
        proxy.attach("away", &reset, half).unwrap();
        let mut away = Vec::new();
        for _ in 0..24 {
            let mut client = connect(&proxy).await;
            // Refused where it was reset already.
            let _ = client.write_all(b"x").await;
            away.push(is_reset(&mut client).await);
        }
        let done = proxy.counters().toxics[0].done;
        let count = away.iter().filter(|away| **away).count() as u64;
        assert_eq!((done.met, done.hit, done.reset), (24, count, count));
        assert_eq!(proxy.counters().reset, count);
        away
    };
    let first = turned_away().await;
    assert!(first.contains(&true) && first.contains(&false));
    assert_eq!(turned_away().await, first);
}

#[tokio::test]
async fn so_many_are_inside_and_the_next_waits_until_one_goes_or_more_may_come() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy_to(listener.local_addr().unwrap());
    let mut pairs = Vec::new();
    // One is there before the limit is.
    for nth in 0..2 {
        if nth == 1 {
            let two = limit(2, Beyond::Wait);
            proxy.attach("limit", &two, Share::WHOLE).unwrap();
        }
        let client = connect(&proxy).await;
        let (server, _) = soon(listener.accept()).await.unwrap();
        pairs.push((client, server));
    }
    let (mut third, mut fourth) = (connect(&proxy).await, connect(&proxy).await);
    until("both wait", || kept(&proxy) == 2).await;
    assert!(futures_now(std::pin::pin!(listener.accept())).is_none());
    drop(pairs.pop());
    let (mut server, _) = soon(listener.accept()).await.unwrap();
    let three = limit(3, Beyond::Wait);
    proxy.update("limit", &three, Share::WHOLE).unwrap();
    let (mut other, _) = soon(listener.accept()).await.unwrap();
    // Which of them came first is not said.
    third.write_all(b"3").await.unwrap();
    fourth.write_all(b"4").await.unwrap();
    let mut said = [0; 2];
    soon(server.read_exact(&mut said[..1])).await.unwrap();
    soon(other.read_exact(&mut said[1..])).await.unwrap();
    said.sort_unstable();
    assert_eq!(&said, b"34");
}

#[tokio::test]
async fn those_beyond_a_limit_are_reset_and_room_is_given_back() {
    let (proxy, client, server) = connect_through().await;
    let one = limit(1, Beyond::Reset);
    proxy.attach("limit", &one, Share::WHOLE).unwrap();
    assert_eq!(soon(proxy.switched(HANG)).await.waiting, 0);
    assert!(is_reset(&mut connect(&proxy).await).await);
    assert_eq!(proxy.counters().toxics[0].done.reset, 1);
    drop((client, server));
    until("it has ended", || proxy.counters().open == 0).await;
    drop(connect(&proxy).await);
    until("it has been let in", || proxy.counters().accepted == 3).await;
    assert_eq!(proxy.counters().toxics[0].done.reset, 1);
}

#[tokio::test]
async fn doors_and_toxics_meet_on_one_connection() {
    let proxy = echo_proxy().await;
    let slicer = OnBytes::Slicer(Slicer {
        size: ByteCount(1),
        variation: ByteCount(0),
        pause: Duration::ZERO,
        direction: squall_scenario::inject::Direction::Both,
    });
    proxy
        .attach("stall", &OnBytes::Stall(Stall {}), Share::WHOLE)
        .unwrap();
    proxy.attach("slices", &slicer, Share::WHOLE).unwrap();
    proxy
        .attach("later", &slow_connect(AN_HOUR), Share::WHOLE)
        .unwrap();
    let mut client = connect(&proxy).await;
    until("it waits", || kept(&proxy) == 1).await;
    assert!(proxy.detach("stall"));
    until("it waits again", || {
        proxy.counters().toxics[1].done.kept == 1
    })
    .await;
    assert!(proxy.detach("later"));
    says_and_closes(&mut client).await;
    assert_eq!(proxy.counters().toxics[0].done.bytes, 18);
}

#[tokio::test]
async fn live_connections_are_listed_and_ended_one_by_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy_to(listener.local_addr().unwrap());
    let mut pairs = Vec::new();
    for _ in 0..2 {
        let mut client = connect(&proxy).await;
        let (mut server, _) = soon(listener.accept()).await.unwrap();
        exchange(&mut client, &mut server).await;
        pairs.push((client, server));
    }
    proxy
        .attach("stall", &OnBytes::Stall(Stall {}), Share::WHOLE)
        .unwrap();
    let mut waiting = connect(&proxy).await;
    until("it waits", || kept(&proxy) == 1).await;
    until("all are listed", || proxy.connections().len() == 3).await;
    let listed = proxy.connections();
    let ids: Vec<u64> = listed.iter().map(|one| one.id).collect();
    assert_eq!(ids, [0, 1, 2]);
    for (one, (client, _)) in listed.iter().zip(&pairs) {
        assert_eq!(one.peer, Some(client.local_addr().unwrap()));
        assert_eq!((one.bytes_to, one.bytes_from), (1, 1));
        assert_eq!(one.toxics, ["stall"]);
    }
    assert_eq!((listed[2].bytes_to, listed[2].bytes_from), (0, 0));

    assert!(proxy.kill(1) && proxy.kill(2) && !proxy.kill(7));
    let (client, server) = &mut pairs[1];
    assert!(is_reset(client).await && is_reset(server).await);
    assert!(is_reset(&mut waiting).await);
    until("they are gone", || proxy.connections().len() == 1).await;
    assert!(!proxy.kill(1));
    let (client, server) = &mut pairs[0];
    exchange(client, server).await;
    // Nobody says of a fault what was done by hand.
    assert_eq!(proxy.counters().reset, 0);
}
