//! Addresses as files write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Host and port of `host:port`, `[::1]:port`; the host without its brackets.
#[must_use]
pub fn split_address(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = match inner {
        Some(inner) => inner,
        None if host.contains(':') => return None,
        None => host,
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    (!host.is_empty() && host.chars().all(fits)).then_some((host, port))
}

/// Whether a text is the name of a host, an IPv4 address, or an IPv6 address
/// in brackets, as far as placeholders in it let that be seen.
#[must_use]
pub fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        let Some(inner) = inner.strip_suffix(']') else {
            return false;
        };
        return inner.contains('$') || (inner.contains(':') && ip_address(inner).is_some());
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._$".contains(c);
    if host.is_empty() || host.len() > 253 || !host.chars().all(fits) {
        return false;
    }
    if host.contains('$') {
        return true;
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let sound = |label: &str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    // No top-level domain is a number: it was meant as an address.
    let numeric = number(last).is_some();
    name.split('.').all(sound) && (!numeric || ip_address(host).is_some())
}

/// Whether a host is the name that every machine has for itself.
#[must_use]
pub fn is_localhost(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name.eq_ignore_ascii_case("localhost")
}

/// The address of `localhost:PORT`, or of a literal address with a port.
#[must_use]
pub fn socket_address(text: &str) -> Option<SocketAddr> {
    let (host, port) = split_address(text)?;
    match is_localhost(host) {
        true => Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
        // A zone stands in no plain address.
        false if host.contains('%') => text.parse().ok(),
        false => ip_address(host).map(|ip| SocketAddr::new(ip, port)),
    }
}

/// The address that a host is by its spelling alone, in every form that
/// resolvers take: `127.1`, `2130706433` and `0x7f.0.0.1` are 127.0.0.1, a
/// mapped address is the IPv4 address in it, and a zone is left aside. `None`
/// for names.
#[must_use]
pub fn ip_address(host: &str) -> Option<IpAddr> {
    if host.contains(':') {
        let (address, _zone) = host.split_once('%').unwrap_or((host, ""));
        let address: Ipv6Addr = address.parse().ok()?;
        return Some(address.to_canonical());
    }
    ipv4_address(host.strip_suffix('.').unwrap_or(host)).map(IpAddr::V4)
}

/// Whether an address is this machine and no other can reach it there; one
/// that maps IPv4 is what it maps.
#[must_use]
pub const fn is_on_this_machine(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Whether a host is one of those that were allowed, by its name or by its
/// address in any spelling.
#[must_use]
pub fn is_allowed(host: &str, allowed: &[String]) -> bool {
    let address = ip_address(host);
    allowed
        .iter()
        .any(|known| known == host || (address.is_some() && ip_address(known) == address))
}

/// One to four numbers; the last one fills all bytes that are left.
fn ipv4_address(text: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u64> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, bytes) = numbers.split_last()?;
    let left = 4_u32.checked_sub(u32::try_from(bytes.len()).ok()?)?;
    if left == 0 || *last >= 1 << (8 * left) {
        return None;
    }
    let mut address = *last;
    for (place, byte) in (1..).zip(bytes) {
        if *byte > 255 {
            return None;
        }
        address |= byte << (32 - 8 * place);
    }
    u32::try_from(address).ok().map(Ipv4Addr::from)
}

/// A number as addresses have them: decimal, octal after `0`, hexadecimal
/// after `0x`.
fn number(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if lower.len() > 1 && lower.starts_with('0') => (&lower[1..], 8),
        None => (lower.as_str(), 10),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_resolvers_read_them() {
        for (text, address) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("127.0.1", "127.0.0.1"),
            ("127.0.0.1.", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("0", "0.0.0.0"),
            ("167772161", "10.0.0.1"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("::ffff:a00:1", "10.0.0.1"),
            ("::1%lo", "::1"),
            ("::", "::"),
            ("::127.0.0.1", "::127.0.0.1"),
        ] {
            assert_eq!(ip_address(text), address.parse().ok(), "{text}");
        }
        for text in [
            "",
            ".",
            "256.1.1.1",
            "1.2.3.4.5",
            "1..2",
            "127.0.0.x",
            "4294967296",
            "0x",
            "-1",
            "127.0x1ffffff",
            "localhost",
            "+1",
            "09",
        ] {
            assert_eq!(ip_address(text), None, "{text}");
        }
    }
}
