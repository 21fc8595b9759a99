//! Calls of gRPC on one connection over HTTP/2: those that a fault chose end with a
//! status in the target's place; everything else goes on frame by frame.
//!
//! Streams, trailers, flow control, pings and settings stay between the caller and
//! the target. Only where a call was taken out do the two need help: from then on the
//! headers of requests are written anew, since their short forms refer to headers
//! that the target never saw, and what the caller sends on such a stream is taken and
//! its windows opened again in the target's place.
//!
//! Header blocks can only be read by whoever has read all before them, so a
//! connection is followed from its first byte or not at all.

mod answered;
mod collected;
mod frames;
mod hpack;
mod huffman;
mod own;
pub(super) mod tried;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use squall_scenario::inject::{GrpcAnswer, Http};

use super::attached::{HttpAttached, Place};
use super::lane::{Lane, Out};
use crate::End;
use crate::decisions::Teller;
use answered::{Answered, GRPC, status, windows};
use collected::Collected;
use frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, Frames, HEADERS, PREFACE, PRIORITY, Part,
    RST_STREAM, WINDOW_UPDATE,
};
use hpack::{Block, Decoder, Sizes, written};
use own::Own;

/// What a header block may take as it comes.
const BLOCK_BYTES_MAX: usize = 128 << 10;

/// The calls of one connection.
pub struct Calls {
    faults: Vec<Arc<HttpAttached>>,
    key: (u64, u64),
    /// Told of decisions by chance.
    pub(crate) teller: Teller,
    /// Calls so far.
    calls: u64,
    follows: Follows,
    asked: Frames,
    /// What becomes of the payload that the caller sends.
    taking: Taking,
    /// The header block that is not complete.
    block: Option<Collected>,
    decoder: Decoder,
    answered: Answered,
    /// The last stream that the caller opened.
    last_stream: u32,
    /// Headers go on written anew: the target has missed some.
    rewrites: bool,
    /// Sizes of the table that were said in blocks that did not go on.
    owed_sizes: Sizes,
    /// What squall says to the caller itself.
    own: Own,
    /// What the caller sent while too much waited for it.
    unread: Bytes,
    /// The caller's stream ends behind that.
    unread_eof: bool,
    to: Lane,
    from: Lane,
    ended: Option<(End, bool)>,
    /// Grows with everything that goes in or out.
    steps: u64,
}

/// How far a connection is understood.
#[derive(Debug, PartialEq, Eq)]
enum Follows {
    /// So much of the preface is there.
    Beginning(Vec<u8>),
    /// Every frame.
    Frames,
    /// It is not HTTP/2; this is what its caller said.
    Other(Bytes),
    /// No more: it passes as it is.
    Nothing,
}

/// What becomes of a payload.
#[derive(Debug, PartialEq, Eq)]
enum Taking {
    Pass,
    Drop,
    /// It belongs to a header block; what is there of it.
    Collect(Frame, Vec<u8>),
}

impl Calls {
    /// For the `connection`th connection of a link with `seed`, which has not
    /// carried a byte.
    #[must_use]
    pub fn new(seed: u64, connection: u64) -> Self {
        Self {
            faults: Vec::new(),
            key: (seed, connection),
            teller: Teller::default(),
            calls: 0,
            follows: Follows::Beginning(Vec::new()),
            asked: Frames::default(),
            taking: Taking::Pass,
            block: None,
            decoder: Decoder::default(),
            answered: Answered::default(),
            last_stream: 0,
            rewrites: false,
            owed_sizes: Sizes::default(),
            own: Own::default(),
            unread: Bytes::new(),
            unread_eof: false,
            to: Lane::default(),
            from: Lane::default(),
            ended: None,
            steps: 0,
        }
    }

    /// Attaches a fault by itself, for tests.
    pub fn attach(&mut self, id: &str, http: &Http) {
        let mut faults = self.faults.clone();
        faults.push(HttpAttached::new(id, http.clone(), None));
        self.set_faults(&faults);
    }

    /// Makes these the faults of the connection.
    pub(crate) fn set_faults(&mut self, faults: &[Arc<HttpAttached>]) {
        if self.follows == Follows::Frames {
            let known = |fault: &Arc<_>| self.faults.iter().any(|known| Arc::ptr_eq(known, fault));
            let new = faults.iter().filter(|fault| !known(fault));
            new.for_each(|fault| fault.count_http_2());
        }
        self.faults = faults.to_vec();
    }

    /// Bytes arrived from the caller (`to_target`) or from the target.
    pub fn push(&mut self, to_target: bool, mut bytes: Bytes) {
        self.steps += 1;
        if to_target {
            self.unread = match self.unread.is_empty() {
                true => bytes,
                false => [&*self.unread, &*bytes].concat().into(),
            };
        } else {
            while !bytes.is_empty() {
                let piece = self.own.follow(&mut bytes);
                self.from.push(piece, None);
                self.give_own();
            }
        }
        self.read_on();
    }

    /// The sender closed its side.
    pub fn push_eof(&mut self, to_target: bool) {
        self.steps += 1;
        match to_target {
            true => self.unread_eof = true,
            false => {
                self.own.end();
                self.from.push_eof();
            }
        }
        self.read_on();
    }

    /// What the caller said first where that is not HTTP/2, and whether the target
    /// said anything before. The connection is for somebody else then.
    #[must_use]
    pub fn other(&self) -> Option<(Bytes, bool)> {
        match &self.follows {
            Follows::Other(said) => Some((said.clone(), self.own.told_any)),
            Follows::Beginning(_) | Follows::Frames | Follows::Nothing => None,
        }
    }

    /// Takes what goes on next in a direction; an empty piece when the stream ends
    /// there.
    pub fn pull(&mut self, to_target: bool, now: Instant) -> Option<Bytes> {
        if self.ended.is_some() {
            return None;
        }
        let out = self.lane(to_target).pull(now)?;
        self.steps += 1;
        self.read_on();
        match out {
            Out::Bytes(bytes) => Some(bytes),
            Out::Eof => Some(Bytes::new()),
            Out::End(end) => {
                self.ended = Some((end, to_target));
                None
            }
        }
    }

    /// Puts back what could not be taken at once of a piece.
    pub(crate) fn put_back(&mut self, to_target: bool, rest: Bytes) {
        self.lane(to_target).put_back(rest);
    }

    /// Whether more bytes may be pushed in a direction.
    #[must_use]
    pub fn has_room(&self, to_target: bool) -> bool {
        let room = match to_target {
            true => self.to.has_room() && self.unread.is_empty() && !self.waits(),
            false => self.from.has_room(),
        };
        room && self.ended.is_none()
    }

    /// How the connection ends, and whether everything before it went to the target.
    #[must_use]
    pub const fn ended_behind(&self) -> Option<(End, bool)> {
        self.ended
    }

    /// Whether it can be taken away: what follows passes as it is.
    pub(crate) fn is_idle(&self) -> bool {
        let passes = self.follows == Follows::Nothing;
        passes && self.ended.is_none() && self.to.is_empty() && self.from.is_empty()
    }

    /// Grows whenever something went in or out.
    pub(crate) const fn steps(&self) -> u64 {
        self.steps
    }

    const fn lane(&mut self, to_target: bool) -> &mut Lane {
        match to_target {
            true => &mut self.to,
            false => &mut self.from,
        }
    }

    /// Whether the caller has to take something before more of what it sends is read.
    const fn waits(&self) -> bool {
        self.own.is_full() || self.from.is_full()
    }

    /// Gives the caller what is squall's own, if it may come now.
    fn give_own(&mut self) {
        if let Some(frames) = self.own.take() {
            self.from.push(frames, None);
        }
    }

    /// Reads what the caller has sent, as far as it may.
    fn read_on(&mut self) {
        self.begin();
        while !self.unread.is_empty() && !self.to.ends() {
            match self.follows {
                Follows::Beginning(_) | Follows::Other(_) => break,
                Follows::Nothing => {
                    let passes = std::mem::take(&mut self.unread);
                    self.to.push(passes, None);
                }
                Follows::Frames => {
                    self.give_own();
                    if self.waits() {
                        return;
                    }
                    match self.asked.next(&mut self.unread) {
                        Part::Head(_, None) => {}
                        Part::Head(_, Some(frame)) => self.frame(frame),
                        Part::Payload(piece, last) => self.payload(piece, last),
                    }
                }
            }
        }
        self.give_own();
        if std::mem::take(&mut self.unread_eof) {
            self.ask_eof();
        }
    }

    /// Reads the preface, if that is what comes.
    fn begin(&mut self) {
        let Follows::Beginning(begun) = &mut self.follows else {
            return;
        };
        let missing = PREFACE.len() - begun.len();
        let more = self.unread.split_to(missing.min(self.unread.len()));
        begun.extend_from_slice(&more);
        if !PREFACE.starts_with(begun) {
            let said = [&**begun, &*self.unread].concat();
            self.unread.clear();
            self.follows = Follows::Other(said.into());
        } else if begun.len() == PREFACE.len() {
            self.follows = Follows::Frames;
            self.faults.iter().for_each(|fault| fault.count_http_2());
            self.to.push(Bytes::from_static(PREFACE), None);
        }
    }

    /// The caller says no more.
    fn ask_eof(&mut self) {
        match &mut self.follows {
            Follows::Beginning(begun) => {
                self.follows = Follows::Other(std::mem::take(begun).into());
                return;
            }
            Follows::Frames if !self.rewrites => {
                // A part of a frame says nothing; it was sent nevertheless.
                let mut rest = self.held();
                rest.extend_from_slice(self.asked.begun());
                self.to.push(rest.into(), None);
            }
            Follows::Frames | Follows::Other(_) | Follows::Nothing => {}
        }
        self.to.push_eof();
    }

    /// A frame of the caller begins.
    fn frame(&mut self, frame: Frame) {
        let expected = self.block.as_ref().map(|block| block.first.stream);
        let fits = match expected {
            Some(stream) => frame.kind == CONTINUATION && frame.stream == stream,
            None => frame.kind != CONTINUATION,
        };
        if !fits {
            return self.lose(&frame.head());
        }
        match frame.kind {
            HEADERS | CONTINUATION => {
                self.taking = Taking::Collect(frame, Vec::new());
                if frame.length == 0 {
                    self.collected();
                }
            }
            DATA | PRIORITY | RST_STREAM | WINDOW_UPDATE if self.answered.knows(frame.stream) => {
                self.taking = Taking::Drop;
                self.taken(frame);
            }
            _ => {
                self.taking = Taking::Pass;
                self.to.push(frame.head().to_vec().into(), None);
            }
        }
    }

    /// A frame is dropped that belongs to a call which was answered.
    fn taken(&mut self, frame: Frame) {
        let ends = match frame.kind {
            DATA => frame.is(END_STREAM),
            _ => frame.kind == RST_STREAM,
        };
        if ends {
            self.close(frame.stream);
        }
        if frame.kind == DATA && frame.length > 0 {
            // The target gives no room for what it does not see.
            let streams = [0, frame.stream];
            let open = 1 + usize::from(self.answered.is_open(frame.stream));
            self.own.add(&windows(&streams[..open], frame.length));
        }
    }

    /// The caller sends no more on a call that was answered.
    fn close(&mut self, stream: u32) {
        let place = self.answered.close(stream);
        self.own.keep(place);
    }

    fn payload(&mut self, piece: Bytes, last: bool) {
        match &mut self.taking {
            Taking::Pass => self.to.push(piece, None),
            Taking::Drop => {}
            Taking::Collect(_, payload) => {
                payload.extend_from_slice(&piece);
                let before = self.block.as_ref().map_or(0, |block| block.raw.len());
                if before + payload.len() > BLOCK_BYTES_MAX {
                    return self.lose(&[]);
                }
                if last {
                    self.collected();
                }
            }
        }
    }

    /// A frame of a header block is complete.
    fn collected(&mut self) {
        let Taking::Collect(frame, payload) = std::mem::replace(&mut self.taking, Taking::Pass)
        else {
            return;
        };
        let before = self.block.take();
        let mut block = before.unwrap_or_else(|| Collected::new(frame));
        let readable = block.add(frame, &payload) && block.raw.len() <= BLOCK_BYTES_MAX;
        if readable && frame.is(END_HEADERS) {
            return self.headers(block);
        }
        self.block = Some(block);
        if !readable {
            self.lose(&[]);
        }
    }

    /// A header block is complete.
    fn headers(&mut self, collected: Collected) {
        let Ok(mut block) = self.decoder.read(&collected.fragment) else {
            self.block = Some(collected);
            return self.lose(&[]);
        };
        let Frame { stream, .. } = collected.first;
        let ends = collected.first.is(END_STREAM);
        let answer = match stream > self.last_stream {
            true => {
                self.last_stream = stream;
                self.choose(&block)
            }
            false => None,
        };
        if let Some((answer, place, content_type)) = answer {
            self.rewrites = true;
            let status = status(stream, &answer, &content_type);
            self.own.answer(&status, place.fault());
            self.answered.open(stream, Some(place));
        }
        if self.answered.knows(stream) {
            self.owed_sizes.add(block.sizes);
            if ends {
                self.close(stream);
            }
            return;
        }
        if !self.rewrites {
            return self.to.push(collected.raw.into(), None);
        }
        let mut sizes = std::mem::take(&mut self.owed_sizes);
        sizes.add(block.sizes);
        block.sizes = sizes;
        let bytes = collected.rewritten(&written(&block));
        self.to.push(bytes.into(), None);
    }

    /// The status of the fault that hits the next call, its place and the type of
    /// what it sends; `None` where it passes, or is no call of gRPC.
    fn choose(&mut self, block: &Block) -> Option<(GrpcAnswer, Place, Vec<u8>)> {
        let value = |name: &str| {
            let mut fields = block.fields.iter();
            let field = fields.find(|field| field.name == name.as_bytes())?;
            std::str::from_utf8(&field.value).ok()
        };
        let content_type = value("content-type")?;
        let (method, path) = (value(":method")?, value(":path")?);
        if !content_type.starts_with(GRPC) {
            return None;
        }
        let headers = block.fields.iter().filter_map(|field| {
            let name = std::str::from_utf8(&field.name).ok()?;
            Some((name, field.value.as_slice()))
        });
        let (seed, connection) = self.key;
        let key = (seed, connection, self.calls);
        self.calls += 1;
        let (asked, told) = ((method, path), (&self.teller, !self.answered.is_full()));
        let faults = self.faults.iter();
        let mut answers =
            faults.filter_map(|fault| fault.choose_call(asked, headers.clone(), key, told));
        let (answer, place) = answers.next()?;
        Some((answer, place, content_type.as_bytes().to_vec()))
    }

    /// Takes what is held back of a header block.
    fn held(&mut self) -> Vec<u8> {
        let mut raw = self.block.take().map_or_else(Vec::new, |block| block.raw);
        if let Taking::Collect(frame, payload) = std::mem::replace(&mut self.taking, Taking::Pass) {
            raw.extend_from_slice(&frame.head());
            raw.extend_from_slice(&payload);
        }
        raw
    }

    /// The caller's frames cannot be followed any more, from what is held back on;
    /// `rest` comes behind that. Where the target has missed calls nothing that
    /// follows would fit: the connection ends.
    fn lose(&mut self, rest: &[u8]) {
        let mut raw = self.held();
        raw.extend_from_slice(rest);
        self.faults.iter().for_each(|fault| fault.count_not_http());
        match self.rewrites {
            true => self.to.push_end(End::Close),
            false => {
                self.to.push(raw.into(), None);
                self.follows = Follows::Nothing;
            }
        }
    }
}
