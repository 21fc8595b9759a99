//! Faults on HTTP: requests and their answers suffer, message by message.
//!
//! A fault decides ([`HttpFault`]) and the engine acts ([`Exchanges`]): it tells
//! the messages of a connection apart as they pass, asks the faults that were
//! chosen for an exchange what becomes of each part, and owns what is held. A
//! connection has an engine only while such a fault is attached to its link.
//!
//! Bytes that are not HTTP/1.1, or HTTP that can be read in two ways, pass
//! untouched. Nothing is ever guessed: where messages end is taken from RFC 9112
//! in its strictest reading.

mod abort;
mod answer;
mod answering;
mod asking;
mod attached;
mod body;
mod calls;
mod corrupt;
mod delay;
mod engine;
mod fates;
mod head;
mod headers;
mod lane;
mod observed;
mod reader;
mod scope;
mod seam;
mod throttle;
mod truncate;

use squall_scenario::inject::{HttpAction, Message};

pub(crate) use attached::HttpAttached;
pub use calls::Calls;
pub(crate) use calls::tried::{call_of_grpc, heard, settings};
pub use engine::Exchanges;
pub use head::{Head, HeadEdit, StartLine};
pub use scope::{NoScopeKey, Scope, ScopeKey};
pub use seam::{HttpEvent, HttpFate, HttpFault};

/// The fault for one exchange, unless it is about calls over HTTP/2; `seed` is that exchange's own.
pub(crate) fn build(
    message: Message,
    action: &HttpAction,
    seed: u64,
) -> Option<Box<dyn HttpFault>> {
    Some(match action {
        HttpAction::Delay { by, jitter } => Box::new(delay::Late::new(message, *by, *jitter, seed)),
        HttpAction::Answer(answer) => Box::new(answer::Answered(answer.clone())),
        HttpAction::Abort { after } => Box::new(abort::Aborted::new(message, after.0)),
        HttpAction::Truncate(part) => Box::new(truncate::Truncated::new(message, *part)),
        HttpAction::Corrupt(share) => Box::new(corrupt::Corrupted::new(message, *share, seed)),
        HttpAction::SetHeaders(headers) => Box::new(headers::Edited {
            message,
            edit: HeadEdit::Set(headers.clone()),
        }),
        HttpAction::RemoveHeaders(names) => Box::new(headers::Edited {
            message,
            edit: HeadEdit::Remove(names.clone()),
        }),
        HttpAction::Throttle(rate) => Box::new(throttle::Throttled::new(message, rate.0)),
        HttpAction::Grpc(_) => return None,
    })
}
