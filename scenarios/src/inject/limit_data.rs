//! `limit_data`: connections close after so many bytes.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{About, BytesDone, Direction, Parameter, ParameterKind, Surface};
use crate::units::ByteCount;

/// A connection is closed when it has carried `bytes` since the fault is on it.
/// The semantics are those of Toxiproxy's toxic of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitData {
    /// How many bytes pass; with 0 it closes at the first.
    pub bytes: ByteCount,
    /// Which bytes are counted.
    pub direction: Direction,
}

const DIRECTION: Direction = Direction::From;

pub(super) static ABOUT: About = About {
    keyword: "limit_data",
    surface: Surface::Bytes,
    about: "Connections close after so many bytes.",
    also_called: &["truncate"],
    noun: "a data limit",
    meaning: "Each connection closes when it has carried so many bytes.",
    reads: "limit_data: { bytes: 4KiB }",
    parameters: &[
        Parameter::needed(
            "bytes",
            ParameterKind::Size,
            "How many bytes pass on each connection.",
            &["size", "limit"],
        ),
        Direction::unless_said(DIRECTION),
    ],
    example: "- name: payments break off
  at: 15s
  inject: { limit_data: { bytes: 4KiB } }
  into: payments
  for: 20s",
    verified: "It is attached to every live connection before its window opens. Before it is taken away, connections must have been closed by it; a limit that none came to proves nothing.",
    undone: "Connections pass; those that were closed stay gone.",
    read: |given| {
        let limit = LimitData {
            bytes: given.bytes("bytes")?,
            direction: Direction::of(given)?,
        };
        Some(limit.into())
    },
};

impl Kind for LimitData {
    fn details(&self) -> String {
        let direction = self.direction.said_unless(DIRECTION);
        format!("{}{direction}", self.brief())
    }

    fn brief(&self) -> String {
        format!(" of {}", self.bytes)
    }
}

impl OnBytesKind for LimitData {
    fn direction(&self) -> Direction {
        self.direction
    }

    fn effect(&self, done: &BytesDone) -> String {
        format!("{} connections closed after {}", done.closed, self.bytes)
    }

    fn met(&self, done: &BytesDone) -> u64 {
        done.closed
    }

    fn unmet(&self) -> &'static str {
        "none of which carried as much yet"
    }
}
