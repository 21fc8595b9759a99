//! `connection_limit`: so many connections, and no more.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{About, BytesDone, Direction, Parameter, ParameterKind, Surface};

/// At most `most` connections are served at once on each link; those beyond
/// wait until there is room, or are reset. Live ones count and stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionLimit {
    /// How many are served at once.
    pub most: u32,
    /// What becomes of those beyond.
    pub beyond: Beyond,
}

/// What becomes of connections that a limit leaves no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Beyond {
    /// They are accepted and wait.
    #[default]
    Wait,
    /// They are reset.
    Reset,
}

const WAIT: &str = "wait";
const RESET: &str = "reset";

pub(super) static ABOUT: About = About {
    keyword: "connection_limit",
    surface: Surface::Bytes,
    about: "Only so many connections are served at once.",
    also_called: &["max_connections"],
    noun: "a connection limit",
    meaning: "Only so many connections are served at once on each link.",
    reads: "connection_limit: { most: 10 }",
    parameters: &[
        Parameter::needed(
            "most",
            ParameterKind::Count(1, 100_000),
            "How many are served at once.",
            &["max", "connections"],
        ),
        Parameter::word(
            "beyond",
            WAIT,
            &[(WAIT, "They wait."), (RESET, "They are reset.")],
            "What becomes of those beyond.",
        ),
    ],
    example: "- name: payments are full
  at: 15s
  inject: { connection_limit: { most: 10 } }
  into: payments
  for: 20s",
    verified: "Before it is taken away, connections must have been kept waiting or reset; a limit that none came to proves nothing.",
    undone: "Connections that wait are served; none is lost.",
    read: |given| {
        let limit = ConnectionLimit {
            most: given.count("most")?,
            beyond: match given.word("beyond")? {
                RESET => Beyond::Reset,
                _ => Beyond::Wait,
            },
        };
        Some(limit.into())
    },
};

impl Kind for ConnectionLimit {
    fn details(&self) -> String {
        let beyond = match self.beyond {
            Beyond::Wait => "",
            Beyond::Reset => ", resetting the rest",
        };
        format!("{}{beyond}", self.brief())
    }

    fn brief(&self) -> String {
        format!(" of {}", self.most)
    }
}

impl OnBytesKind for ConnectionLimit {
    fn direction(&self) -> Direction {
        Direction::Both
    }

    fn effect(&self, done: &BytesDone) -> String {
        let (kept, reset, most) = (done.kept, done.reset, self.most);
        format!("{kept} connections beyond {most} kept waiting, {reset} reset")
    }

    fn met(&self, done: &BytesDone) -> u64 {
        done.kept + done.reset
    }

    fn unmet(&self) -> &'static str {
        "none beyond the limit yet"
    }
}
