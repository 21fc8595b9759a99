//! URLs of the source, and paths as a scenario writes them.

use super::draft::literal;
use crate::address::{base_url, base_url_misfit};

/// A URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    /// `http://host:port`, lower case.
    pub(super) origin: String,
    /// With its slash.
    pub(super) path: String,
    /// Without its question mark; `None` where there is none.
    pub(super) query: Option<String>,
    /// `name:password` before the host.
    pub(super) asks: Option<(String, String)>,
}

impl Url {
    /// A URL of HTTP; the scheme may be left out, as curl lets one.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => ("http".to_owned(), text),
        };
        if scheme != "http" && scheme != "https" {
            return None;
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (asks, host) = match authority.rsplit_once('@') {
            Some((asks, host)) => {
                let (user, password) = asks.split_once(':').unwrap_or((asks, ""));
                (Some((decoded(user), decoded(password))), host)
            }
            None => (None, authority),
        };
        let plain = format!("http://{host}");
        if host.contains('$') || base_url(&plain) != plain || base_url_misfit(&plain).is_some() {
            return None;
        }
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (rest, None),
        };
        Some(Self {
            origin: format!("{scheme}://{}", host.to_ascii_lowercase()),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            query,
            asks,
        })
    }
}

/// A part of a path or query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it stands in the URL.
    Text(String),
    /// Data of this name.
    Value(String),
    /// A name of the environment: `${NAME}`.
    Hidden(String),
}

/// Pieces as the path and query of a scenario. What cannot stand in one is
/// percent-encoded, and so is what would be read as a part of a name before it.
pub(super) fn written(pieces: &[Piece]) -> String {
    let mut path = String::new();
    let mut behind_name = false;
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                let mut rest = text.as_str();
                if behind_name && let Some(first) = text.chars().next() {
                    let goes_on = first.is_ascii_lowercase()
                        || first.is_ascii_digit()
                        || "_-.".contains(first);
                    if goes_on {
                        path.push_str(&format!("%{:02X}", u32::from(first)));
                        rest = &text[1..];
                    }
                }
                path.push_str(&literal(&encoded(rest)));
                behind_name &= text.is_empty();
            }
            Piece::Value(name) => {
                path.push('$');
                path.push_str(name);
                behind_name = true;
            }
            Piece::Hidden(name) => {
                path.push_str(name);
                behind_name = false;
            }
        }
    }
    path
}

/// What no request line carries as it stands, percent-encoded.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        let keep = match byte {
            b'%' => hex(at + 1) && hex(at + 2),
            b'#' => false,
            other => other.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?[]".contains(other),
        };
        match keep {
            true => encoded.push(char::from(*byte)),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// `%XX` as the bytes they stand for, and nothing else.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The fields of a urlencoded text.
pub(super) fn form_fields(text: &str) -> Vec<(String, String)> {
    let fields = text.split('&').filter(|field| !field.is_empty());
    fields
        .map(|field| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            let plain = |text: &str| decoded(&text.replace('+', " "));
            (plain(name), plain(value))
        })
        .collect()
}
