//! `reset`: connections are ended with a TCP reset.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{About, BytesDone, Direction, Parameter, Surface};
use crate::units::format_duration;

/// Live connections are reset at once, new ones on their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reset {
    /// How long after the first byte of a connection.
    pub after: Duration,
}

pub(super) static ABOUT: About = About {
    keyword: "reset",
    surface: Surface::Bytes,
    about: "Connections are ended with a TCP reset.",
    also_called: &["reset_peer"],
    noun: "a reset",
    meaning: "Connections are ended with a TCP reset.",
    reads: "reset: { after: 100ms }",
    parameters: &[Parameter::no_time(
        "after",
        "How long after the first byte of a connection; at once when absent.",
    )],
    example: "- name: payments hang up
  at: 15s
  inject: { reset: { after: 100ms } }
  into: payments
  for: 20s",
    verified: "It is attached to every live connection before its window opens. Before it is taken away, connections must have been reset; a reset that no connection met proves nothing.",
    undone: "New connections pass; those that were reset stay gone.",
    read: |given| {
        let after = given.duration("after")?;
        Some(Reset { after }.into())
    },
};

impl Kind for Reset {
    fn details(&self) -> String {
        if self.after.is_zero() {
            return String::new();
        }
        format!(" after {}", format_duration(self.after))
    }
}

impl OnBytesKind for Reset {
    fn direction(&self) -> Direction {
        Direction::Both
    }

    fn effect(&self, done: &BytesDone) -> String {
        format!("{} connections reset", done.reset)
    }
}
