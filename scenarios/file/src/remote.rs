//! Addresses that are not on this machine.
//!
//! A file must not decide by itself that traffic or faults go elsewhere: the
//! person who runs it has to allow each host.

use std::borrow::Cow;
use std::net::IpAddr;

use squall_scenario::{
    ConnectTo, Load, LoadTarget, ProbeRead, Scenario, System, Template, ip_address, is_allowed,
    is_localhost, is_on_this_machine, quoted, split_address,
};

use crate::address::{base_url, url_host};
use crate::codes;
use crate::diagnostic::{Diagnostic, Place};

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
    /// A name that processes look up leads there.
    Name {
        /// The name.
        name: String,
        /// The host.
        host: String,
    },
    /// A probe reads from it.
    Probe {
        /// The probe.
        probe: String,
        /// The host.
        host: String,
    },
}

impl RemoteTarget {
    /// The host, as written.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Load { host }
            | Self::LinkTo { host, .. }
            | Self::Listen { host, .. }
            | Self::Name { host, .. }
            | Self::Probe { host, .. } => host,
        }
    }
}

/// Every address of a scenario that is not on this machine. Settings count with
/// the values they have, so ask again for [`Scenario::with_variant`].
#[must_use]
pub fn remote_targets(scenario: &Scenario) -> Vec<RemoteTarget> {
    remote_of(&scenario.system, Some(&scenario.load))
}

pub(crate) fn remote_of(system: &System, load: Option<&Load>) -> Vec<RemoteTarget> {
    let mut remote = load_targets(system, load);
    for link in &system.links {
        let name = &link.name;
        let to = rendered(&link.to, system);
        // The name of a process or an instance is no address.
        let host = split_address(&to).map_or(to.as_str(), |(host, _)| host);
        if !is_local(host) && !is_process(&to, system) {
            remote.push(RemoteTarget::LinkTo {
                link: name.clone(),
                host: host.to_owned(),
            });
        }
        if let Some((host, _)) = link.listen.as_deref().and_then(split_address)
            && !is_local(host)
        {
            remote.push(RemoteTarget::Listen {
                link: name.clone(),
                host: host.to_owned(),
            });
        }
    }
    for (name, to) in &system.names {
        let to = rendered(to, system);
        let host = split_address(&to).map_or(to.as_str(), |(host, _)| host);
        let own = system.links.iter().any(|link| link.name == to) || is_process(&to, system);
        if !is_local(host) && !own {
            remote.push(RemoteTarget::Name {
                name: name.clone(),
                host: host.to_owned(),
            });
        }
    }
    for probe in &system.probes {
        let (ProbeRead::Http { get: url, .. } | ProbeRead::Prometheus { at: url, .. }) =
            &probe.read
        else {
            continue;
        };
        let url = rendered(url, system);
        let host = url_host(base_url(&url)).unwrap_or(&url);
        if !is_local(host) {
            remote.push(RemoteTarget::Probe {
                probe: probe.name.clone(),
                host: host.to_owned(),
            });
        }
    }
    remote
}

/// Where the load goes: to what its target names, or where it is told to connect to
/// instead.
fn load_targets(system: &System, load: Option<&Load>) -> Vec<RemoteTarget> {
    let instead = load.map_or(&[][..], |load| &load.connecting.to);
    if !instead.is_empty() {
        let hosts = instead.iter().filter_map(|place| match place {
            ConnectTo::Tcp { host, .. } => Some(host.clone()),
            ConnectTo::Unix(_) => None,
        });
        let far = hosts.filter(|host| !is_local(host));
        return far.map(|host| RemoteTarget::Load { host }).collect();
    }
    let Some(LoadTarget::Url(url)) = &system.target else {
        return Vec::new();
    };
    let url = rendered(url, system);
    // What is no URL after all is treated as far away.
    let host = url_host(base_url(&url)).unwrap_or(&url);
    match is_local(host) {
        true => Vec::new(),
        false => vec![RemoteTarget::Load {
            host: host.to_owned(),
        }],
    }
}

/// The text with settings put in, and stand-ins for what a run allocates,
/// which is on loopback always: a setting must not smuggle in another host.
pub(crate) fn rendered(template: &Template, system: &System) -> String {
    let value = |name: &str| -> Option<Cow<'_, str>> {
        if let Some(setting) = name.strip_prefix("settings.") {
            return system.setting(setting).map(|value| value.to_owned().into());
        }
        Some(if name.ends_with(".port") {
            "1".into()
        } else {
            "127.0.0.1:1".into()
        })
    };
    template
        .render(value)
        .unwrap_or_else(|_| template.source().to_owned())
}

fn is_process(name: &str, system: &System) -> bool {
    let base = name.rsplit_once('-').map_or(name, |(base, _)| base);
    system.process(name).is_some() || system.process(base).is_some()
}

fn is_local(host: &str) -> bool {
    is_localhost(host) || ip_address(host).is_some_and(is_on_this_machine)
}

pub(crate) fn remote_diagnostics(
    remote: &[(RemoteTarget, Place)],
    allowed: &[String],
) -> Vec<Diagnostic> {
    remote
        .iter()
        .filter(|(target, _)| !is_allowed(target.host(), allowed))
        .map(|(target, place)| remote_diagnostic(target, *place))
        .collect()
}

fn remote_diagnostic(target: &RemoteTarget, place: Place) -> Diagnostic {
    let host = target.host();
    let shown = quoted(host);
    let address = ip_address(host);
    let listens = matches!(target, RemoteTarget::Listen { .. });
    let what = match target {
        RemoteTarget::Load { .. } => "load would go there",
        RemoteTarget::LinkTo { .. } => "this link would connect there",
        RemoteTarget::Listen { .. } => "others could reach the fault proxy there",
        RemoteTarget::Name { .. } => "whoever looks it up would go there",
        RemoteTarget::Probe { .. } => "this probe would read there",
    };
    let permission = format!(
        "if you may do that, pass `--allow-remote {}`",
        address.map_or_else(|| host.to_owned(), |address| address.to_string())
    );
    let loopback = match address {
        Some(IpAddr::V6(_)) => "[::1]",
        _ => "127.0.0.1",
    };
    let error = |title| Diagnostic::error(codes::REMOTE_TARGET, title).at(place, what);
    let diagnostic = match address {
        Some(ip) if ip.is_unspecified() && !listens => {
            return error(format!(
                "{shown} is every address of a machine, and none to connect to"
            ))
            .help(format!("write `{loopback}` for this machine"));
        }
        Some(ip) if ip.is_unspecified() => {
            error(format!("{shown} is every address of this machine"))
                .help(format!("write `{loopback}`"))
                .help(permission)
        }
        Some(ip) if ip.to_string() != host => {
            error(format!("{shown} is {ip}, which is not on this machine")).help(permission)
        }
        _ => error(format!("{shown} is not on this machine")).help(permission),
    };
    diagnostic.note("a file cannot give this permission to itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_local() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0177.1",
            "127.0.0.1.",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "::1",
            "::1%lo",
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "0.0.0.0",
            "0",
            "10.0.0.1",
            "128.0.0.1",
            "167772161",
            "example.com",
            "::",
            "::2",
            "::ffff:10.0.0.1",
            "::ffff:0.0.0.0",
            "::127.0.0.1",
            "64:ff9b::127.0.0.1",
            "localhost.evil",
            "evil.localhost",
            "127.0.0.1.evil",
            "127.0.0.256",
            "127.0.0.1@evil",
            "",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn a_host_is_allowed_in_any_spelling_of_its_address() {
        let allowed = ["10.0.0.1".to_owned(), "example.com".to_owned()];
        for host in ["10.0.0.1", "10.1", "::ffff:10.0.0.1", "example.com"] {
            assert!(is_allowed(host, &allowed), "{host}");
        }
        for host in ["10.0.0.2", "a.example.com", "example.com.", ""] {
            assert!(!is_allowed(host, &allowed), "{host}");
        }
    }

    fn hosts(target: &str, setting: &str) -> Vec<String> {
        let system = System {
            target: Some(LoadTarget::Url(Template::parse(target))),
            settings: vec![squall_scenario::Setting {
                name: "x".to_owned(),
                value: setting.to_owned(),
            }],
            ..System::default()
        };
        let remote = remote_of(&system, None);
        remote.iter().map(|r| r.host().to_owned()).collect()
    }

    #[test]
    fn settings_cannot_smuggle_in_a_host() {
        assert!(hosts("http://$links.api", "").is_empty());
        assert!(hosts("http://127.0.0.1:$processes.api.port", "").is_empty());
        assert!(hosts("http://$settings.x", "127.0.0.1:80").is_empty());
        assert_eq!(hosts("http://$settings.x", "example.com"), ["example.com"]);
        assert!(!hosts("http://127.0.0.1:$settings.x", "80@example.com").is_empty());
        assert!(!hosts("http://$links.api$settings.x", "@example.com").is_empty());
    }
}
