//! What squall says itself to a caller, between what its target says.

use std::sync::Arc;

use bytes::Bytes;

use super::super::attached::{HttpAttached, Place};
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
    /// Those whose statuses wait here.
    answering: Vec<Arc<HttpAttached>>,
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
        self.answering.clear();
    }

    /// Adds a frame, for a turn that comes.
    pub(super) fn add(&mut self, frame: &[u8]) {
        if !self.is_over {
            self.frames.extend_from_slice(frame);
        }
    }

    /// Adds the status of a fault, which has done something once its turn has come.
    pub(super) fn answer(&mut self, status: &[u8], fault: Arc<HttpAttached>) {
        if !self.is_over {
            self.add(status);
            self.answering.push(fault);
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
        for fault in self.answering.drain(..) {
            fault.count_acted();
        }
        Some(std::mem::take(&mut self.frames).into())
    }

    /// Whether as much waits as may.
    pub(super) const fn is_full(&self) -> bool {
        self.frames.len() >= BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use squall_scenario::Share;
    use squall_scenario::inject::{GrpcAnswer, GrpcStatus, Http, HttpAction, Matching, Message};

    use super::*;

    #[test]
    fn a_status_has_done_something_once_its_turn_has_come_and_not_before() {
        let answer = GrpcAnswer {
            status: GrpcStatus::Unavailable,
            message: String::new(),
        };
        let http = Http {
            when: Matching::default(),
            share: Share::WHOLE,
            at_most: None,
            scoped: false,
            message: Message::Answer,
            action: HttpAction::Grpc(answer),
        };
        let fault = HttpAttached::new("closed#0", http, None);
        let mut own = Own::default();
        own.answer(b"a status", Arc::clone(&fault));
        // The target has not begun.
        assert_eq!((own.take(), fault.done().acted), (None, 0));
        let mut settings = Bytes::from_static(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]);
        own.follow(&mut settings);
        let given = own.take();
        assert_eq!(
            (given.as_deref(), fault.done().acted),
            (Some(&b"a status"[..]), 1)
        );
        own.answer(b"another", Arc::clone(&fault));
        own.end();
        assert_eq!((own.take(), fault.done().acted), (None, 1));
    }
}
