//! What a fault on bytes has to say of itself.

use super::OnBytes;
use super::direction::Direction;
use super::done::BytesDone;
use super::kind::Kind;

/// What a fault on bytes says of itself besides.
pub(super) trait OnBytesKind: Kind {
    /// Which bytes it acts on.
    fn direction(&self) -> Direction;

    /// Whether it hits connections one by one, so that it may hit a share.
    fn per_connection(&self) -> bool {
        true
    }

    /// What it did, in words.
    fn effect(&self, done: &BytesDone) -> String;

    /// In how many flows it did that.
    fn met(&self, done: &BytesDone) -> u64 {
        done.flows
    }

    /// What is said where that is none.
    fn unmet(&self) -> &'static str {
        "no traffic yet"
    }
}

impl OnBytes {
    /// Which bytes it acts on.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.kind().direction()
    }

    /// What it did, in words.
    #[must_use]
    pub fn effect(&self, done: &BytesDone) -> String {
        self.kind().effect(done)
    }

    /// Whether it did to any flow what it is for.
    #[must_use]
    pub fn was_met(&self, done: &BytesDone) -> bool {
        self.kind().met(done) > 0
    }

    /// What is said of one that was not met.
    #[must_use]
    pub fn unmet(&self) -> &'static str {
        self.kind().unmet()
    }
}
