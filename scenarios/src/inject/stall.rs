//! `stall`: new connections are accepted, and nothing more.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{About, BytesDone, Direction, Surface};

/// New connections are accepted, but nothing is read of them and their target
/// is not dialled until the fault is removed. Live ones stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stall {}

pub(super) static ABOUT: About = About {
    keyword: "stall",
    surface: Surface::Bytes,
    about: "New connections are accepted and never served; live ones stay.",
    also_called: &["accept_stall", "hang_connect"],
    noun: "a stall",
    meaning: "New connections are accepted; nothing of them is read.",
    reads: "inject: stall",
    parameters: &[],
    example: "- name: payments stall
  at: 15s
  inject: stall
  into: payments
  for: 20s",
    verified: "Before it is taken away, new connections must have been kept waiting; a stall that none met proves nothing.",
    undone: "Connections that wait are served; none is lost.",
    read: |_| Some(Stall {}.into()),
};

impl Kind for Stall {}

impl OnBytesKind for Stall {
    fn direction(&self) -> Direction {
        Direction::Both
    }

    fn effect(&self, done: &BytesDone) -> String {
        format!("{} new connections accepted and not served", done.kept)
    }

    fn met(&self, done: &BytesDone) -> u64 {
        done.kept
    }

    fn unmet(&self) -> &'static str {
        "no new connection yet"
    }
}
