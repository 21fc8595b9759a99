//! `refuse`: new connections are refused.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{About, BytesDone, Direction, Surface};

/// The link stops listening: callers get *connection refused*, as from a
/// process that is down. Live connections stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Refuse {}

pub(super) static ABOUT: About = About {
    keyword: "refuse",
    surface: Surface::Bytes,
    about: "New connections are refused; live ones stay.",
    also_called: &["down", "connection_refused"],
    noun: "a refusal",
    meaning: "The link stops listening; live connections stay.",
    reads: "inject: refuse",
    parameters: &[],
    example: "- name: payments refuse
  at: 15s
  inject: refuse
  into: payments
  for: 20s",
    verified: "The link must have stopped listening before its window opens: its port refuses, no connection is accepted and reset. Nobody can count who was refused, so it is in force whether anybody calls or not.",
    undone: "The link must listen again, unless what is behind it does not either.",
    read: |_| Some(Refuse {}.into()),
};

impl Kind for Refuse {}

impl OnBytesKind for Refuse {
    fn direction(&self) -> Direction {
        Direction::Both
    }

    fn per_connection(&self) -> bool {
        false
    }

    fn effect(&self, done: &BytesDone) -> String {
        match done.refusing {
            0 => "nobody listened before".to_owned(),
            _ => "listening stopped".to_owned(),
        }
    }

    fn met(&self, done: &BytesDone) -> u64 {
        done.refusing
    }

    fn unmet(&self) -> &'static str {
        "where nobody listened before"
    }
}
