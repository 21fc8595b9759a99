//! What became of one arrival.

use squall_record::{DropCause, Outcome, Parts};

/// What became of an arrival, with its times in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    /// The outcome.
    pub outcome: Outcome,
    /// Why it was dropped, where it was.
    pub dropped: Option<DropCause>,
    /// Dispatched - scheduled.
    pub lag_us: u64,
    /// Written - dispatched.
    pub wait_us: u64,
    /// Done - written.
    pub service_us: u64,
    /// Done - scheduled.
    pub response_us: u64,
    /// Of the response time: the generator's own, that is the lag and what it
    /// stood still while the answer was awaited.
    pub own_us: u64,
    /// Connecting, TLS, first byte, and messages.
    pub parts: Parts,
    /// Whether a late answer would have been good without the lag.
    pub late_by_lag: bool,
    /// Whether the system marked the answer as a fallback.
    pub fallback: bool,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// Whether it was sent again on a new connection.
    pub resent: bool,
    /// Attempts that its client made behind the first one.
    pub retries: u32,
    /// What its client's cache had for it.
    pub cached: Cached,
    /// Answers that the cache let go, or did not take, for want of room.
    pub evicted: u32,
}

/// What the cache of a client had for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cached {
    /// It was not asked, or there is none.
    Unasked,
    /// Nothing, or nothing that was of use any more.
    Missed,
    /// An answer of which the server said that it is still so.
    Revalidated,
    /// All that was wanted: nothing was sent.
    Hit,
}

impl Cached {
    /// The status that was sent for it, of which the cache made this one.
    #[must_use]
    pub const fn status_of(self, made: u16) -> u16 {
        match self {
            Self::Revalidated => 304,
            Self::Unasked | Self::Missed | Self::Hit => made,
        }
    }

    /// Whether the body came over the network for this request.
    #[must_use]
    pub const fn came_by_network(self) -> bool {
        match self {
            Self::Unasked | Self::Missed => true,
            Self::Revalidated | Self::Hit => false,
        }
    }
}

impl Settled {
    /// An arrival that was not settled when the run was cut short.
    pub const UNFINISHED: Self = Self::without_times(Outcome::Unfinished);

    /// An arrival that was never sent.
    #[must_use]
    pub const fn dropped(cause: DropCause) -> Self {
        Self {
            dropped: Some(cause),
            ..Self::without_times(Outcome::Dropped)
        }
    }

    const fn without_times(outcome: Outcome) -> Self {
        Self {
            outcome,
            dropped: None,
            lag_us: 0,
            wait_us: 0,
            service_us: 0,
            response_us: 0,
            own_us: 0,
            parts: Parts {
                connect_us: None,
                tls_us: None,
                first_byte_us: None,
                first_message_us: None,
                longest_gap_us: None,
            },
            late_by_lag: false,
            fallback: false,
            bytes: 0,
            resent: false,
            retries: 0,
            cached: Cached::Unasked,
            evicted: 0,
        }
    }
}
