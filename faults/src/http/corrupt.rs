//! `corrupt`: bytes of a body are changed; its length stays.

use std::time::Instant;

use squall_scenario::Share;
use squall_scenario::inject::Message;
use squall_scenario::seed::nth;

use super::seam::{HttpEvent, HttpFate, HttpFault};
use crate::chance;

/// Changes a share of the bytes, and the first one of all, so that every body is
/// hit.
pub(super) struct Corrupted {
    message: Message,
    share: Share,
    seed: u64,
    /// Bytes of the body seen; the index of the next decision.
    seen: u64,
}

impl Corrupted {
    pub(super) const fn new(message: Message, share: Share, seed: u64) -> Self {
        Self {
            message,
            share,
            seed,
            seen: 0,
        }
    }

    /// What byte `at` of the body becomes: always another one where it is hit.
    fn byte(&self, at: u64, byte: u8) -> u8 {
        if at > 0 && chance::unit(self.seed, at) >= self.share.get() {
            return byte;
        }
        let mask = (nth(nth(self.seed, at), 1) % 255) as u8 + 1;
        byte ^ mask
    }
}

impl HttpFault for Corrupted {
    fn on(&mut self, event: HttpEvent<'_>, _now: Instant) -> HttpFate {
        match event {
            HttpEvent::BodyChunk { of, bytes, .. } if of == self.message => {
                let at = self.seen;
                self.seen += bytes.len() as u64;
                let numbered = (at..).zip(bytes.iter());
                let other: Vec<u8> = numbered.map(|(at, byte)| self.byte(at, *byte)).collect();
                HttpFate::EditBody(other.into())
            }
            HttpEvent::RequestHead(_)
            | HttpEvent::ResponseHead(_)
            | HttpEvent::BodyChunk { .. }
            | HttpEvent::End { .. } => HttpFate::Pass,
        }
    }
}
