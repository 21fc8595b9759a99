//! Addresses as Go takes and refuses them: `host:port`, either part may be
//! empty, a host may be a name.
//!
//! Where no host is given Toxiproxy listens on every interface; this server
//! listens on loopback.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;

/// How long a name may take to be looked up.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(5);

/// An address that cannot be listened on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum AddressError {
    #[error("address {0}: missing port in address")]
    MissingPort(String),
    #[error("address {0}: too many colons in address")]
    TooManyColons(String),
    #[error("address {0}: missing ']' in address")]
    MissingBracket(String),
    #[error("address {0}: unexpected '[' in address")]
    UnexpectedOpen(String),
    #[error("address {0}: unexpected ']' in address")]
    UnexpectedClose(String),
    #[error("address {0}: invalid port")]
    InvalidPort(String),
    #[error("lookup tcp/{0}: unknown port")]
    UnknownPort(String),
    #[error("lookup {0}: no such host")]
    NoSuchHost(String),
    #[error("lookup {0}: i/o timeout")]
    Slow(String),
}

/// Splits into host and port.
fn split(address: &str) -> Result<(&str, &str), AddressError> {
    let whole = || address.to_owned();
    let Some(colon) = address.rfind(':') else {
        return Err(AddressError::MissingPort(whole()));
    };
    let (host, searched) = if let Some(inside) = address.strip_prefix('[') {
        let Some(end) = inside.find(']') else {
            return Err(AddressError::MissingBracket(whole()));
        };
        match end + 2 {
            // The `]` is last, or not followed by the last colon.
            at if at == address.len() => return Err(AddressError::MissingPort(whole())),
            at if at != colon && address[at..].starts_with(':') => {
                return Err(AddressError::TooManyColons(whole()));
            }
            at if at != colon => return Err(AddressError::MissingPort(whole())),
            at => (&inside[..end], (inside, &address[at..])),
        }
    } else {
        let host = &address[..colon];
        if host.contains(':') {
            return Err(AddressError::TooManyColons(whole()));
        }
        (host, (address, address))
    };
    if searched.0.contains('[') {
        return Err(AddressError::UnexpectedOpen(whole()));
    }
    if searched.1.contains(']') {
        return Err(AddressError::UnexpectedClose(whole()));
    }
    Ok((host, &address[colon + 1..]))
}

fn port_number(port: &str) -> Result<u16, AddressError> {
    let digits = port.strip_prefix(['+', '-']).unwrap_or(port);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AddressError::UnknownPort(port.to_owned()));
    }
    if port.is_empty() {
        return Ok(0);
    }
    let invalid = || AddressError::InvalidPort(port.to_owned());
    let number: i64 = port.parse().map_err(|_| invalid())?;
    u16::try_from(number).map_err(|_| invalid())
}

async fn resolved(address: &str) -> Result<SocketAddr, AddressError> {
    if address.is_empty() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    }
    let (host, port) = split(address)?;
    let port = port_number(port)?;
    if host.is_empty() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    // Not every resolver refuses what only looks like an address.
    if host
        .bytes()
        .all(|byte| byte == b'.' || byte.is_ascii_digit())
    {
        return Err(AddressError::NoSuchHost(host.to_owned()));
    }
    let looking = tokio::net::lookup_host((host, port));
    let found = match tokio::time::timeout(LOOK_UP_WITHIN, looking).await {
        Ok(found) => found.map(Iterator::collect::<Vec<SocketAddr>>),
        Err(_) => return Err(AddressError::Slow(host.to_owned())),
    };
    let found = found.unwrap_or_default();
    let of_v4 = found.iter().find(|address| address.is_ipv4());
    let any = of_v4.or(found.first()).copied();
    any.ok_or_else(|| AddressError::NoSuchHost(host.to_owned()))
}

/// Addresses that were looked up.
#[derive(Debug, Default)]
pub(super) struct Addresses(HashMap<String, Result<SocketAddr, AddressError>>);

impl Addresses {
    pub(super) fn knows(&self, address: &str) -> bool {
        self.0.contains_key(address)
    }

    pub(super) async fn look_up(&mut self, address: String) {
        if !self.knows(&address) {
            let found = resolved(&address).await;
            self.0.insert(address, found);
        }
    }

    pub(super) fn get(&self, address: &str) -> Result<SocketAddr, AddressError> {
        let unknown = || Err(AddressError::NoSuchHost(address.to_owned()));
        self.0.get(address).cloned().unwrap_or_else(unknown)
    }
}

/// Why nobody can listen there, as Go says it.
pub(super) fn listen_error(address: SocketAddr, error: &io::Error) -> String {
    let text = error.to_string();
    // Rust adds the number, and a capital letter.
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    let text: String = first.into_iter().chain(letters).collect();
    format!("listen tcp {address}: bind: {text}")
}

/// The same for an address that cannot be one.
pub(super) fn unlistenable(error: &AddressError) -> String {
    format!("listen tcp: {error}")
}
