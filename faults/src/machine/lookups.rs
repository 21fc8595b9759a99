//! Whether processes can be given a resolver.

use std::net::UdpSocket;
use std::path::PathBuf;

use super::{Machine, Standing};
use crate::guardian::LaidOver;
use crate::network::may_lay_over;

/// Where nobody else listens, on the port of resolvers.
const ADDRESS: &str = "127.127.255.53:53";

/// Port 53 of loopback, and mounts that only a process and its children see.
pub(super) fn lookups(_: &Machine) -> Standing {
    if let Err(error) = UdpSocket::bind(ADDRESS) {
        return Standing::Missing {
            why: format!("port 53: {error}"),
            help: "run squall as root, or allow it with `sysctl net.ipv4.ip_unprivileged_port_start=53`",
        };
    }
    let laid = LaidOver {
        file: PathBuf::from("/dev/null"),
        over: PathBuf::from("/etc/resolv.conf"),
    };
    match may_lay_over(&[laid]) {
        Ok(()) => Standing::works("port 53 of loopback, and resolv.conf in mounts of their own"),
        Err(error) => Standing::Missing {
            why: error.why,
            help: "run squall as root, or in a user namespace of its own",
        },
    }
}
