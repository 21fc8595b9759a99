//! Why arrivals that were sent are not good: each kind by its own name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why an arrival that was sent is not good.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum BadKind {
    /// The connection could not be made.
    Connect,
    /// No answer within the client's patience.
    Timeout,
    /// Answered well, but later than `within`.
    Late,
    /// Answered with a status that is not expected.
    Status,
    /// The connection broke.
    Broken,
    /// What came was no HTTP answer, or larger than squall reads.
    Malformed,
    /// Answered with the right status, and not as `expect` says.
    Check,
    /// The target's name had no address.
    Dns,
    /// The connection was made, and could not be encrypted: the handshake failed,
    /// or the target could not be trusted.
    Tls,
}

/// Every [`BadKind`], in the order reports show them.
pub const ALL_BAD_KINDS: [BadKind; 9] = [
    BadKind::Connect,
    BadKind::Timeout,
    BadKind::Late,
    BadKind::Status,
    BadKind::Broken,
    BadKind::Malformed,
    BadKind::Check,
    BadKind::Dns,
    BadKind::Tls,
];
