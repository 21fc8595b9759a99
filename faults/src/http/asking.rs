//! The way from the caller to the target: requests.

use std::time::Instant;

use bytes::Bytes;
use squall_scenario::inject::{Answer, Message};

use super::answer::written;
use super::attached::Chosen;
use super::body::{Body, Piece};
use super::engine::{Exchange, Exchanges, Own, Phase};
use super::fates::{of_body, of_end, of_head};
use super::head::{Head, Read};
use super::lane::Hold;
use super::reader::At;
use crate::End;

impl Exchanges {
    /// Bytes of the caller.
    pub(super) fn ask(&mut self, bytes: Bytes, now: Instant) {
        self.pass_watched(true, &bytes);
        if self.unread.is_empty() {
            return self.tell_requests(bytes, now);
        }
        self.unread = [&*self.unread, &*bytes].concat().into();
    }

    /// Tells requests apart, as many as may wait for an answer.
    pub(super) fn tell_requests(&mut self, bytes: Bytes, now: Instant) {
        let mut left = bytes;
        while !left.is_empty() && !self.is_ending() {
            let enough = self.has_enough();
            left = match &mut self.asked.at {
                At::Through => {
                    self.pass(true, left, None);
                    return;
                }
                At::Body(body) => match body.next(&mut left) {
                    Ok(piece) => {
                        let done = body.is_done();
                        self.request_piece(piece, now);
                        if done {
                            self.request_end(now);
                        }
                        left
                    }
                    Err(_) => return self.lose_requests(left),
                },
                At::Head if enough => {
                    self.unread = left;
                    return;
                }
                At::Head => match self.asked.head(&left, Head::request, now) {
                    (Read::Part, _) => return,
                    (Read::Other, _) => return self.lose_requests(Bytes::new()),
                    (Read::Whole(head), rest) => {
                        self.request_head(head, now);
                        rest
                    }
                },
            };
        }
    }

    fn request_head(&mut self, head: Head, now: Instant) {
        let body = match head.request_body() {
            // What follows is no HTTP if the target agrees, and whose it is if
            // it does not nobody can say.
            Ok(body) if head.method() != "CONNECT" => body,
            Ok(_) | Err(_) => return self.lose_requests(head.raw),
        };
        let mut chosen = self.choose(&head);
        let fate = of_head(chosen.iter_mut(), Message::Request, head, now);
        if let Some(end) = fate.end {
            return self.end(true, end);
        }
        let head = fate.head;
        let method = head.method().to_owned();
        match fate.answer {
            Some(answer) => {
                let own = own_answer(&answer, &head, &body, (chosen, fate.hold));
                self.swallowing = true;
                self.waiting.push_back(Exchange {
                    method,
                    chosen: Vec::new(),
                    own: Some(own),
                });
                self.give_own();
            }
            None => {
                self.pass(true, head.raw, fate.hold);
                let (asking, chosen) = chosen
                    .into_iter()
                    .partition(|one| one.message() == Message::Request);
                self.asking = asking;
                self.waiting.push_back(Exchange {
                    method,
                    chosen,
                    own: None,
                });
            }
        }
        let done = body.is_done();
        self.asked.at = At::Body(body);
        if done {
            self.request_end(now);
        }
    }

    fn request_piece(&mut self, piece: Piece, now: Instant) {
        match piece {
            Piece::Frame(bytes) => self.pass(true, bytes, None),
            Piece::Content(bytes) => {
                let fate = of_body(&mut self.asking, Message::Request, bytes, now);
                for (bytes, hold) in fate.pieces {
                    self.pass(true, bytes, hold);
                }
                if let Some(end) = fate.end {
                    self.end(true, end);
                }
            }
        }
    }

    fn request_end(&mut self, now: Instant) {
        of_end(&mut self.asking, Message::Request, now);
        self.asking.clear();
        self.asked.at = At::Head;
        if self.swallowing {
            self.swallowing = false;
            let last = self.waiting.back_mut();
            if let Some(own) = last.and_then(|exchange| exchange.own.as_mut()) {
                own.ready = true;
            }
            self.give_own();
        }
    }

    /// Gives the answers of squall's own whose turn it is, as long as the caller
    /// takes them.
    pub(super) fn give_own(&mut self) {
        while self.answered.is_between() && !self.from.is_full() {
            let is_next = |exchange: &Exchange| exchange.own.as_ref().is_some_and(|own| own.ready);
            if !self.waiting.front().is_some_and(is_next) {
                return;
            }
            let Some(own) = self.waiting.pop_front().and_then(|exchange| exchange.own) else {
                return;
            };
            self.pass(false, own.bytes, own.hold);
            if own.last {
                self.end(false, End::Close);
            }
        }
    }

    /// The caller's bytes cannot be followed, from what is held back on; `rest`
    /// comes behind that.
    pub(super) fn lose_requests(&mut self, rest: Bytes) {
        if self.phase == Phase::Watching {
            return self.watch();
        }
        self.count_not_http();
        let part = self.asked.flush();
        self.pass(true, part, None);
        self.pass(true, rest, None);
        self.asked.at = At::Through;
        if self.swallowing {
            // Where the request ends that the target must not see is not known.
            let last = self.waiting.back_mut();
            if let Some(own) = last.and_then(|exchange| exchange.own.as_mut()) {
                own.ready = true;
                own.last = true;
            }
            self.give_own();
        }
        if self.waiting.is_empty() && !self.swallowing {
            self.pass_both();
        }
    }
}

fn own_answer(
    answer: &Answer,
    head: &Head,
    body: &Body,
    (chosen, hold): (Vec<Chosen>, Option<Hold>),
) -> Own {
    // Whoever waits to be told to send a body may not send it after this.
    let waits = head.expects_continue();
    let last = head.is_last() || waits;
    Own {
        bytes: written(answer, head.method(), last),
        hold,
        ready: waits && !body.is_done(),
        last,
        chosen,
    }
}
