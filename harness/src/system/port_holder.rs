//! Who listens on a port that squall wanted for itself.

use std::net::SocketAddr;

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, all_processes};

/// The process that listens on `address`, as far as this user may see it:
/// `python3 (pid 4711)`.
pub(super) fn holder(address: SocketAddr) -> Option<String> {
    let socket = listening()
        .find(|entry| {
            let at = entry.local_address;
            at.port() == address.port() && (at.ip() == address.ip() || at.ip().is_unspecified())
        })?
        .inode;
    let holds = |process: &procfs::process::Process| {
        let mut open = process.fd().into_iter().flatten().flatten();
        open.any(|open| matches!(open.target, FDTarget::Socket(inode) if inode == socket))
    };
    let process = all_processes().ok()?.flatten().find(holds)?;
    let name = process.stat().ok()?.comm;
    Some(format!("{name} (pid {})", process.pid))
}

fn listening() -> impl Iterator<Item = TcpNetEntry> {
    let tables = [procfs::net::tcp(), procfs::net::tcp6()];
    let entries = tables.into_iter().flatten().flatten();
    entries.filter(|entry| entry.state == TcpState::Listen)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_found_by_its_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let own = format!("(pid {})", std::process::id());
        assert!(holder(address).unwrap().ends_with(&own));
        drop(listener);
        assert_eq!(holder(address), None);
    }
}
