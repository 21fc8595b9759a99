//! What a fault on bytes has to say of itself.

use super::direction::Direction;
use super::done::BytesDone;
use super::kind::Kind;

/// What a fault on bytes says of itself besides.
pub(super) trait OnBytesKind: Kind {
    /// Which bytes it acts on.
    fn direction(&self) -> Direction;

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
