//! Where the load goes, and whether anybody is there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use squall_faults::Proxy;
use squall_load::{Destination, Endpoint, Leads};
use squall_scenario::{
    ConnectTo, Connecting, LoadTarget, ip_address, is_allowed, is_localhost, is_on_this_machine,
};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::RunningSystem;
use crate::names::{Followed, Lookup, follow, is_in_hosts};

/// For one connection.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(1);

impl RunningSystem {
    /// Where the load goes, as `connecting` says it is reached; off this machine only
    /// to hosts that are allowed.
    ///
    /// # Errors
    /// The target has no address, or none that is allowed; in words.
    pub async fn load_target(
        &self,
        connecting: &Connecting,
        allowed_hosts: &[String],
    ) -> Result<Destination, String> {
        match &self.system.target {
            None => Err("there is no `target` for the load".to_owned()),
            Some(LoadTarget::Process(name)) => {
                let addresses: Vec<_> = self
                    .instances_of(name)
                    .map(|instance| instance.callers_address())
                    .collect();
                let host = addresses.first().map(ToString::to_string);
                host.map(|host| Destination::plain(addresses, host))
                    .ok_or_else(|| format!("the target `{name}` has no instance"))
            }
            Some(LoadTarget::Url(template)) => {
                let url = template
                    .render(|name| self.variables.get(name))
                    .map_err(|error| error.to_string())?;
                let own = |host: &str| {
                    let is_own = self.system.names.iter().any(|(name, _)| name == host);
                    let resolver = self.resolver.as_ref().filter(|_| is_own)?;
                    Some(Lookup::at(resolver.address()))
                };
                destination(&url, (connecting, own), allowed_hosts).await
            }
        }
    }

    /// Connects once to a target that squall did not start itself: a system
    /// that is not there is no system that failed. Behind a link it is asked
    /// itself, as the link listens whether it is there or not.
    ///
    /// # Errors
    /// Nothing listens; in words, with what to do.
    pub(crate) async fn probe_target(&self, destination: &Destination) -> Result<(), String> {
        if !matches!(self.system.target, Some(LoadTarget::Url(_))) {
            return Ok(());
        }
        let mut host = destination.host.clone();
        let mut seen = Vec::new();
        for endpoint in &destination.endpoints {
            let (shown, tried) = match endpoint {
                Endpoint::Ip(address) => {
                    let link = self.links.iter().find(|link| link.address() == *address);
                    let address = link.map_or(*address, Proxy::upstream);
                    if let Some(link) = link {
                        host = format!("{address} behind the link {}", link.name());
                    }
                    let tried = timeout(CONNECT_MAX, TcpStream::connect(address)).await;
                    (address.to_string(), tried.map(|tried| tried.map(drop)))
                }
                Endpoint::Unix(path) => {
                    let tried = timeout(CONNECT_MAX, UnixStream::connect(path)).await;
                    (endpoint.to_string(), tried.map(|tried| tried.map(drop)))
                }
            };
            match tried {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => seen.push(format!("{shown}: {error}")),
                Err(_elapsed) => seen.push(format!("{shown}: no answer in {CONNECT_MAX:?}")),
            }
        }
        Err(format!(
            "nothing listens on the target {host} ({}); start it first, or describe it under \
             `processes` and squall starts it",
            seen.join("; ")
        ))
    }
}

/// Where a URL leads, and the names that are followed from there. Names for which `own`
/// says who is asked are the run's own.
async fn destination(
    url: &str,
    (connecting, own): (&Connecting, impl Fn(&str) -> Option<Lookup>),
    allowed_hosts: &[String],
) -> Result<Destination, String> {
    let uri: http::Uri = url.parse().map_err(|_| format!("{url:?} is not a URL"))?;
    let port = match uri.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => {
            return Err(format!(
                "{url:?}: only http:// and https:// targets can be loaded"
            ));
        }
    };
    let authority = uri
        .authority()
        .ok_or_else(|| format!("{url:?} names no host"))?;
    let host = authority.host().trim_matches(['[', ']']);
    let named = ConnectTo::Tcp {
        host: host.to_owned(),
        port: authority.port_u16().unwrap_or(port),
    };
    let places = match connecting.to.as_slice() {
        [] => std::slice::from_ref(&named),
        instead => instead,
    };
    let (mut leads, mut followed) = (Vec::new(), Vec::new());
    for (number, place) in places.iter().enumerate() {
        match place {
            ConnectTo::Tcp { host, port } => {
                let own = own(host);
                let found = addresses(host, *port, (own.as_ref(), allowed_hosts)).await;
                let found = found.map_err(|why| format!("{place}: {why}"))?;
                leads.push(found.into_iter().map(Endpoint::Ip).collect::<Vec<_>>());
                followed.extend(lookup_of(host, own).map(|lookup| Followed {
                    name: host.clone(),
                    port: *port,
                    place: number,
                    lookup,
                }));
            }
            ConnectTo::Unix(path) => leads.push(vec![Endpoint::Unix(Path::new(path).into())]),
        }
    }
    let secure = uri.scheme_str() == Some("https");
    Ok(Destination {
        endpoints: leads.concat(),
        leads: (!followed.is_empty()).then(|| {
            let allowed_hosts = allowed_hosts.to_vec();
            let refuses = move |host: &str, ip| not_allowed(host, ip, &allowed_hosts);
            follow(
                followed,
                leads.into_iter().map(Leads::To).collect(),
                refuses,
            )
        }),
        host: authority.to_string(),
        server_name: secure.then(|| host.to_owned()),
    })
}

/// Who is asked where a host leads while the load runs; nobody, where that is certain.
fn lookup_of(host: &str, own: Option<Lookup>) -> Option<Lookup> {
    let known = spelled_out(host).is_some() || host.contains('%') || is_localhost(host);
    match own {
        Some(own) => Some(own),
        None => (!known && !is_in_hosts(host)).then(Lookup::of_this_machine),
    }
}

/// The addresses of a host: on this machine, or of a host that is allowed.
async fn addresses(
    host: &str,
    port: u16,
    (own, allowed_hosts): (Option<&Lookup>, &[String]),
) -> Result<Vec<SocketAddr>, String> {
    let found = match own {
        Some(lookup) => {
            let found = lookup.look_up(host, &AtomicUsize::new(0)).await;
            let found = found.map_err(|why| why.to_string())?;
            let each = found.addresses.into_iter();
            each.map(|ip| SocketAddr::new(ip, port)).collect()
        }
        None => {
            let found = look_up(host, port).await;
            found.map_err(|error| error.to_string())?
        }
    };
    let mut ips = found.iter().map(SocketAddr::ip);
    if let Some(refused) = ips.find_map(|ip| not_allowed(host, ip, allowed_hosts)) {
        return Err(refused);
    }
    match found.is_empty() {
        true => Err("it has no address".to_owned()),
        false => Ok(found),
    }
}

/// Why a host may not be loaded, now that it has this address.
fn not_allowed(host: &str, ip: IpAddr, allowed_hosts: &[String]) -> Option<String> {
    let allowed = is_on_this_machine(ip) || is_allowed(host, allowed_hosts);
    (!allowed).then(|| {
        format!(
            "it is {ip}, which is not this machine; if it is yours to load, \
             pass `--allow-remote {host}`"
        )
    })
}

/// The addresses of a host. One that is an address by its spelling is that
/// address, whatever a resolver makes of it.
pub(crate) async fn look_up(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    match spelled_out(host) {
        Some(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        None => Ok(tokio::net::lookup_host((host, port)).await?.collect()),
    }
}

/// The address that a host is by its spelling.
fn spelled_out(host: &str) -> Option<IpAddr> {
    match host.strip_suffix('.') {
        Some(name) if name.eq_ignore_ascii_case("localhost") => Some(Ipv4Addr::LOCALHOST.into()),
        // A zone is part of where to connect to.
        _ if host.contains('%') => None,
        _ => ip_address(host),
    }
}

#[cfg(test)]
mod tests {
    use squall_faults::{Names, Resolver};

    use super::*;

    /// Where `url` leads, and whether it is followed, where the run has a name of its own.
    async fn leads(url: &str, to: &[ConnectTo]) -> Result<(Vec<Endpoint>, bool), String> {
        let names = Names::new([("shop.test".to_owned(), [127, 0, 0, 7].into())]);
        let resolver = Resolver::start_on_any_port(names).await.unwrap();
        let own = |host: &str| (host == "shop.test").then(|| Lookup::at(resolver.address()));
        let connecting = Connecting {
            to: to.to_vec(),
            ..Connecting::default()
        };
        let found = destination(url, (&connecting, own), &[]).await?;
        Ok((found.endpoints, found.leads.is_some()))
    }

    #[tokio::test]
    async fn the_run_s_own_names_lead_where_its_resolver_says_and_are_followed() {
        let seven: SocketAddr = "127.0.0.7:80".parse().unwrap();
        let (endpoints, followed) = leads("http://shop.test/", &[]).await.unwrap();
        assert_eq!((endpoints, followed), (vec![seven.into()], true));
        let instead = [("127.0.0.9", 81), ("shop.test", 80)].map(|(host, port)| ConnectTo::Tcp {
            host: host.to_owned(),
            port,
        });
        let (endpoints, followed) = leads("http://far.test/", &instead).await.unwrap();
        let nine: SocketAddr = "127.0.0.9:81".parse().unwrap();
        assert_eq!(
            (endpoints, followed),
            (vec![nine.into(), seven.into()], true)
        );
    }

    #[tokio::test]
    async fn what_is_certain_is_not_followed() {
        for url in [
            "http://127.0.0.1/",
            "http://localhost:8080/",
            "http://[::1]:80/",
        ] {
            let (_, followed) = leads(url, &[]).await.unwrap();
            assert!(!followed, "{url}");
        }
        let (_, followed) = leads(
            "http://far.test/",
            &[ConnectTo::Unix("/run/x.sock".to_owned())],
        )
        .await
        .unwrap();
        assert!(!followed);
    }

    #[tokio::test]
    async fn an_address_in_any_spelling_needs_no_resolver() {
        for host in ["127.1", "2130706433", "0x7f.1", "127.0.0.1.", "localhost."] {
            let found = look_up(host, 80).await.unwrap();
            assert_eq!(found, ["127.0.0.1:80".parse().unwrap()], "{host}");
        }
        let mapped = look_up("::ffff:127.0.0.1", 80).await.unwrap();
        assert_eq!(mapped, ["127.0.0.1:80".parse().unwrap()]);
    }
}
