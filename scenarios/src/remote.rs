//! Addresses that are not on this machine.
//!
//! A file must not decide by itself that traffic or faults go elsewhere: the
//! person who runs it has to allow each host.

use std::net::IpAddr;

use crate::address::{split_address, url_host};
use crate::diagnostic::{Place, quoted};
use crate::{Diagnostic, LoadTarget, Scenario, System, codes};

/// An address off the loopback interface, as it is written. Names are not
/// looked up here; who connects has to check the resolved address as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteTarget {
    /// The load goes there.
    Load {
        /// The host.
        host: String,
    },
    /// A link connects to it.
    LinkTo {
        /// The link.
        link: String,
        /// The host.
        host: String,
    },
    /// A link listens on it: others could reach the fault proxy.
    Listen {
        /// The link.
        link: String,
        /// The host.
        host: String,
    },
}

impl RemoteTarget {
    /// The host, as written.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Load { host } | Self::LinkTo { host, .. } | Self::Listen { host, .. } => host,
        }
    }
}

/// Every address of a scenario that is not on this machine.
#[must_use]
pub fn remote_targets(scenario: &Scenario) -> Vec<RemoteTarget> {
    remote_of(&scenario.system)
}

pub(crate) fn remote_of(system: &System) -> Vec<RemoteTarget> {
    let mut remote = Vec::new();
    if let Some(LoadTarget::Url(url)) = &system.target
        && let Some(host) = url_host(url.source())
        && !is_local(host)
    {
        remote.push(RemoteTarget::Load {
            host: host.to_owned(),
        });
    }
    for link in &system.links {
        if let Some((host, _)) = split_address(link.to.source())
            && !is_local(host)
        {
            remote.push(RemoteTarget::LinkTo {
                link: link.name.clone(),
                host: host.to_owned(),
            });
        }
        if let Some((host, _)) = link.listen.as_deref().and_then(split_address)
            && !is_local(host)
        {
            remote.push(RemoteTarget::Listen {
                link: link.name.clone(),
                host: host.to_owned(),
            });
        }
    }
    remote
}

/// Whether a host is this machine and no other can reach it there. Addresses
/// that the run allocates (`$links.NAME`) always are.
fn is_local(host: &str) -> bool {
    if host.starts_with('$') || host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(crate) fn remote_diagnostics(
    remote: &[(RemoteTarget, Place)],
    allowed: &[String],
) -> Vec<Diagnostic> {
    remote
        .iter()
        .filter(|(target, _)| !allowed.iter().any(|host| host == target.host()))
        .map(|(target, place)| {
            let host = target.host();
            let what = match target {
                RemoteTarget::Load { .. } => "load would go there",
                RemoteTarget::LinkTo { .. } => "this link would connect there",
                RemoteTarget::Listen { .. } => "others could reach the fault proxy there",
            };
            let title = format!("{} is not on this machine", quoted(host));
            Diagnostic::error(codes::REMOTE_TARGET, title)
                .at(*place, what)
                .help(format!("if you may do that, pass `--allow-remote {host}`"))
                .note("a file cannot give this permission to itself")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_local() {
        for host in ["127.0.0.1", "127.9.9.9", "localhost", "::1", "$links.api"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["0.0.0.0", "10.0.0.1", "example.com", "::", "localhost.evil"] {
            assert!(!is_local(host), "{host}");
        }
    }
}
