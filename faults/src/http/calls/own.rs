//! What squall says itself to a caller, between what its target says.

use bytes::Bytes;

use super::super::attached::Place;
use super::frames::{CONTINUATION, END_HEADERS, Frames, HEADERS, PUSH_PROMISE, Part, SETTINGS};

/// What may wait for its turn before no more is taken from the caller.
const BYTES_MAX: usize = 64 << 10;

/// Frames of squall's own, and where the target stands, which says when their turn is.
#[derive(Debug, Default)]
pub(super) struct Own {
    told: Frames,
    /// The target has said anything.
    pub(super) told_any: bool,
    /// The target is within a header block, where nothing may come between.
    within_block: bool,
    /// The target has begun as it has to.
    has_begun: bool,
    /// The target says no more, and nothing may come behind that.
    is_over: bool,
    frames: Vec<u8>,
    /// Of calls that are over but for what waits here.
    places: Vec<Place>,
}

impl Own {
    /// Takes what the target says next from the front of `bytes`, of which there
    /// are some.
    pub(super) fn follow(&mut self, bytes: &mut Bytes) -> Bytes {
        self.told_any = true;
        match self.told.next(bytes) {
            Part::Head(piece, frame) => {
                if let Some(frame) = frame {
                    let has_headers = matches!(frame.kind, HEADERS | PUSH_PROMISE | CONTINUATION);
                    self.within_block = has_headers && !frame.is(END_HEADERS);
                    self.has_begun |= frame.kind == SETTINGS;
                }
                piece
            }
            Part::Payload(piece, _) => piece,
        }
    }

    /// The target says no more: whoever waits gets nothing.
    pub(super) fn end(&mut self) {
        self.is_over = true;
        self.frames.clear();
        self.places.clear();
    }

    /// Adds a frame, for a turn that comes.
    pub(super) fn add(&mut self, frame: &[u8]) {
        if !self.is_over {
            self.frames.extend_from_slice(frame);
        }
    }

    /// Keeps a place until everything that waits has had its turn.
    pub(super) fn keep(&mut self, place: Option<Place>) {
        if !self.frames.is_empty() {
            self.places.extend(place);
        }
    }

    /// What may come now: nothing within something else, and nothing before the
    /// target has said how it speaks.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        let may = self.told.is_between() && !self.within_block && self.has_begun;
        if !may || self.frames.is_empty() {
            return None;
        }
        self.places.clear();
        Some(std::mem::take(&mut self.frames).into())
    }

    /// Whether as much waits as may.
    pub(super) const fn is_full(&self) -> bool {
        self.frames.len() >= BYTES_MAX
    }
}
