//! Bulk through a link with nothing attached is spliced, and nobody can tell:
//! toxics come and go, readers stall, peers reset and close their side, and every
//! byte arrives once, in order, and is counted.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io::ErrorKind;
use std::time::Duration;

use crate::support::{HANG, connect_through, exchange, soon, stalled, until};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use squall_faults::Proxy;
use squall_scenario::inject::{Bandwidth, Delay, Direction, Reset, SlowClose};
use squall_scenario::{ByteCount, OnBytes, Share};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

const MIB: usize = 1 << 20;

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

fn delay(by_ms: u64, direction: Direction) -> OnBytes {
    OnBytes::Delay(Delay::of(
        Duration::from_millis(by_ms),
        Duration::ZERO,
        direction,
    ))
}

/// Says everything, `at_once` so much, and closes its side.
async fn say(mut to: impl AsyncWrite + Unpin, bytes: &[u8], at_once: usize) {
    for piece in bytes.chunks(at_once) {
        to.write_all(piece).await.unwrap();
    }
    to.shutdown().await.unwrap();
}

/// Hears everything to the end, `at_once` at most so much.
async fn hear(mut from: impl AsyncRead + Unpin, at_once: usize) -> Vec<u8> {
    let (mut heard, mut buffer) = (Vec::new(), vec![0; at_once]);
    while let length @ 1.. = from.read(&mut buffer).await.unwrap() {
        heard.extend_from_slice(&buffer[..length]);
    }
    heard
}

/// Says so much that the connection is spliced, and leaves it open.
async fn warm_up(proxy: &Proxy, from: &mut TcpStream, to: &mut TcpStream) {
    let bytes = noise(4 * MIB, 1);
    let mut heard = vec![0; bytes.len()];
    let both = async { tokio::join!(from.write_all(&bytes), to.read_exact(&mut heard)) };
    let (said, read) = soon(both).await;
    said.and(read.map(drop)).unwrap();
    assert!(heard == bytes);
    assert!(proxy.counters().spliced_bytes > 0);
}

#[tokio::test]
async fn bulk_is_spliced_and_small_messages_are_not() {
    let (proxy, mut client, mut server) = connect_through().await;
    for _ in 0..100 {
        exchange(&mut client, &mut server).await;
    }
    assert_eq!(proxy.counters().spliced_bytes, 0);
    warm_up(&proxy, &mut client, &mut server).await;
    warm_up(&proxy, &mut server, &mut client).await;
    for _ in 0..20 {
        exchange(&mut client, &mut server).await;
    }
    let spliced = proxy.counters().spliced_bytes;
    for _ in 0..20 {
        exchange(&mut client, &mut server).await;
    }
    let counters = proxy.counters();
    assert_eq!(counters.spliced_bytes, spliced);
    let each = 4 * MIB as u64 + 140;
    assert_eq!((counters.bytes_to, counters.bytes_from), (each, each));
}

#[tokio::test]
async fn what_has_a_toxic_is_not_spliced() {
    let (proxy, mut client, mut server) = connect_through().await;
    warm_up(&proxy, &mut client, &mut server).await;
    proxy
        .attach("slow", &delay(1, Direction::To), Share::WHOLE)
        .unwrap();
    assert_eq!(soon(proxy.switched(HANG)).await.waiting, 0);
    let before = proxy.counters().spliced_bytes;
    warm_up(&proxy, &mut client, &mut server).await;
    assert_eq!(proxy.counters().spliced_bytes, before);
    assert_eq!(proxy.counters().toxics[0].done.bytes, 4 * MIB as u64);
    // Its other direction has none.
    warm_up(&proxy, &mut server, &mut client).await;
    assert!(proxy.counters().spliced_bytes > before);
}

#[tokio::test]
async fn what_waits_in_a_pipe_comes_before_what_a_toxic_holds() {
    let (proxy, client, server) = connect_through().await;
    let bytes = noise(32 * MIB, 2);
    let expected = bytes.clone();
    let saying = tokio::spawn(async move { say(server, &bytes, MIB).await });
    stalled(|| proxy.counters().spliced_bytes).await;
    for round in 0..3 {
        let slow = delay(20 * round, Direction::Both);
        proxy.attach("slow", &slow, Share::WHOLE).unwrap();
        assert_eq!(soon(proxy.switched(HANG)).await.waiting, 0);
        assert!(proxy.detach("slow"));
        assert_eq!(soon(proxy.switched(HANG)).await.waiting, 0);
    }
    proxy
        .attach("slow", &delay(1, Direction::Both), Share::WHOLE)
        .unwrap();
    assert_eq!(soon(proxy.switched(HANG)).await.waiting, 0);
    assert!(soon(hear(client, MIB)).await == expected);
    soon(saying).await.unwrap();
    assert_eq!(proxy.counters().bytes_from, 32 * MIB as u64);
}

#[tokio::test]
async fn a_reset_does_not_wait_for_what_is_in_a_pipe() {
    // The direction to the target is the first to be asked.
    let (proxy, mut client, mut server) = connect_through().await;
    let flood = tokio::spawn(async move {
        let bytes = noise(MIB, 3);
        loop {
            if let Err(error) = client.write_all(&bytes).await {
                break error.kind();
            }
        }
    });
    stalled(|| proxy.counters().spliced_bytes).await;
    let reset = Reset {
        after: Duration::ZERO,
        ..Reset::default()
    };
    proxy
        .attach("rst", &OnBytes::Reset(reset), Share::WHOLE)
        .unwrap();
    assert_eq!(soon(flood).await.unwrap(), ErrorKind::ConnectionReset);
    let mut sink = vec![0; MIB];
    let seen = soon(async {
        loop {
            if let Err(error) = server.read(&mut sink).await {
                break error.kind();
            }
        }
    });
    assert_eq!(seen.await, ErrorKind::ConnectionReset);
    until("it is counted", || proxy.counters().reset == 1).await;
}

#[tokio::test]
async fn a_spliced_connection_passes_on_a_reset_from_either_side() {
    for server_resets in [false, true] {
        let (proxy, mut client, mut server) = connect_through().await;
        warm_up(&proxy, &mut server, &mut client).await;
        warm_up(&proxy, &mut client, &mut server).await;
        let (mut stays, leaves) = match server_resets {
            true => (client, server),
            false => (server, client),
        };
        leaves.set_zero_linger().unwrap();
        drop(leaves);
        let error = soon(stays.read(&mut [0])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        until("it ends", || proxy.counters().open == 0).await;
    }
}

#[tokio::test]
async fn a_side_that_is_closed_leaves_the_other_spliced() {
    let (proxy, mut client, mut server) = connect_through().await;
    warm_up(&proxy, &mut client, &mut server).await;
    client.shutdown().await.unwrap();
    assert_eq!(soon(server.read(&mut [0])).await.unwrap(), 0);
    let before = proxy.counters().spliced_bytes;
    warm_up(&proxy, &mut server, &mut client).await;
    assert!(proxy.counters().spliced_bytes > before);
    assert_eq!(proxy.counters().open, 1);
    drop(server);
    assert_eq!(soon(client.read(&mut [0])).await.unwrap(), 0);
    until("it ends", || proxy.counters().open == 0).await;
}

#[derive(Debug, Clone)]
struct Scene {
    /// How much the client and the server say, and how much at once.
    says: [(usize, usize); 2],
    /// How much they read at once.
    reads: [usize; 2],
    /// When so many per cent have been carried a toxic comes, and goes when so
    /// many per cent have.
    toxics: Vec<(u64, u64, OnBytes)>,
}

/// Toxics that lose nothing.
fn careful() -> impl Strategy<Value = OnBytes> {
    let direction = prop_oneof![
        Just(Direction::To),
        Just(Direction::From),
        Just(Direction::Both)
    ];
    (0..3_u8, 0..4_u64, direction).prop_map(|(kind, ms, direction)| match kind {
        0 => delay(ms, direction),
        1 => OnBytes::SlowClose(SlowClose {
            by: Duration::from_millis(ms),
            direction,
        }),
        _ => OnBytes::Bandwidth(Bandwidth {
            rate: ByteCount((ms + 1) * 64 * MIB as u64),
            direction,
        }),
    })
}

fn scene() -> impl Strategy<Value = Scene> {
    let says = || (0..2 * MIB, 1_000..300_000_usize);
    let reads = || 2_000..300_000_usize;
    let toxic = (0..100_u64, 0..100_u64, careful());
    (
        [says(), says()],
        [reads(), reads()],
        prop::collection::vec(toxic, 0..5),
    )
        .prop_map(|(says, reads, toxics)| Scene {
            says,
            reads,
            toxics,
        })
}

/// Has both ends say and hear everything while toxics come and go; how many
/// bytes were spliced.
async fn play(scene: Scene) -> u64 {
    let (proxy, client, server) = connect_through().await;
    let words = [0, 1].map(|n| noise(scene.says[n].0, n as u64));
    let total: u64 = words.iter().map(|words| words.len() as u64).sum();
    let [client, server] = [client, server].map(TcpStream::into_split);
    let ended = std::cell::Cell::new(false);
    let talk = async {
        let heard = tokio::join!(
            say(client.1, &words[0], scene.says[0].1),
            say(server.1, &words[1], scene.says[1].1),
            hear(client.0, scene.reads[0]),
            hear(server.0, scene.reads[1]),
        );
        ended.set(true);
        [heard.3, heard.2]
    };
    let mut steps: Vec<_> = (0..).zip(&scene.toxics).collect();
    let change = async {
        let mut changes: Vec<_> = steps
            .drain(..)
            .flat_map(|(id, (comes, goes, inject))| {
                let goes = *goes.max(comes);
                [(*comes, id, Some(inject)), (goes, id, None)]
            })
            .collect();
        changes.sort_by_key(|(at, id, inject)| (*at, *id, inject.is_none()));
        for (at, id, inject) in changes {
            let carried = || proxy.counters().bytes_to + proxy.counters().bytes_from;
            while carried() * 100 < at * total && !ended.get() {
                tokio::task::yield_now().await;
            }
            match inject {
                Some(inject) => proxy
                    .attach(&format!("{id}"), inject, Share::WHOLE)
                    .unwrap(),
                None => assert!(proxy.detach(&format!("{id}"))),
            }
        }
    };
    let (heard, ()) = soon(async { tokio::join!(talk, change) }).await;
    for (heard, said) in heard.iter().zip(&words) {
        assert!(heard == said, "{} of {} bytes", heard.len(), said.len());
    }
    until("it ends", || proxy.counters().open == 0).await;
    let counters = proxy.counters();
    let counted = [counters.bytes_to, counters.bytes_from];
    assert_eq!(counted, words.map(|words| words.len() as u64));
    assert_eq!(counters.held_bytes, 0);
    counters.spliced_bytes
}

#[test]
fn toxics_that_come_and_go_in_bulk_lose_and_reorder_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let spliced = std::cell::Cell::new(0);
    // Where it hangs, each step of shrinking does.
    let config = ProptestConfig {
        max_shrink_iters: 4,
        ..ProptestConfig::with_cases(32)
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&scene(), |scene| {
            spliced.set(spliced.get() + runtime.block_on(play(scene)));
            Ok(())
        })
        .unwrap();
    assert!(spliced.get() > 0, "nothing was ever spliced");
}
