//! Redirects that are followed within an arrival: where an answer leads, and what is
//! asked there (RFC 9110 §15.4). Pure functions of the answer.
//!
//! A redirect is followed within the exchange of its arrival, not by the agenda: no
//! user thinks in between, nothing is due at a time of its own, and what is waited for
//! is the last answer.

use std::time::Instant;

use crate::checks::shown;

/// The request that follows from a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    /// Path and query.
    pub(crate) target: String,
    /// Whether it is a GET without a body, whatever was sent before.
    pub(crate) as_get: bool,
    /// How many redirects have led here.
    pub(crate) count: u8,
    /// When the first request was handed to a connection, if it was.
    pub(crate) written: Option<Instant>,
    /// Bytes of the bodies of the answers before.
    pub(crate) bytes: u64,
}

impl Hop {
    /// Where it was asked, for people; without the query.
    pub(crate) fn told(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        let path = shown(path.as_bytes());
        match self.count {
            1 => format!("behind a redirect, at {path}"),
            count => format!("behind {count} redirects, at {path}"),
        }
    }
}

/// Whether an answer with this status leads elsewhere.
pub(crate) const fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Whether what follows is a GET without a body, as all clients have it: always behind
/// 303, and behind 301 and 302 where a POST was sent.
pub(crate) fn becomes_get(status: u16, method: &str) -> bool {
    match status {
        303 => method != "HEAD",
        301 | 302 => method == "POST",
        _ => false,
    }
}

/// The path and query that `location` leads to from `current`, on the target
/// `scheme://authority`.
///
/// # Errors
/// Why it is not followed, in words, which leave out the query: it may hold what
/// nobody else should know.
pub(crate) fn target(
    location: &str,
    current: &str,
    (scheme, authority): (&str, &str),
) -> Result<String, String> {
    let location = location.trim();
    let location = location.split('#').next().unwrap_or_default();
    let (path, query) = current.split_once('?').unwrap_or((current, ""));
    let place = location.split('?').next().unwrap_or_default();
    let elsewhere = || {
        let place = shown(place.as_bytes());
        format!("it leads to {place}, and redirects to others are not followed")
    };
    let rest = match location.split_once("://") {
        Some((other, rest)) if is_scheme(other) => {
            if !other.eq_ignore_ascii_case(scheme) {
                return Err(elsewhere());
            }
            Some(rest)
        }
        _ => location.strip_prefix("//"),
    };
    let target = match rest {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (to, rest) = rest.split_at(end);
            if !same_place(to, authority, scheme) {
                return Err(elsewhere());
            }
            match rest.starts_with('/') {
                true => rest.to_owned(),
                false => format!("/{rest}"),
            }
        }
        None if location.starts_with('/') => location.to_owned(),
        None if location.is_empty() && query.is_empty() => path.to_owned(),
        None if location.is_empty() => format!("{path}?{query}"),
        None if location.starts_with('?') => format!("{path}{location}"),
        None if location
            .split(['/', '?'])
            .next()
            .is_some_and(|first| first.contains(':')) =>
        {
            return Err(elsewhere());
        }
        None => {
            let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
            format!("{folder}{location}")
        }
    };
    let target = without_dots(&target);
    match target.bytes().find(|byte| !byte.is_ascii_graphic()) {
        None => Ok(target),
        Some(_) => Err(format!("{} is no address", shown(place.as_bytes()))),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// Whether two authorities are one host and port.
fn same_place(one: &str, other: &str, scheme: &str) -> bool {
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let plain = |authority: &str| {
        let lower = authority.to_ascii_lowercase();
        lower
            .strip_suffix(usual)
            .map_or(lower.clone(), str::to_owned)
    };
    plain(one) == plain(other)
}

/// A path and query without `.` and `..` as segments (RFC 3986 §5.2.4).
fn without_dots(target: &str) -> String {
    let (path, query) = match target.find('?') {
        Some(at) => target.split_at(at),
        None => (target, ""),
    };
    if !path
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return target.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn to(location: &str) -> Result<String, String> {
        target(location, "/a/b?c=1", ("http", "shop.example:80"))
    }

    #[test]
    fn locations_lead_where_they_do_for_a_browser() {
        for (location, target) in [
            ("/x?y#z", "/x?y"),
            ("http://shop.example/x", "/x"),
            ("HTTP://SHOP.example:80", "/"),
            ("http://shop.example?q", "/?q"),
            ("//shop.example/x", "/x"),
            ("x/y", "/a/x/y"),
            ("../x", "/x"),
            ("../../../x/./y/..", "/x/"),
            ("?d=2", "/a/b?d=2"),
            ("", "/a/b?c=1"),
            ("#top", "/a/b?c=1"),
            ("x?to=http://other/", "/a/x?to=http://other/"),
        ] {
            assert_eq!(to(location).as_deref(), Ok(target), "{location}");
        }
        for location in [
            "http://other.example/x",
            "https://shop.example/x",
            "http://shop.example:8080/",
            "//other.example/",
            "mailto:me@shop.example",
            "/a b",
            "/\u{e9}",
        ] {
            assert!(to(location).is_err(), "{location}");
        }
        let long = format!("http://other.example/{}?code=secret", "x".repeat(99));
        let said = to(&long).unwrap_err();
        assert!(
            said.contains("http://other.example/xx") && said.len() < 200,
            "{said}"
        );
        let said = to("http://other.example/in?code=secret").unwrap_err();
        assert!(said.contains("other.example/in\""), "{said}");
    }

    #[test]
    fn a_post_becomes_a_get_where_clients_make_it_one() {
        assert!(becomes_get(303, "PUT") && becomes_get(302, "POST") && becomes_get(301, "POST"));
        assert!(!becomes_get(302, "PUT") && !becomes_get(307, "POST") && !becomes_get(308, "POST"));
        assert!(!becomes_get(303, "HEAD"));
    }

    proptest! {
        /// Whatever a server writes, what is sent is a path of the same target.
        #[test]
        fn what_follows_is_a_path_or_nothing(location in "[ -~]{0,30}|.{0,12}|(\\.\\.?/){0,4}[a-z]?") {
            if let Ok(target) = to(&location) {
                prop_assert!(target.starts_with('/'), "{target:?}");
                prop_assert!(target.bytes().all(|byte| byte.is_ascii_graphic()), "{target:?}");
                prop_assert!(!target.contains('#'), "{target:?}");
            }
        }
    }
}
