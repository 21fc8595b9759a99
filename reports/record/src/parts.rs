//! The parts of a response time that have a name of their own: making the
//! connection, its TLS handshake, the way to the answer's first byte, and the messages
//! of a stream.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Times;

/// Those of one arrival, in microseconds; of its last attempt, where there were
/// several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Parts {
    /// From asking the address until it had accepted, where a connection had to be
    /// made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u64>,
    /// The TLS handshake of that connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<u64>,
    /// From handing the request to its connection until the answer's first byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<u64>,
    /// From when it was due until the first message of its stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_message_us: Option<u64>,
    /// The longest time from one of them to the next, or until its client left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_gap_us: Option<u64>,
}

/// Those of all arrivals of an interval, whatever their route, good and bad.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IntervalParts {
    /// How long connections took to make.
    pub connect: Option<Times>,
    /// How long their TLS handshakes took.
    pub tls: Option<Times>,
    /// From request to first byte; known to 1 %.
    pub first_byte: Option<Times>,
}
