//! Frames of WebSocket (RFC 6455, §5) as a client reads and writes them. A pure function
//! of what comes, however it is cut; no message is held, however long it is.

use super::utf8::Utf8;

/// Largest message that is read.
const MESSAGE_BYTES_MAX: u64 = 64 << 20;
/// Most bytes that a control frame carries.
pub(super) const CONTROL_BYTES_MAX: usize = 125;

/// A code that says why a connection is closed (RFC 6455, §7.4.1).
pub(super) mod code {
    pub(in super::super) const NORMAL: u16 = 1000;
    pub(in super::super) const GOING: u16 = 1001;
    pub(in super::super) const PROTOCOL: u16 = 1002;
    /// None was said; it is never sent.
    pub(in super::super) const NONE: u16 = 1005;
    pub(in super::super) const NO_TEXT: u16 = 1007;
    pub(in super::super) const TOO_LARGE: u16 = 1009;
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// A part of what comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// The head of a frame with a message or a part of one, which is text or not.
    Head {
        bytes: Vec<u8>,
        text: bool,
    },
    /// Bytes of a message.
    Payload(&'a [u8]),
    /// A message has come whole.
    Message,
    Ping(Vec<u8>),
    Pong,
    /// The server closes, with its code and its words, where it says any.
    Close(Option<(u16, String)>),
}

/// What cannot be, and the code by which the server is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) code: u16,
    pub(super) why: String,
}

/// Reads frames that a server sends.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// What came of a head.
    head: Vec<u8>,
    /// The frame whose payload comes, how much of it is to come, and whether a message
    /// ends with it.
    frame: Option<(Opcode, u64, bool)>,
    /// What came of a message of several frames: whether it is text.
    message: Option<bool>,
    /// Bytes of the message so far.
    size: u64,
    utf8: Utf8,
    control: Vec<u8>,
}

impl Frames {
    /// Takes the next part from the front of `data`; `None` where all of it was taken.
    pub(super) fn next<'a>(&mut self, data: &mut &'a [u8]) -> Result<Option<Part<'a>>, Wrong> {
        loop {
            let Some((opcode, left, last)) = self.frame else {
                match self.read_head(data)? {
                    Some(part) => return Ok(Some(part)),
                    None if self.frame.is_some() => continue,
                    None => return Ok(None),
                }
            };
            if left == 0 {
                self.frame = None;
                match self.frame_ended(opcode, last)? {
                    Some(part) => return Ok(Some(part)),
                    None => continue,
                }
            }
            if data.is_empty() {
                return Ok(None);
            }
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
            let (payload, rest) = data.split_at(length);
            *data = rest;
            self.frame = Some((opcode, left - length as u64, last));
            match opcode {
                Opcode::Close | Opcode::Ping | Opcode::Pong => {
                    self.control.extend_from_slice(payload);
                }
                Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                    if self.message == Some(true) && !self.utf8.take(payload) {
                        return Err(no_text("a message"));
                    }
                    return Ok(Some(Part::Payload(payload)));
                }
            }
        }
    }

    /// Reads a head; what is told of it, where it is one of a message.
    fn read_head<'a>(&mut self, data: &mut &'a [u8]) -> Result<Option<Part<'a>>, Wrong> {
        while let Some((byte, rest)) = data.split_first() {
            *data = rest;
            self.head.push(*byte);
            if self.head.len() == 2 + extended(&self.head) {
                return self.begin();
            }
        }
        Ok(None)
    }

    /// Begins a frame, whose head has come.
    fn begin<'a>(&mut self) -> Result<Option<Part<'a>>, Wrong> {
        let head = std::mem::take(&mut self.head);
        let (first, second) = (head[0], head[1]);
        if first & 0x70 != 0 {
            return Err(protocol(
                "a reserved bit of a frame is set, and nothing was agreed on",
            ));
        }
        if second & 0x80 != 0 {
            return Err(protocol("a frame of the server is masked"));
        }
        let length = match head.len() {
            2 => u64::from(second),
            _ => head[2..]
                .iter()
                .fold(0, |all, byte| all << 8 | u64::from(*byte)),
        };
        let least = match head.len() {
            2 => 0,
            4 => 126,
            _ => 1 << 16,
        };
        if length < least {
            return Err(protocol(&format!(
                "the length of a frame, {length}, is not written in the fewest bytes"
            )));
        }
        if length > u64::MAX >> 1 {
            return Err(protocol("the first bit of a frame's length is set"));
        }
        let last = first & 0x80 != 0;
        let opcode =
            opcode(first & 0x0f).ok_or_else(|| protocol("a frame has an opcode that is none"))?;
        self.frame = Some((opcode, length, last));
        if matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong) {
            return match last && length <= CONTROL_BYTES_MAX as u64 {
                true => Ok(None),
                false => Err(protocol("a control frame is cut, or longer than 125 bytes")),
            };
        }
        let begins = opcode != Opcode::Continuation;
        if begins == self.message.is_some() {
            return Err(protocol(match begins {
                true => "a message begins within another",
                false => "a message goes on that has not begun",
            }));
        }
        let text = *self.message.get_or_insert(opcode == Opcode::Text);
        self.size = self.size.saturating_add(length);
        if self.size > MESSAGE_BYTES_MAX {
            let most = MESSAGE_BYTES_MAX >> 20;
            return Err(Wrong {
                code: code::TOO_LARGE,
                why: format!("a message has more than {most} MiB, the most that squall reads"),
            });
        }
        Ok(Some(Part::Head { bytes: head, text }))
    }

    /// A frame has come whole; what that tells.
    fn frame_ended<'a>(&mut self, opcode: Opcode, last: bool) -> Result<Option<Part<'a>>, Wrong> {
        let control = std::mem::take(&mut self.control);
        match opcode {
            Opcode::Ping => return Ok(Some(Part::Ping(control))),
            Opcode::Pong => return Ok(Some(Part::Pong)),
            Opcode::Close => return closed(&control).map(|said| Some(Part::Close(said))),
            Opcode::Continuation | Opcode::Text | Opcode::Binary if !last => return Ok(None),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {}
        }
        let text = self.message.take() == Some(true);
        self.size = 0;
        match std::mem::take(&mut self.utf8).is_whole() || !text {
            true => Ok(Some(Part::Message)),
            false => Err(no_text("a message")),
        }
    }
}

/// How many bytes of a length follow the first two of a head.
fn extended(head: &[u8]) -> usize {
    match head.get(1).map(|second| second & 0x7f) {
        Some(126) => 2,
        Some(127) => 8,
        Some(_) => 0,
        None => usize::MAX - 2,
    }
}

fn opcode(number: u8) -> Option<Opcode> {
    Some(match number {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return None,
    })
}

/// What a close frame says.
fn closed(payload: &[u8]) -> Result<Option<(u16, String)>, Wrong> {
    let [high, low, reason @ ..] = payload else {
        return match payload {
            [] => Ok(None),
            _ => Err(protocol("a close frame has half a code")),
        };
    };
    let code = u16::from_be_bytes([*high, *low]);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(protocol(&format!(
            "a close frame has the code {code}, which is none"
        )));
    }
    let reason = String::from_utf8(reason.to_vec()).map_err(|_| no_text("a close frame"))?;
    Ok(Some((code, reason)))
}

fn protocol(why: &str) -> Wrong {
    Wrong {
        code: code::PROTOCOL,
        why: why.to_owned(),
    }
}

fn no_text(what: &str) -> Wrong {
    Wrong {
        code: code::NO_TEXT,
        why: format!("{what} is said to be text, and is not UTF-8"),
    }
}

/// Appends a frame that is a whole message, or a control frame, as clients send them:
/// masked.
pub(crate) fn write_frame(opcode: Opcode, payload: &[u8], mask: [u8; 4], into: &mut Vec<u8>) {
    into.push(0x80 | opcode as u8);
    match payload.len() {
        length @ 0..=125 => into.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            into.push(0x80 | 126);
            into.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            into.push(0x80 | 127);
            into.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    into.extend_from_slice(&mask);
    let masks = mask.iter().cycle();
    into.extend(payload.iter().zip(masks).map(|(byte, mask)| byte ^ mask));
}
