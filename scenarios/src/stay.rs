//! How long a client stays where an answer does not end by itself: a stream of events, or
//! a WebSocket.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::format_duration;

/// When a client leaves what comes one after the other: at whichever is first. Where
/// neither is said, it stays until the server ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stay {
    /// Behind so many; at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// So long after the request was sent; more than no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Duration>,
}

impl Stay {
    /// Whether the client leaves when so many have come.
    #[must_use]
    pub fn is_over(&self, count: u64) -> bool {
        self.count.is_some_and(|most| count >= most)
    }
}

impl fmt::Display for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.count, self.time) {
            (Some(count), Some(time)) => write!(f, "{count} or {}", format_duration(time)),
            (Some(count), None) => count.fmt(f),
            (None, Some(time)) => f.write_str(&format_duration(time)),
            (None, None) => f.write_str("all"),
        }
    }
}
