//! Keys of how long a client stays where an answer does not end by itself.

use crate::shape::Kind::{Duration, Whole};
use crate::shape::{Shape, key};

/// The most of what comes one after the other that is counted on.
pub(crate) const COUNT_MAX: u32 = 1_000_000_000;

/// Who does not leave.
pub(crate) const ALL: &[(&str, &str)] = &[("all", "Until the server ends it.")];

pub(crate) static EVENTS: Shape = Shape {
    noun: "`events` of a request",
    about: "When the client leaves a stream of events: at whichever is first.",
    reads: "events: { count: 20, for: 8s }",
    keys: &[
        key(
            "count",
            Whole(1, COUNT_MAX as u64),
            "Behind so many events.",
        )
        .otherwise(&["after", "until", "number"]),
        key("for", Duration, "So long after the request was sent.")
            .otherwise(&["time", "over", "duration", "stay"]),
    ],
};

pub(crate) static RECEIVE: Shape = Shape {
    noun: "`receive` of a socket",
    about: "When the client leaves a socket: at whichever is first.",
    reads: "receive: { count: 20, for: 8s }",
    keys: &[
        key(
            "count",
            Whole(1, COUNT_MAX as u64),
            "Behind so many messages that came.",
        )
        .otherwise(&["after", "until", "number"]),
        key("for", Duration, "So long after the request was sent.")
            .otherwise(&["time", "over", "duration", "stay"]),
    ],
};
