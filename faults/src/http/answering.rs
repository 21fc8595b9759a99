//! The way from the target to the caller: answers.

use std::time::Instant;

use bytes::Bytes;
use squall_scenario::inject::Message;

use super::body::{Body, Piece};
use super::engine::{Exchanges, Phase};
use super::fates::{of_body, of_end, of_head};
use super::head::{Head, Read};
use super::reader::At;
use crate::End;

impl Exchanges {
    /// Bytes of the target.
    pub(super) fn answer(&mut self, bytes: Bytes, now: Instant) {
        self.pass_watched(false, &bytes);
        if self.phase == Phase::Watching && self.waiting.is_empty() {
            return;
        }
        let mut left = bytes;
        while !left.is_empty() && !self.is_ending() {
            left = match &mut self.answered.at {
                At::Through => {
                    self.pass(false, left, None);
                    return;
                }
                At::Body(body) => match body.next(&mut left) {
                    Ok(piece) => {
                        let done = body.is_done();
                        self.answer_piece(piece, now);
                        if done {
                            self.answer_end(now);
                        }
                        left
                    }
                    Err(_) => return self.lose_answers(left),
                },
                At::Head => {
                    let asked = self.waiting.front();
                    if asked.is_none_or(|exchange| exchange.own.is_some()) {
                        // Nobody asked for it.
                        return self.lose_answers(left);
                    }
                    match self.answered.head(&left, Head::answer, now) {
                        (Read::Part, _) => return,
                        (Read::Other, _) => return self.lose_answers(Bytes::new()),
                        (Read::Whole(head), rest) => {
                            self.answer_head(head, now);
                            rest
                        }
                    }
                }
            };
        }
    }

    fn answer_head(&mut self, head: Head, now: Instant) {
        let Some(exchange) = self.waiting.front_mut() else {
            return self.lose_answers(head.raw);
        };
        if head.status() == 101 {
            // Another protocol from here on, in both directions.
            self.pass(false, head.raw, None);
            return self.lose_both();
        }
        if head.status() < 200 {
            return self.pass(false, head.raw, None);
        }
        let Ok(body) = head.answer_body(&exchange.method) else {
            return self.lose_answers(head.raw);
        };
        let fate = of_head(exchange.chosen.iter_mut(), Message::Answer, head, now);
        if let Some(end) = fate.end {
            return self.end(false, end);
        }
        self.pass(false, fate.head.raw, fate.hold);
        let done = body.is_done();
        self.answered.at = At::Body(body);
        if done {
            self.answer_end(now);
        }
    }

    fn answer_piece(&mut self, piece: Piece, now: Instant) {
        match (piece, self.waiting.front_mut()) {
            (Piece::Frame(bytes), _) | (Piece::Content(bytes), None) => {
                self.pass(false, bytes, None);
            }
            (Piece::Content(bytes), Some(exchange)) => {
                let fate = of_body(&mut exchange.chosen, Message::Answer, bytes, now);
                for (bytes, hold) in fate.pieces {
                    self.pass(false, bytes, hold);
                }
                if let Some(end) = fate.end {
                    self.end(false, end);
                }
            }
        }
    }

    fn answer_end(&mut self, now: Instant) {
        if let Some(mut exchange) = self.waiting.pop_front() {
            of_end(&mut exchange.chosen, Message::Answer, now);
        }
        self.answered.at = At::Head;
        self.proved |= self.phase == Phase::Watching;
        self.give_own();
        if self.waiting.is_empty() && self.asked.at == At::Through {
            self.pass_both();
        }
    }

    /// The target's stream has ended: so has a body that ends with it, and what
    /// was not answered never is.
    pub(super) fn end_with_stream(&mut self, now: Instant) {
        if self.answered.at == At::Body(Body::until_close()) {
            self.answer_end(now);
        }
        let next = self.waiting.front();
        if next.is_some_and(|exchange| exchange.own.is_none()) {
            self.lose_both();
        }
    }

    /// The target's bytes cannot be followed, from what is held back on; `rest`
    /// comes behind that.
    pub(super) fn lose_answers(&mut self, rest: Bytes) {
        if self.phase == Phase::Watching {
            return self.watch();
        }
        let part = self.answered.flush();
        self.pass(false, part, None);
        self.pass(false, rest, None);
        self.count_not_http();
        self.lose_both();
    }

    /// Lets both directions pass from now on. Where a request was taken and not
    /// answered yet, nothing that follows would fit it: the connection ends.
    fn lose_both(&mut self) {
        if self.phase == Phase::Watching {
            // What follows has passed already.
            return self.watch();
        }
        if self.is_between_streams() {
            self.end(false, End::Close);
        }
        self.pass_both();
    }
}
