//! A stretch of the run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stretch of the run, in microseconds since time zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimeRange {
    /// First microsecond.
    pub start_us: i64,
    /// One past the last.
    pub end_us: i64,
}

impl TimeRange {
    /// Length in microseconds; 0 for a range that ends before it starts.
    #[must_use]
    pub fn length_us(&self) -> u64 {
        u64::try_from(self.end_us.saturating_sub(self.start_us)).unwrap_or(0)
    }
}
