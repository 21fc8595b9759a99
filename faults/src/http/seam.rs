//! The seam for faults on HTTP: a fault decides over an exchange, the engine
//! acts.

use std::time::Instant;

use bytes::Bytes;
use squall_scenario::inject::{Answer, Message};

use super::head::{Head, HeadEdit};
use crate::End;

/// What a fault is asked about.
#[derive(Debug)]
pub enum HttpEvent<'a> {
    /// The head of the request is there; nothing of it has gone on.
    RequestHead(&'a Head),
    /// The head of the final answer is there; nothing of it has gone on.
    ResponseHead(&'a Head),
    /// Bytes of a body arrived, without what frames them.
    BodyChunk {
        /// Of which message.
        of: Message,
        /// The bytes, never none.
        bytes: &'a Bytes,
        /// When they reached this fault.
        arrived: Instant,
    },
    /// A message is complete.
    End {
        /// Which one.
        of: Message,
    },
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpFate {
    /// It goes on.
    Pass,
    /// It goes on at this instant, behind what is held already. Of a body, the
    /// first `bytes`; the fault is asked again about the rest.
    Hold {
        /// How many bytes of a body, at least 1; a head goes on whole.
        bytes: usize,
        /// When.
        until: Instant,
    },
    /// The target never sees the request; this is its answer. For a request's
    /// head.
    Answer(Answer),
    /// The head goes on changed. For heads.
    EditHead(HeadEdit),
    /// As many other bytes go on instead. For bodies.
    EditBody(Bytes),
    /// The connection ends: of a body behind its first `keep` bytes, of a head
    /// before it.
    Abort {
        /// Bytes of the body that still pass.
        keep: usize,
        /// How it ends.
        end: End,
    },
}

/// A fault on one exchange: a request and its answer.
///
/// ```
/// use std::time::{Duration, Instant};
/// use squall_faults::{HttpEvent, HttpFate, HttpFault};
///
/// /// Every answer is a second late.
/// struct OneSecondLate;
///
/// impl HttpFault for OneSecondLate {
///     fn on(&mut self, event: HttpEvent<'_>, now: Instant) -> HttpFate {
///         match event {
///             HttpEvent::ResponseHead(_) => HttpFate::Hold {
///                 bytes: usize::MAX,
///                 until: now + Duration::from_secs(1),
///             },
///             _ => HttpFate::Pass,
///         }
///     }
/// }
/// ```
pub trait HttpFault: Send {
    /// Decides over `event`. Pure but for the fault's own state: the same events
    /// at the same instants give the same fates.
    fn on(&mut self, event: HttpEvent<'_>, now: Instant) -> HttpFate;
}
