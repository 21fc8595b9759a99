//! Reads one HTTP/1 answer out of the bytes of a connection: a pure function of
//! the bytes, however they are cut.
//!
//! It is as patient as the clients that users have: what curl and browsers take
//! for an answer is one. Its limits are squall's own and are told by name when
//! they are met.

use std::fmt;
use std::ops::Range;

use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};

/// Header by which a system says that an answer is a fallback.
pub const FALLBACK_HEADER: &str = "x-fallback";
/// Most bytes of an answer's head, interim answers (1xx) included.
pub const HEAD_BYTES_MAX: usize = 1 << 20;
/// Most header fields of an answer.
pub const FIELDS_MAX: usize = 16_384;
/// Header fields that are read without memory of their own.
const FIELDS_USUAL: usize = 64;
/// Longest line with the size of a chunk.
const CHUNK_LINE_BYTES_MAX: usize = 16 << 10;

/// What came is no answer that squall reads, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an answer says before its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Value of [`FALLBACK_HEADER`], if there is one.
    pub fallback: Option<String>,
    /// Whether the connection may carry another request after the body.
    keep_alive: bool,
    framing: Framing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// Where the reader is.
#[derive(Debug)]
enum State {
    /// Before the blank line; so many bytes of it were searched.
    Head {
        searched: usize,
    },
    /// So many bytes of a body or a chunk are to come.
    Body {
        left: u64,
    },
    UntilClose,
    /// Before the line with a chunk's size.
    ChunkSize,
    ChunkData {
        left: u64,
    },
    /// Behind a chunk's data, before its line break.
    ChunkEnd,
    /// Behind the last chunk, so many bytes of fields were read.
    Trailer {
        read: usize,
    },
    Done,
}

/// Reads one answer.
#[derive(Debug)]
pub struct AnswerReader {
    /// Whether the request was one whose answer has no body (`HEAD`).
    bodiless: bool,
    state: State,
    head: Option<Head>,
    head_bytes: usize,
    body_bytes: u64,
}

impl AnswerReader {
    /// A reader of one answer; a `bodiless` one is that to `HEAD`.
    #[must_use]
    pub const fn new(bodiless: bool) -> Self {
        Self {
            bodiless,
            state: State::Head { searched: 0 },
            head: None,
            head_bytes: 0,
            body_bytes: 0,
        }
    }

    /// Takes what it can from the front of `data`, which holds everything that
    /// was received and not yet taken; returns how many bytes that was.
    ///
    /// # Errors
    /// It is no answer, or larger than the limits.
    pub fn read(&mut self, data: &[u8]) -> Result<usize, Malformed> {
        let mut taken = 0;
        loop {
            let rest = &data[taken..];
            if self.is_done() {
                return Ok(taken);
            }
            let step = self.step(rest)?;
            if step == 0 {
                return Ok(taken);
            }
            taken += step;
        }
    }

    /// Whether the whole answer was read.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The connection was closed: whether that ends the answer.
    pub fn close(&mut self) -> bool {
        if matches!(self.state, State::UntilClose) {
            self.state = State::Done;
        }
        self.is_done()
    }

    /// What was said before the body, once it was read.
    #[must_use]
    pub const fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Status, fallback and bytes of the body.
    #[must_use]
    pub fn into_parts(self) -> (Option<Head>, u64) {
        (self.head, self.body_bytes)
    }

    /// Whether the connection may carry another request.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        self.is_done() && self.head.as_ref().is_some_and(|head| head.keep_alive)
    }

    fn step(&mut self, data: &[u8]) -> Result<usize, Malformed> {
        match self.state {
            State::Head { searched } => self.read_head(data, searched),
            State::Body { left } => {
                let taken = self.take(data, left);
                self.state = match left - taken as u64 {
                    0 => State::Done,
                    left => State::Body { left },
                };
                Ok(taken)
            }
            State::UntilClose => Ok(self.take(data, u64::MAX)),
            State::ChunkSize => self.read_chunk_size(data),
            State::ChunkData { left } => {
                let taken = self.take(data, left);
                self.state = match left - taken as u64 {
                    0 => State::ChunkEnd,
                    left => State::ChunkData { left },
                };
                Ok(taken)
            }
            State::ChunkEnd => match data {
                [b'\n', ..] => Ok(self.enter(State::ChunkSize, 1)),
                [b'\r', b'\n', ..] => Ok(self.enter(State::ChunkSize, 2)),
                [] | [b'\r'] => Ok(0),
                _ => Err(Malformed(
                    "a chunk is longer than the size before it".to_owned(),
                )),
            },
            State::Trailer { read } => self.read_trailer(data, read),
            State::Done => Ok(0),
        }
    }

    fn enter(&mut self, state: State, taken: usize) -> usize {
        self.state = state;
        taken
    }

    fn take(&mut self, data: &[u8], left: u64) -> usize {
        let taken = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.body_bytes += taken as u64;
        taken
    }

    fn read_head(&mut self, data: &[u8], searched: usize) -> Result<usize, Malformed> {
        begins_as_http(data)?;
        let Some(end) = blank_line(data, searched) else {
            if self.head_bytes + data.len() > HEAD_BYTES_MAX {
                return Err(too_large());
            }
            // The line break before it may have been received already.
            let searched = data.len().saturating_sub(3);
            return Ok(self.enter(State::Head { searched }, 0));
        };
        self.head_bytes += end;
        if self.head_bytes > HEAD_BYTES_MAX {
            return Err(too_large());
        }
        let head = parse_head(&data[..end], self.bodiless)?;
        let interim = (100..200).contains(&head.status) && head.status != 101;
        self.state = match head.framing {
            _ if interim => State::Head { searched: 0 },
            Framing::Length(0) => State::Done,
            Framing::Length(left) => State::Body { left },
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        };
        if !interim {
            self.head = Some(head);
        }
        Ok(end)
    }

    fn read_chunk_size(&mut self, data: &[u8]) -> Result<usize, Malformed> {
        let Some(line) = line(data) else {
            if data.len() > CHUNK_LINE_BYTES_MAX {
                return Err(bad_chunk());
            }
            return Ok(0);
        };
        let size = &data[..line.start];
        let size = size.split(|byte| *byte == b';').next().unwrap_or_default();
        let size = std::str::from_utf8(size).map_err(|_| bad_chunk())?.trim();
        let digits = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let left = u64::from_str_radix(size, 16)
            .ok()
            .filter(|_| digits)
            .ok_or_else(bad_chunk)?;
        let state = match left {
            0 => State::Trailer { read: 0 },
            left => State::ChunkData { left },
        };
        Ok(self.enter(state, line.end))
    }

    fn read_trailer(&mut self, data: &[u8], read: usize) -> Result<usize, Malformed> {
        let line = line(data);
        let read = read + line.as_ref().map_or(data.len(), |line| line.end);
        if read > HEAD_BYTES_MAX {
            return Err(too_large());
        }
        Ok(match line {
            None => 0,
            Some(line) if line.start == 0 => self.enter(State::Done, line.end),
            Some(line) => self.enter(State::Trailer { read }, line.end),
        })
    }
}

fn too_large() -> Malformed {
    Malformed(format!(
        "the head of the answer is larger than {} KiB, the most squall reads",
        HEAD_BYTES_MAX >> 10
    ))
}

fn bad_chunk() -> Malformed {
    Malformed("a chunk of the body has no valid size".to_owned())
}

/// The line break at the end of the first line, if it was received.
fn line(data: &[u8]) -> Option<Range<usize>> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    let start = end - usize::from(data[..end].ends_with(b"\r"));
    Some(start..end + 1)
}

/// Whether what came so far may become an answer: another protocol, or HTTP/0.9,
/// is told at once and not when the client's patience ends.
fn begins_as_http(data: &[u8]) -> Result<(), Malformed> {
    let breaks = data
        .iter()
        .take_while(|byte| b"\r\n".contains(byte))
        .count();
    let data = &data[breaks..];
    let known = data.len().min(b"HTTP/1.".len());
    if data[..known] == b"HTTP/1."[..known] {
        return Ok(());
    }
    let shown: String = String::from_utf8_lossy(&data[..data.len().min(40)])
        .escape_debug()
        .collect();
    Err(Malformed(format!(
        "what came is no HTTP/1 answer: it begins with \"{shown}\""
    )))
}

/// Behind the blank line that ends a head, the line breaks before it left out.
fn blank_line(data: &[u8], searched: usize) -> Option<usize> {
    let begin = data.iter().position(|byte| !b"\r\n".contains(byte))?;
    let mut at = searched.max(begin);
    while let Some(found) = data.get(at..)?.iter().position(|byte| *byte == b'\n') {
        at += found + 1;
        match &data[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

fn parse_head(data: &[u8], bodiless: bool) -> Result<Head, Malformed> {
    let mut usual = [EMPTY_HEADER; FIELDS_USUAL];
    let mut many: Vec<Header<'_>>;
    let mut fields: &mut [Header<'_>] = &mut usual;
    let mut parser = ParserConfig::default();
    parser
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    let lines = data.iter().filter(|byte| **byte == b'\n').count();
    if lines > FIELDS_USUAL {
        many = vec![EMPTY_HEADER; lines.min(FIELDS_MAX)];
        fields = &mut many;
    }
    let mut response = httparse::Response::new(fields);
    match parser.parse_response(&mut response, data) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) => return Err(Malformed("the head of the answer has no end".into())),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Malformed(format!(
                "the answer has more than {FIELDS_MAX} header fields, the most squall reads"
            )));
        }
        Err(error) => return Err(Malformed(format!("the head of the answer: {error}"))),
    }
    let status = response.code.unwrap_or(0);
    let fields = Fields::of(response.headers)?;
    let minor = response.version.unwrap_or(0);
    let framing = match (bodiless, status, fields.chunked, fields.length) {
        (true, ..) | (_, 100 | 102..=199 | 204 | 304, ..) => Framing::Length(0),
        (_, 101, ..) => Framing::UntilClose,
        (_, _, Some(true), _) => Framing::Chunked,
        (_, _, Some(false), _) | (_, _, None, None) => Framing::UntilClose,
        (_, _, None, Some(length)) => Framing::Length(length),
    };
    // Two framings at once are read as RFC 9112 says, and not trusted further.
    let doubtful = fields.chunked.is_some() && fields.length.is_some();
    Ok(Head {
        status,
        fallback: fields.fallback,
        keep_alive: !fields.close
            && !doubtful
            && (minor == 1 || fields.keep_alive)
            && framing != Framing::UntilClose,
        framing,
    })
}

/// The fields that say how an answer is to be read.
#[derive(Debug, Default)]
struct Fields {
    length: Option<u64>,
    /// Whether the last transfer coding is `chunked`, where there is one.
    chunked: Option<bool>,
    close: bool,
    keep_alive: bool,
    fallback: Option<String>,
}

impl Fields {
    fn of(fields: &[Header<'_>]) -> Result<Self, Malformed> {
        let mut found = Self::default();
        for field in fields {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            let mut tokens = field
                .value
                .split(|byte| *byte == b',')
                .map(<[u8]>::trim_ascii);
            if is("content-length") {
                for token in tokens {
                    let length = length(token)?;
                    if found.length.is_some_and(|known| known != length) {
                        return Err(Malformed(
                            "the answer has two different content-lengths".to_owned(),
                        ));
                    }
                    found.length = Some(length);
                }
            } else if is("transfer-encoding") {
                if let Some(last) = tokens.next_back() {
                    found.chunked = Some(last.eq_ignore_ascii_case(b"chunked"));
                }
            } else if is("connection") {
                for token in tokens {
                    found.close |= token.eq_ignore_ascii_case(b"close");
                    found.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if is(FALLBACK_HEADER) {
                found.fallback = Some(String::from_utf8_lossy(field.value).into_owned());
            }
        }
        Ok(found)
    }
}

fn length(token: &[u8]) -> Result<u64, Malformed> {
    let text = std::str::from_utf8(token).ok();
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let shown = String::from_utf8_lossy(&token[..token.len().min(40)]);
        Malformed(format!(
            "the answer's content-length {shown:?} is no number"
        ))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is made of an answer that comes in these pieces: status, bytes of
    /// the body, whether the connection is kept and what is left over.
    fn read(
        pieces: &[&[u8]],
        bodiless: bool,
    ) -> Result<Option<(u16, u64, bool, usize)>, Malformed> {
        let mut reader = AnswerReader::new(bodiless);
        let mut received = Vec::new();
        for piece in pieces {
            received.extend_from_slice(piece);
            let taken = reader.read(&received)?;
            received.drain(..taken);
        }
        let done = reader.is_done() || reader.close();
        let kept = reader.keeps_alive();
        let (head, body) = reader.into_parts();
        Ok(head
            .filter(|_| done)
            .map(|head| (head.status, body, kept, received.len())))
    }

    fn whole(text: &str) -> Result<Option<(u16, u64, bool, usize)>, Malformed> {
        read(&[text.as_bytes()], false)
    }

    type Read = (u16, u64, bool, usize);

    /// Name, text, and what is made of it.
    const TAKEN: &[(&str, &str, Read)] = &[
        (
            "plain",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            (200, 2, true, 0),
        ),
        (
            "no reason",
            "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n",
            (200, 0, true, 0),
        ),
        (
            "bare LF",
            "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
            (200, 2, true, 0),
        ),
        (
            "line break first",
            "\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            (200, 0, true, 0),
        ),
        (
            "HTTP/1.0",
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
            (200, 2, false, 0),
        ),
        (
            "HTTP/1.0 keep-alive",
            "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok",
            (200, 2, true, 0),
        ),
        (
            "close",
            "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 0\r\n\r\n",
            (200, 0, false, 0),
        ),
        (
            "until the end",
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
            (200, 13, false, 0),
        ),
        (
            "same length twice",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2, 2\r\n\r\nok",
            (200, 2, true, 0),
        ),
        (
            "space before the colon",
            "HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok",
            (200, 2, true, 0),
        ),
        (
            "folded",
            "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok",
            (200, 2, true, 0),
        ),
        (
            "odd field",
            "HTTP/1.1 200 OK\r\nno colon\r\ncontent-length: 2\r\n\r\nok",
            (200, 2, true, 0),
        ),
        (
            "204 with a length",
            "HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n",
            (204, 0, true, 0),
        ),
        (
            "304 with a length",
            "HTTP/1.1 304 No\r\ncontent-length: 5\r\n\r\n",
            (304, 0, true, 0),
        ),
        (
            "interim",
            "HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 100\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            (200, 2, true, 0),
        ),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n2;a=b\r\nok\r\n0A \r\n0123456789\r\n0\r\nx: y\r\n\r\n",
            (200, 12, true, 0),
        ),
        (
            "chunks and a length",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            (200, 2, false, 0),
        ),
        (
            "two answers",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
            (200, 2, true, 17),
        ),
    ];

    #[test]
    fn answers_that_clients_take_are_taken() {
        for (name, text, expected) in TAKEN {
            assert_eq!(whole(text), Ok(Some(*expected)), "{name}");
        }
        let fields = "set-cookie: a=1\r\n".repeat(5_000);
        let large = format!("x: {}\r\n", "y".repeat(900_000));
        for head in [fields, large] {
            let text = format!("HTTP/1.1 200 OK\r\n{head}content-length: 2\r\n\r\nok");
            assert_eq!(whole(&text), Ok(Some((200, 2, true, 0))));
        }
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
        assert_eq!(read(&[head], true), Ok(Some((200, 0, true, 0))));
    }

    #[test]
    fn what_is_no_answer_says_why() {
        let fields = "a: b\r\n".repeat(FIELDS_MAX + 1);
        let large = "y".repeat(HEAD_BYTES_MAX);
        for (text, why) in [
            ("<html>", "begins with \"<html>\""),
            ("SSH-2.0-x\r\n", "no HTTP/1 answer"),
            ("HTTP/2 200\r\n\r\n", "no HTTP/1 answer"),
            ("HTTP/1.1 abc\r\n\r\n", "status"),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
                "\"x\" is no number",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
                "\"-1\" is no number",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
                "two different",
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
                "no valid size",
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+2\r\n",
                "no valid size",
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
                "longer than the size",
            ),
            (
                &format!("HTTP/1.1 200 OK\r\n{fields}\r\n"),
                "16384 header fields",
            ),
            (&format!("HTTP/1.1 200 OK\r\nx: {large}"), "1024 KiB"),
        ] {
            let said = whole(text).unwrap_err().0;
            assert!(said.contains(why), "{why}: {said}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_is_none() {
        for text in [
            "HTTP/1.1 200 OK\r\ncontent-le",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
        ] {
            assert_eq!(whole(text), Ok(None), "{text}");
        }
    }

    proptest! {
        /// However the network cuts an answer, it is the same answer.
        #[test]
        fn cuts_change_nothing(
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6), which in 0..6_usize,
        ) {
            let text = [
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP",
                "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
                "HTTP/1.1 100 C\r\n\r\n\r\nHTTP/1.1 404 No\r\nx: a\r\n b\r\n\r\nend",
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x\r\nok\r\n3\nabc\n0\r\na: b\r\n\r\nX",
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
                "HTTP/1.1 204 No\r\n\r\n",
            ][which].as_bytes();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([text.len()]) {
                pieces.push(&text[from..cut]);
                from = cut;
            }
            prop_assert_eq!(read(&pieces, false), read(&[text], false));
        }

        #[test]
        fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[&data], false);
            let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            answer.extend(&data);
            let _ = read(&[&answer], false);
        }
    }
}
