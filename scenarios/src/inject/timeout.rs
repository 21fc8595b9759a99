//! `timeout`: bytes stop arriving, and after a time without any the connection
//! closes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{About, BytesDone, Direction, Parameter, Surface};
use crate::units::format_duration;

/// Bytes are swallowed; a connection on which none came for `after` is closed.
/// The semantics are those of Toxiproxy's toxic of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeout {
    /// How long without a byte; for ever when zero.
    pub after: Duration,
    /// Which bytes.
    pub direction: Direction,
}

const DIRECTION: Direction = Direction::From;

pub(super) static ABOUT: About = About {
    keyword: "timeout",
    surface: Surface::Bytes,
    about: "Bytes stop arriving; connections close when none came for a time.",
    also_called: &["hang"],
    noun: "a timeout",
    meaning: "Bytes are swallowed; a connection on which none came for a time is closed.",
    reads: "timeout: { after: 5s }",
    parameters: &[
        Parameter::no_time(
            "after",
            "How long without a byte; with 0s connections hang until the fault is removed.",
        ),
        Direction::unless_said(DIRECTION),
    ],
    example: "- name: payments give up
  at: 15s
  inject: { timeout: { after: 3s } }
  into: payments
  for: 20s",
    verified: "It is attached to every live connection before its window opens. Before it is taken away, bytes must have been swallowed or connections closed; a timeout that no traffic met proves nothing.",
    undone: "Every connection that it was on is closed; new ones pass.",
    read: |given| {
        let timeout = Timeout {
            after: given.duration("after")?,
            direction: Direction::of(given)?,
        };
        Some(timeout.into())
    },
};

impl Kind for Timeout {
    fn details(&self) -> String {
        let direction = self.direction.said_unless(DIRECTION);
        format!("{}{direction}", self.brief())
    }

    fn brief(&self) -> String {
        if self.after.is_zero() {
            return String::new();
        }
        format!(" after {}", format_duration(self.after))
    }
}

impl OnBytesKind for Timeout {
    fn direction(&self) -> Direction {
        self.direction
    }

    fn effect(&self, done: &BytesDone) -> String {
        let (bytes, flows, closed) = (done.swallowed_bytes, done.flows, done.closed);
        format!("{bytes} bytes of {flows} flows swallowed, {closed} connections closed")
    }
}
