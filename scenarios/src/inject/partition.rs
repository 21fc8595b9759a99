//! `partition`: packets are lost, all of them.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::packets::Packets;
use super::{About, Direction, Surface};
use crate::units::Share;

/// Every packet between the target and its callers is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Which packets; both ways by default.
    pub direction: Direction,
}

const DIRECTION: Direction = Direction::Both;

pub(super) static ABOUT: About = About {
    keyword: "partition",
    surface: Surface::Network,
    about: "Packets between a target and its callers are lost, all of them.",
    also_called: &["blackhole_packets", "drop"],
    noun: "a partition",
    meaning: "Every packet of TCP between the target and its callers is dropped by the kernel: nobody can connect, and what is connected waits and sends again.",
    reads: "partition: { direction: to }",
    parameters: &[Direction::unless_said(DIRECTION)],
    example: "- name: payments hear nobody
  at: 15s
  inject: { partition: { direction: to } }
  into: payments
  for: 20s",
    verified: "The rules are read back from the kernel before the window opens. Before it is taken away, packets must have been dropped; a partition that no packet met proves nothing.",
    undone: "The kernel takes the rules away at once, and squall looks that they are gone; TCP sends again what was lost. They belong to a socket of the guardian: the kernel takes them away with it, however it ends.",
    read: |given| {
        let direction = Direction::of(given)?;
        Some(Partition { direction }.into())
    },
};

impl Partition {
    pub(super) const fn packets(self) -> Packets {
        Packets {
            direction: self.direction,
            share: Share::WHOLE,
            reset: false,
            beyond: None,
        }
    }
}

impl Kind for Partition {
    fn details(&self) -> String {
        self.direction.said_unless(DIRECTION).to_owned()
    }
}
