//! Cookies of one user and one host: the basics of RFC 6265. What an answer sets is
//! sent with the requests behind it whose path it fits.

use std::time::{Duration, Instant};

use super::dates::seconds;

/// Most cookies of a user; browsers keep as many for a host at least.
const COOKIES_MAX: usize = 50;
/// Longest cookie, with its name and attributes; longer ones are not kept.
const COOKIE_BYTES_MAX: usize = 4096;
/// What an answer without a `date` can only mean as "in the past".
const LONG_AGO: i64 = 946_684_800;

/// The cookies that a user has. The first that were set are in front.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jar {
    cookies: Vec<Cookie>,
}

#[derive(Debug, Clone)]
struct Cookie {
    name: Vec<u8>,
    value: Vec<u8>,
    path: Vec<u8>,
    /// Only sent where nobody can listen.
    secure: bool,
    ends: Option<Instant>,
}

/// What was asked for, and when the answer had come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Host of the target, without its port.
    pub(crate) host: &'a str,
    /// Path of the request, with its query.
    pub(crate) target: &'a [u8],
    pub(crate) done: Instant,
}

impl Jar {
    /// Takes what an answer sets.
    pub(crate) fn take(&mut self, fields: &[(String, Vec<u8>)], asked: Asked<'_>) {
        let named = |wanted: &'static str| {
            let mut fields = fields.iter();
            std::iter::from_fn(move || fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)))
        };
        let date = named("date").next();
        let date = date
            .and_then(|(_, value)| seconds(value))
            .unwrap_or(LONG_AGO);
        for (_, value) in named("set-cookie") {
            if let Some(cookie) = Cookie::read(value, asked, date) {
                self.put(cookie, asked.done);
            }
        }
    }

    fn put(&mut self, cookie: Cookie, now: Instant) {
        let is_known = |it: &Cookie| (&it.name, &it.path) == (&cookie.name, &cookie.path);
        let known = self.cookies.iter().position(is_known);
        let gone = cookie.is_over(now);
        match (known, gone) {
            (Some(index), true) => drop(self.cookies.remove(index)),
            (Some(index), false) => self.cookies[index] = cookie,
            (None, true) => {}
            (None, false) => {
                if self.cookies.len() == COOKIES_MAX {
                    self.cookies.remove(0);
                }
                self.cookies.push(cookie);
            }
        }
    }

    /// Appends the header field for a request to `target`, where there are cookies
    /// for it.
    pub(crate) fn write(&self, target: &[u8], secure: bool, now: Instant, into: &mut Vec<u8>) {
        let path = path_of(target);
        let mut sent: Vec<&Cookie> = self
            .cookies
            .iter()
            .filter(|it| !it.is_over(now) && (secure || !it.secure) && it.fits(path))
            .collect();
        // Longer paths first; the sort keeps the older ones in front.
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        for (nth, cookie) in sent.iter().enumerate() {
            into.extend_from_slice(if nth == 0 { b"cookie: " } else { b"; " });
            into.extend_from_slice(&cookie.name);
            into.push(b'=');
            into.extend_from_slice(&cookie.value);
        }
        if !sent.is_empty() {
            into.extend_from_slice(b"\r\n");
        }
    }
}

impl Cookie {
    /// Reads one `set-cookie` (RFC 6265 §5.2 and §5.3); `None` for what is none, or
    /// is not for this host.
    fn read(text: &[u8], asked: Asked<'_>, date: i64) -> Option<Self> {
        if text.len() > COOKIE_BYTES_MAX || text.iter().any(u8::is_ascii_control) {
            return None;
        }
        let mut parts = text.split(|byte| *byte == b';');
        let (name, value) = pair(parts.next()?);
        let value = value?;
        if name.is_empty() {
            return None;
        }
        let mut cookie = Self {
            name: name.to_vec(),
            value: value.to_vec(),
            path: default_path(asked.target).to_vec(),
            secure: false,
            ends: None,
        };
        let (mut age, mut expires) = (None, None);
        for part in parts {
            let (attribute, value) = pair(part);
            let is = |name: &str| attribute.eq_ignore_ascii_case(name.as_bytes());
            let value = value.unwrap_or_default();
            if is("secure") {
                cookie.secure = true;
            } else if is("path") {
                cookie.path = match value.first() {
                    Some(b'/') => value.to_vec(),
                    _ => default_path(asked.target).to_vec(),
                };
            } else if is("domain") && !is_of(asked.host, value) {
                return None;
            } else if is("max-age") {
                age = std::str::from_utf8(value).ok().and_then(age_of).or(age);
            } else if is("expires") {
                expires = seconds(value).or(expires);
            }
        }
        let lives = age.or_else(|| expires.map(|at| at.saturating_sub(date)));
        cookie.ends = lives.and_then(|lives| {
            let lives = Duration::from_secs(u64::try_from(lives).unwrap_or(0));
            asked.done.checked_add(lives)
        });
        Some(cookie)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }

    /// Whether a path is its own or one below (RFC 6265 §5.1.4).
    fn fits(&self, path: &[u8]) -> bool {
        let below = path.strip_prefix(self.path.as_slice());
        below.is_some_and(|below| {
            below.is_empty() || self.path.ends_with(b"/") || below.starts_with(b"/")
        })
    }
}

/// A name and what stands behind its `=`.
fn pair(part: &[u8]) -> (&[u8], Option<&[u8]>) {
    let at = part.iter().position(|byte| *byte == b'=');
    match at {
        Some(at) => (part[..at].trim_ascii(), Some(part[at + 1..].trim_ascii())),
        None => (part.trim_ascii(), None),
    }
}

/// `max-age`: below nothing counts as over.
fn age_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| {
        text.parse().unwrap_or(match text.starts_with('-') {
            true => 0,
            false => i64::MAX,
        })
    })
}

/// Whether a cookie for this domain is one for the host.
fn is_of(host: &str, domain: &[u8]) -> bool {
    let domain = domain.strip_prefix(b".").unwrap_or(domain);
    let host = host.as_bytes();
    if domain.is_empty() || host.eq_ignore_ascii_case(domain) {
        return true;
    }
    // An address has no domains above it.
    let is_name = host.iter().any(u8::is_ascii_alphabetic) && !host.contains(&b':');
    let Some(split) = host.len().checked_sub(domain.len()) else {
        return false;
    };
    is_name
        && host[split..].eq_ignore_ascii_case(domain)
        && host[..split].ends_with(b".")
        && domain.contains(&b'.')
}

fn path_of(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| *byte == b'?');
    &target[..end.unwrap_or(target.len())]
}

/// The folder of what was asked for (RFC 6265 §5.1.4).
fn default_path(target: &[u8]) -> &[u8] {
    let path = path_of(target);
    match path.iter().rposition(|byte| *byte == b'/') {
        None | Some(0) => b"/",
        Some(end) => &path[..end],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent to `target` so many seconds after the answers.
    fn sent(set: &[&str], asked_for: &str, target: &str, after_s: u64) -> String {
        let done = Instant::now();
        let mut fields: Vec<(String, Vec<u8>)> = set
            .iter()
            .map(|value| ("Set-Cookie".to_owned(), value.as_bytes().to_vec()))
            .collect();
        let date = b"Wed, 09 Jun 2021 10:18:14 GMT".to_vec();
        fields.push(("date".to_owned(), date));
        let asked = Asked {
            host: "shop.example.org",
            target: asked_for.as_bytes(),
            done,
        };
        let mut jar = Jar::default();
        jar.take(&fields, asked);
        let mut into = Vec::new();
        let now = done + Duration::from_secs(after_s);
        jar.write(target.as_bytes(), false, now, &mut into);
        String::from_utf8(into).unwrap()
    }

    #[test]
    fn what_was_set_is_sent_where_it_fits() {
        let set = [
            "a=1",
            "b=\"2 3\"; HttpOnly; SameSite=Lax",
            "c=; Path=/",
            "d=e=f",
        ];
        let expected = "cookie: a=1; b=\"2 3\"; c=; d=e=f\r\n";
        assert_eq!(sent(&set, "/", "/any?x=1", 0), expected);
        // The folder of what was asked for, and longer paths first.
        let set = ["root=1; path=/", "own=1", "deep=1; Path=/shop/cart"];
        let from = "/shop/login?next=/shop/cart";
        assert_eq!(
            sent(&set, from, "/shop/cart/1", 0),
            "cookie: deep=1; own=1; root=1\r\n"
        );
        assert_eq!(sent(&set, from, "/shopping", 0), "cookie: root=1\r\n");
        assert_eq!(sent(&["a=1; path=/x"], from, "/", 0), "");
    }

    #[test]
    fn the_last_word_counts_and_times_end() {
        assert_eq!(
            sent(&["a=1", "b=2", "a=3"], "/", "/", 0),
            "cookie: a=3; b=2\r\n"
        );
        assert_eq!(sent(&["a=1", "a=; Max-Age=0"], "/", "/", 0), "");
        assert_eq!(sent(&["a=1", "a=; max-age=-1"], "/", "/", 0), "");
        let past = "a=; expires=Thu, 01 Jan 1970 00:00:00 GMT";
        assert_eq!(sent(&["a=1", past], "/", "/", 0), "");
        // Ten seconds behind the answer's own date.
        for soon in [
            "Wed, 09 Jun 2021 10:18:24 GMT",
            "Wednesday, 09-Jun-21 10:18:24 GMT",
            "Wed Jun  9 10:18:24 2021",
        ] {
            let set = [&*format!("a=1; Expires={soon}")];
            assert_eq!(sent(&set, "/", "/", 9), "cookie: a=1\r\n", "{soon}");
            assert_eq!(sent(&set, "/", "/", 10), "", "{soon}");
        }
        let both = ["a=1; max-age=100; expires=Thu, 01 Jan 1970 00:00:00 GMT"];
        assert_eq!(sent(&both, "/", "/", 99), "cookie: a=1\r\n");
    }

    #[test]
    fn what_is_for_others_is_not_kept() {
        for good in ["example.org", ".example.org", "SHOP.example.org", ""] {
            let set = [&*format!("a=1; domain={good}")];
            assert_eq!(sent(&set, "/", "/", 0), "cookie: a=1\r\n", "{good}");
        }
        for bad in ["org", "other.org", "le.org", "a.shop.example.org"] {
            let set = [&*format!("a=1; domain={bad}")];
            assert_eq!(sent(&set, "/", "/", 0), "", "{bad}");
        }
        assert!(!is_of("127.0.0.1", b"0.0.1") && is_of("127.0.0.1", b"127.0.0.1"));
        assert_eq!(sent(&["a=1; Secure"], "/", "/", 0), "");
        assert_eq!(sent(&["=1", "nothing", "a=\u{1}"], "/", "/", 0), "");
    }

    #[test]
    fn a_user_keeps_so_many_and_no_more() {
        let set: Vec<String> = (0..60).map(|n| format!("c{n}=1")).collect();
        let set: Vec<&str> = set.iter().map(String::as_str).collect();
        let sent = sent(&set, "/", "/", 0);
        assert_eq!(sent.matches('=').count(), COOKIES_MAX);
        assert!(sent.contains("c59=1") && !sent.contains("c0=1"), "{sent}");
    }
}
