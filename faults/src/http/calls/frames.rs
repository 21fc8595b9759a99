//! Frames of HTTP/2 (RFC 9113), as their bytes come.

use bytes::Bytes;

/// What callers begin with.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What one frame may hold whatever its receiver says.
pub(super) const PAYLOAD_BYTES: usize = 16_384;
const HEAD_BYTES: usize = 9;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const WITH_PRIORITY: u8 = 0x20;

/// What stands before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Bytes of the payload.
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    /// The bit before the stream, which means nothing.
    pub(super) reserved: bool,
}

impl Frame {
    fn read(head: &[u8; HEAD_BYTES]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *head;
        Self {
            length: u32::from_be_bytes([0, l0, l1, l2]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
            reserved: s0 & 0x80 != 0,
        }
    }

    pub(super) const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// It as it stands before its payload.
    pub(super) fn head(&self) -> [u8; HEAD_BYTES] {
        let [_, l0, l1, l2] = (self.length as u32).to_be_bytes();
        let reserved = u32::from(self.reserved) << 31;
        let [s0, s1, s2, s3] = (self.stream | reserved).to_be_bytes();
        [l0, l1, l2, self.kind, self.flags, s0, s1, s2, s3]
    }

    /// Appends it with this payload, however long it was before.
    pub(super) fn put(self, bytes: &mut Vec<u8>, payload: &[u8]) {
        let length = payload.len();
        bytes.extend_from_slice(&Self { length, ..self }.head());
        bytes.extend_from_slice(payload);
    }
}

/// A part of what came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Bytes of a frame's head, and the frame where they are its last.
    Head(Bytes, Option<Frame>),
    /// Bytes of its payload; whether they are its last.
    Payload(Bytes, bool),
}

/// Where one direction stands.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES],
    /// Bytes of the head that are there.
    there: usize,
    /// Bytes of the payload that are not.
    left: usize,
}

impl Frames {
    /// Takes the next part from the front of `bytes`, of which there are some.
    pub(super) fn next(&mut self, bytes: &mut Bytes) -> Part {
        if self.left > 0 {
            let piece = bytes.split_to(self.left.min(bytes.len()));
            self.left -= piece.len();
            return Part::Payload(piece, self.left == 0);
        }
        let piece = bytes.split_to((HEAD_BYTES - self.there).min(bytes.len()));
        self.head[self.there..self.there + piece.len()].copy_from_slice(&piece);
        self.there += piece.len();
        if self.there < HEAD_BYTES {
            return Part::Head(piece, None);
        }
        self.there = 0;
        let frame = Frame::read(&self.head);
        self.left = frame.length;
        Part::Head(piece, Some(frame))
    }

    /// What is there of the head of a frame.
    pub(super) fn begun(&self) -> &[u8] {
        &self.head[..self.there]
    }

    /// Whether the last frame is complete and the next has not begun.
    pub(super) const fn is_between(&self) -> bool {
        self.there == 0 && self.left == 0
    }
}

/// What of a payload is neither padding nor priority: that part, and the priority.
/// `None` where the payload is shorter than it says.
pub(super) fn unpadded(frame: Frame, payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (padding, rest) = match frame.is(PADDED) {
        true => payload
            .split_first()
            .map(|(padding, rest)| (usize::from(*padding), rest))?,
        false => (0, payload),
    };
    let rest = rest.get(..rest.len().checked_sub(padding)?)?;
    let priority = match frame.kind == HEADERS && frame.is(WITH_PRIORITY) {
        true => 5,
        false => 0,
    };
    let (priority, content) = rest.split_at_checked(priority)?;
    Some((content, priority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart_however_their_bytes_come() {
        let frame = |kind, flags, stream, length| Frame {
            length,
            kind,
            flags,
            stream,
            reserved: stream == 1,
        };
        let sent = [
            frame(SETTINGS, 0, 0, 0),
            frame(DATA, END_STREAM, 0x7fff_ffff, 300),
            frame(HEADERS, END_HEADERS, 1, 1),
        ];
        let mut bytes = Vec::new();
        for frame in sent {
            frame.put(&mut bytes, &vec![7; frame.length]);
        }
        for size in 1..bytes.len() {
            let (mut frames, mut read, mut whole) = (Frames::default(), Vec::new(), Vec::new());
            for chunk in bytes.chunks(size) {
                let mut chunk = Bytes::copy_from_slice(chunk);
                while !chunk.is_empty() {
                    match frames.next(&mut chunk) {
                        Part::Head(piece, frame) => {
                            whole.extend_from_slice(&piece);
                            read.extend(frame);
                        }
                        Part::Payload(piece, _) => whole.extend_from_slice(&piece),
                    }
                }
            }
            assert_eq!((read.as_slice(), &whole), (&sent[..], &bytes), "{size}");
            assert!(frames.is_between());
        }
    }

    #[test]
    fn padding_and_priority_are_no_content() {
        let frame = |flags| Frame {
            length: 0,
            kind: HEADERS,
            flags,
            stream: 1,
            reserved: false,
        };
        let payload = [2, 1, 2, 3, 4, 5, b'x', 0, 0];
        assert_eq!(
            unpadded(frame(PADDED | WITH_PRIORITY), &payload),
            Some((&b"x"[..], &payload[1..6]))
        );
        assert_eq!(unpadded(frame(0), b"xy"), Some((&b"xy"[..], &[][..])));
        assert_eq!(unpadded(frame(PADDED), &[2, 0]), None);
        assert_eq!(unpadded(frame(PADDED), &[]), None);
        assert_eq!(unpadded(frame(WITH_PRIORITY), &[1, 2]), None);
    }
}
