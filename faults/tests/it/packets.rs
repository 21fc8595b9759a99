//! Faults on packets, on connections of loopback that are really there.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use squall_faults::{Fault, FaultContext, FaultError, FaultGuard, Filter, PacketsFault};
use squall_scenario::inject::{Loss, Packets, Partition, Rate, Reject};
use squall_scenario::{
    ByteCount, Direction, Evidence, EvidenceLevel, Inject, PacketsSeen, Share, Sighting,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::run::{FIXTURE, Run};
use crate::support::{HANG, can, echo_at, serve_echo, skip, soon, until, until_seen};

/// A run whose guardian may have rules in the kernel; nothing where it may not.
async fn privileged() -> Option<Run> {
    match can("partition") {
        true => Some(Run::start().await),
        false => None,
    }
}

fn packets(inject: impl Into<Inject>) -> Packets {
    let Inject::Network(fault) = inject.into() else {
        panic!("a fault on packets");
    };
    fault.packets().unwrap()
}

fn at(address: SocketAddr, inject: impl Into<Inject>) -> Fault {
    let inject = packets(inject);
    Fault::Packets(PacketsFault {
        targets: vec!["echo".to_owned()],
        filter: Filter::of(&inject, vec![address]),
        inject,
    })
}

fn named(run: &Run, fault: &str) -> FaultContext {
    FaultContext {
        fault: fault.to_owned(),
        ..run.context()
    }
}

fn seen(evidence: &Evidence) -> &PacketsSeen {
    match &evidence.seen[..] {
        [Sighting::OnPackets(seen) | Sighting::OffPackets(seen)] => seen,
        other => panic!("{other:?}"),
    }
}

/// Waits until packets were hit.
async fn hit(guard: &FaultGuard) -> Evidence {
    until_seen(guard, |evidence| evidence.level == EvidenceLevel::Felt).await
}

async fn echoed(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"?").await?;
    stream.read_exact(&mut [0]).await.map(drop)
}

const fn partition(direction: Direction) -> Partition {
    Partition { direction }
}

/// Nobody is refused: whoever connects waits, and gets through in the end.
#[tokio::test]
async fn a_partition_is_silence_and_ends_without_a_trace() {
    let Some(run) = privileged().await else {
        return;
    };
    let (address, beside) = (serve_echo().await, serve_echo().await);
    let fault = at(address, partition(Direction::Both));
    let mut guard = fault.inject(&run.context()).await.unwrap();
    let evidence = guard.verify().await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Acted);
    assert_eq!(evidence.to_string(), "in force on echo, no packet hit yet");
    let connecting = tokio::spawn(TcpStream::connect(address));
    let evidence = hit(&guard).await;
    assert_eq!(seen(&evidence).hit, seen(&evidence).seen);
    assert!(!connecting.is_finished());
    // Another port knows nothing of it.
    let mut other = soon(TcpStream::connect(beside)).await.unwrap();
    soon(echoed(&mut other)).await.unwrap();

    let removed = soon(guard.remove()).await.unwrap();
    assert!(seen(&removed).hit >= seen(&evidence).hit);
    let mut stream = soon(connecting).await.unwrap().unwrap();
    soon(echoed(&mut stream)).await.unwrap();
    // Twice is as good as once, and says the same.
    assert_eq!(soon(guard.remove()).await.unwrap(), removed);
    run.stop().await;
}

/// Three that listen on one port, each at an address of its own; nothing where there
/// is no IPv6.
async fn on_one_port() -> Option<[SocketAddr; 3]> {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_err() {
        skip("IPv6 on loopback");
        return None;
    }
    let hosts: [IpAddr; 2] = [
        Ipv4Addr::new(127, 0, 0, 2).into(),
        Ipv6Addr::LOCALHOST.into(),
    ];
    // Somebody may have the port of the first at one of the others.
    for _ in 0..64 {
        let first = serve_echo().await;
        let [second, third] = hosts.map(|host| SocketAddr::new(host, first.port()));
        if echo_at(second).is_ok() && echo_at(third).is_ok() {
            return Some([first, second, third]);
        }
    }
    panic!("no port is free at three addresses");
}

/// Who has the same port at another address, of the other family as well, is a
/// stranger.
#[tokio::test]
async fn who_has_the_same_port_at_another_address_is_spared() {
    let Some(run) = privileged().await else {
        return;
    };
    let Some(all) = on_one_port().await else {
        return;
    };
    for target in all {
        for direction in [Direction::To, Direction::From] {
            let mut caller = TcpStream::connect(target).await.unwrap();
            soon(echoed(&mut caller)).await.unwrap();
            let fault = at(target, partition(direction));
            let mut guard = fault.inject(&run.context()).await.unwrap();
            for stranger in all.into_iter().filter(|other| *other != target) {
                let mut stream = soon(TcpStream::connect(stranger)).await.unwrap();
                soon(echoed(&mut stream)).await.unwrap();
            }
            let evidence = guard.verify().await.unwrap();
            assert_eq!(seen(&evidence).seen, 0, "{target}, {direction:?}");
            caller.write_all(b"?").await.unwrap();
            hit(&guard).await;
            soon(guard.remove()).await.unwrap();
        }
    }
    run.stop().await;
}

/// Whoever listens on all addresses is met at each.
#[tokio::test]
async fn all_addresses_of_a_family_may_be_meant() {
    let Some(run) = privileged().await else {
        return;
    };
    let Some([first, second, third]) = on_one_port().await else {
        return;
    };
    for (every, met) in [
        (IpAddr::from(Ipv4Addr::UNSPECIFIED), &[first, second][..]),
        (Ipv6Addr::UNSPECIFIED.into(), &[first, second, third]),
    ] {
        let fault = at(SocketAddr::new(every, first.port()), Reject);
        let mut guard = fault.inject(&run.context()).await.unwrap();
        for address in [first, second, third] {
            let connected = soon(TcpStream::connect(address)).await;
            assert_eq!(
                connected.is_err(),
                met.contains(&address),
                "{every}, {address}"
            );
        }
        soon(guard.remove()).await.unwrap();
    }
    run.stop().await;
}

/// Has the guardian of a run wait until it may go on.
async fn stop(run: &Run) -> rustix::process::Pid {
    let pid = run.guardian.identity().pid.cast_signed();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let stat = || std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    until("it is stopped", || stat().contains(") T ")).await;
    pid
}

/// The guardian answers too late, or nobody waits for its answer: it takes away
/// what it has put in force meanwhile.
#[tokio::test]
async fn nothing_is_left_of_an_injection_that_was_given_up() {
    let Some(run) = privileged().await else {
        return;
    };
    let address = serve_echo().await;
    let fault = at(address, Reject);
    let guardian = stop(&run).await;
    // What is waited for while nothing happens passes at once.
    tokio::time::pause();
    let late = fault.inject(&named(&run, "late")).await.unwrap_err();
    assert!(late.to_string().contains("did not answer"), "{late}");
    let dropped = named(&run, "dropped");
    let dropped = fault.inject(&dropped);
    let moment = std::time::Duration::from_millis(1);
    tokio::time::timeout(moment, dropped).await.unwrap_err();
    tokio::time::resume();
    rustix::process::kill_process(guardian, rustix::process::Signal::CONT).unwrap();
    // It does one after the other: now it has done what it was asked before.
    let beside = at(serve_echo().await, Reject);
    let mut beside = soon(beside.inject(&run.context())).await.unwrap();
    let passes = async { while TcpStream::connect(address).await.is_err() {} };
    soon(passes).await;
    soon(beside.remove()).await.unwrap();
    run.stop().await;
}

/// What is asked arrives; only the answer is lost, until it is sent again.
#[tokio::test]
async fn a_partition_may_be_one_way() {
    let Some(run) = privileged().await else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut caller = TcpStream::connect(address).await.unwrap();
    let (mut server, _) = soon(listener.accept()).await.unwrap();
    let fault = at(address, partition(Direction::From));
    let mut guard = fault.inject(&run.context()).await.unwrap();
    caller.write_all(b"?").await.unwrap();
    let mut asked = [0];
    soon(server.read_exact(&mut asked)).await.unwrap();
    server.write_all(b"!").await.unwrap();
    hit(&guard).await;
    let nothing = caller.try_read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    soon(guard.remove()).await.unwrap();
    soon(caller.read_exact(&mut [0])).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn a_rejection_is_a_refusal_and_ends_connections() {
    let Some(run) = privileged().await else {
        return;
    };
    let address = serve_echo().await;
    let mut before = TcpStream::connect(address).await.unwrap();
    soon(echoed(&mut before)).await.unwrap();
    let fault = at(address, Reject);
    let mut guard = fault.inject(&run.context()).await.unwrap();
    let refused = soon(TcpStream::connect(address)).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    let reset = soon(echoed(&mut before)).await.unwrap_err();
    assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
    let evidence = guard.verify().await.unwrap();
    assert!(
        evidence
            .to_string()
            .contains("packets answered with a reset at echo")
    );
    soon(guard.remove()).await.unwrap();
    let mut after = soon(TcpStream::connect(address)).await.unwrap();
    soon(echoed(&mut after)).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn a_loss_hits_some_and_lets_others_pass() {
    let Some(run) = privileged().await else {
        return;
    };
    let address = serve_echo().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let share = Share::new(0.3).unwrap();
    let direction = Direction::Both;
    let fault = at(address, Loss { share, direction });
    let mut guard = fault.inject(&run.context()).await.unwrap();
    let some = async {
        loop {
            echoed(&mut stream).await.unwrap();
            let evidence = guard.verify().await.unwrap();
            let PacketsSeen { seen, hit, .. } = *seen(&evidence);
            if hit > 0 && seen > hit {
                return;
            }
        }
    };
    tokio::time::timeout(HANG, some).await.unwrap();
    let removed = soon(guard.remove()).await.unwrap();
    assert!(!seen(&removed).congestion.is_empty());
    soon(echoed(&mut stream)).await.unwrap();
    run.stop().await;
}

/// Some pass, or nothing would ever arrive.
#[tokio::test]
async fn beyond_a_rate_packets_are_lost_and_bytes_still_arrive() {
    let Some(run) = privileged().await else {
        return;
    };
    let address = serve_echo().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let limit = ByteCount(256 * 1024);
    let direction = Direction::From;
    let fault = at(address, Rate { limit, direction });
    let mut guard = fault.inject(&run.context()).await.unwrap();
    // More than is kept for a second and one packet.
    let sent = vec![b'?'; 512 * 1024];
    let (mut read, mut write) = stream.split();
    let mut came = vec![0; sent.len()];
    let both = async { tokio::join!(write.write_all(&sent), read.read_exact(&mut came)) };
    let (wrote, read) = soon(both).await;
    wrote.and(read).unwrap();
    assert_eq!(came, sent);
    let evidence = guard.verify().await.unwrap();
    let PacketsSeen { seen, hit, .. } = *seen(&evidence);
    assert!(0 < hit && hit < seen, "{evidence}");
    soon(guard.remove()).await.unwrap();
    soon(echoed(&mut stream)).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn two_faults_on_one_target_are_removed_one_by_one() {
    let Some(run) = privileged().await else {
        return;
    };
    let address = serve_echo().await;
    let reject = at(address, Reject);
    let mut first = reject.inject(&named(&run, "first")).await.unwrap();
    let mut second = reject.inject(&named(&run, "second")).await.unwrap();
    let twice = reject.inject(&named(&run, "second")).await.unwrap_err();
    assert!(twice.to_string().contains("in force already"), "{twice}");
    soon(first.remove()).await.unwrap();
    let refused = soon(TcpStream::connect(address)).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    soon(second.remove()).await.unwrap();
    soon(TcpStream::connect(address)).await.unwrap();
    run.stop().await;
}

/// No port at all, nobody else who could undo it, and rules that are dropped with
/// their guard.
#[tokio::test]
async fn what_cannot_be_hit_is_told_and_a_dropped_guard_lets_packets_pass() {
    let Some(run) = privileged().await else {
        return;
    };
    let address = serve_echo().await;
    let inject = packets(Reject);
    let nowhere = Fault::Packets(PacketsFault {
        targets: Vec::new(),
        filter: Filter::of(&inject, Vec::new()),
        inject,
    });
    let error = nowhere.inject(&run.context()).await.unwrap_err();
    assert!(matches!(error, FaultError::NoLinks), "{error}");
    let alone = FaultContext {
        guardian: None,
        ..run.context()
    };
    // Without a guardian the rules are of this process.
    let mut guard = at(address, Reject).inject(&alone).await.unwrap();
    soon(TcpStream::connect(address)).await.unwrap_err();
    assert_eq!(guard.verify().await.unwrap().level, EvidenceLevel::Felt);
    soon(guard.remove()).await.unwrap();
    soon(TcpStream::connect(address)).await.unwrap();

    let guard = at(address, Reject).inject(&run.context()).await.unwrap();
    soon(TcpStream::connect(address)).await.unwrap_err();
    drop(guard);
    let passes = async { while TcpStream::connect(address).await.is_err() {} };
    soon(passes).await;
    run.stop().await;
}

/// The kernel takes the rules away with the guardian.
#[tokio::test]
async fn nothing_is_left_of_a_guardian_that_is_killed() {
    let Some(run) = privileged().await else {
        return;
    };
    let address = serve_echo().await;
    let fault = at(address, partition(Direction::Both));
    let mut guard = fault.inject(&run.context()).await.unwrap();
    let connecting = tokio::spawn(TcpStream::connect(address));
    hit(&guard).await;
    assert!(!connecting.is_finished());
    let pid = run.guardian.identity().pid.cast_signed();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let mut stream = soon(connecting).await.unwrap().unwrap();
    soon(echoed(&mut stream)).await.unwrap();
    soon(run.guardian.gone()).await;
    let lost = guard.verify().await.unwrap_err();
    assert!(matches!(lost, FaultError::Guardian(_)), "{lost}");
    // The kernel has removed it already.
    soon(guard.remove()).await.unwrap();
}

/// Squall is killed at every step of a rejection, alone, with its guardian, and with
/// the keeper of that as well: whoever connects gets through, and no rule names the
/// port.
#[tokio::test]
async fn nothing_is_left_of_a_squall_that_is_killed() {
    let Some(run) = privileged().await else {
        return;
    };
    let address = serve_echo().await;
    let mut guard = at(address, Reject).inject(&run.context()).await.unwrap();
    let named = named_by_a_rule(address.port());
    soon(guard.remove()).await.unwrap();
    run.stop().await;
    if named.is_none() {
        skip("nft: no look for rules that are left");
    }
    // A rule that is there is found.
    assert_ne!(named, Some(false));
    for step in ["injected", "verified", "met", "removed"] {
        for company in ["alone", "together", "all"] {
            let dir = tempfile::TempDir::new().unwrap();
            let status = std::process::Command::new(FIXTURE)
                .arg("reject")
                .arg(dir.path())
                .arg(address.port().to_string())
                .args([step, company])
                .status()
                .unwrap();
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            assert_eq!(signal, Some(9), "{step}, {company}");
            let passes = async { while TcpStream::connect(address).await.is_err() {} };
            soon(passes).await;
            let left = named_by_a_rule(address.port());
            assert_ne!(left, Some(true), "{step}, {company}");
        }
    }
}

/// Whether any rule of the machine names that port; nothing where there is no `nft`.
fn named_by_a_rule(port: u16) -> Option<bool> {
    let listed = std::process::Command::new("nft")
        .args(["list", "ruleset"])
        .output()
        .ok()?;
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8_lossy(&listed.stdout);
    Some(listed.contains(&format!("dport {port} ")))
}
