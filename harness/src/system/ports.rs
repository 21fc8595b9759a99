//! Ports that stay ours for the life of a run.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Below the ephemeral range of Linux (32768-60999), so that no outgoing
/// connection takes a port while its process is being restarted.
const FIRST_PORT: u16 = 21_000;
const LAST_PORT: u16 = 31_999;

/// A port on loopback, kept from other runs by a file lock that the kernel
/// drops when squall ends, however it ends.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    _lock: File,
}

impl PortLease {
    /// The address on loopback.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

/// Leases `count` free ports.
///
/// # Errors
/// The lock folder cannot be used, or there are not so many free ports.
pub fn lease(count: usize) -> io::Result<Vec<PortLease>> {
    let folder = lock_folder()?;
    let mut leases = Vec::with_capacity(count);
    // Starting points differ between processes, so that runs that start
    // together do not try the same locks in the same order.
    let span = LAST_PORT - FIRST_PORT;
    let offset = (std::process::id() % u32::from(span)) as u16;
    for step in 0..span {
        if leases.len() == count {
            break;
        }
        let port = FIRST_PORT + (offset + step) % span;
        if let Some(lease) = try_lease(&folder, port)? {
            leases.push(lease);
        }
    }
    if leases.len() < count {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!(
                "only {} of {count} ports are free on loopback",
                leases.len()
            ),
        ));
    }
    Ok(leases)
}

fn lock_folder() -> io::Result<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let folder = std::env::temp_dir().join(format!("squall-ports-{uid}"));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)?;
    Ok(folder)
}

fn try_lease(folder: &Path, port: u16) -> io::Result<Option<PortLease>> {
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(port.to_string()))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(None);
    }
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_free) => Ok(Some(PortLease { port, _lock: lock })),
        Err(_taken) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leased_ports_are_distinct_and_kept() {
        let first = lease(5).unwrap();
        let second = lease(5).unwrap();
        let mut ports: Vec<_> = first
            .iter()
            .chain(&second)
            .map(|l| l.address().port())
            .collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 10);
        assert!(
            ports
                .iter()
                .all(|port| (FIRST_PORT..=LAST_PORT).contains(port))
        );
    }

    #[test]
    fn a_port_in_use_is_not_leased() {
        let taken = lease(1).unwrap();
        let _listener = TcpListener::bind(taken[0].address()).unwrap();
        let folder = lock_folder().unwrap();
        assert!(
            try_lease(&folder, taken[0].address().port())
                .unwrap()
                .is_none()
        );
    }
}
