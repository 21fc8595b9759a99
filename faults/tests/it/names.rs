//! Faults on names, with resolvers and processes that really ask.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use squall_faults::guardian::LaidOver;
use squall_faults::{
    Fault, FaultContext, FaultError, Journal, Names, NamesFault, Pauses, Resolver, may_lay_over,
    resolver_files,
};
use squall_scenario::inject::{Dns, DnsAnswer};
use squall_scenario::{Evidence, EvidenceLevel};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::support::run::Run;
use crate::support::{HANG, skip, soon};

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 7));

fn names() -> Names {
    let names = ["payments.test", "stock.test"];
    Names::new(names.map(|name| (name.to_owned(), ADDRESS)))
}

const fn dns(answer: DnsAnswer) -> Dns {
    Dns {
        answer,
        by: None,
        to: None,
    }
}

fn fault(resolver: &Resolver, names: &[&str], inject: Dns) -> Fault {
    Fault::Names(NamesFault {
        resolver: resolver.clone(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        inject,
    })
}

fn context(dir: &TempDir, fault: &str, deadline: Duration) -> FaultContext {
    FaultContext {
        fault: fault.to_owned(),
        injection: 0,
        journal: Arc::new(Journal::create(dir.path(), fault).unwrap()),
        guardian: None,
        pauses: Pauses::default(),
        limits: squall_faults::Limits::default(),
        deadline,
    }
}

/// The query that any resolver library sends for an address of four bytes.
fn query(name: &str) -> Vec<u8> {
    let mut query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.bytes());
    }
    query.extend(b"\0\0\x01\0\x01");
    query
}

async fn over_udp(to: SocketAddr, name: &str) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&query(name), to).await.unwrap();
    let mut buffer = [0; 512];
    let length = soon(socket.recv(&mut buffer)).await.unwrap();
    buffer[..length].to_vec()
}

async fn over_tcp(to: SocketAddr, name: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let query = query(name);
    stream.write_u16(query.len() as u16).await.unwrap();
    stream.write_all(&query).await.unwrap();
    let length = soon(stream.read_u16()).await.unwrap();
    let mut answer = vec![0; usize::from(length)];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    answer
}

fn code(answer: &[u8]) -> u8 {
    answer[3] & 0x0f
}

#[tokio::test]
async fn a_name_is_answered_over_udp_and_tcp_and_broken_on_both() {
    let dir = TempDir::new().unwrap();
    let resolver = Resolver::start_on_any_port(names()).await.unwrap();
    let to = resolver.address();
    let truth = over_udp(to, "payments.test").await;
    assert_eq!(truth[truth.len() - 4..], [127, 0, 0, 7]);
    assert_eq!(over_tcp(to, "payments.test").await, truth);

    let broken = fault(&resolver, &["payments.test"], dns(DnsAnswer::Nxdomain));
    let context = context(&dir, "gone", HANG);
    let mut guard = broken.inject(&context).await.unwrap();
    // Squall has asked to see whether it works, and that counts for nothing.
    let evidence = guard.verify().await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Acted);
    assert_eq!(code(&over_udp(to, "payments.test").await), 3);
    assert_eq!(code(&over_tcp(to, "payments.test").await), 3);
    assert_eq!(code(&over_udp(to, "stock.test").await), 0, "another name");
    let evidence = guard.verify().await.unwrap();
    assert_eq!(
        said(&evidence),
        "2 questions answered with NXDOMAIN on name payments.test"
    );
    assert_eq!(evidence.level, EvidenceLevel::Felt);

    let removed = guard.remove().await.unwrap();
    let expected = "name payments.test answered truly again; 2 questions answered with NXDOMAIN";
    assert_eq!(said(&removed), expected);
    assert_eq!(over_udp(to, "payments.test").await, truth);
    // Twice is as good as once.
    assert_eq!(said(&guard.remove().await.unwrap()), expected);
}

fn said(evidence: &Evidence) -> String {
    evidence.to_string()
}

#[tokio::test]
async fn a_dropped_guard_leaves_the_truth() {
    let dir = TempDir::new().unwrap();
    let resolver = Resolver::start_on_any_port(names()).await.unwrap();
    let broken = fault(&resolver, &["payments.test"], dns(DnsAnswer::Servfail));
    let guard = broken.inject(&context(&dir, "gone", HANG)).await.unwrap();
    assert_eq!(
        code(&over_udp(resolver.address(), "payments.test").await),
        2
    );
    drop(guard);
    assert_eq!(
        code(&over_udp(resolver.address(), "payments.test").await),
        0
    );
}

#[tokio::test]
async fn of_two_faults_on_a_name_each_is_removed_alone() {
    let dir = TempDir::new().unwrap();
    let resolver = Resolver::start_on_any_port(names()).await.unwrap();
    let to = resolver.address();
    let first = fault(&resolver, &["payments.test"], dns(DnsAnswer::Nxdomain));
    let second = fault(&resolver, &["payments.test"], dns(DnsAnswer::Servfail));
    let mut first = first.inject(&context(&dir, "first", HANG)).await.unwrap();
    let mut second = second.inject(&context(&dir, "second", HANG)).await.unwrap();
    first.verify().await.unwrap();
    second.verify().await.unwrap();
    assert_eq!(code(&over_udp(to, "payments.test").await), 2);
    first.remove().await.unwrap();
    assert_eq!(code(&over_udp(to, "payments.test").await), 2);
    second.remove().await.unwrap();
    assert_eq!(code(&over_udp(to, "payments.test").await), 0);
}

/// The runtime has one thread: whoever was asked answers only once the test waits.
#[tokio::test]
async fn a_fault_that_comes_while_the_name_is_asked_for_is_not_held_against_another() {
    fn begin<T>(asking: Pin<&mut impl Future<Output = T>>) {
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(asking.poll(&mut nobody).is_pending());
    }
    // Silence is waited for to the end.
    for (answer, within) in [
        (DnsAnswer::Servfail, HANG),
        (DnsAnswer::Timeout, Duration::from_secs(1)),
    ] {
        let dir = TempDir::new().unwrap();
        let resolver = Resolver::start_on_any_port(names()).await.unwrap();
        let first = fault(&resolver, &["payments.test"], dns(DnsAnswer::Nxdomain));
        let mut first = first.inject(&context(&dir, "first", within)).await.unwrap();
        let second = fault(&resolver, &["payments.test"], dns(answer));

        let context = context(&dir, "second", HANG);
        let mut asking = Box::pin(first.verify());
        begin(asking.as_mut());
        let mut meanwhile = second.inject(&context).await.unwrap();
        asking.await.unwrap();
        meanwhile.remove().await.unwrap();
        first.verify().await.unwrap();

        let mut asking = Box::pin(first.remove());
        begin(asking.as_mut());
        let _meanwhile = second.inject(&context).await.unwrap();
        asking.await.unwrap();
    }
}

/// A name that is not there, none at all, and a resolver that is gone.
#[tokio::test]
async fn what_cannot_be_broken_or_put_back_is_told() {
    let dir = TempDir::new().unwrap();
    let resolver = Resolver::start_on_any_port(names()).await.unwrap();
    let refused = async |names: &[&str]| {
        let dir = TempDir::new().unwrap();
        let broken = fault(&resolver, names, dns(DnsAnswer::Nxdomain));
        let context = context(&dir, "gone", HANG);
        broken.inject(&context).await.unwrap_err().to_string()
    };
    let unknown = refused(&["payments.test", "nobody.test"]).await;
    assert_eq!(unknown, "name nobody.test: the resolver does not know it");
    let to = resolver.address();
    assert_eq!(code(&over_udp(to, "payments.test").await), 0, "half of it");
    assert!(refused(&[]).await.contains("no name to act on"));

    let short = Duration::from_millis(1);
    let broken = fault(&resolver, &["payments.test"], dns(DnsAnswer::Timeout));
    let mut guard = broken.inject(&context(&dir, "gone", short)).await.unwrap();
    resolver.shutdown().await;
    let error = guard.remove().await.unwrap_err();
    assert!(matches!(error, FaultError::Name { .. }), "{error}");
}

/// What a process hears that looks names up as every program does.
#[tokio::test]
async fn processes_ask_the_resolver_of_the_run_and_nobody_else_does() {
    let Some((run, resolver, laid_over)) = overlaid().await else {
        return;
    };
    let outside = std::fs::read_to_string("/etc/resolv.conf").unwrap();
    let script = "getent ahostsv4 payments.test || echo none $?; \
                  getent ahostsv4 example.com || echo none $?; echo end";
    let ask = async |key: &str| {
        let mut request = run.request(key, script);
        request.laid_over.clone_from(&laid_over);
        let mut exits = run.guardian.exits();
        soon(run.guardian.spawn(request)).await.unwrap();
        while soon(exits.recv()).await.unwrap().key != key {}
        run.log(key)
    };
    let truth = ask("before").await;
    assert!(truth.starts_with("127.0.0.7 "), "{truth}");
    assert!(truth.ends_with("none 2\nend\n"), "{truth}");

    let broken = fault(&resolver, &["payments.test"], dns(DnsAnswer::Nxdomain));
    let mut guard = broken.inject(&run.context()).await.unwrap();
    assert_eq!(ask("during").await, "none 2\nnone 2\nend\n");
    let evidence = guard.verify().await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Felt);
    guard.remove().await.unwrap();
    assert_eq!(ask("after").await, truth);

    assert_eq!(
        std::fs::read_to_string("/etc/resolv.conf").unwrap(),
        outside
    );
    run.stop().await;
}

/// A run whose processes may be given a resolver; nothing where they may not.
async fn overlaid() -> Option<(Run, Resolver, Vec<LaidOver>)> {
    let resolver = match Resolver::start(names()).await {
        Ok(resolver) => resolver,
        Err(error) => {
            skip(format!("port 53: {error}"));
            return None;
        }
    };
    let run = Run::start().await;
    let laid_over = resolver_files(run.dir.path(), resolver.address().ip()).unwrap();
    if let Err(error) = may_lay_over(&laid_over) {
        skip(format!("mount namespaces: {error}"));
        run.stop().await;
        return None;
    }
    Some((run, resolver, laid_over))
}
