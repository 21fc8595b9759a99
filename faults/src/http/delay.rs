//! `delay`: a message goes on later, whole and in order.

use std::time::{Duration, Instant};

use squall_scenario::inject::Message;

use super::seam::{HttpEvent, HttpFate, HttpFault};
use crate::chance;

/// Holds the head, and with it everything behind it.
pub(super) struct Late {
    message: Message,
    by: Duration,
}

impl Late {
    pub(super) fn new(message: Message, by: Duration, jitter: Duration, seed: u64) -> Self {
        let jitter = jitter.min(by);
        let spread = jitter.mul_f64(2.0 * chance::unit(seed, 0));
        Self {
            message,
            by: by - jitter + spread,
        }
    }
}

impl HttpFault for Late {
    fn on(&mut self, event: HttpEvent<'_>, now: Instant) -> HttpFate {
        let of = match event {
            HttpEvent::RequestHead(_) => Message::Request,
            HttpEvent::ResponseHead(_) => Message::Answer,
            HttpEvent::BodyChunk { .. } | HttpEvent::End { .. } => return HttpFate::Pass,
        };
        if of != self.message {
            return HttpFate::Pass;
        }
        HttpFate::Hold {
            bytes: usize::MAX,
            until: now + self.by,
        }
    }
}
