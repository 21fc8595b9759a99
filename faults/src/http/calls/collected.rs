//! A header block of a request, as its frames come and as they go on.

use super::frames::{
    CONTINUATION, END_HEADERS, END_STREAM, Frame, HEADERS, PAYLOAD_BYTES, WITH_PRIORITY, unpadded,
};

/// A header block as it comes.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) first: Frame,
    priority: Vec<u8>,
    /// The block without its frames.
    pub(super) fragment: Vec<u8>,
    /// All of its frames as they came.
    pub(super) raw: Vec<u8>,
}

impl Collected {
    /// One that begins with this frame.
    pub(super) const fn new(first: Frame) -> Self {
        Self {
            first,
            priority: Vec::new(),
            fragment: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// Adds a frame. Whether it can be read.
    pub(super) fn add(&mut self, frame: Frame, payload: &[u8]) -> bool {
        frame.put(&mut self.raw, payload);
        let content = match frame.kind {
            HEADERS => unpadded(frame, payload),
            _ => Some((payload, &[][..])),
        };
        if let Some((content, priority)) = content {
            self.fragment.extend_from_slice(content);
            self.priority.extend_from_slice(priority);
        }
        content.is_some()
    }

    /// Its frames, saying `fragment` instead.
    pub(super) fn rewritten(&self, fragment: &[u8]) -> Vec<u8> {
        let room = PAYLOAD_BYTES - self.priority.len();
        let (now, mut later) = fragment.split_at(fragment.len().min(room));
        let last = |left: &[u8]| match left.is_empty() {
            true => END_HEADERS,
            false => 0,
        };
        let mut bytes = Vec::with_capacity(fragment.len() + 64);
        let head = Frame {
            flags: self.first.flags & (END_STREAM | WITH_PRIORITY) | last(later),
            ..self.first
        };
        head.put(&mut bytes, &[&self.priority, now].concat());
        while !later.is_empty() {
            let (now, rest) = later.split_at(later.len().min(PAYLOAD_BYTES));
            later = rest;
            let frame = Frame {
                kind: CONTINUATION,
                flags: last(later),
                ..self.first
            };
            frame.put(&mut bytes, now);
        }
        bytes
    }
}
