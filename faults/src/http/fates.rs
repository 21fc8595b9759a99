//! What the faults of an exchange decide together: each is asked about what
//! those before it made of a message.

use std::time::Instant;

use bytes::Bytes;
use squall_scenario::inject::{Answer, Message};

use super::attached::Chosen;
use super::head::Head;
use super::lane::Hold;
use super::seam::{HttpEvent, HttpFate};
use crate::End;

/// What becomes of a head.
pub(super) struct HeadFate {
    pub(super) head: Head,
    pub(super) hold: Option<Hold>,
    /// The request's answer, which the target is not asked for.
    pub(super) answer: Option<Answer>,
    /// The connection ends before anything of it goes on.
    pub(super) end: Option<End>,
}

/// Asks about the head of a request or an answer.
pub(super) fn of_head<'c>(
    chosen: impl Iterator<Item = &'c mut Chosen>,
    of: Message,
    head: Head,
    now: Instant,
) -> HeadFate {
    let mut fate = HeadFate {
        head,
        hold: None,
        answer: None,
        end: None,
    };
    for one in chosen {
        let event = match of {
            Message::Request => HttpEvent::RequestHead(&fate.head),
            Message::Answer => HttpEvent::ResponseHead(&fate.head),
        };
        match one.decides.on(event, now) {
            HttpFate::Pass | HttpFate::EditBody(_) => continue,
            HttpFate::Hold { until, .. } => {
                let longer = fate.hold.as_ref().is_none_or(|hold| hold.until < until);
                if longer {
                    fate.hold = Some(Hold {
                        until,
                        by: one.place.clone(),
                        since: Some(now),
                    });
                }
            }
            HttpFate::Answer(answer) => fate.answer = Some(answer),
            HttpFate::EditHead(edit) => fate.head = fate.head.edited(&edit),
            HttpFate::Abort { end, .. } => fate.end = Some(end),
        }
        one.count(0);
        if fate.answer.is_some() || fate.end.is_some() {
            break;
        }
    }
    fate
}

/// Pieces of a body with the time until which each is held, and how the
/// connection ends behind them, if it does.
#[derive(Default)]
pub(super) struct BodyFate {
    pub(super) pieces: Vec<(Bytes, Option<Hold>)>,
    pub(super) end: Option<End>,
}

/// Asks about bytes of a body.
pub(super) fn of_body(chosen: &mut [Chosen], of: Message, bytes: Bytes, now: Instant) -> BodyFate {
    let mut fate = BodyFate::default();
    feed(chosen, of, (bytes, None), now, &mut fate);
    fate
}

/// Gives bytes to the first of the faults, and what it makes of them to the rest.
fn feed(
    chosen: &mut [Chosen],
    of: Message,
    (mut left, hold): (Bytes, Option<Hold>),
    now: Instant,
    fate: &mut BodyFate,
) {
    let Some((first, rest)) = chosen.split_first_mut() else {
        fate.pieces.push((left, hold));
        return;
    };
    let arrived = hold.as_ref().map_or(now, |hold| hold.until.max(now));
    while !left.is_empty() && fate.end.is_none() {
        let event = HttpEvent::BodyChunk {
            of,
            bytes: &left,
            arrived,
        };
        match first.decides.on(event, now) {
            HttpFate::Pass | HttpFate::Answer(_) | HttpFate::EditHead(_) => {
                return feed(rest, of, (left, hold), now, fate);
            }
            HttpFate::Hold { bytes, until } => {
                let piece = left.split_to(bytes.clamp(1, left.len()));
                first.count(piece.len());
                let until = until.max(arrived);
                let hold = Hold {
                    until,
                    by: first.place.clone(),
                    since: None,
                };
                feed(rest, of, (piece, Some(hold)), now, fate);
            }
            HttpFate::EditBody(other) => {
                first.count(changed(&left, &other));
                return feed(rest, of, (other, hold), now, fate);
            }
            HttpFate::Abort { keep, end } => {
                let piece = left.split_to(keep.min(left.len()));
                first.count(left.len());
                if !piece.is_empty() {
                    feed(rest, of, (piece, hold), now, fate);
                }
                fate.end.get_or_insert(end);
                return;
            }
        }
    }
}

fn changed(one: &[u8], other: &[u8]) -> usize {
    one.iter()
        .zip(other)
        .filter(|(one, other)| one != other)
        .count()
}

/// Tells the faults that a message is complete.
pub(super) fn of_end(chosen: &mut [Chosen], of: Message, now: Instant) {
    for one in chosen {
        one.decides.on(HttpEvent::End { of }, now);
    }
}
