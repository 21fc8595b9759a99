//! `abort`: the connection is reset in the middle of a message.

use std::time::Instant;

use squall_scenario::inject::Message;

use super::seam::{HttpEvent, HttpFate, HttpFault};
use crate::End;

/// Resets when so many bytes of the body have passed; with none before the head
/// has. A message with a shorter body passes.
pub(super) struct Aborted {
    message: Message,
    /// Bytes of the body that still pass.
    left: u64,
}

impl Aborted {
    pub(super) const fn new(message: Message, after: u64) -> Self {
        Self {
            message,
            left: after,
        }
    }
}

const AT_ONCE: HttpFate = HttpFate::Abort {
    keep: 0,
    end: End::Reset,
};

impl HttpFault for Aborted {
    fn on(&mut self, event: HttpEvent<'_>, _now: Instant) -> HttpFate {
        match (event, self.message) {
            (HttpEvent::RequestHead(_), Message::Request)
            | (HttpEvent::ResponseHead(_), Message::Answer)
                if self.left == 0 =>
            {
                AT_ONCE
            }
            (HttpEvent::BodyChunk { of, bytes, .. }, message) if of == message => {
                let length = bytes.len() as u64;
                if length < self.left {
                    self.left -= length;
                    return HttpFate::Pass;
                }
                HttpFate::Abort {
                    keep: usize::try_from(self.left).unwrap_or(usize::MAX),
                    end: End::Reset,
                }
            }
            (
                HttpEvent::RequestHead(_)
                | HttpEvent::ResponseHead(_)
                | HttpEvent::BodyChunk { .. }
                | HttpEvent::End { .. },
                _,
            ) => HttpFate::Pass,
        }
    }
}
