//! Faults as guards: evidence, removal, removal on drop, refusals.
#![allow(
    clippy::disallowed_macros,
    reason = "what a test or an example prints is read by a person"
)]
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::sync::Arc;
use std::time::Duration;

use crate::support::{HANG, connect_through, echo_proxy, exchange, skip, soon};
use squall_faults::{
    Fault, FaultContext, FaultError, Journal, Limits, Pauses, ProcessFault, ProcessIdentity,
    ProcessTarget, Refusal, ToxicFault,
};
use squall_scenario::inject::{Delay, Direction, Kill};
use squall_scenario::{EvidenceLevel, OnBytes, OnProcess, Share};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn context(dir: &TempDir) -> FaultContext {
    FaultContext {
        fault: "slow".to_owned(),
        injection: 0,
        journal: Arc::new(Journal::create(dir.path(), "run").unwrap()),
        guardian: None,
        pauses: Pauses::default(),
        limits: Limits::default(),
        deadline: HANG,
    }
}

fn delay() -> OnBytes {
    OnBytes::Delay(Delay::of(
        Duration::from_millis(5),
        Duration::ZERO,
        Direction::From,
    ))
}

#[tokio::test]
async fn evidence_grows_from_acted_to_felt() {
    let dir = TempDir::new().unwrap();
    let context = context(&dir);
    let (proxy, mut client, mut server) = connect_through().await;
    let fault = Fault::Toxic(ToxicFault {
        proxies: vec![proxy.clone()],
        inject: delay(),
        share: Share::WHOLE,
    });
    exchange(&mut client, &mut server).await;
    let mut guard = fault.inject(&context).await.unwrap();
    let before = soon(guard.verify()).await.unwrap();
    assert_eq!(before.level, EvidenceLevel::Acted);
    assert_eq!(
        before.to_string(),
        "attached to 1 live connections of link echo, no traffic yet"
    );
    exchange(&mut client, &mut server).await;
    let after = soon(guard.verify()).await.unwrap();
    assert_eq!(after.level, EvidenceLevel::Felt);
    assert_eq!(
        after.to_string(),
        "1 chunks (1 bytes) of 1 flows delayed by 5ms on link echo"
    );
    assert!(matches!(
        fault.inject(&context).await,
        Err(FaultError::Attach(_))
    ));
    let removal = soon(guard.remove()).await.unwrap();
    assert!(
        removal
            .to_string()
            .starts_with("taken off 1 live connections")
    );
    assert!(proxy.counters().toxics.is_empty());
}

#[tokio::test]
async fn evidence_of_a_share_tells_how_many_were_hit() {
    let dir = TempDir::new().unwrap();
    let context = context(&dir);
    let proxy = echo_proxy().await;
    let fault = Fault::Toxic(ToxicFault {
        proxies: vec![proxy.clone()],
        inject: delay(),
        share: Share::new(0.5).unwrap(),
    });
    let mut guard = fault.inject(&context).await.unwrap();
    for _ in 0..32 {
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        client.write_all(b"x").await.unwrap();
        soon(client.read_exact(&mut [0])).await.unwrap();
    }
    let done = proxy.counters().toxics[0].done;
    assert_eq!((done.met, done.flows), (32, done.hit));
    assert!((1..32).contains(&done.hit), "{done:?}");
    let evidence = soon(guard.verify()).await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Felt);
    let tells = format!("(hit {} of 32 connections, its share is 50%)", done.hit);
    assert!(evidence.to_string().ends_with(&tells), "{evidence}");
    let removal = soon(guard.remove()).await.unwrap();
    assert!(removal.to_string().ends_with(&tells), "{removal}");
}

#[tokio::test]
async fn dropping_a_guard_takes_the_toxic_off() {
    let dir = TempDir::new().unwrap();
    let context = context(&dir);
    let (proxy, _client, _server) = connect_through().await;
    let fault = Fault::Toxic(ToxicFault {
        proxies: vec![proxy.clone()],
        inject: delay(),
        share: Share::WHOLE,
    });
    drop(fault.inject(&context).await.unwrap());
    assert!(proxy.counters().toxics.is_empty());
}

#[tokio::test]
async fn a_fault_that_fails_on_one_link_is_left_on_none() {
    let dir = TempDir::new().unwrap();
    let context = context(&dir);
    let (first, ..) = connect_through().await;
    let (second, ..) = connect_through().await;
    soon(second.shutdown()).await;
    let fault = Fault::Toxic(ToxicFault {
        proxies: vec![first.clone(), second],
        inject: delay(),
        share: Share::WHOLE,
    });
    assert!(fault.inject(&context).await.is_err());
    assert!(first.counters().toxics.is_empty());
}

fn on_process(identity: ProcessIdentity, inject: OnProcess) -> Fault {
    Fault::Process(ProcessFault {
        target: ProcessTarget {
            name: "victim".to_owned(),
            identity,
            mark: None,
        },
        inject,
    })
}

#[tokio::test]
async fn squall_and_its_parents_are_refused() {
    let dir = TempDir::new().unwrap();
    let context = context(&dir);
    let own = ProcessIdentity::own().unwrap();
    let parent = ProcessIdentity::of(std::os::unix::process::parent_id()).unwrap();
    for (identity, wanted) in [(own, Refusal::Itself), (parent, Refusal::Ancestor)] {
        for inject in [OnProcess::Kill(Kill::default()), OnProcess::Pause] {
            let Err(FaultError::Refused { refusal, .. }) =
                on_process(identity, inject).inject(&context).await
            else {
                panic!("not refused");
            };
            assert!(refusal == wanted || refusal == Refusal::Init);
        }
    }
}

/// A process that is ended with the test, also with one that fails.
struct Victim {
    child: std::process::Child,
    identity: ProcessIdentity,
}

impl Victim {
    fn start() -> Self {
        let mut sleep = std::process::Command::new("sleep");
        let child = sleep.arg("1000").spawn().unwrap();
        let identity = ProcessIdentity::of(child.id()).unwrap();
        Self { child, identity }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // Refused only when it was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_number_used_again_is_not_the_process() {
    let dir = TempDir::new().unwrap();
    let context = context(&dir);
    let mut victim = Victim::start();
    let identity = victim.identity;
    let impostor = ProcessIdentity {
        start_time: identity.start_time + 1,
        ..identity
    };
    let kill = OnProcess::Kill(Kill::default());
    let result = on_process(impostor, kill.clone()).inject(&context).await;
    assert!(matches!(result, Err(FaultError::ProcessGone { .. })));
    assert!(identity.is_alive());

    let guard = on_process(identity, kill).inject(&context).await.unwrap();
    let evidence = soon(guard.verify()).await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Felt);
    assert!(!identity.is_alive());
    victim.child.wait().unwrap();
}

#[tokio::test]
async fn a_paused_process_stops_and_runs_again() {
    let dir = TempDir::new().unwrap();
    let context = context(&dir);
    let victim = Victim::start();
    let identity = victim.identity;
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", identity.pid)).unwrap();
        stat.rsplit(") ").next().unwrap().chars().next().unwrap()
    };
    let pause = on_process(identity, OnProcess::Pause);
    let mut guard = pause.inject(&context).await.unwrap();
    soon(guard.verify()).await.unwrap();
    assert_eq!(state(), 'T');
    assert_eq!(context.journal.close().unwrap(), 1, "the undo is pending");
    soon(guard.remove()).await.unwrap();
    assert_ne!(state(), 'T');

    let guard = pause.inject(&context).await.unwrap();
    soon(guard.verify()).await.unwrap();
    drop(guard);
    crate::support::until("it runs again after a drop", || state() != 'T').await;
    assert_eq!(context.journal.close().unwrap(), 0);
}

#[tokio::test]
async fn pauses_that_meet_on_a_process_end_with_the_last() {
    let dir = TempDir::new().unwrap();
    let context = context(&dir);
    let victim = Victim::start();
    let pause = on_process(victim.identity, OnProcess::Pause);
    let mut first = pause.inject(&context).await.unwrap();
    let mut second = pause.inject(&context).await.unwrap();
    let dropped = pause.inject(&context).await.unwrap();
    soon(second.verify()).await.unwrap();
    let removal = soon(first.remove()).await.unwrap();
    assert!(
        removal
            .to_string()
            .ends_with("stays stopped by another pause"),
        "{}",
        removal
    );
    drop(dropped);
    soon(first.remove()).await.unwrap();
    soon(second.verify()).await.unwrap();
    assert_eq!(context.journal.close().unwrap(), 1, "one undo is pending");
    let removal = soon(second.remove()).await.unwrap();
    assert!(removal.to_string().ends_with("runs again"), "{removal}");
    assert_eq!(context.journal.close().unwrap(), 0);
}

/// The end of one pause and the beginning of the next must not cancel out,
/// whichever is first.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_begins_as_another_ends_holds() {
    let dir = TempDir::new().unwrap();
    let context = context(&dir);
    let victim = Victim::start();
    let pause = on_process(victim.identity, OnProcess::Pause);
    let mut ending = pause.inject(&context).await.unwrap();
    for _ in 0..50 {
        let (context, begin) = (context.clone(), pause.clone());
        let ends = tokio::spawn(async move { ending.remove().await.map(|_| ()) });
        let begins = tokio::spawn(async move { begin.inject(&context).await });
        let next = soon(begins).await.unwrap().unwrap();
        soon(ends).await.unwrap().unwrap();
        soon(next.verify()).await.unwrap();
        ending = next;
    }
    soon(ending.remove()).await.unwrap();
}

/// As in containers that are entered from outside: own group and session then
/// have the number 0, which is no process.
#[test]
fn a_pid_namespace_without_its_leaders_is_no_obstacle() {
    const TESTS: [&str; 2] = [
        "faults::a_number_used_again_is_not_the_process",
        "faults::a_paused_process_stops_and_runs_again",
    ];
    let inside = |program: &std::path::Path| {
        let mut unshare = std::process::Command::new("unshare");
        unshare.args([
            "--user",
            "--map-root-user",
            "--pid",
            "--fork",
            "--mount-proc",
        ]);
        unshare.arg(program).stdin(std::process::Stdio::null());
        unshare
    };
    let allowed = inside("true".as_ref()).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        skip("PID namespaces (unshare)");
        return;
    }
    let mut tests = inside(&std::env::current_exe().unwrap());
    let output = tests.args(TESTS).arg("--exact").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("2 passed"), "{text}");
}
