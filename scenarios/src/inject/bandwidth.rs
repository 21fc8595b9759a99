//! `bandwidth`: bytes arrive slower.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{About, BytesDone, Direction, Mistake, Parameter, ParameterKind, Problem, Surface};
use crate::units::ByteCount;

/// At most `rate` bytes per second pass on each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bandwidth {
    /// Bytes per second, at least 1.
    pub rate: ByteCount,
    /// Which bytes.
    pub direction: Direction,
}

const DIRECTION: Direction = Direction::From;

pub(super) static ABOUT: About = About {
    keyword: "bandwidth",
    surface: Surface::Bytes,
    about: "Bytes arrive slower.",
    also_called: &[],
    noun: "a bandwidth limit",
    meaning: "At most so many bytes per second pass on each connection.",
    reads: "bandwidth: { rate: 64KiB/s }",
    parameters: &[
        Parameter::needed(
            "rate",
            ParameterKind::BytesPerSecond,
            "Bytes per second.",
            &[],
        ),
        Direction::unless_said(DIRECTION),
    ],
    example: "- name: thin line
  at: 15s
  inject: { bandwidth: { rate: 64KiB/s } }
  into: payments
  for: 20s",
    verified: "It is attached to every live connection before its window opens. Before it is taken away, bytes must have passed under the limit; a limit that no traffic met proves nothing.",
    undone: "Held bytes go on at once, in order; no connection is lost.",
    read: |given| {
        let bandwidth = Bandwidth {
            rate: given.bytes("rate")?,
            direction: Direction::of(given)?,
        };
        Some(bandwidth.into())
    },
};

impl Kind for Bandwidth {
    fn details(&self) -> String {
        let direction = self.direction.said_unless(DIRECTION);
        format!(" of {}/s{direction}", self.rate)
    }

    fn brief(&self) -> String {
        format!(" {}/s", self.rate)
    }

    fn mistake(&self) -> Option<Mistake> {
        (self.rate.0 == 0).then(|| Mistake {
            parameter: "rate",
            problem: Problem::OutOfRange,
            title: "no bytes at all would pass",
            label: "at least 1B/s".to_owned(),
            help: "to stop all bytes, inject `cut`",
        })
    }
}

impl OnBytesKind for Bandwidth {
    fn direction(&self) -> Direction {
        self.direction
    }

    fn effect(&self, done: &BytesDone) -> String {
        let (bytes, flows, rate) = (done.bytes, done.flows, self.rate);
        format!("{bytes} bytes of {flows} flows limited to {rate}/s each")
    }
}
