//! `loss`: packets are lost, some of them.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::packets::Packets;
use super::{About, Direction, Mistake, Parameter, ParameterKind, Problem, Surface};
use crate::units::Share;

/// A share of the packets between the target and its callers is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// How many.
    pub share: Share,
    /// Which packets; both ways by default.
    pub direction: Direction,
}

const DIRECTION: Direction = Direction::Both;

/// Less than this, and the kernel's dice have no such side.
const SHARE_MIN: f64 = 0.0001;

pub(super) static ABOUT: About = About {
    keyword: "loss",
    surface: Surface::Network,
    about: "Packets between a target and its callers are lost, some of them.",
    also_called: &["packet_loss", "lossy"],
    noun: "a loss of packets",
    meaning: "A share of the packets of TCP between the target and its callers is dropped by the kernel, by its own dice: TCP finds out and sends again.",
    reads: "loss: { share: 10% }",
    parameters: &[
        Parameter::needed(
            "share",
            ParameterKind::Share,
            "How many of the packets.",
            &["rate", "percent", "probability"],
        ),
        Direction::unless_said(DIRECTION),
    ],
    example: "- name: packets of payments get lost
  at: 15s
  inject: { loss: { share: 10% } }
  into: payments
  for: 20s",
    verified: "The rules are read back from the kernel before the window opens. Before it is taken away, packets must have been dropped; a loss that no packet met proves nothing. How TCP controls congestion is recorded beside it: with bbr a loss looks harmless.",
    undone: "The kernel takes the rules away at once, and squall looks that they are gone. They belong to a socket of the guardian: the kernel takes them away with it, however it ends.",
    read: |given| {
        let loss = Loss {
            share: given.share("share")?,
            direction: Direction::of(given)?,
        };
        Some(loss.into())
    },
};

impl Loss {
    pub(super) const fn packets(self) -> Packets {
        Packets {
            direction: self.direction,
            share: self.share,
            reset: false,
            beyond: None,
        }
    }
}

impl Kind for Loss {
    fn details(&self) -> String {
        let direction = self.direction.said_unless(DIRECTION);
        format!(" of {} of packets{direction}", self.share)
    }

    fn brief(&self) -> String {
        format!(" {}", self.share)
    }

    fn mistake(&self) -> Option<Mistake> {
        (self.share.get() < SHARE_MIN).then(|| Mistake {
            parameter: "share",
            problem: Problem::OutOfRange,
            title: "a loss loses something",
            label: "at least 0.01%".to_owned(),
            help: "write for instance `loss: { share: 10% }`",
        })
    }
}
