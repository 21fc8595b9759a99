//! `reject`: packets are answered with a reset.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::packets::Packets;
use super::{About, Direction, Surface};
use crate::units::Share;

/// Every packet to the target is answered with a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reject;

pub(super) static ABOUT: About = About {
    keyword: "reject",
    surface: Surface::Network,
    about: "Packets to a target are answered with a reset, as by a firewall.",
    also_called: &["firewall"],
    noun: "a rejection",
    meaning: "Every packet of TCP to the target is answered with a reset by the kernel: nobody can connect, and what is connected ends with the next byte of a caller.",
    reads: "reject",
    parameters: &[],
    example: "- name: payments are behind a firewall
  at: 15s
  inject: reject
  into: payments
  for: 20s",
    verified: "The rules are read back from the kernel before the window opens. Before it is taken away, packets must have been answered; a rejection that no packet met proves nothing.",
    undone: "The kernel takes the rules away at once, and squall looks that they are gone; connections that were reset stay gone. They belong to a socket of the guardian: the kernel takes them away with it, however it ends.",
    read: |_| Some(Reject.into()),
};

impl Reject {
    pub(super) const fn packets(self) -> Packets {
        Packets {
            direction: Direction::To,
            share: Share::WHOLE,
            reset: true,
            beyond: None,
        }
    }
}

impl Kind for Reject {}
