//! Whether processes can be given a resolver.

use std::io;
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
        return missing(&error);
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

fn missing(error: &io::Error) -> Standing {
    Standing::Missing {
        why: format!("port 53: {error}"),
        help: match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "run squall as root, or allow it with `sysctl net.ipv4.ip_unprivileged_port_start=53`"
            }
            io::ErrorKind::AddrInUse => {
                "let what listens on port 53 of every address listen on its own address alone"
            }
            _ => "squall needs port 53 of an address of loopback",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_it_is_a_matter_of_rights_is_root_advised() {
        for (kind, root) in [
            (io::ErrorKind::PermissionDenied, true),
            (io::ErrorKind::AddrInUse, false),
            (io::ErrorKind::AddrNotAvailable, false),
        ] {
            match missing(&kind.into()) {
                Standing::Missing { help, .. } => assert_eq!(help.contains("root"), root),
                standing => panic!("{standing:?}"),
            }
        }
    }
}
