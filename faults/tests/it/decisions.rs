//! Decisions by chance are written, and the same seed takes the same ones.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io::{BufRead, BufReader};
use std::sync::Arc;

use squall_faults::{
    Decision, Decisions, Fault, FaultContext, Journal, Limits, LinkLimit, MessageFault, Pauses,
    Proxy, ProxyConfig, ToxicFault,
};
use squall_scenario::inject::{Delay, Direction, Http, HttpAction, Matching, Message};
use squall_scenario::{ByteCount, OnBytes, OnHttp, Share};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::messages::{get, serve_paths};
use crate::support::{HANG, soon, until};

const CONNECTIONS: u64 = 12;
const REQUESTS: u64 = 2;

fn half() -> Share {
    Share::new(0.5).unwrap()
}

fn context(dir: &TempDir, fault: &str) -> FaultContext {
    FaultContext {
        fault: fault.to_owned(),
        injection: 0,
        journal: Arc::new(Journal::create(dir.path(), fault).unwrap()),
        guardian: None,
        pauses: Pauses::default(),
        limits: Limits::default(),
        deadline: HANG,
    }
}

/// The decisions of a run with a share of connections and one of requests, sorted.
async fn decided(seed: u64) -> Vec<Decision> {
    let dir = TempDir::new().unwrap();
    let proxy = Proxy::start(ProxyConfig {
        name: "payments".to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        upstream: serve_paths().await,
        seed,
        listening: true,
        limit: LinkLimit::default(),
    })
    .unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    proxy.log_decisions(&Decisions::start(writer).unwrap());
    let proxies = || vec![proxy.clone()];
    let bytes = Fault::Toxic(ToxicFault {
        proxies: proxies(),
        inject: OnBytes::Delay(Delay::of(
            std::time::Duration::from_millis(1),
            std::time::Duration::ZERO,
            Direction::From,
        )),
        share: half(),
    });
    let http = Fault::Messages(MessageFault {
        proxies: proxies(),
        inject: OnHttp::Http(Http {
            when: Matching::default(),
            share: half(),
            at_most: None,
            scoped: false,
            message: Message::Answer,
            action: HttpAction::Throttle(ByteCount(1 << 30)),
        }),
        scopes: None,
    });
    let slow = bytes.inject(&context(&dir, "slow")).await.unwrap();
    let thin = http.inject(&context(&dir, "thin")).await.unwrap();
    for _ in 0..CONNECTIONS {
        let mut caller = TcpStream::connect(proxy.address()).await.unwrap();
        for _ in 0..REQUESTS {
            get(&mut caller, "/").await;
        }
    }
    until("all have ended", || proxy.counters().open == 0).await;
    let hit = proxy.counters().toxics[0].done.hit;
    drop((slow, thin, bytes, http));
    soon(proxy.shutdown()).await;
    drop(proxy);
    // The log ends with the last who may write it.
    let read = tokio::task::spawn_blocking(move || {
        let lines = BufReader::new(reader).lines();
        let decision = |line: std::io::Result<String>| serde_json::from_str(&line.unwrap());
        lines.map(|line| decision(line).unwrap()).collect()
    });
    let mut decided: Vec<Decision> = soon(read).await.unwrap();
    decided.sort_unstable();
    let of = |fault: &'static str| decided.iter().filter(move |one| one.fault == fault);
    assert_eq!(of("slow#0").filter(|one| one.hit).count() as u64, hit);
    assert_eq!(of("slow#0").count() as u64, CONNECTIONS);
    assert_eq!(of("thin#0").count() as u64, CONNECTIONS * REQUESTS);
    assert!(decided.iter().all(|one| one.link == "payments"));
    decided
}

#[tokio::test]
async fn the_same_seed_takes_the_same_decisions_twice() {
    let first = decided(7).await;
    assert_eq!(decided(7).await, first);
    assert_ne!(decided(8).await, first);
    for about_requests in [false, true] {
        let about = first
            .iter()
            .filter(|one| one.request.is_some() == about_requests);
        let hit: Vec<bool> = about.map(|one| one.hit).collect();
        assert!(hit.contains(&true) && hit.contains(&false));
    }
}
