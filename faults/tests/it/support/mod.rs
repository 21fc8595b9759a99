//! What several test programs need.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed test is a panic"
)]
#![allow(dead_code, reason = "each test program uses its own part")]

pub(crate) mod cgroups;
pub(crate) mod run;

use std::time::Duration;

use squall_faults::machine::Machine;
use squall_faults::{
    Fault, FaultContext, FaultError, FaultGuard, LinkLimit, ProcessTarget, Proxy, ProxyConfig,
    ResourceFault,
};
use squall_scenario::{Evidence, OnResource};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Longer than anything may hang; never a measure of speed.
pub(crate) const HANG: Duration = Duration::from_secs(30);

/// Says that a test does nothing here, and what it would need. Past the capture of
/// the test harness: nobody shall take it for a pass.
pub(crate) fn skip(needs: impl std::fmt::Display) {
    let line = format!("skipped: needs {needs}\n");
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
}

/// Whether a fault can be had on this machine; says what it needs where not.
pub(crate) fn can(fault: &str) -> bool {
    let machine = Machine {
        guardian: Vec::new(),
    };
    let missing = machine.missing_for(&[fault]);
    if let Some(needed) = missing.first() {
        skip(format_args!(
            "{} for {fault}: {:?}",
            needed.name, needed.standing
        ));
    }
    missing.is_empty()
}

/// Processes of squall's own that work against this one.
pub(crate) fn rivals(target: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap();
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = command.split(|byte| *byte == 0);
        words.any(|word| word == b"--rival") && words.nth(1) == Some(target.to_string().as_bytes())
    })
    .collect()
}

/// Fails instead of hanging.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(HANG, future)
        .await
        .expect("must not hang")
}

/// Waits for something the outside does.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(HANG, waiting).await.expect(what);
}

/// Looks at a fault until its evidence is as wanted.
pub(crate) async fn until_seen(guard: &FaultGuard, wanted: impl Fn(&Evidence) -> bool) -> Evidence {
    soon(async {
        loop {
            let evidence = guard.verify().await.unwrap();
            if wanted(&evidence) {
                return evidence;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// Looks at a fault until it is not in force any more; what it says then.
pub(crate) async fn until_lost(guard: &FaultGuard) -> FaultError {
    soon(async {
        loop {
            if let Err(lost) = guard.verify().await {
                return lost;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// The same number of another process: as if the target had ended, and its number were
/// somebody else's.
pub(crate) fn impostor(target: &ProcessTarget) -> ProcessTarget {
    let mut impostor = target.clone();
    impostor.identity.start_time += 1;
    impostor
}

/// Injects a fault on what a target has.
pub(crate) async fn inject(
    target: &ProcessTarget,
    inject: OnResource,
    context: &FaultContext,
) -> Result<FaultGuard, FaultError> {
    let target = target.clone();
    let fault = Fault::Resource(ResourceFault { target, inject });
    soon(fault.inject(context)).await
}

/// Waits until something was carried and nothing more is, as its reader does not
/// read.
pub(crate) async fn stalled(carried: impl Fn() -> u64) {
    let (mut before, mut same) = (0, 0);
    until("nothing moves", || {
        let carried = carried();
        same = if carried > 0 && carried == before {
            same + 1
        } else {
            0
        };
        before = carried;
        same > 4
    })
    .await;
}

/// A port of loopback that is bound and on which nobody listens. Nobody else is
/// given it; whoever is told its number may listen there as often as they like.
pub(crate) struct Held {
    pub(crate) address: std::net::SocketAddr,
    _socket: TcpSocket,
}

impl Held {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Two may be bound to one port where both say so and neither listens.
        socket.set_reuseaddr(true).unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self {
            address: socket.local_addr().unwrap(),
            _socket: socket,
        }
    }
}

/// A proxy in front of a server that sends everything back.
pub(crate) async fn echo_proxy() -> Proxy {
    proxy_to(serve_echo().await)
}

pub(crate) fn proxy_to(upstream: std::net::SocketAddr) -> Proxy {
    let listen = ([127, 0, 0, 1], 0).into();
    let name = "echo".to_owned();
    Proxy::start(ProxyConfig {
        name,
        listen,
        upstream,
        seed: 42,
        listening: true,
        limit: LinkLimit::default(),
    })
    .unwrap()
}

pub(crate) async fn serve_echo() -> std::net::SocketAddr {
    echo_at(([127, 0, 0, 1], 0).into()).unwrap()
}

/// Echoes there, as long as the runtime lives.
pub(crate) fn echo_at(address: std::net::SocketAddr) -> std::io::Result<std::net::SocketAddr> {
    // The default backlog of 128 overflows when hundreds connect at once, and
    // an overflow may end in a reset.
    let socket = match address.is_ipv4() {
        true => TcpSocket::new_v4()?,
        false => TcpSocket::new_v6()?,
    };
    socket.bind(address)?;
    let listener = socket.listen(1024)?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    Ok(address)
}

async fn echo(mut stream: TcpStream) {
    let (mut read, mut write) = stream.split();
    // A reset by a fault ends the copy; that is the test's business.
    let _ = tokio::io::copy(&mut read, &mut write).await;
    let _ = write.shutdown().await;
}

/// A proxy whose one upstream connection the test holds itself.
pub(crate) async fn connect_through() -> (Proxy, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy_to(listener.local_addr().unwrap());
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    let (server, _) = soon(listener.accept()).await.unwrap();
    (proxy, client, server)
}

/// Sends a byte each way and waits for it, so the connection is live.
pub(crate) async fn exchange(client: &mut TcpStream, server: &mut TcpStream) {
    let mut byte = [0];
    client.write_all(b"a").await.unwrap();
    soon(server.read_exact(&mut byte)).await.unwrap();
    server.write_all(b"b").await.unwrap();
    soon(client.read_exact(&mut byte)).await.unwrap();
}
