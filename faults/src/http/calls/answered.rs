//! Calls that were answered in the target's place: what it never saw.

use std::collections::{BTreeMap, BTreeSet};

use squall_scenario::inject::GrpcAnswer;
use squall_scenario::percent_encoded;

use super::super::attached::Place;
use super::frames::{END_HEADERS, END_STREAM, Frame, HEADERS, WINDOW_UPDATE};
use super::hpack::{Block, Field, Sizes, written};

/// How the type of what every call of gRPC sends begins.
pub(super) const GRPC: &str = "application/grpc";
/// The longest such type that is given back as it came.
const CONTENT_TYPE_BYTES_MAX: usize = 64;
/// Answered calls whose callers still send, at which no more are answered.
const OPEN_MAX: usize = 1024;
/// How many of those that are over are remembered: words about them may come late.
const CLOSED_MAX: usize = 4096;

/// The streams of a connection that its target knows nothing of.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// Each with its place among those that may suffer at once.
    open: BTreeMap<u32, Option<Place>>,
    closed: BTreeSet<u32>,
}

impl Answered {
    pub(super) fn knows(&self, stream: u32) -> bool {
        self.open.contains_key(&stream) || self.closed.contains(&stream)
    }

    pub(super) fn is_open(&self, stream: u32) -> bool {
        self.open.contains_key(&stream)
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= OPEN_MAX
    }

    pub(super) fn open(&mut self, stream: u32, place: Option<Place>) {
        self.open.insert(stream, place);
    }

    /// Its caller sends no more; the place that it had.
    pub(super) fn close(&mut self, stream: u32) -> Option<Place> {
        let place = self.open.remove(&stream)?;
        self.closed.insert(stream);
        if self.closed.len() > CLOSED_MAX {
            self.closed.pop_first();
        }
        place
    }
}

/// The frame that ends a call with a status and nothing else.
pub(super) fn status(stream: u32, answer: &GrpcAnswer, content_type: &[u8]) -> Vec<u8> {
    let field = |name: &str, value: &[u8]| Field {
        name: name.as_bytes().to_vec(),
        value: value.to_vec(),
        never_indexed: false,
    };
    let content_type = match content_type.len() <= CONTENT_TYPE_BYTES_MAX {
        true => content_type,
        false => GRPC.as_bytes(),
    };
    let code = answer.status.code().to_string();
    let mut fields = vec![
        field(":status", b"200"),
        field("content-type", content_type),
        field("grpc-status", code.as_bytes()),
    ];
    if !answer.message.is_empty() {
        fields.push(field("grpc-message", encoded(&answer.message).as_bytes()));
    }
    let sizes = Sizes::default();
    let frame = Frame {
        length: 0,
        kind: HEADERS,
        flags: END_HEADERS | END_STREAM,
        stream,
        reserved: false,
    };
    let mut bytes = Vec::new();
    frame.put(&mut bytes, &written(&Block { sizes, fields }));
    bytes
}

/// The frames that let a caller send as much more as was swallowed.
pub(super) fn windows(streams: &[u32], by: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let by = (by as u32).to_be_bytes();
    for stream in streams {
        let frame = Frame {
            length: by.len(),
            kind: WINDOW_UPDATE,
            flags: 0,
            stream: *stream,
            reserved: false,
        };
        frame.put(&mut bytes, &by);
    }
    bytes
}

/// A message as it stands behind a status.
fn encoded(message: &str) -> String {
    percent_encoded(message, |byte| matches!(byte, b' '..=b'~') && byte != b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_encoded_as_grpc_has_it() {
        assert_eq!(encoded("closed for 5 min."), "closed for 5 min.");
        assert_eq!(encoded("100% zu\n✓"), "100%25 zu%0A%E2%9C%93");
    }

    #[test]
    fn what_is_over_is_remembered_for_a_while() {
        let mut answered = Answered::default();
        let ids: Vec<u32> = (0..=CLOSED_MAX as u32).map(|n| 2 * n + 1).collect();
        for id in &ids {
            answered.open(*id, None);
            assert!(answered.is_open(*id));
            assert!(answered.close(*id).is_none());
        }
        assert!(!answered.knows(ids[0]));
        assert!(
            ids[1..]
                .iter()
                .all(|id| answered.knows(*id) && !answered.is_open(*id))
        );
        (0..OPEN_MAX as u32).for_each(|n| answered.open(2 * n + 1, None));
        assert!(answered.is_full());
    }
}
