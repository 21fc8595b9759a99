//! `throttle`: a body arrives slower.

use std::time::Instant;

use squall_scenario::inject::Message;

use super::seam::{HttpEvent, HttpFate, HttpFault};
use crate::serial_line::SerialLine;

/// A serial line of its own for each message.
pub(super) struct Throttled {
    message: Message,
    line: SerialLine,
}

impl Throttled {
    pub(super) fn new(message: Message, bytes_per_second: u64) -> Self {
        Self {
            message,
            line: SerialLine::new(bytes_per_second),
        }
    }
}

impl HttpFault for Throttled {
    fn on(&mut self, event: HttpEvent<'_>, _now: Instant) -> HttpFate {
        match event {
            HttpEvent::BodyChunk { of, bytes, arrived } if of == self.message => {
                let (slice, until) = self.line.accept(bytes.len() as u64, arrived);
                HttpFate::Hold {
                    bytes: slice as usize,
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn the_lowest_rate_keeps_the_number_of_pieces_bounded() {
        let mut throttled = Throttled::new(Message::Answer, 1);
        let arrived = Instant::now();
        let (mut left, mut pieces) = (Bytes::from(vec![0; 64 * 1024]), 0);
        while !left.is_empty() {
            let of = Message::Answer;
            let bytes = &left;
            let event = HttpEvent::BodyChunk { of, bytes, arrived };
            let HttpFate::Hold { bytes, .. } = throttled.on(event, arrived) else {
                panic!("a throttled body is held");
            };
            drop(left.split_to(bytes));
            pieces += 1;
        }
        assert_eq!(pieces, 1024);
    }
}
