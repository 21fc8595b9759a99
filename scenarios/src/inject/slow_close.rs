//! `slow_close`: connections close later.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{About, BytesDone, Direction, Parameter, ParameterKind, Surface};
use crate::units::format_duration;

/// Bytes pass; that a side closed is passed on `by` later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowClose {
    /// How much later.
    pub by: Duration,
    /// Whose close: `From` is that of the target.
    pub direction: Direction,
}

const DIRECTION: Direction = Direction::From;

pub(super) static ABOUT: About = About {
    keyword: "slow_close",
    surface: Surface::Bytes,
    about: "Connections close later.",
    also_called: &[],
    noun: "a slow close",
    meaning: "Bytes pass; the end of the stream is passed on later.",
    reads: "slow_close: { by: 5s }",
    parameters: &[
        Parameter::needed(
            "by",
            ParameterKind::Duration,
            "How much later.",
            &["delay", "for"],
        ),
        Direction::unless_said(DIRECTION),
    ],
    example: "- name: payments let nobody go
  at: 15s
  inject: { slow_close: { by: 5s } }
  into: payments
  for: 20s",
    verified: "It is attached to every live connection before its window opens. Before it is taken away, ends of streams must have been held; a slow close while no connection closed proves nothing.",
    undone: "Ends that are held go on at once; no connection is lost.",
    read: |given| {
        let slow_close = SlowClose {
            by: given.duration("by")?,
            direction: Direction::of(given)?,
        };
        Some(slow_close.into())
    },
};

impl Kind for SlowClose {
    fn details(&self) -> String {
        let direction = self.direction.said_unless(DIRECTION);
        format!(" by {}{direction}", format_duration(self.by))
    }

    fn brief(&self) -> String {
        format!(" {}", format_duration(self.by))
    }
}

impl OnBytesKind for SlowClose {
    fn direction(&self) -> Direction {
        self.direction
    }

    fn effect(&self, done: &BytesDone) -> String {
        let (ends, by) = (done.ends, format_duration(self.by));
        format!("{ends} closes passed on {by} later")
    }

    fn met(&self, done: &BytesDone) -> u64 {
        done.ends
    }

    fn unmet(&self) -> &'static str {
        "none of which closed yet"
    }
}
