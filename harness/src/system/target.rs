//! Where the load goes, and whether anybody is there.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use squall_faults::Proxy;
use squall_scenario::{LoadTarget, ip_address};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::RunningSystem;

/// For one connection.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(1);

impl RunningSystem {
    /// Addresses the load goes to, and the `Host` it names.
    ///
    /// # Errors
    /// The target has no address; in words.
    pub async fn load_target(&self) -> Result<(Vec<SocketAddr>, String), String> {
        match &self.system.target {
            None => Err("there is no `target` for the load".to_owned()),
            Some(LoadTarget::Process(name)) => {
                let addresses: Vec<_> = self
                    .instances_of(name)
                    .map(|instance| instance.callers_address())
                    .collect();
                let host = addresses.first().map(ToString::to_string);
                host.map(|host| (addresses, host))
                    .ok_or_else(|| format!("the target `{name}` has no instance"))
            }
            Some(LoadTarget::Url(template)) => {
                let url = template
                    .render(|name| self.variables.get(name))
                    .map_err(|error| error.to_string())?;
                resolve_url(&url).await
            }
        }
    }

    /// Connects once to a target that squall did not start itself: a system
    /// that is not there is no system that failed. Behind a link it is asked
    /// itself, as the link listens whether it is there or not.
    ///
    /// # Errors
    /// Nothing listens; in words, with what to do.
    pub(crate) async fn probe_target(
        &self,
        host: &str,
        addresses: &[SocketAddr],
    ) -> Result<(), String> {
        if !matches!(self.system.target, Some(LoadTarget::Url(_))) {
            return Ok(());
        }
        let mut host = host.to_owned();
        let mut seen = Vec::new();
        for address in addresses {
            let link = self.links.iter().find(|link| link.address() == *address);
            let address = link.map_or(*address, Proxy::upstream);
            if let Some(link) = link {
                host = format!("{address} behind the link {}", link.name());
            }
            match timeout(CONNECT_MAX, TcpStream::connect(address)).await {
                Ok(Ok(_connection)) => return Ok(()),
                Ok(Err(error)) => seen.push(format!("{address}: {error}")),
                Err(_elapsed) => seen.push(format!("{address}: no answer in {CONNECT_MAX:?}")),
            }
        }
        Err(format!(
            "nothing listens on the target {host} ({}); start it first, or describe it under \
             `processes` and squall starts it",
            seen.join("; ")
        ))
    }
}

async fn resolve_url(url: &str) -> Result<(Vec<SocketAddr>, String), String> {
    let uri: http::Uri = url.parse().map_err(|_| format!("{url:?} is not a URL"))?;
    if uri.scheme_str() != Some("http") {
        return Err(format!(
            "{url:?}: only http:// targets can be loaded so far"
        ));
    }
    let authority = uri
        .authority()
        .ok_or_else(|| format!("{url:?} names no host"))?;
    let port = authority.port_u16().unwrap_or(80);
    let host = authority.host().trim_matches(['[', ']']);
    let addresses = look_up(host, port)
        .await
        .map_err(|error| format!("{url:?}: {error}"))?;
    match addresses.is_empty() {
        true => Err(format!("{url:?} has no address")),
        false => Ok((addresses, authority.to_string())),
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
