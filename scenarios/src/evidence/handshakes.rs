//! What was seen of a fault on the TLS of links.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::inject::{Tls, TlsDone};

/// Links as a fault on their TLS left them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSeen {
    /// What callers met.
    pub fault: Tls,
    /// The links, by name.
    pub links: Vec<String>,
    /// What it has done on all links together.
    pub done: TlsDone,
}

impl TlsSeen {
    pub(super) fn on(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = self.links.join(", ");
        match self.done.met {
            0 => write!(f, "in force on {links}, no handshake yet"),
            _ => write!(f, "on {links}: {}", self.fault.effect(&self.done)),
        }
    }

    pub(super) fn off(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (links, effect) = (self.links.join(", "), self.fault.effect(&self.done));
        write!(f, "taken off {links}; {effect}")
    }
}
