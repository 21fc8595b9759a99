//! `truncate`: a body ends early, and the connection with it.

use std::time::Instant;

use squall_scenario::inject::{Message, Part};

use super::head::Head;
use super::seam::{HttpEvent, HttpFate, HttpFault};
use crate::End;

/// Passes a part of the body and closes. The head still announces all of it.
pub(super) struct Truncated {
    message: Message,
    part: Part,
    /// Bytes that still pass; `None` until that is known.
    left: Option<u64>,
}

impl Truncated {
    pub(super) const fn new(message: Message, part: Part) -> Self {
        Self {
            message,
            part,
            left: None,
        }
    }

    fn head(&mut self, of: Message, head: &Head) {
        if of == self.message {
            self.left = head.announced().map(|length| self.part.of(length));
        }
    }
}

impl HttpFault for Truncated {
    fn on(&mut self, event: HttpEvent<'_>, _now: Instant) -> HttpFate {
        match event {
            HttpEvent::RequestHead(head) => self.head(Message::Request, head),
            HttpEvent::ResponseHead(head) => self.head(Message::Answer, head),
            HttpEvent::BodyChunk { of, bytes, .. } if of == self.message => {
                let length = bytes.len() as u64;
                // Nobody said how long it is: a part of what there is.
                let left = self.left.unwrap_or_else(|| match self.part {
                    Part::Share(_) => self.part.of(length),
                    Part::Bytes(bytes) => bytes.0,
                });
                if length > left {
                    return HttpFate::Abort {
                        keep: usize::try_from(left).unwrap_or(usize::MAX),
                        end: End::Close,
                    };
                }
                self.left = Some(left - length);
            }
            HttpEvent::BodyChunk { .. } | HttpEvent::End { .. } => {}
        }
        HttpFate::Pass
    }
}
