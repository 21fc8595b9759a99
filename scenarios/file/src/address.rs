//! Addresses that a file may write, and what of others nothing can connect to.

use std::net::Ipv6Addr;

use squall_scenario::{Misfit, is_host, socket_address, split_address};

/// What is said of any other scheme.
const ONLY_HTTP: &str = "only http:// and https://";

/// A URL without its path and query: `http://host:port`.
pub(crate) fn base_url(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + "://".len());
    let end = url[authority..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| authority + at);
    &url[..end]
}

/// What stands behind the scheme of `http://host:port`, or of `https://…`.
fn authority(base: &str) -> Option<&str> {
    let plain = base.strip_prefix("http://");
    plain.or_else(|| base.strip_prefix("https://"))
}

/// The host of `http://host:port`, or of `https://…`.
pub(crate) fn url_host(url: &str) -> Option<&str> {
    let authority = authority(url)?;
    let (host, _port) = split_authority(authority);
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    // What a colon would end is no host when there is an `@` behind it.
    (is_host(host) && !authority.contains('@')).then_some(bare.unwrap_or(host))
}

/// What of a URL nothing can connect to, its path and query left aside.
/// Placeholders may stand in it; what they stand for is not known yet.
pub(crate) fn base_url_misfit(url: &str) -> Option<Misfit> {
    let base = base_url(url);
    let Some(authority) = authority(base) else {
        return Some(scheme_misfit(url));
    };
    let offset = base.len() - authority.len();
    let misfit = authority_misfit(authority)?;
    Some(Misfit {
        range: offset + misfit.range.start..offset + misfit.range.end,
        ..misfit
    })
}

fn scheme_misfit(url: &str) -> Misfit {
    let misfit = |range, help: String| Misfit {
        range,
        label: ONLY_HTTP,
        help,
    };
    match url.split_once("://") {
        None => misfit(0..url.len(), format!("write `http://{url}`")),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => {
            misfit(0..scheme.len(), format!("write `https://{rest}`"))
        }
        Some((scheme, _)) if scheme.to_ascii_lowercase().contains("unix") => misfit(
            0..url.len(),
            "write `target: http://localhost`, and the socket under `load`: \
             `connect_to: unix:/run/app.sock`"
                .to_owned(),
        ),
        Some((scheme, rest)) => misfit(0..scheme.len(), format!("write `http://{rest}`")),
    }
}

/// What of `host`, `host:port`, `[::1]` or `[::1]:port` nothing can connect to.
pub(crate) fn authority_misfit(authority: &str) -> Option<Misfit> {
    let misfit = |range, label, help: &str| {
        Some(Misfit {
            range,
            label,
            help: help.to_owned(),
        })
    };
    if let Some(at) = authority.rfind('@') {
        let help = "leave them out; a request's header can carry them: \
                    `authorization: Basic ${NAME}`";
        return misfit(0..at + 1, "credentials are not sent from a URL", help);
    }
    let (host, port) = split_authority(authority);
    let port_at = host.len();
    if authority.parse::<Ipv6Addr>().is_ok() {
        let help = format!("write `[{authority}]`, with its port after the bracket");
        return misfit(0..authority.len(), "an IPv6 address in brackets", &help);
    }
    if !is_host(host) {
        let help = "write for instance `127.0.0.1`, `[::1]` or `shop.example`";
        return misfit(0..port_at, "not a host", help);
    }
    let known = |port: &str| port.contains('$') || matches!(port.parse::<u16>(), Ok(1..));
    let fits = port.is_empty() || port.strip_prefix(':').is_some_and(known);
    let help = "write a number from 1 to 65535, or leave out the colon for the usual one";
    match fits {
        true => None,
        false => misfit(port_at..authority.len(), "not a port", help),
    }
}

/// The host, with its brackets, and the port with its colon.
fn split_authority(authority: &str) -> (&str, &str) {
    let port_at = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    authority.split_at(port_at)
}

/// What of a literal `address:port` nothing can connect to, or listen on.
/// Placeholders may stand in it.
pub(crate) fn address_misfit(address: &str) -> Option<Misfit> {
    if let Some(misfit) = authority_misfit(address) {
        return Some(misfit);
    }
    if address.contains('$') || socket_address(address).is_some() {
        return None;
    }
    let (label, help) = match split_address(address) {
        Some(_) => (
            "names are not looked up here",
            "write the address that the name has: `10.0.0.7:9001`",
        ),
        None => (
            "host:port, or the name of a process",
            "write for instance `127.0.0.1:9001` or `$processes.api.address`",
        ),
    };
    Some(Misfit {
        range: 0..address.len(),
        label,
        help: help.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_can_connect_to_is_pointed_at() {
        for (url, part) in [
            ("http://127.0.0.1:99999", ":99999"),
            ("http://127.0.0.1:0", ":0"),
            ("http://127.0.0.1:", ":"),
            ("http://127.0.0.1:80:80/x", ":80:80"),
            ("http://a:port", ":port"),
            ("http://[::1]x", "x"),
            ("http://[::1", "["),
            ("http://::1", "::1"),
            ("http://[127.0.0.1]:80", "[127.0.0.1]"),
            ("http://a..b", "a..b"),
            ("http://-a", "-a"),
            ("http://256.1.1.1:80", "256.1.1.1"),
            ("http://", ""),
            ("http:///x", ""),
            ("http://me:secret@a:1", "me:secret@"),
            ("http://caf\u{e9}:1", "caf\u{e9}"),
            ("https://a:0", ":0"),
            ("HTTPS://a", "HTTPS"),
            ("http+unix://%2Frun%2Fa", "http+unix://%2Frun%2Fa"),
            ("ftp://a", "ftp"),
            ("a:80", "a:80"),
        ] {
            let misfit = base_url_misfit(url).unwrap_or_else(|| panic!("{url}"));
            assert_eq!(&url[misfit.range], part, "{url}");
        }
    }

    #[test]
    fn what_something_can_connect_to_is_not() {
        for url in [
            "http://127.0.0.1",
            "http://127.0.0.1:1/",
            "http://127.1:1?x",
            "http://[::1]:80",
            "http://[::ffff:127.0.0.1]:80",
            "http://[fe80::1%25eth0]:80",
            "http://exa_mple.example.:65535/x",
            "http://$links.api",
            "http://127.0.0.1:$processes.api.port",
            "https://127.0.0.1:8443",
            "https://[::1]",
        ] {
            assert_eq!(base_url_misfit(url), None, "{url}");
        }
        for address in [
            "127.0.0.1:1",
            "[::1]:1",
            "localhost:1",
            "127.1:1",
            "$links.api",
            "127.0.0.1:$settings.port",
        ] {
            assert_eq!(address_misfit(address), None, "{address}");
        }
        for address in [
            "a",
            "a:1",
            "a:0",
            "a b:1",
            "http://a:1",
            "::1:80",
            "a:99999",
        ] {
            assert!(address_misfit(address).is_some(), "{address}");
        }
    }
}
