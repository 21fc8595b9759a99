//! What a fault on HTTP has done, counted.

use serde::{Deserialize, Serialize};

/// What a fault on HTTP has seen and done since it was attached, on all its
/// links together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HttpDone {
    /// Connections whose messages were told apart.
    pub connections: u64,
    /// Connections that carried something else than HTTP/1.1, or HTTP that can
    /// be read in two ways; they passed untouched.
    pub not_http: u64,
    /// Requests seen.
    pub requests: u64,
    /// Requests that matched.
    pub matched: u64,
    /// Requests that were chosen to suffer.
    pub hit: u64,
    /// Requests that would have been chosen while as many suffered as may.
    pub over_the_cap: u64,
    /// Requests with a scope that was not signed with the key of the run, or could
    /// not be read; they passed untouched.
    #[serde(default)]
    pub forged: u64,
    /// Messages that something was done to.
    pub acted: u64,
    /// Bytes of bodies that were held, changed or left out.
    pub bytes: u64,
    /// Median of the delays as they were, in microseconds; for a delay.
    pub delay_p50_us: Option<u64>,
}
