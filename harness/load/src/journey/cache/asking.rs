//! A request as a cache looks at it: out of the bytes that are sent.

/// Fields by which a request says itself what may answer it.
const OWN_WORDS: [&str; 3] = ["cache-control", "pragma", "range"];

/// What a cache looks at of a request.
#[derive(Debug)]
pub(crate) struct Asking {
    method: Method,
    /// Host and port.
    authority: Vec<u8>,
    /// Path and query.
    target: Vec<u8>,
    /// All fields, their names in lower case.
    fields: Vec<(String, Vec<u8>)>,
}

/// What a method means to a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Method {
    /// Its answer may be kept.
    Get,
    /// The same; it is kept apart from that of `GET`.
    Head,
    /// It changes nothing, and its answer is not kept.
    Apart,
    /// What was kept for its target is of no use any more, once it went well.
    Unsafe,
}

/// What answers are kept by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) method: Method,
    pub(super) authority: Vec<u8>,
    pub(super) target: Vec<u8>,
}

impl Key {
    /// Bytes of it.
    pub(super) const fn bytes(&self) -> usize {
        self.authority.len() + self.target.len()
    }
}

impl Asking {
    /// Reads the head of a request as squall writes it.
    pub(crate) fn of(request: &[u8]) -> Self {
        let mut lines = request.split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let mut words = first.split(|byte| *byte == b' ');
        let method = match words.next().unwrap_or_default() {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"OPTIONS" | b"TRACE" => Method::Apart,
            _ => Method::Unsafe,
        };
        let target = words.next().unwrap_or_default().to_vec();
        let mut fields = Vec::new();
        for line in lines {
            let line = line.trim_ascii_end();
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                break;
            };
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            fields.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
        let host = fields.iter().find(|(name, _)| name == "host");
        Self {
            method,
            authority: host.map_or_else(Vec::new, |(_, value)| value.to_ascii_lowercase()),
            target,
            fields,
        }
    }

    pub(super) const fn method(&self) -> Method {
        self.method
    }

    /// Whether its answer may come from a cache and go into it. A request that speaks of
    /// that itself, asks for a part, or under a condition, goes by.
    pub(super) fn may_be_kept(&self) -> bool {
        let own = |name: &str| OWN_WORDS.contains(&name) || name.starts_with("if-");
        matches!(self.method, Method::Get | Method::Head)
            && !self.fields.iter().any(|(name, _)| own(name))
    }

    /// What the answers to a request to its target by a method are kept by.
    pub(super) fn key(&self, method: Method) -> Key {
        Key {
            method,
            authority: self.authority.clone(),
            target: self.target.clone(),
        }
    }

    /// What it says in a field, all lines of it; nothing where it has none.
    pub(super) fn says(&self, name: &str) -> Option<Vec<u8>> {
        let own = self.fields.iter().filter(|(known, _)| known == name);
        let values: Vec<&[u8]> = own.map(|(_, value)| value.as_slice()).collect();
        (!values.is_empty()).then(|| values.join(&b", "[..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_is_written() {
        let asking = Asking::of(
            b"GET /a?b HTTP/1.1\r\nHost: Shop:80\r\nx-tag: a \r\nX-Tag: b\r\n\r\nx-tag: c\r\n",
        );
        assert!(asking.may_be_kept());
        let key = asking.key(Method::Get);
        assert_eq!(
            (&*key.authority, &*key.target),
            (&b"shop:80"[..], &b"/a?b"[..])
        );
        assert_eq!(asking.says("x-tag"), Some(b"a, b".to_vec()));
        assert_eq!(asking.says("accept"), None);
        let of = |method: &str| Asking::of(format!("{method} / HTTP/1.1\r\n\r\n").as_bytes());
        assert_eq!(of("HEAD").method(), Method::Head);
        assert_eq!(of("OPTIONS").method(), Method::Apart);
        for method in ["POST", "PUT", "DELETE", "PATCH", "PURGE"] {
            assert_eq!(of(method).method(), Method::Unsafe, "{method}");
            assert!(!of(method).may_be_kept());
        }
    }

    #[test]
    fn who_speaks_of_caches_goes_by() {
        for field in [
            "cache-control: no-cache",
            "Pragma: no-cache",
            "range: bytes=0-1",
            "If-None-Match: \"a\"",
            "if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT",
        ] {
            let request = format!("GET / HTTP/1.1\r\n{field}\r\n\r\n");
            assert!(!Asking::of(request.as_bytes()).may_be_kept(), "{field}");
        }
    }
}
