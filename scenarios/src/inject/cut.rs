//! `cut`: bytes stop arriving; connections stay up, silent.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{About, BytesDone, Direction, Surface};

/// Bytes are swallowed; when the fault is removed the connections it touched
/// are closed, because their streams have holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Which bytes; both by default.
    pub direction: Direction,
}

const DIRECTION: Direction = Direction::Both;

pub(super) static ABOUT: About = About {
    keyword: "cut",
    surface: Surface::Bytes,
    about: "Bytes stop arriving; connections stay up, silent.",
    also_called: &["blackhole"],
    noun: "a cut",
    meaning: "Bytes are swallowed; connections stay up, silent.",
    reads: "cut: { direction: both }",
    parameters: &[Direction::unless_said(DIRECTION)],
    example: "- name: payments unreachable
  at: 15s
  inject: cut
  into: payments
  for: 20s",
    verified: "It is attached to every live connection before its window opens. Before it is taken away, bytes must have been swallowed; a cut that no traffic met proves nothing.",
    undone: "Connections that lost bytes are closed, because their streams have holes; new ones pass.",
    read: |given| {
        let direction = Direction::of(given)?;
        Some(Cut { direction }.into())
    },
};

impl Kind for Cut {
    fn details(&self) -> String {
        self.direction.said_unless(DIRECTION).to_owned()
    }
}

impl OnBytesKind for Cut {
    fn direction(&self) -> Direction {
        self.direction
    }

    fn effect(&self, done: &BytesDone) -> String {
        let (bytes, flows) = (done.swallowed_bytes, done.flows);
        format!("{bytes} bytes of {flows} flows swallowed")
    }
}
