//! Heads of requests and answers, and what they say about the body behind them.

use bytes::Bytes;
use httparse::{EMPTY_HEADER, Header, Status};

use super::body::{Body, Unclear};

/// Headers one head may have; more are not followed.
const HEADERS_MAX: usize = 128;

/// A head as it was sent, with its parts.
#[derive(Debug, Clone)]
pub struct Head {
    /// Every byte of it, the empty line included.
    pub raw: Bytes,
    /// Its first line.
    pub line: StartLine,
    /// Its headers in order: names in lower case, values without white space
    /// around them.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// The first line of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartLine {
    /// `GET / HTTP/1.1`
    Request {
        /// The method, as it was sent.
        method: String,
        /// What is asked for, as it was sent.
        target: String,
        /// The minor version: 0 or 1.
        minor: u8,
    },
    /// `HTTP/1.1 200 OK`
    Answer {
        /// The status.
        status: u16,
        /// The minor version: 0 or 1.
        minor: u8,
    },
}

/// What the bytes at the start of a message are.
#[derive(Debug)]
pub(super) enum Read {
    /// The beginning of a head, perhaps.
    Part,
    /// A whole head.
    Whole(Head),
    /// No head of HTTP/1.1.
    Other,
}

/// How a head is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadEdit {
    /// Headers are added, in place of those with these names.
    Set(Vec<(String, String)>),
    /// Headers with these names are taken out.
    Remove(Vec<String>),
}

impl Head {
    /// Reads the head of a request.
    pub(super) fn request(bytes: &[u8]) -> Read {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Read::Part,
            Err(_) => return Read::Other,
        };
        let (Some(method), Some(target), Some(minor)) =
            (request.method, request.path, request.version)
        else {
            return Read::Other;
        };
        let line = StartLine::Request {
            method: method.to_owned(),
            target: target.to_owned(),
            minor,
        };
        Read::Whole(Self::of(&bytes[..length], line, request.headers))
    }

    /// Reads the head of an answer.
    pub(super) fn answer(bytes: &[u8]) -> Read {
        const START: &[u8] = b"HTTP/1.";
        let start = bytes.len().min(START.len());
        if bytes[..start] != START[..start] {
            return Read::Other;
        }
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut answer = httparse::Response::new(&mut headers);
        let length = match answer.parse(bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Read::Part,
            Err(_) => return Read::Other,
        };
        let (Some(status), Some(minor)) = (answer.code, answer.version) else {
            return Read::Other;
        };
        let line = StartLine::Answer { status, minor };
        Read::Whole(Self::of(&bytes[..length], line, answer.headers))
    }

    fn of(raw: &[u8], line: StartLine, headers: &[Header<'_>]) -> Self {
        let headers = headers.iter();
        let headers = headers.map(|header| {
            let value = header.value.trim_ascii().to_vec();
            (header.name.to_ascii_lowercase(), value)
        });
        Self {
            raw: Bytes::copy_from_slice(raw),
            line,
            headers: headers.collect(),
        }
    }

    /// The method; empty for an answer.
    #[must_use]
    pub fn method(&self) -> &str {
        match &self.line {
            StartLine::Request { method, .. } => method,
            StartLine::Answer { .. } => "",
        }
    }

    /// What is asked for; empty for an answer.
    #[must_use]
    pub fn target(&self) -> &str {
        match &self.line {
            StartLine::Request { target, .. } => target,
            StartLine::Answer { .. } => "",
        }
    }

    /// The status; 0 for a request.
    #[must_use]
    pub fn status(&self) -> u16 {
        match &self.line {
            StartLine::Request { .. } => 0,
            StartLine::Answer { status, .. } => *status,
        }
    }

    const fn minor(&self) -> u8 {
        match &self.line {
            StartLine::Request { minor, .. } | StartLine::Answer { minor, .. } => *minor,
        }
    }

    /// The values of a header, whose name is in lower case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self.headers.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_slice())
    }

    /// Whether a list of words in a header holds this one.
    fn lists(&self, name: &str, word: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|one| one.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Whether the sender of a request waits to be told to send its body.
    pub(super) fn expects_continue(&self) -> bool {
        self.lists("expect", "100-continue")
    }

    /// Whether the connection ends with this exchange.
    pub(super) fn is_last(&self) -> bool {
        let keeps = self.minor() > 0 || self.lists("connection", "keep-alive");
        !keeps || self.lists("connection", "close")
    }

    /// What follows the head of a request.
    pub(super) fn request_body(&self) -> Result<Body, Unclear> {
        match (self.chunked()?, self.length()?) {
            (Some(_), Some(_)) => Err(Unclear),
            (Some(true), None) => Ok(Body::chunked()),
            // A body of a request that ends with the connection ends nowhere.
            (Some(false), None) => Err(Unclear),
            (None, length) => Ok(Body::of_length(length.unwrap_or(0))),
        }
    }

    /// What follows the head of the answer to a request with `method`.
    pub(super) fn answer_body(&self, method: &str) -> Result<Body, Unclear> {
        if method == "HEAD" || matches!(self.status(), 100..=199 | 204 | 304) {
            return Ok(Body::of_length(0));
        }
        match (self.chunked()?, self.length()?) {
            (Some(_), Some(_)) => Err(Unclear),
            (Some(true), None) => Ok(Body::chunked()),
            (Some(false), None) | (None, None) => Ok(Body::until_close()),
            (None, Some(length)) => Ok(Body::of_length(length)),
        }
    }

    /// Whether `transfer-encoding` ends in `chunked`; `None` without one.
    fn chunked(&self) -> Result<Option<bool>, Unclear> {
        let mut values = self.values("transfer-encoding");
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() || self.minor() == 0 {
            return Err(Unclear);
        }
        let mut codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        let last = codings.next_back().is_some_and(is_chunked);
        // Twice, or not at the end: nobody agrees on what that means.
        if codings.any(is_chunked) {
            return Err(Unclear);
        }
        Ok(Some(last))
    }

    /// What `content-length` says; `None` without one.
    fn length(&self) -> Result<Option<u64>, Unclear> {
        let mut lengths = self.values("content-length").map(|value| {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let text = std::str::from_utf8(value).ok().filter(|_| digits);
            text.and_then(|text| text.parse::<u64>().ok())
                .ok_or(Unclear)
        });
        let Some(first) = lengths.next().transpose()? else {
            return Ok(None);
        };
        lengths
            .all(|length| length == Ok(first))
            .then_some(Some(first))
            .ok_or(Unclear)
    }

    /// How many bytes of body it announces; `None` where it does not say.
    #[must_use]
    pub fn announced(&self) -> Option<u64> {
        self.length().ok().flatten()
    }

    /// The head with an edit made: every other byte stays.
    pub(super) fn edited(&self, edit: &HeadEdit) -> Self {
        let (added, removed): (&[(String, String)], Vec<&str>) = match edit {
            HeadEdit::Set(headers) => (
                headers,
                headers.iter().map(|(name, _)| name.as_str()).collect(),
            ),
            HeadEdit::Remove(names) => (&[], names.iter().map(String::as_str).collect()),
        };
        let is_removed = |name: &[u8]| {
            let mut removed = removed.iter();
            removed.any(|removed| name.eq_ignore_ascii_case(removed.as_bytes()))
        };
        let mut raw = Vec::with_capacity(self.raw.len() + 64);
        let mut started = false;
        for line in self.raw.split_inclusive(|byte| *byte == b'\n') {
            let content = line.trim_ascii();
            let name = line.split(|byte| *byte == b':').next().unwrap_or(line);
            if content.is_empty() && started {
                for (name, value) in added {
                    raw.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                }
                raw.extend_from_slice(line);
            } else if !started || !is_removed(name) {
                raw.extend_from_slice(line);
                started |= !content.is_empty();
            }
        }
        let kept = self.headers.iter();
        let kept = kept
            .filter(|(name, _)| !is_removed(name.as_bytes()))
            .cloned();
        let added = added.iter();
        let added = added.map(|(name, value)| (name.clone(), value.clone().into_bytes()));
        Self {
            raw: raw.into(),
            line: self.line.clone(),
            headers: kept.chain(added).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(read: Read) -> Head {
        match read {
            Read::Whole(head) => head,
            other => panic!("{other:?}"),
        }
    }

    fn request(headers: &str) -> Head {
        let text = format!("POST /a?b HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        whole(Head::request(text.as_bytes()))
    }

    fn answer(status: u16, headers: &str) -> Head {
        let text = format!("HTTP/1.1 {status} Some\r\n{headers}\r\n");
        whole(Head::answer(text.as_bytes()))
    }

    #[test]
    fn parts_are_told_from_what_is_no_head() {
        for part in ["", "G", "GET / HTTP/1.1\r\nHost"] {
            assert!(
                matches!(Head::request(part.as_bytes()), Read::Part),
                "{part}"
            );
        }
        for other in ["\0", "PING\r\n", "GET / HTTP/2.0\r\n\r\n", "GET /\r\n\r\n"] {
            assert!(
                matches!(Head::request(other.as_bytes()), Read::Other),
                "{other}"
            );
        }
        assert!(matches!(Head::answer(b"HTT"), Read::Part));
        assert!(matches!(Head::answer(b"+OK"), Read::Other));
        let head = request("");
        assert_eq!((head.method(), head.target()), ("POST", "/a?b"));
        assert_eq!(head.headers, [("host".to_owned(), b"x".to_vec())]);
    }

    #[test]
    fn the_end_of_a_body_is_never_guessed() {
        for (headers, body) in [
            ("", Ok(Body::of_length(0))),
            ("Content-Length: 7\r\n", Ok(Body::of_length(7))),
            (
                "Content-Length: 7\r\nContent-Length: 7\r\n",
                Ok(Body::of_length(7)),
            ),
            ("Transfer-Encoding: gzip, Chunked\r\n", Ok(Body::chunked())),
            ("Content-Length: 7\r\nContent-Length: 8\r\n", Err(Unclear)),
            ("Content-Length: 7, 7\r\n", Err(Unclear)),
            ("Content-Length: +7\r\n", Err(Unclear)),
            ("Content-Length: 99999999999999999999\r\n", Err(Unclear)),
            ("Content-Length:\r\n", Err(Unclear)),
            (
                "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
                Err(Unclear),
            ),
            ("Transfer-Encoding: gzip\r\n", Err(Unclear)),
            ("Transfer-Encoding: chunked, gzip\r\n", Err(Unclear)),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                Err(Unclear),
            ),
        ] {
            assert_eq!(request(headers).request_body(), body, "{headers}");
        }
        let old = whole(Head::request(
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ));
        assert_eq!(old.request_body(), Err(Unclear));
    }

    #[test]
    fn what_follows_an_answer_depends_on_what_was_asked() {
        let length = "Content-Length: 7\r\n";
        assert_eq!(
            answer(200, length).answer_body("GET"),
            Ok(Body::of_length(7))
        );
        assert_eq!(
            answer(200, length).answer_body("HEAD"),
            Ok(Body::of_length(0))
        );
        for status in [100, 204, 304] {
            assert_eq!(
                answer(status, length).answer_body("GET"),
                Ok(Body::of_length(0))
            );
        }
        assert_eq!(answer(200, "").answer_body("GET"), Ok(Body::until_close()));
        let gzip = "Transfer-Encoding: gzip\r\n";
        assert_eq!(
            answer(200, gzip).answer_body("GET"),
            Ok(Body::until_close())
        );
    }

    #[test]
    fn the_last_exchange_of_a_connection_is_known() {
        assert!(!request("").is_last());
        assert!(request("Connection: x, Close\r\n").is_last());
        let old = |headers: &str| {
            let text = format!("GET / HTTP/1.0\r\n{headers}\r\n");
            whole(Head::request(text.as_bytes()))
        };
        assert!(old("").is_last());
        assert!(!old("Connection: Keep-Alive\r\n").is_last());
    }

    #[test]
    fn an_edit_leaves_every_other_byte_as_it_was() {
        let text =
            "\r\nGET / HTTP/1.1\r\nHOST:x\r\nETag: 1\r\nx-a:  b \r\netag: 2\nlast: 1\r\n\r\n";
        let head = whole(Head::request(text.as_bytes()));
        let removed = head.edited(&HeadEdit::Remove(vec!["etag".to_owned()]));
        assert_eq!(
            removed.raw,
            "\r\nGET / HTTP/1.1\r\nHOST:x\r\nx-a:  b \r\nlast: 1\r\n\r\n"
        );
        assert_eq!(removed.headers.len(), 3);
        let set = HeadEdit::Set(vec![("etag".to_owned(), "9".to_owned())]);
        let set = head.edited(&set);
        assert_eq!(
            set.raw,
            "\r\nGET / HTTP/1.1\r\nHOST:x\r\nx-a:  b \r\nlast: 1\r\netag: 9\r\n\r\n"
        );
        assert_eq!(set.values("etag").collect::<Vec<_>>(), [b"9"]);
    }
}
