//! `slow_connect`: the target is dialled later.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{About, BytesDone, Direction, Mistake, Parameter, ParameterKind, Problem, Surface};
use crate::units::format_duration;

/// The target of a new connection is dialled `by` after it was accepted; until
/// then nothing of it is read. Live ones stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowConnect {
    /// How much later.
    pub by: Duration,
}

pub(super) static ABOUT: About = About {
    keyword: "slow_connect",
    surface: Surface::Bytes,
    about: "New connections are served later; live ones stay.",
    also_called: &["slow_dial", "connect_delay"],
    noun: "a slow connect",
    meaning: "The target of a new connection is dialled later.",
    reads: "slow_connect: { by: 2s }",
    parameters: &[Parameter::needed(
        "by",
        ParameterKind::Duration,
        "How long after it was accepted.",
        &["delay", "for"],
    )],
    example: "- name: payments open slowly
  at: 15s
  inject: { slow_connect: { by: 2s } }
  into: payments
  for: 20s",
    verified: "Before it is taken away, new connections must have been kept waiting; one that none met proves nothing.",
    undone: "Connections that wait are served at once; none is lost.",
    read: |given| {
        let by = given.duration("by")?;
        Some(SlowConnect { by }.into())
    },
};

impl Kind for SlowConnect {
    fn details(&self) -> String {
        self.brief()
    }

    fn brief(&self) -> String {
        format!(" by {}", format_duration(self.by))
    }

    fn mistake(&self) -> Option<Mistake> {
        self.by.is_zero().then(|| Mistake {
            parameter: "by",
            problem: Problem::OutOfRange,
            title: "connections are served no later than without the fault",
            label: "more than 0s".to_owned(),
            help: "write for instance `2s`",
        })
    }
}

impl OnBytesKind for SlowConnect {
    fn direction(&self) -> Direction {
        Direction::Both
    }

    fn effect(&self, done: &BytesDone) -> String {
        let by = format_duration(self.by);
        format!("{} new connections served {by} later", done.kept)
    }

    fn met(&self, done: &BytesDone) -> u64 {
        done.kept
    }

    fn unmet(&self) -> &'static str {
        "no new connection yet"
    }
}
