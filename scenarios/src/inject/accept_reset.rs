//! `accept_reset`: new connections are accepted and reset.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{About, BytesDone, Direction, Surface};

/// New connections are reset as soon as they are accepted, before a byte of
/// theirs is read. Live ones stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AcceptReset {}

pub(super) static ABOUT: About = About {
    keyword: "accept_reset",
    surface: Surface::Bytes,
    about: "New connections are accepted and reset; live ones stay.",
    also_called: &["reset_on_accept"],
    noun: "a reset of new connections",
    meaning: "New connections are reset as soon as they are accepted.",
    reads: "inject: accept_reset",
    parameters: &[],
    example: "- name: payments turn away
  at: 15s
  inject: accept_reset
  into: payments
  share: 20% of connections
  for: 20s",
    verified: "Before it is taken away, new connections must have been reset; one that none met proves nothing.",
    undone: "New connections pass; those that were reset stay gone.",
    read: |_| Some(AcceptReset {}.into()),
};

impl Kind for AcceptReset {}

impl OnBytesKind for AcceptReset {
    fn direction(&self) -> Direction {
        Direction::Both
    }

    fn effect(&self, done: &BytesDone) -> String {
        format!("{} new connections reset", done.reset)
    }

    fn met(&self, done: &BytesDone) -> u64 {
        done.reset
    }

    fn unmet(&self) -> &'static str {
        "no new connection yet"
    }
}
