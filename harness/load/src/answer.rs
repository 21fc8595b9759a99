//! Reads one HTTP/1 answer out of the bytes of a connection: a pure function of
//! the bytes, however they are cut.
//!
//! It is as patient as the clients that users have: what curl and browsers take
//! for an answer is one. Its limits are squall's own and are told by name when
//! they are met.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use squall_scenario::Stay;

use crate::heard::Heard;
use head::{Framing, parse_head};
use socket::SocketAnswer;
use stream::Stream;
use taken::Taken;

pub(crate) use events::{EventAnswer, json_of_events};
pub use head::Head;
pub use keeper::{KEPT_BODIES_BYTES_MAX, KEPT_BODY_BYTES_MAX, Kept, Looks};
pub(crate) use keeper::{KEPT_LIST_BYTES_MAX, Keeper};
pub use socket::Talk;
pub(crate) use socket::{Closing, Opcode, json_of_messages, write_frame};
pub use tally::Moment;
pub(crate) use tally::Tally;

mod events;
mod head;
mod keeper;
mod socket;
mod stream;
mod taken;
mod tally;

/// Header by which a system says that an answer is a fallback.
pub const FALLBACK_HEADER: &str = "x-fallback";
/// Most bytes of an answer's head, interim answers (1xx) included.
pub const HEAD_BYTES_MAX: usize = 1 << 20;
/// Most header fields of an answer.
pub const FIELDS_MAX: usize = 16_384;
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
    /// Behind the last chunk, so many bytes of fields were read, the last of them
    /// in the middle of one or not.
    Trailer {
        read: usize,
        within: bool,
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
    keeper: Option<Box<Keeper>>,
    /// Where it does not end by itself.
    stream: Option<Box<Stream>>,
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
            keeper: None,
            stream: None,
        }
    }

    /// The same, which keeps of the answer what somebody looks at.
    #[must_use]
    pub fn keeping(bodiless: bool, looks: Looks) -> Self {
        Self {
            keeper: Some(Box::new(Keeper::new(looks))),
            ..Self::new(bodiless)
        }
    }

    /// The same of a stream of server-sent events, whose request was sent then and whose
    /// client leaves when it has seen enough.
    #[must_use]
    pub fn with_events(self, stay: Stay, sent: Moment) -> Self {
        Self {
            stream: Some(Box::new(Stream::Events(EventAnswer::new(stay, sent)))),
            ..self
        }
    }

    /// The same of a request for a socket, and of what is said on it.
    #[must_use]
    pub fn with_socket(self, talk: Talk, sent: Moment) -> Self {
        Self {
            stream: Some(Box::new(Stream::Socket(SocketAnswer::new(talk, sent)))),
            ..self
        }
    }

    /// What its client says meanwhile, if anything now.
    pub(crate) fn says(&mut self) -> Option<Bytes> {
        self.stream.as_mut().and_then(|stream| stream.says())
    }

    /// With which words its client closes a socket, and what has come of the server's.
    pub(crate) fn goodbye(&mut self) -> Option<(Bytes, Closing)> {
        match self.stream.as_deref_mut() {
            Some(Stream::Socket(socket)) => socket.goodbye(),
            Some(Stream::Events(_)) | None => None,
        }
    }

    /// The next bytes came then.
    pub(crate) fn times(&mut self, now: Moment) {
        if let Some(stream) = &mut self.stream {
            stream.at(now);
        }
    }

    /// Its client has stayed for as long as it would, until then; whether that ends the
    /// answer.
    pub(crate) fn leave(&mut self, now: Moment) -> bool {
        if let (Some(stream), Some(head)) = (&mut self.stream, &mut self.head) {
            stream.left(now);
            head.keep_alive = false;
            self.state = State::Done;
        }
        self.is_done()
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
        let may_end = self.stream.as_ref().is_none_or(|stream| stream.may_end());
        if may_end && matches!(self.state, State::UntilClose) {
            self.state = State::Done;
        }
        self.is_done()
    }

    /// What was said before the body, once it was read.
    #[must_use]
    pub const fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// When what came of a stream came, where it is one and no more will.
    pub(crate) fn heard(&mut self) -> Option<Box<Heard>> {
        let stream = self.stream.as_mut();
        stream.map(|stream| Box::new(stream.heard()))
    }

    /// Status and fallback, bytes of the body, and what was kept.
    #[must_use]
    pub fn into_parts(self) -> (Option<Head>, u64, Option<Box<Kept>>) {
        let mut head = self.head;
        let mut kept = self.keeper.map(|keeper| Box::new(keeper.kept()));
        if let Some(stream) = self.stream {
            let series = stream.series();
            let (status, told) = stream.end();
            if let (Some(head), Some(status)) = (&mut head, status) {
                head.status = status;
            }
            if let Some(kept) = &mut kept {
                kept.series = Some(series);
                kept.told = told;
            }
        }
        (head, self.body_bytes, kept)
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
                let taken = self.take(data, left)?;
                self.enter_unless_left(match left - taken as u64 {
                    0 => State::Done,
                    left => State::Body { left },
                });
                Ok(taken)
            }
            State::UntilClose => self.take(data, u64::MAX),
            State::ChunkSize => self.read_chunk_size(data),
            State::ChunkData { left } => {
                let taken = self.take(data, left)?;
                self.enter_unless_left(match left - taken as u64 {
                    0 => State::ChunkEnd,
                    left => State::ChunkData { left },
                });
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
            State::Trailer { read, within } => self.read_trailer(data, read, within),
            State::Done => Ok(0),
        }
    }

    fn enter(&mut self, state: State, taken: usize) -> usize {
        self.state = state;
        taken
    }

    /// Goes on, unless its client has left.
    const fn enter_unless_left(&mut self, state: State) {
        if !self.is_done() {
            self.state = state;
        }
    }

    fn take(&mut self, data: &[u8], left: u64) -> Result<usize, Malformed> {
        let data = &data[..data.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        let keeper = self.keeper.as_deref_mut();
        let taken = match (&mut self.stream, keeper) {
            (Some(stream), keeper) => stream.data(data, keeper).map_err(Malformed)?,
            (None, Some(keeper)) => {
                keeper.take(data);
                Taken::all(data.len())
            }
            (None, None) => Taken::all(data.len()),
        };
        if let (true, Some(head)) = (taken.enough, &mut self.head) {
            // What follows is not read: the connection carries nothing else.
            head.keep_alive = false;
            self.state = State::Done;
        }
        self.body_bytes += taken.body as u64;
        Ok(taken.bytes)
    }

    fn read_head(&mut self, data: &[u8], searched: usize) -> Result<usize, Malformed> {
        let breaks = line_breaks(data);
        if breaks > 0 {
            self.head_bytes += breaks;
            return Ok(self.enter(State::Head { searched: 0 }, breaks));
        }
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
        let head = parse_head(
            &data[..end],
            self.bodiless,
            (self.keeper.as_deref_mut(), self.stream.as_deref_mut()),
        )?;
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
            0 => State::Trailer {
                read: 0,
                within: false,
            },
            left => State::ChunkData { left },
        };
        Ok(self.enter(state, line.end))
    }

    /// What stands there says nothing to anybody: it is taken as it comes, so that
    /// no byte is looked at twice.
    fn read_trailer(&mut self, data: &[u8], read: usize, within: bool) -> Result<usize, Malformed> {
        let (taken, state) = match line(data) {
            Some(line) if line.start == 0 && !within => (line.end, State::Done),
            Some(line) => {
                let read = read + line.end;
                let within = false;
                (line.end, State::Trailer { read, within })
            }
            // It may become a blank line.
            None if !within && matches!(data, [] | [b'\r']) => return Ok(0),
            None => {
                let read = read + data.len();
                let within = true;
                (data.len(), State::Trailer { read, within })
            }
        };
        if read + taken > HEAD_BYTES_MAX {
            return Err(too_large());
        }
        Ok(self.enter(state, taken))
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

/// How many bytes of line breaks stand in front: clients pass over them before an
/// answer.
fn line_breaks(data: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match &data[at..] {
            [b'\n', ..] => at += 1,
            [b'\r', b'\n', ..] => at += 2,
            _ => return at,
        }
    }
}

/// Whether what came so far may become an answer: another protocol, or HTTP/0.9,
/// is told at once and not when the client's patience ends.
fn begins_as_http(data: &[u8]) -> Result<(), Malformed> {
    let known = data.len().min(b"HTTP/1.".len());
    if data[..known] == b"HTTP/1."[..known] || data == b"\r" {
        return Ok(());
    }
    let shown: String = String::from_utf8_lossy(&data[..data.len().min(40)])
        .escape_debug()
        .collect();
    Err(Malformed(format!(
        "what came is no HTTP/1 answer: it begins with \"{shown}\""
    )))
}

/// Behind the blank line that ends a head.
fn blank_line(data: &[u8], searched: usize) -> Option<usize> {
    let mut at = searched;
    while let Some(found) = memchr::memchr(b'\n', data.get(at..)?) {
        at += found + 1;
        match &data[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
