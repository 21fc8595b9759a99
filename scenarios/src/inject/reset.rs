//! `reset`: connections are ended with a TCP reset.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{About, BytesDone, Direction, Parameter, Surface};
use crate::units::format_duration;

/// Live connections are reset at once, new ones on their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// How long after the first byte of a connection.
    pub after: Duration,
    /// What becomes of bytes until then.
    #[serde(default)]
    pub meanwhile: Meanwhile,
    /// Which bytes start it.
    #[serde(default = "Direction::both")]
    pub direction: Direction,
}

/// What becomes of bytes between the first and the reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Meanwhile {
    /// They pass.
    #[default]
    Pass,
    /// They are held, and lost with the connection: what Toxiproxy's
    /// `reset_peer` does.
    Hold,
}

const DIRECTION: Direction = Direction::Both;
const PASS: &str = "pass";
const HOLD: &str = "hold";

impl Default for Reset {
    fn default() -> Self {
        Self {
            after: Duration::ZERO,
            meanwhile: Meanwhile::Pass,
            direction: DIRECTION,
        }
    }
}

pub(super) static ABOUT: About = About {
    keyword: "reset",
    surface: Surface::Bytes,
    about: "Connections are ended with a TCP reset.",
    also_called: &["reset_peer"],
    noun: "a reset",
    meaning: "Connections are ended with a TCP reset.",
    reads: "reset: { after: 100ms }",
    parameters: &[
        Parameter::no_time(
            "after",
            "How long after the first byte of a connection; at once when absent.",
        ),
        Parameter::word(
            "meanwhile",
            PASS,
            &[
                (PASS, "They pass."),
                (HOLD, "They are held, and lost with the connection."),
            ],
            "What becomes of bytes until then.",
        ),
        Direction::unless_said(DIRECTION),
    ],
    example: "- name: payments hang up
  at: 15s
  inject: { reset: { after: 100ms } }
  into: payments
  for: 20s",
    verified: "It is attached to every live connection before its window opens. Before it is taken away, connections must have been reset; a reset that no connection met proves nothing.",
    undone: "New connections pass; those that were reset stay gone.",
    read: |given| {
        let reset = Reset {
            after: given.duration("after")?,
            meanwhile: match given.word("meanwhile")? {
                HOLD => Meanwhile::Hold,
                _ => Meanwhile::Pass,
            },
            direction: Direction::of(given)?,
        };
        Some(reset.into())
    },
};

impl Kind for Reset {
    fn details(&self) -> String {
        let direction = self.direction.said_unless(DIRECTION);
        if self.after.is_zero() {
            return direction.to_owned();
        }
        let after = format_duration(self.after);
        let silence = match self.meanwhile {
            Meanwhile::Pass => "",
            Meanwhile::Hold => " of silence",
        };
        format!(" after {after}{silence}{direction}")
    }
}

impl OnBytesKind for Reset {
    fn direction(&self) -> Direction {
        self.direction
    }

    fn effect(&self, done: &BytesDone) -> String {
        format!("{} connections reset", done.reset)
    }
}
