//! `corrupt`: bits are flipped on the way.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{
    About, Absent, BytesDone, Direction, Mistake, Parameter, ParameterKind, Problem, Surface, Value,
};
use crate::units::{ByteCount, Share};

/// Bits are flipped in a share of the chunks: one in each, or one in every so
/// many bytes. As many bytes arrive as were sent. Which bits is a hash of the
/// seed, the connection and the place in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corrupt {
    /// The share of chunks.
    pub chunks: Share,
    /// One bit in each stretch of so many bytes of the stream, as far as it lies
    /// in such a chunk; one bit in each chunk when absent.
    pub every: Option<ByteCount>,
    /// Which bytes.
    pub direction: Direction,
}

const DIRECTION: Direction = Direction::From;

pub(super) static ABOUT: About = About {
    keyword: "corrupt",
    surface: Surface::Bytes,
    about: "Bits are flipped on the way.",
    also_called: &["corruption", "bit_flip"],
    noun: "corruption",
    meaning: "Bits are flipped; as many bytes arrive as were sent.",
    reads: "corrupt: { chunks: 10%, every: 4KiB }",
    parameters: &[
        Parameter {
            name: "chunks",
            kind: ParameterKind::Share,
            absent: Absent::Means(Value::Share(Share::WHOLE)),
            about: "In which share of the chunks.",
            otherwise: &["share", "probability"],
        },
        Parameter::optional(
            "every",
            ParameterKind::Size,
            "One bit in each stretch of so many bytes; one bit in each chunk when absent.",
            &["bytes"],
        ),
        Direction::unless_said(DIRECTION),
    ],
    example: "- name: garbled payments
  at: 15s
  inject: { corrupt: { every: 4KiB } }
  into: payments
  for: 20s",
    verified: "It is attached to every live connection before its window opens. Before it is taken away, chunks must have been changed; corruption that no traffic met proves nothing.",
    undone: "Bytes pass as they are; no connection is lost.",
    read: |given| {
        let corrupt = Corrupt {
            chunks: given.share("chunks")?,
            every: given.bytes("every"),
            direction: Direction::of(given)?,
        };
        Some(corrupt.into())
    },
};

impl Kind for Corrupt {
    fn details(&self) -> String {
        let direction = self.direction.said_unless(DIRECTION);
        format!("{}{direction}", self.brief())
    }

    fn brief(&self) -> String {
        let every = self.every.map(|every| format!(" one bit in {every}"));
        let chunks = if self.chunks == Share::WHOLE {
            String::new()
        } else {
            format!(" in {} of chunks", self.chunks)
        };
        format!("{}{chunks}", every.unwrap_or_default())
    }

    fn mistake(&self) -> Option<Mistake> {
        let (parameter, title, label, help) = if self.chunks.get() == 0.0 {
            (
                "chunks",
                "nothing would be corrupted",
                "no chunk at all",
                "write for instance `1%`; without `chunks` it is all of them",
            )
        } else if self.every == Some(ByteCount(0)) {
            (
                "every",
                "there is no bit in no bytes",
                "at least 1B",
                "write for instance `4KiB`; without `every` it is one bit in each chunk",
            )
        } else {
            return None;
        };
        Some(Mistake {
            parameter,
            problem: Problem::OutOfRange,
            title,
            label: label.to_owned(),
            help,
        })
    }
}

impl OnBytesKind for Corrupt {
    fn direction(&self) -> Direction {
        self.direction
    }

    fn effect(&self, done: &BytesDone) -> String {
        let (chunks, flows) = (done.chunks, done.flows);
        format!("bits flipped in {chunks} chunks of {flows} flows")
    }
}
