//! What became of an exchange.

use std::time::Instant;

use squall_record::{BadKind, DropCause, Outcome};

use super::connector::Endpoint;
use super::under_way::{Dispatch, Made};
use crate::answer::Kept;
use crate::heard::Heard;

/// How an exchange went, whatever came of it.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    /// When its sender began to work on it.
    pub dispatch: Dispatch,
    /// How its connection was made, where it had to be made for it.
    pub made: Option<Made>,
    /// When the request was handed to a connection, if it was.
    pub written: Option<Instant>,
    /// Whether it was sent again on a fresh connection.
    pub resent: bool,
}

/// An answer.
#[derive(Debug)]
pub struct Exchange {
    /// When the first bytes of the answer had been read, interim answers included.
    pub first_byte: Instant,
    /// When the last byte of the answer had been read.
    pub done: Instant,
    /// Status code; of a call, that of gRPC.
    pub status: u16,
    /// Whether a call ended before its answer began: by a status in the head alone, or one
    /// of HTTP that says so (429, 503). gRPC's own clients try again then; what its server
    /// had done by then is not known, and is done again.
    pub unbegun: bool,
    /// What a call's status is called and says besides, where it did not go well.
    pub told: Option<String>,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// Value of [`FALLBACK_HEADER`](crate::FALLBACK_HEADER), if there is one.
    pub fallback: Option<String>,
    /// What was kept of it, where its request asked for that.
    pub kept: Option<Box<Kept>>,
    /// Of a stream of messages or events, when each came.
    pub heard: Option<Box<Heard>>,
    /// Where it came from.
    pub address: Endpoint,
}

/// Why there is no answer.
#[derive(Debug, Clone)]
pub struct ExchangeFailure {
    /// What that makes of the arrival: dropped when this machine had no
    /// descriptor or port left for it, else a kind of failure.
    pub outcome: Outcome,
    /// Why it was dropped, where it was.
    pub dropped: Option<DropCause>,
    /// The error in words.
    pub detail: String,
    /// Where the request went.
    pub address: Option<Endpoint>,
}

impl ExchangeFailure {
    /// Its client stayed for as long as it would, and no answer had come.
    pub(crate) fn left_unanswered(address: Option<Endpoint>) -> Self {
        let why = "no answer came for as long as the client stayed";
        Self::bad(BadKind::Timeout, why.to_owned(), address)
    }

    /// One of the target's doing.
    pub(crate) fn bad(kind: BadKind, detail: String, address: Option<Endpoint>) -> Self {
        Self {
            outcome: Outcome::Bad(kind),
            dropped: None,
            detail,
            address,
        }
    }
}
