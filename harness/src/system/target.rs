//! Where the load goes, and whether anybody is there.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use squall_faults::Proxy;
use squall_load::{Destination, Endpoint};
use squall_scenario::{
    ConnectTo, Connecting, LoadTarget, ip_address, is_allowed, is_on_this_machine,
};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::RunningSystem;

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
                destination(&url, connecting, allowed_hosts).await
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

async fn destination(
    url: &str,
    connecting: &Connecting,
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
    let mut endpoints = Vec::new();
    for place in places {
        match place {
            ConnectTo::Tcp { host, port } => {
                let found = allowed_addresses(host, *port, allowed_hosts).await;
                let found = found.map_err(|why| format!("{place}: {why}"))?;
                endpoints.extend(found.into_iter().map(Endpoint::Ip));
            }
            ConnectTo::Unix(path) => endpoints.push(Endpoint::Unix(Path::new(path).into())),
        }
    }
    let secure = uri.scheme_str() == Some("https");
    Ok(Destination {
        endpoints,
        host: authority.to_string(),
        server_name: secure.then(|| host.to_owned()),
    })
}

/// The addresses of a host: on this machine, or of a host that is allowed.
async fn allowed_addresses(
    host: &str,
    port: u16,
    allowed_hosts: &[String],
) -> Result<Vec<SocketAddr>, String> {
    let found = look_up(host, port)
        .await
        .map_err(|error| error.to_string())?;
    let mut remote = found.iter().map(SocketAddr::ip);
    if let Some(remote) = remote.find(|ip| !is_on_this_machine(*ip))
        && !is_allowed(host, allowed_hosts)
    {
        return Err(format!(
            "it is {remote}, which is not this machine; if it is yours to load, \
             pass `--allow-remote {host}`"
        ));
    }
    match found.is_empty() {
        true => Err("it has no address".to_owned()),
        false => Ok(found),
    }
}

/// The addresses of a host. One that is an address by its spelling is that
/// address, whatever a resolver makes of it.
pub(crate) async fn look_up(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    let literal = match host.strip_suffix('.') {
        Some(name) if name.eq_ignore_ascii_case("localhost") => Some(Ipv4Addr::LOCALHOST.into()),
        // A zone is part of where to connect to.
        _ if host.contains('%') => None,
        _ => ip_address(host),
    };
    match literal {
        Some(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        None => Ok(tokio::net::lookup_host((host, port)).await?.collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
