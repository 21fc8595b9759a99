//! The listening side of a link: a port that is kept, and listens only while
//! the upstream does.
//!
//! Without squall, callers of a process that is down see *connection refused*.
//! A link that accepted them first and reset them then would show them another
//! failure, which clients handle in another way.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{
    AddressFamily, Shutdown, SocketFlags, SocketType, bind, getsockname, listen, shutdown,
    socket_with,
};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::time::{sleep, timeout};

use super::Shared;

/// Connections waiting to be accepted; the kernel caps it at `somaxconn`.
const BACKLOG: i32 = 1024;
/// How long an upstream may take to accept. On loopback a refusal is instant;
/// a longer wait would only hide that nothing is there.
pub(super) const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Pauses between two looks for an upstream that refuses.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const LOOK_AGAIN_MAX: Duration = Duration::from_millis(100);

/// A bound port. It stays bound for the life of the link, so that nobody else
/// gets it while it does not listen.
#[derive(Debug)]
pub(super) struct Gate {
    socket: OwnedFd,
    address: SocketAddr,
}

impl Gate {
    /// Binds without listening: callers are refused.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        if address.port() != 0 {
            return bound(address);
        }
        // A port that the kernel chose is given back when its socket stops to
        // listen, one that was asked for is not. Both may be bound meanwhile,
        // as neither listens.
        let chosen = bound(address)?;
        bound(chosen.address)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens from now on.
    pub(super) fn open(&self) -> io::Result<TcpListener> {
        // Old connections through this port must not keep it from listening.
        set_socket_reuseaddr(&self.socket, true)?;
        listen(&self.socket, BACKLOG)?;
        let listener = StdListener::from(self.socket.try_clone()?);
        TcpListener::from_std(listener)
    }

    /// Stops listening, as a process that ends does: who waits to be accepted
    /// is reset, who comes is refused. Connections that were accepted stay.
    pub(super) fn close(&self) -> io::Result<()> {
        // A bound port that may be used again may be bound by others.
        set_socket_reuseaddr(&self.socket, false)?;
        // Linux takes a socket that listens back to one that is bound.
        Ok(shutdown(&self.socket, Shutdown::Both)?)
    }
}

fn bound(address: SocketAddr) -> io::Result<Gate> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // A restarted proxy gets its address back while old connections linger.
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    let address = getsockname(&socket)?.try_into()?;
    Ok(Gate { socket, address })
}

/// Connects to an upstream; one with a name is looked up.
pub(super) async fn dial(upstream: impl ToSocketAddrs) -> io::Result<TcpStream> {
    timeout(DIAL_TIMEOUT, TcpStream::connect(upstream)).await?
}

/// Returns when an upstream does not refuse any more. One that does not answer
/// listens as far as its callers can tell, and one that is dialled late is never
/// asked.
pub(super) async fn until_it_listens(shared: &Shared) {
    if shared.late.is_some() {
        return;
    }
    let mut pause = LOOK_AGAIN;
    loop {
        match shared.dial().await {
            Err(error) if is_down(&error) || shared.totals.wants.explain(&error) => {
                shared
                    .listens
                    .send_if_modified(|listens| listens.replace(false).is_none());
                sleep(pause).await;
            }
            _ => return,
        }
        pause = (pause * 2).min(LOOK_AGAIN_MAX);
    }
}

/// Whether an upstream refused: nobody listens there.
pub(super) fn is_down(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}
