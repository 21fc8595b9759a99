//! Listening sockets and the processes that have them open.

use std::collections::HashSet;
use std::net::SocketAddr;

use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};

/// A listening TCP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListeningSocket {
    /// Where it listens.
    pub at: SocketAddr,
    /// Its number, by which a process has it open.
    pub inode: u64,
    /// The user whom it belongs to.
    pub uid: u32,
}

/// Every socket that listens, IPv4 and IPv6.
#[must_use]
pub fn listening_sockets() -> Vec<ListeningSocket> {
    let tables = [procfs::net::tcp(), procfs::net::tcp6()];
    let entries = tables.into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.state == TcpState::Listen)
        .map(|entry| ListeningSocket {
            at: entry.local_address,
            inode: entry.inode,
            uid: entry.uid,
        })
        .collect()
}

/// The sockets that a process has open; `None` where this user may not look.
#[must_use]
pub fn open_sockets(process: &Process) -> Option<HashSet<u64>> {
    let open = process.fd().ok()?.flatten();
    let sockets = open.filter_map(|open| match open.target {
        FDTarget::Socket(inode) => Some(inode),
        _ => None,
    });
    Some(sockets.collect())
}
