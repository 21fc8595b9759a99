//! What was seen of a fault on packets.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::inject::Packets;

/// The packets of targets as a fault on them left them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketsSeen {
    /// What is done to packets.
    pub fault: Packets,
    /// The targets, by name.
    pub targets: Vec<String>,
    /// Packets that it could have hit.
    pub seen: u64,
    /// Packets that it hit.
    pub hit: u64,
    /// Their bytes, headers included.
    pub hit_bytes: u64,
    /// How TCP controls congestion on this machine: what a loss costs depends on
    /// that.
    pub congestion: String,
}

impl PacketsSeen {
    pub(super) fn on(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hit {
            0 => write!(f, "in force on {}, no packet hit yet", self.names()),
            _ => write!(f, "{} (TCP: {})", self.effect(), self.congestion),
        }
    }

    pub(super) fn off(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "packets of {} pass again; {}",
            self.names(),
            self.effect()
        )
    }

    fn effect(&self) -> String {
        let effect = self.fault.effect(self.seen, self.hit);
        format!("{effect} at {}", self.names())
    }

    fn names(&self) -> String {
        self.targets.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Sighting;
    use crate::inject::Direction;
    use crate::units::{ByteCount, Share};

    #[test]
    fn what_happened_to_packets_is_said() {
        let beyond = |beyond, share, hit| PacketsSeen {
            fault: Packets {
                direction: Direction::Both,
                share,
                reset: false,
                beyond,
            },
            targets: vec!["cache-0".to_owned(), "cache-1".to_owned()],
            seen: 40,
            hit,
            hit_bytes: 100 * hit,
            congestion: "cubic".to_owned(),
        };
        let seen = |share, hit| beyond(None, share, hit);
        let rate = Some(ByteCount(65536));
        let tenth = Share::new(0.1).unwrap();
        let said = [
            Sighting::OnPackets(seen(Share::WHOLE, 0)),
            Sighting::OnPackets(seen(Share::WHOLE, 40)),
            Sighting::OffPackets(seen(tenth, 5)),
            Sighting::OnPackets(beyond(rate, Share::WHOLE, 7)),
        ]
        .map(|sighting| sighting.to_string());
        assert_eq!(
            said,
            [
                "in force on cache-0, cache-1, no packet hit yet",
                "40 packets dropped at cache-0, cache-1 (TCP: cubic)",
                "packets of cache-0, cache-1 pass again; \
                 5 of 40 packets dropped at cache-0, cache-1",
                "7 of 40 packets dropped, beyond 64KiB/s at cache-0, cache-1 (TCP: cubic)",
            ]
        );
    }
}
