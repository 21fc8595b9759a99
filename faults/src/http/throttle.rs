//! `throttle`: a body arrives slower.

use std::time::{Duration, Instant};

use squall_scenario::inject::Message;

use super::seam::{HttpEvent, HttpFate, HttpFault};

/// Pieces per second a body is cut into, so that bytes trickle instead of coming
/// in lumps.
const PIECES_PER_SECOND: u64 = 20;
/// Pieces the bytes of one read are cut into at most; bounds the memory of a very
/// low rate.
const PIECES_MAX: u64 = 1024;

/// A serial line of its own for each message.
pub(super) struct Throttled {
    message: Message,
    bytes_per_second: u64,
    /// When the last byte so far will have gone on.
    free_at: Option<Instant>,
}

impl Throttled {
    pub(super) fn new(message: Message, bytes_per_second: u64) -> Self {
        Self {
            message,
            bytes_per_second: bytes_per_second.max(1),
            free_at: None,
        }
    }
}

impl HttpFault for Throttled {
    fn on(&mut self, event: HttpEvent<'_>, _now: Instant) -> HttpFate {
        match event {
            HttpEvent::BodyChunk { of, bytes, arrived } if of == self.message => {
                let length = bytes.len() as u64;
                let piece = (self.bytes_per_second / PIECES_PER_SECOND)
                    .max(length.div_ceil(PIECES_MAX))
                    .clamp(1, length);
                let start = self.free_at.map_or(arrived, |free| free.max(arrived));
                let ns = u128::from(piece) * 1_000_000_000 / u128::from(self.bytes_per_second);
                let until = start + Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX));
                self.free_at = Some(until);
                HttpFate::Hold {
                    bytes: piece as usize,
                    until,
                }
            }
            HttpEvent::RequestHead(_)
            | HttpEvent::ResponseHead(_)
            | HttpEvent::BodyChunk { .. }
            | HttpEvent::End { .. } => HttpFate::Pass,
        }
    }
}
