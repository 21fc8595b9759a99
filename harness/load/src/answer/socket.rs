//! Reads the answer to a request for a WebSocket (RFC 6455): the upgrade, then messages,
//! of which it counts and times each; and says what its client sends meanwhile. A pure
//! function of what comes, however it is cut.

use bytes::Bytes;
use httparse::Header;
use squall_scenario::seed::nth;
use squall_scenario::{Series, Stay, close_code_name};

use super::keeper::Keeper;
use super::taken::Taken;
use super::tally::{Moment, Tally};
use crate::heard::Heard;
use frames::{Frames, Part, code};
pub(crate) use frames::{Opcode, write_frame};
pub(crate) use json::json_of_messages;

mod frames;
mod json;
mod utf8;

/// The status of an answer that upgrades its connection.
const SWITCHING: u16 = 101;
/// Most characters of what a server says when it closes.
const REASON_CHARACTERS_MAX: usize = 120;

/// What a client says on a socket, and how long it stays.
#[derive(Debug, Clone)]
pub struct Talk {
    /// What the server has to prove that it understood (`sec-websocket-accept`).
    pub(crate) accept: Box<str>,
    /// The protocols that it offers, as it says them (`sec-websocket-protocol`).
    pub(crate) protocols: Box<[u8]>,
    /// Its messages, in frames.
    pub(crate) frames: Bytes,
    /// What masks of further frames are drawn from, and how many were.
    pub(crate) masks: (u64, u64),
    /// When it leaves.
    pub(crate) stay: Stay,
}

impl Talk {
    /// One who says nothing, and offers no protocol, on a socket whose server proves by
    /// `accept` that it understood.
    #[must_use]
    pub fn listening(accept: &str, stay: Stay) -> Self {
        Self {
            accept: accept.into(),
            protocols: Box::default(),
            frames: Bytes::new(),
            masks: (0, 0),
            stay,
        }
    }

    /// The nth mask of what `masks` draws.
    pub(crate) fn mask(masks: u64, number: u64) -> [u8; 4] {
        let [a, b, c, d, ..] = nth(masks, number).to_be_bytes();
        [a, b, c, d]
    }
}

/// What came of a socket so far.
#[derive(Debug)]
pub(crate) struct SocketAnswer {
    talk: Talk,
    tally: Tally,
    now: Moment,
    frames: Frames,
    /// Whether the connection was upgraded.
    is_open: bool,
    /// Whether its messages are yet to be said.
    begins: bool,
    /// What the last ping that is unanswered held.
    ping: Option<Vec<u8>>,
    /// The code by which it was closed, by the server or by us.
    closed: Option<u16>,
    /// Whether the server has said that it closes.
    has_closed: bool,
    /// In words, where that did not go well.
    told: Option<String>,
}

impl SocketAnswer {
    /// Nothing has come yet of what was sent then.
    pub(crate) fn new(talk: Talk, sent: Moment) -> Self {
        Self {
            talk,
            tally: Tally::new(sent),
            now: sent,
            frames: Frames::default(),
            is_open: false,
            begins: false,
            ping: None,
            closed: None,
            has_closed: false,
            told: None,
        }
    }

    /// What is read next came then.
    pub(crate) const fn at(&mut self, now: Moment) {
        self.now = now;
    }

    /// The head came.
    ///
    /// # Errors
    /// The connection is upgraded to something that was not asked for; in words.
    pub(crate) fn head(&mut self, status: u16, fields: &[Header<'_>]) -> Result<(), String> {
        if status != SWITCHING {
            self.told = Some(format!("no socket was opened: HTTP status {status}"));
            return Ok(());
        }
        let values = |name: &'static str| {
            let each = fields.iter();
            each.filter(move |field| field.name.eq_ignore_ascii_case(name))
                .flat_map(|field| field.value.split(|byte| *byte == b','))
                .map(<[u8]>::trim_ascii)
        };
        let has = |name, wanted: &str| {
            values(name).any(|value| value.eq_ignore_ascii_case(wanted.as_bytes()))
        };
        if !has("upgrade", "websocket") || !has("connection", "upgrade") {
            return Err("the connection was not upgraded to a WebSocket".to_owned());
        }
        let mut accepts = values("sec-websocket-accept");
        if accepts.next() != Some(self.talk.accept.as_bytes()) || accepts.next().is_some() {
            return Err("`sec-websocket-accept` is not that of the key that was sent".to_owned());
        }
        if let Some(extension) = values("sec-websocket-extensions").next() {
            let shown = String::from_utf8_lossy(&extension[..extension.len().min(80)]);
            return Err(format!("the server uses an extension, unasked: {shown:?}"));
        }
        let offered = |protocol: &[u8]| {
            let mut each = self.talk.protocols.split(|byte| *byte == b',');
            each.any(|offered| offered.trim_ascii() == protocol)
        };
        let mut chosen = values("sec-websocket-protocol");
        if let Some(protocol) = chosen.next()
            && (!offered(protocol) || chosen.next().is_some())
        {
            let shown = String::from_utf8_lossy(&protocol[..protocol.len().min(80)]);
            return Err(format!(
                "the server speaks another protocol than one that was offered: {shown:?}"
            ));
        }
        self.told = None;
        self.is_open = true;
        self.begins = true;
        Ok(())
    }

    /// Takes a part of what follows the head; how much of it, how much of that are
    /// messages, and whether that ends the answer.
    ///
    /// # Errors
    /// It is none; in words.
    pub(crate) fn data(
        &mut self,
        data: &[u8],
        mut keeper: Option<&mut Keeper>,
    ) -> Result<Taken, String> {
        if !self.is_open {
            if let Some(keeper) = keeper {
                keeper.take(data);
            }
            return Ok(Taken::all(data.len()));
        }
        let mut rest = data;
        let mut body = 0;
        let mut enough = false;
        while !enough {
            let part = self.frames.next(&mut rest).map_err(|wrong| {
                self.closed = Some(wrong.code);
                wrong.why
            })?;
            match part {
                None => break,
                Some(Part::Head { bytes, .. }) => {
                    if let Some(keeper) = &mut keeper {
                        keeper.take_between(&bytes);
                    }
                }
                Some(Part::Payload(payload)) => {
                    body += payload.len();
                    if let Some(keeper) = &mut keeper {
                        keeper.take(payload);
                    }
                }
                Some(Part::Message) => {
                    self.tally.came(self.now);
                    enough = self.talk.stay.is_over(self.tally.series().count);
                }
                Some(Part::Ping(held)) => self.ping = Some(held),
                Some(Part::Pong) => {}
                Some(Part::Close(said)) => {
                    self.has_closed = true;
                    self.closed_by(said);
                    enough = true;
                }
            }
        }
        if enough && self.closed.is_none() {
            self.closed = Some(code::NORMAL);
        }
        let bytes = data.len() - rest.len();
        Ok(Taken {
            bytes,
            body,
            enough,
        })
    }

    /// The server has closed it.
    fn closed_by(&mut self, said: Option<(u16, String)>) {
        let (code, reason) = said.unwrap_or((code::NONE, String::new()));
        self.closed = Some(code);
        // Nothing is wrong with these three.
        if ![code::NORMAL, code::GOING, code::NONE].contains(&code) {
            let name = close_code_name(code);
            let reason: String = reason.chars().take(REASON_CHARACTERS_MAX).collect();
            let reason = Some(reason).filter(|reason| !reason.is_empty());
            let reason = reason
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default();
            self.told = Some(format!("the server closed with {name}{reason}"));
        }
    }

    /// The client leaves, who waited for more until then.
    pub(crate) fn left(&mut self, now: Moment) {
        self.tally.left(now);
        if self.is_open && self.closed.is_none() {
            self.closed = Some(code::NORMAL);
        }
    }

    /// Whether it may end with its connection: not without a word, once it is open.
    pub(crate) const fn may_end(&self) -> bool {
        !self.is_open
    }

    /// What the client says now, if anything: its messages, then answers to pings, of
    /// which only the last counts (RFC 6455, §5.5.3).
    pub(crate) fn says(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.begins) && !self.talk.frames.is_empty() {
            return Some(self.talk.frames.clone());
        }
        let held = self.ping.take()?;
        Some(self.frame(Opcode::Pong, &held))
    }

    /// By what the client closes, once the answer has ended or is none.
    pub(crate) fn goodbye(&mut self) -> Option<(Bytes, Closing)> {
        let code = self.closed.filter(|_| self.is_open)?;
        let payload = match code {
            code::NONE => Vec::new(),
            code => code.to_be_bytes().to_vec(),
        };
        let closing = Closing {
            frames: std::mem::take(&mut self.frames),
            has_closed: self.has_closed,
        };
        Some((self.frame(Opcode::Close, &payload), closing))
    }

    fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Bytes {
        let (masks, number) = self.talk.masks;
        self.talk.masks.1 += 1;
        let mut frame = Vec::new();
        write_frame(opcode, payload, Talk::mask(masks, number), &mut frame);
        frame.into()
    }

    /// The messages that came.
    pub(crate) const fn series(&self) -> Series {
        self.tally.series()
    }

    /// When they came, once no more will.
    pub(crate) fn heard(&mut self) -> Heard {
        self.tally.heard()
    }

    /// The code by which it was closed, and words, where it did not go well.
    pub(crate) fn end(self) -> (Option<u16>, Option<String>) {
        (self.closed.filter(|_| self.is_open), self.told)
    }
}

/// What is waited for when the client has left: that the server closes too.
#[derive(Debug)]
pub(crate) struct Closing {
    frames: Frames,
    has_closed: bool,
}

impl Closing {
    /// Takes what comes then.
    pub(crate) fn take(&mut self, mut data: &[u8]) {
        while !self.has_closed {
            match self.frames.next(&mut data) {
                Ok(None) => break,
                Ok(Some(Part::Close(_))) | Err(_) => self.has_closed = true,
                Ok(Some(_)) => {}
            }
        }
    }

    /// Whether the server has closed.
    pub(crate) const fn is_over(&self) -> bool {
        self.has_closed
    }
}

#[cfg(test)]
mod tests;
