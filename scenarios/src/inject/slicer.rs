//! `slicer`: bytes arrive in small pieces.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{
    About, Absent, BytesDone, Direction, Mistake, Parameter, ParameterKind, Problem, Surface, Value,
};
use crate::units::{ByteCount, format_duration};

/// Every chunk is halved until its pieces are of `size` give or take
/// `variation`; each is a write of its own, and `pause` passes after it. The
/// semantics are those of Toxiproxy's toxic of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slicer {
    /// How long pieces are, about; at least 1.
    pub size: ByteCount,
    /// How much longer or shorter; less than `size`.
    pub variation: ByteCount,
    /// After each piece.
    pub pause: Duration,
    /// Which bytes.
    pub direction: Direction,
}

const DIRECTION: Direction = Direction::From;

pub(super) static ABOUT: About = About {
    keyword: "slicer",
    surface: Surface::Bytes,
    about: "Bytes arrive in small pieces.",
    also_called: &["slice", "fragment"],
    noun: "a slicer",
    meaning: "Every chunk is cut into pieces, each a write of its own.",
    reads: "slicer: { size: 64B, variation: 32B, pause: 1ms }",
    parameters: &[
        Parameter::needed(
            "size",
            ParameterKind::Size,
            "How long the pieces are, about.",
            &["average_size", "bytes"],
        ),
        Parameter {
            name: "variation",
            kind: ParameterKind::Size,
            absent: Absent::Means(Value::Bytes(ByteCount(0))),
            about: "How much longer or shorter; less than `size`.",
            otherwise: &["size_variation", "jitter"],
        },
        Parameter::no_time("pause", "The time after each piece."),
        Direction::unless_said(DIRECTION),
    ],
    example: "- name: payments dribble
  at: 15s
  inject: { slicer: { size: 64B, variation: 32B, pause: 1ms } }
  into: payments
  for: 20s",
    verified: "It is attached to every live connection before its window opens. Before it is taken away, chunks must have been cut or held; a slicer that no traffic met proves nothing.",
    undone: "Pieces that are held go on at once, in order; no connection is lost.",
    read: |given| {
        let slicer = Slicer {
            size: given.bytes("size")?,
            variation: given.bytes("variation")?,
            pause: given.duration("pause")?,
            direction: Direction::of(given)?,
        };
        Some(slicer.into())
    },
};

impl Slicer {
    fn pieces(&self) -> String {
        let Self {
            size, variation, ..
        } = self;
        match variation.0 {
            0 => size.to_string(),
            _ => format!("{size} ± {variation}"),
        }
    }
}

impl Kind for Slicer {
    fn details(&self) -> String {
        let direction = self.direction.said_unless(DIRECTION);
        let pause = match self.pause.is_zero() {
            true => String::new(),
            false => format!(" every {}", format_duration(self.pause)),
        };
        format!("{}{pause}{direction}", self.brief())
    }

    fn brief(&self) -> String {
        format!(" of {}", self.pieces())
    }

    fn mistake(&self) -> Option<Mistake> {
        let (parameter, title, label, help) = match (self.size.0, self.variation.0) {
            (0, _) => (
                "size",
                "pieces of nothing would never end",
                "at least 1B".to_owned(),
                "write for instance `64B`",
            ),
            (size, variation) if variation >= size => (
                "variation",
                "the variation is as large as the pieces",
                format!("less than {}", self.size),
                "pieces cannot be shorter than 1B; raise `size` or lower `variation`",
            ),
            _ => return None,
        };
        Some(Mistake {
            parameter,
            problem: Problem::OutOfRange,
            title,
            label,
            help,
        })
    }
}

impl OnBytesKind for Slicer {
    fn direction(&self) -> Direction {
        self.direction
    }

    fn effect(&self, done: &BytesDone) -> String {
        let (chunks, bytes, flows) = (done.chunks, done.bytes, done.flows);
        let pieces = self.pieces();
        format!("{chunks} chunks ({bytes} bytes) of {flows} flows cut into pieces of {pieces}")
    }
}
