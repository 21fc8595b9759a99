//! `rate`: packets beyond a rate are lost.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::packets::Packets;
use super::{About, Direction, Mistake, Parameter, ParameterKind, Problem, Surface};
use crate::units::{ByteCount, Share};

/// Packets between the target and its callers are dropped beyond a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Bytes per second, headers included.
    pub limit: ByteCount,
    /// Which packets; those from the target by default.
    pub direction: Direction,
}

const DIRECTION: Direction = Direction::From;

/// What the kernel can count with: tokens of a nanosecond in 64 bits.
const LIMIT_MAX: u64 = 16 * 1024 * 1024 * 1024;

pub(super) static ABOUT: About = About {
    keyword: "rate",
    surface: Surface::Network,
    about: "Packets between a target and its callers are lost beyond a rate.",
    also_called: &["police", "policer", "rate_limit"],
    noun: "a limit of packets",
    meaning: "Packets of TCP beyond so many bytes per second are dropped by the kernel, as by a provider that polices a line; TCP finds out and slows down. To slow bytes down without a loss, inject `bandwidth`.",
    reads: "rate: { limit: 1MiB/s }",
    parameters: &[
        Parameter::needed(
            "limit",
            ParameterKind::BytesPerSecond,
            "Bytes per second on each target and way. What was not used is kept for a second, and 64KiB beside it.",
            &["rate", "bandwidth", "max"],
        ),
        Direction::unless_said(DIRECTION),
    ],
    example: "- name: payments behind a policed line
  at: 15s
  inject: { rate: { limit: 256KiB/s } }
  into: payments
  for: 20s",
    verified: "The rules are read back from the kernel before the window opens. Before it is taken away, packets must have been dropped; a limit that nobody came to proves nothing.",
    undone: "The kernel takes the rules away at once, and squall looks that they are gone. They belong to a socket of the guardian: the kernel takes them away with it, however it ends.",
    read: |given| {
        let rate = Rate {
            limit: given.bytes("limit")?,
            direction: Direction::of(given)?,
        };
        Some(rate.into())
    },
};

impl Rate {
    pub(super) const fn packets(self) -> Packets {
        Packets {
            direction: self.direction,
            share: Share::WHOLE,
            reset: false,
            beyond: Some(self.limit),
        }
    }
}

impl Kind for Rate {
    fn details(&self) -> String {
        let direction = self.direction.said_unless(DIRECTION);
        format!(" beyond {}/s{direction}", self.limit)
    }

    fn brief(&self) -> String {
        format!(" {}/s", self.limit)
    }

    fn mistake(&self) -> Option<Mistake> {
        let wrong = |title, label: &str, help| Mistake {
            parameter: "limit",
            problem: Problem::OutOfRange,
            title,
            label: label.to_owned(),
            help,
        };
        match self.limit.0 {
            0 => Some(wrong(
                "no packets at all would pass",
                "at least 1B/s",
                "to lose all packets, inject `partition`",
            )),
            1..=LIMIT_MAX => None,
            _ => Some(wrong(
                "more than any loopback carries",
                "at most 16GiB/s",
                "write for instance `rate: { limit: 1MiB/s }`",
            )),
        }
    }
}
