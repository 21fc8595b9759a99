//! When what streams bring comes: the first message, and each one behind another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Times;

/// What the streams of one route and interval brought that were answered as their request
/// expects, whatever it expects of single messages: of server streams of gRPC, server-sent
/// events and WebSockets. A gap lies between a message and the next, or between the last and
/// when its client left.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RouteMessages {
    /// Streams that brought a message.
    pub begun: u64,
    /// Streams that their server ended well without one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub empty: u64,
    /// How many gaps there were.
    pub gaps: u64,
    /// From when an arrival was due until its first message, in microseconds. These and the
    /// next three are known to 1 %, and written to `intervals.times`.
    #[serde(skip)]
    pub first: Option<Times>,
    /// The same without what of it was the generator's own.
    #[serde(skip)]
    pub first_unlagged: Option<Times>,
    /// The gaps.
    #[serde(skip)]
    pub between: Option<Times>,
    /// The same without what of them the generator stood still.
    #[serde(skip)]
    pub between_unlagged: Option<Times>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl RouteMessages {
    /// Whether there were none; so it is of records of versions that do not say.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.begun == 0 && self.empty == 0 && self.gaps == 0
    }

    /// Takes away times that are not as many as were counted, which would flatter; how many
    /// are there and were counted, where that is so.
    pub(crate) fn keep_whole(&mut self) -> Option<(u64, u64)> {
        let mut lost = None;
        for (times, unlagged, counted) in [
            (&mut self.first, &mut self.first_unlagged, self.begun),
            (&mut self.between, &mut self.between_unlagged, self.gaps),
        ] {
            let there = times.as_ref().map_or(0, Times::len);
            if there != counted {
                *times = None;
                lost = Some((there, counted));
            }
            *unlagged = unlagged.take().filter(|it| it.len() == counted);
        }
        lost
    }
}
