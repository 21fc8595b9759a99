//! Ports that stay ours for the life of a run.

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Below the ephemeral range of Linux (32768-60999), so that no outgoing
/// connection takes a port while its process is being restarted.
const FIRST_PORT: u16 = 21_000;
const LAST_PORT: u16 = 31_999;

/// A port on loopback, kept from other runs until squall ends, however it ends.
///
/// What keeps it is a name in the abstract namespace of sockets, which reaches
/// as far as the port itself does (one network namespace, all users), leaves no
/// file behind and asks nobody to trust a folder that may be anybody's.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    _name: OwnedFd,
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
/// There is no descriptor left, or there are not so many free ports.
pub fn lease(count: usize) -> io::Result<Vec<PortLease>> {
    let mut leases = Vec::with_capacity(count);
    // Starting points differ between processes, so that runs that start
    // together do not try the same names in the same order.
    let span = LAST_PORT - FIRST_PORT;
    let offset = (std::process::id() % u32::from(span)) as u16;
    for step in 0..span {
        if leases.len() == count {
            break;
        }
        let port = FIRST_PORT + (offset + step) % span;
        if let Some(lease) = try_lease(port)? {
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

/// `None` where another run has the port, or something else serves on it.
fn try_lease(port: u16) -> io::Result<Option<PortLease>> {
    let flags = SocketFlags::CLOEXEC;
    let name = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    let address = SocketAddrUnix::new_abstract_name(format!("squall-port-{port}").as_bytes())?;
    match rustix::net::bind(&name, &address) {
        Ok(()) => {}
        Err(Errno::ADDRINUSE) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_free) => Ok(Some(PortLease { port, _name: name })),
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
        let taken = lease(1).unwrap().remove(0);
        let address = taken.address();
        assert!(try_lease(address.port()).unwrap().is_none(), "it is leased");
        let _listener = TcpListener::bind(address).unwrap();
        drop(taken);
        assert!(try_lease(address.port()).unwrap().is_none(), "it is served");
    }
}
