//! The proxy on real sockets: bytes, closes, resets, and toxics that come and
//! go on live connections.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io::ErrorKind;
use std::time::Duration;

use crate::support::{
    HANG, connect_through, echo_proxy, exchange, proxy_to, serve_echo, soon, until,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use squall_faults::{LinkLimit, Proxy, ProxyConfig};
use squall_scenario::inject::{Bandwidth, Cut, Delay, Direction, Reset};
use squall_scenario::{ByteCount, OnBytes, Share};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

fn delay(by_ms: u64) -> OnBytes {
    OnBytes::Delay(Delay::of(
        Duration::from_millis(by_ms),
        Duration::ZERO,
        Direction::Both,
    ))
}

fn cut() -> OnBytes {
    OnBytes::Cut(Cut {
        direction: Direction::Both,
    })
}

fn reset() -> OnBytes {
    OnBytes::Reset(Reset {
        after: Duration::ZERO,
        ..Reset::default()
    })
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    ChaCha8Rng::seed_from_u64(length as u64).fill_bytes(&mut bytes);
    bytes
}

/// Sends everything, closes its side, and reads to the end: only a proxy that
/// keeps half-closes apart gives all of it back.
async fn round_trip(stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    let (mut read, mut write) = stream.into_split();
    let mut received = Vec::new();
    let send = async {
        write.write_all(bytes).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let (_, result) = soon(async { tokio::join!(send, read.read_to_end(&mut received)) }).await;
    result.unwrap();
    received
}

#[tokio::test]
async fn a_megabyte_comes_back_equal_through_a_half_close() {
    let proxy = echo_proxy().await;
    let bytes = noise(1 << 20);
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(round_trip(stream, &bytes).await == bytes);
    until("the connection ends", || proxy.counters().open == 0).await;
    let counters = proxy.counters();
    assert_eq!((counters.accepted, counters.dial_failed), (1, 0));
    assert_eq!((counters.bytes_to, counters.bytes_from), (1 << 20, 1 << 20));
}

#[tokio::test]
async fn a_megabyte_comes_back_equal_through_lossless_toxics() {
    let proxy = echo_proxy().await;
    proxy.attach("slow", &delay(30), Share::WHOLE).unwrap();
    let bandwidth = OnBytes::Bandwidth(Bandwidth {
        rate: ByteCount(8 << 20),
        direction: Direction::From,
    });
    proxy.attach("narrow", &bandwidth, Share::WHOLE).unwrap();
    let bytes = noise(1 << 20);
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(round_trip(stream, &bytes).await == bytes);
    let counters = proxy.counters();
    assert_eq!(counters.held_bytes, 0);
    assert_eq!(counters.toxics[0].done.bytes, 2 << 20);
    assert_eq!(counters.toxics[1].done.bytes, 1 << 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_at_once() {
    let proxy = echo_proxy().await;
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..300_usize {
        let address = proxy.address();
        clients.spawn(async move {
            let bytes = noise(1000 + n);
            let stream = TcpStream::connect(address).await.unwrap();
            assert!(round_trip(stream, &bytes).await == bytes);
        });
    }
    while let Some(done) = soon(clients.join_next()).await {
        done.unwrap();
    }
    assert_eq!(proxy.counters().accepted, 300);
}

#[tokio::test]
async fn a_dead_upstream_looks_like_a_reset_and_is_counted() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = unused.local_addr().unwrap();
    drop(unused);
    let proxy = proxy_to(dead);
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let error = soon(client.read(&mut [0])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(proxy.counters().dial_failed, 1);

    proxy.set_upstream(serve_echo().await);
    assert!(proxy.listens(HANG).await);
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(round_trip(client, b"alive").await, b"alive");
}

#[tokio::test]
async fn reset_reaches_both_sides_of_a_live_connection_at_once() {
    let (proxy, mut client, mut server) = connect_through().await;
    exchange(&mut client, &mut server).await;
    proxy.attach("rst", &reset(), Share::WHOLE).unwrap();
    for side in [&mut client, &mut server] {
        let error = soon(side.read(&mut [0])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    until("it is counted", || proxy.counters().reset == 1).await;
    assert_eq!(proxy.counters().toxics[0].done.reset, 1);
}

#[tokio::test]
async fn reset_meets_a_new_connection_at_its_first_bytes() {
    let proxy = echo_proxy().await;
    proxy.attach("rst", &reset(), Share::WHOLE).unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    let error = soon(client.read(&mut [0])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_peers_own_reset_is_passed_on() {
    let (_proxy, mut client, mut server) = connect_through().await;
    exchange(&mut client, &mut server).await;
    server.set_zero_linger().unwrap();
    drop(server);
    let error = soon(client.read(&mut [0])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn cut_is_silent_and_its_removal_closes_what_it_touched() {
    let (proxy, mut client, mut server) = connect_through().await;
    exchange(&mut client, &mut server).await;
    proxy.attach("cut", &cut(), Share::WHOLE).unwrap();
    assert_eq!(soon(proxy.switched(HANG)).await.waiting, 0);
    client.write_all(b"into the void").await.unwrap();
    until("it is swallowed", || {
        proxy.counters().toxics[0].done.swallowed_bytes == 13
    })
    .await;
    assert!(proxy.detach("cut"));
    assert_eq!(soon(client.read(&mut [0])).await.unwrap(), 0);
    assert_eq!(soon(server.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn toxics_come_and_go_on_a_live_stream_without_losing_a_byte() {
    let proxy = echo_proxy().await;
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let bytes = noise(65_535 * 2);
    let expected = bytes.clone();
    let writer = tokio::spawn(async move {
        for pair in bytes.chunks(2) {
            write.write_all(pair).await.unwrap();
        }
        write.shutdown().await.unwrap();
    });
    let reader = tokio::spawn(async move {
        let mut received = Vec::new();
        read.read_to_end(&mut received).await.unwrap();
        received
    });
    let mut changes = 0;
    while !writer.is_finished() {
        proxy.attach("slow", &delay(1000), Share::WHOLE).unwrap();
        assert_eq!(soon(proxy.switched(HANG)).await.waiting, 0);
        assert!(proxy.detach("slow"));
        assert_eq!(soon(proxy.switched(HANG)).await.waiting, 0);
        changes += 1;
        // Without a live connection nothing above waits.
        tokio::task::yield_now().await;
    }
    assert!(soon(reader).await.unwrap() == expected);
    assert!(changes > 1, "the toxic was never changed on a live stream");
}

/// Sends a byte on each connection and says which of them live.
async fn alive(clients: &mut [TcpStream]) -> Vec<bool> {
    let mut alive = Vec::new();
    for client in clients {
        let sent = client.write_all(b"x").await.is_ok();
        alive.push(sent && soon(client.read_exact(&mut [0])).await.is_ok());
    }
    alive
}

async fn clients(proxy: &Proxy, count: usize) -> Vec<TcpStream> {
    let mut clients = Vec::new();
    for n in 1..=count {
        clients.push(TcpStream::connect(proxy.address()).await.unwrap());
        // Which is the nth is for the proxy to say.
        until("it is accepted", || proxy.counters().accepted == n as u64).await;
    }
    clients
}

#[tokio::test]
async fn a_share_hits_the_same_connections_again_and_leaves_the_others_alone() {
    let share = Share::new(0.4).unwrap();
    let hit = async |at_once: bool| {
        let proxy = echo_proxy().await;
        if at_once {
            proxy.attach("rst", &reset(), share).unwrap();
        }
        let mut clients = clients(&proxy, 40).await;
        if !at_once {
            assert!(!alive(&mut clients).await.contains(&false));
            proxy.attach("rst", &reset(), share).unwrap();
            soon(proxy.switched(HANG)).await;
        }
        let alive = alive(&mut clients).await;
        let dead = alive.iter().filter(|alive| !**alive).count() as u64;
        until("resets are counted", || proxy.counters().reset == dead).await;
        let done = proxy.counters().toxics[0].done;
        assert_eq!(
            (done.met, done.hit, done.flows, done.reset),
            (40, dead, dead, dead)
        );
        assert!((1..40).contains(&dead));
        alive
    };
    // Fresh connections at their first bytes, live ones when it is attached.
    assert_eq!(hit(true).await, hit(false).await);
}

#[tokio::test]
async fn whoever_is_outside_of_a_share_is_not_touched_or_counted() {
    let proxy = echo_proxy().await;
    let nobody = Share::new(0.0).unwrap();
    proxy.attach("cut", &cut(), nobody).unwrap();
    let mut clients = clients(&proxy, 3).await;
    assert_eq!(alive(&mut clients).await, [true; 3]);
    let toxic = proxy.counters().toxics.remove(0);
    let met = squall_scenario::inject::BytesDone {
        met: 3,
        ..Default::default()
    };
    assert_eq!((toxic.done, toxic.live_connections), (met, 0));

    // Its share grows on live connections.
    proxy.update("cut", &cut(), Share::WHOLE).unwrap();
    soon(proxy.switched(HANG)).await;
    assert_eq!(proxy.counters().toxics[0].live_connections, 3);
    clients[0].write_all(b"x").await.unwrap();
    until("it is swallowed", || {
        proxy.counters().toxics[0].done.swallowed_bytes == 1
    })
    .await;
    // And shrinks: what has a hole is closed, the others pass.
    proxy.update("cut", &cut(), nobody).unwrap();
    assert_eq!(soon(clients[0].read(&mut [0])).await.unwrap(), 0);
    assert_eq!(alive(&mut clients[1..]).await, [true; 2]);
    let toxic = proxy.counters().toxics.remove(0);
    assert_eq!((toxic.done.hit, toxic.live_connections), (3, 0));
}

#[tokio::test]
async fn a_toxic_is_changed_in_its_place_and_lets_go_of_what_it_held() {
    let (proxy, mut client, mut server) = connect_through().await;
    for id in ["first", "second", "third"] {
        proxy.attach(id, &delay(0), Share::WHOLE).unwrap();
    }
    proxy
        .update("second", &delay(3_600_000), Share::WHOLE)
        .unwrap();
    soon(proxy.switched(HANG)).await;
    client.write_all(b"held").await.unwrap();
    until("it is held", || proxy.counters().held_bytes > 0).await;
    proxy.update("second", &delay(0), Share::WHOLE).unwrap();
    client.write_all(b" on").await.unwrap();
    let mut heard = [0; 7];
    soon(server.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"held on");
    let counters = proxy.counters();
    let ids: Vec<_> = counters
        .toxics
        .iter()
        .map(|toxic| toxic.id.as_str())
        .collect();
    assert_eq!(ids, ["first", "second", "third"]);
    assert_eq!((counters.held_bytes, counters.toxics[1].done.met), (0, 1));
    assert_eq!(counters.toxics[1].done.bytes, 7);
}

#[tokio::test]
async fn a_toxic_is_not_changed_into_another_kind_or_when_it_is_not_there() {
    let proxy = echo_proxy().await;
    proxy.attach("slow", &delay(1), Share::WHOLE).unwrap();
    let kind = proxy.update("slow", &cut(), Share::WHOLE).unwrap_err();
    assert_eq!(
        kind.to_string(),
        "link echo: slow is a delay and cannot become a cut; remove it and attach another"
    );
    assert!(proxy.detach("slow"));
    let gone = proxy.update("slow", &delay(2), Share::WHOLE).unwrap_err();
    assert_eq!(
        gone.to_string(),
        "link echo: no toxic called slow is attached"
    );
}

#[tokio::test]
async fn one_that_comes_again_under_the_same_id_is_another() {
    let (proxy, mut client, mut server) = connect_through().await;
    exchange(&mut client, &mut server).await;
    proxy
        .attach("slow", &delay(3_600_000), Share::WHOLE)
        .unwrap();
    soon(proxy.switched(HANG)).await;
    // At once, so that the connection sees nothing in between.
    assert!(proxy.detach("slow"));
    proxy.attach("slow", &delay(0), Share::WHOLE).unwrap();
    soon(proxy.switched(HANG)).await;
    exchange(&mut client, &mut server).await;
    assert_eq!(proxy.counters().toxics[0].done.met, 1);
}

#[tokio::test]
async fn a_peer_that_does_not_read_blocks_nothing_but_its_stream() {
    let (proxy, client, mut server) = connect_through().await;
    let flood = tokio::spawn(async move {
        let chunk = noise(65_536);
        while server.write_all(&chunk).await.is_ok() {}
    });
    let moved = || proxy.counters().bytes_from;
    until("bytes flow", || moved() > 0).await;
    for inject in [delay(10), cut(), delay(60_000)] {
        proxy.attach("toxic", &inject, Share::WHOLE).unwrap();
        assert_eq!(soon(proxy.switched(HANG)).await.waiting, 0);
        assert!(proxy.attach("toxic", &inject, Share::WHOLE).is_err());
        assert!(proxy.detach("toxic"));
        assert_eq!(soon(proxy.switched(HANG)).await.waiting, 0);
    }
    soon(proxy.shutdown()).await;
    assert!(proxy.attach("late", &cut(), Share::WHOLE).is_err());
    drop(client);
    soon(flood).await.unwrap();
}

#[tokio::test]
async fn held_bytes_are_bounded() {
    const BOUND: u64 = 33 << 20;
    let (proxy, mut client, _server) = connect_through().await;
    proxy
        .attach("slow", &delay(3_600_000), Share::WHOLE)
        .unwrap();
    assert_eq!(soon(proxy.switched(HANG)).await.waiting, 0);
    let chunk = noise(65_536);
    let mut accepted = 0;
    // Socket buffers add some megabytes; without a bound this never blocks.
    let blocked = loop {
        let write = tokio::time::timeout(Duration::from_secs(1), client.write_all(&chunk));
        if write.await.is_err() {
            break true;
        }
        accepted += chunk.len() as u64;
        if accepted > 4 * BOUND {
            break false;
        }
    };
    assert!(blocked, "no back-pressure");
    assert!(proxy.counters().held_bytes <= BOUND);
    assert!(proxy.counters().held_bytes > BOUND / 2);
    drop(client);
    soon(proxy.shutdown()).await;
    assert_eq!(proxy.counters().held_bytes, 0);
}

#[tokio::test]
async fn shutdown_refuses_new_connections_and_ends_live_ones() {
    let (proxy, mut client, mut server) = connect_through().await;
    exchange(&mut client, &mut server).await;
    soon(proxy.shutdown()).await;
    assert!(matches!(soon(client.read(&mut [0])).await, Ok(0) | Err(_)));
    assert!(TcpStream::connect(proxy.address()).await.is_err());
    soon(proxy.shutdown()).await;
    let again = proxy_to(proxy.address());
    drop(again);
}

#[tokio::test]
async fn dropping_the_last_handle_stops_the_proxy() {
    let (proxy, mut client, mut server) = connect_through().await;
    exchange(&mut client, &mut server).await;
    let address = proxy.address();
    drop(proxy);
    assert!(matches!(soon(client.read(&mut [0])).await, Ok(0) | Err(_)));
    soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
}

/// Connects; whether the connection was refused.
async fn is_refused(proxy: &Proxy) -> bool {
    match soon(TcpStream::connect(proxy.address())).await {
        Ok(_) => false,
        Err(error) => error.kind() == ErrorKind::ConnectionRefused,
    }
}

/// A server that does not listen yet, and a proxy to it.
fn proxy_to_silence() -> (TcpSocket, Proxy) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let proxy = proxy_to(socket.local_addr().unwrap());
    (socket, proxy)
}

#[tokio::test]
async fn a_link_refuses_while_its_upstream_does() {
    let (server, proxy) = proxy_to_silence();
    // Nobody has asked yet.
    let mut first = soon(TcpStream::connect(proxy.address())).await.unwrap();
    let mut byte = [0];
    let seen = soon(first.read(&mut byte)).await.unwrap_err();
    assert_eq!(seen.kind(), ErrorKind::ConnectionReset);
    until("the link is closed", || !proxy.is_listening()).await;
    for _ in 0..20 {
        assert!(is_refused(&proxy).await);
    }
    assert_eq!(proxy.counters().dial_failed, 1);

    // What was asked of the link while it was closed holds when it is open.
    proxy.attach("late", &delay(1), Share::WHOLE).unwrap();
    let listener = server.listen(16).unwrap();
    assert!(proxy.listens(HANG).await);
    let mut client = soon(TcpStream::connect(proxy.address())).await.unwrap();
    client.write_all(b"a").await.unwrap();
    let mut server = loop {
        // The link looked whether somebody is there.
        let (mut server, _) = soon(listener.accept()).await.unwrap();
        if soon(server.read(&mut byte)).await.unwrap() == 1 {
            break server;
        }
    };
    exchange(&mut client, &mut server).await;
    assert!(proxy.counters().toxics[0].done.flows > 0);
}

#[tokio::test]
async fn a_link_that_is_closed_keeps_its_port_its_connections_and_its_place() {
    let (server, proxy) = proxy_to_silence();
    let listener = server.listen(16).unwrap();
    let mut client = soon(TcpStream::connect(proxy.address())).await.unwrap();
    let (mut server, _) = soon(listener.accept()).await.unwrap();
    exchange(&mut client, &mut server).await;
    for _ in 0..3 {
        proxy.close();
        until("the link is closed", || !proxy.is_listening()).await;
        assert!(is_refused(&proxy).await);
        // As a server that may use old ports again would.
        let thief = tokio::net::TcpSocket::new_v4().unwrap();
        thief.set_reuseaddr(true).unwrap();
        assert!(thief.bind(proxy.address()).is_err(), "the port was stolen");
        exchange(&mut client, &mut server).await;
        proxy.follow();
        assert!(proxy.listens(HANG).await);
        soon(TcpStream::connect(proxy.address())).await.unwrap();
    }
    assert_eq!(proxy.counters().closed, 3);
}

#[tokio::test]
async fn an_upstream_that_only_does_not_accept_is_not_down() {
    let (server, proxy) = proxy_to_silence();
    let _listener = server.listen(16).unwrap();
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = soon(TcpStream::connect(proxy.address())).await.unwrap();
        client.write_all(b"a").await.unwrap();
        clients.push(client);
    }
    until("all are dialled", || proxy.counters().bytes_to == 10).await;
    assert!(proxy.is_listening());
    assert_eq!(proxy.counters().dial_failed, 0);
}

#[tokio::test]
async fn a_link_that_does_not_follow_yet_refuses() {
    let upstream = serve_echo().await;
    let proxy = Proxy::start(ProxyConfig {
        name: "later".to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        upstream,
        seed: 1,
        listening: false,
        limit: LinkLimit::default(),
    })
    .unwrap();
    assert!(is_refused(&proxy).await);
    proxy.follow();
    assert!(proxy.decided(HANG).await);
    assert!(!is_refused(&proxy).await);
}

#[tokio::test]
async fn callers_beyond_the_limit_wait_and_are_counted() {
    let upstream = serve_echo().await;
    let proxy = Proxy::start(ProxyConfig {
        name: "narrow".to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        upstream,
        seed: 1,
        listening: true,
        limit: LinkLimit::shared(1, 2),
    })
    .unwrap();
    let connect = || TcpStream::connect(proxy.address());
    let (mut first, mut second) = (
        soon(connect()).await.unwrap(),
        soon(connect()).await.unwrap(),
    );
    let mut byte = [0];
    for client in [&mut first, &mut second] {
        client.write_all(b"a").await.unwrap();
        soon(client.read_exact(&mut byte)).await.unwrap();
    }
    soon(proxy.filled()).await;
    let mut third = soon(connect()).await.unwrap();
    third.write_all(b"b").await.unwrap();
    assert_eq!(proxy.counters().accepted, 2);
    drop(first);
    soon(third.read_exact(&mut byte)).await.unwrap();
    let counters = proxy.counters();
    assert_eq!((counters.accepted, counters.over_limit), (3, 1));
}
