//! What was seen of a fault on bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::messages::listed_links;
use crate::inject::{BytesDone, OnBytes};
use crate::units::Share;

/// Links as a fault on their bytes left them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinksSeen {
    /// What is done to the bytes.
    pub fault: OnBytes,
    /// The share of connections it hits; all when absent.
    #[serde(default)]
    pub share: Option<Share>,
    /// The links, by name.
    pub links: Vec<String>,
    /// Live connections that took the change over.
    pub live_connections: u64,
    /// What the fault has done on all links together.
    pub done: BytesDone,
}

impl LinksSeen {
    pub(super) fn on(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (names, scope) = (self.names(), self.scope());
        if self.fault.was_met(&self.done) {
            return write!(f, "{} on {names}{scope}", self.effect());
        }
        let (live, unmet) = (self.live_connections, self.fault.unmet());
        write!(
            f,
            "attached to {live} live connections of {names}, {unmet}{scope}"
        )
    }

    pub(super) fn off(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (live, names) = (self.live_connections, self.names());
        let (effect, scope) = (self.effect(), self.scope());
        write!(
            f,
            "taken off {live} live connections of {names}; {effect}{scope}"
        )
    }

    fn names(&self) -> String {
        listed_links(&self.links)
    }

    fn effect(&self) -> String {
        self.fault.effect(&self.done)
    }

    /// How many connections its share came to; empty when it hits all.
    fn scope(&self) -> String {
        let BytesDone { hit, met, .. } = self.done;
        let words = |share| format!(" (hit {hit} of {met} connections, its share is {share})");
        self.share.map(words).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Sighting;
    use crate::inject::{Bandwidth, Cut, Delay, Direction, Reset};
    use crate::units::ByteCount;

    fn on_links(fault: OnBytes, done: BytesDone) -> LinksSeen {
        LinksSeen {
            fault,
            share: None,
            links: vec!["payments".to_owned(), "stock".to_owned()],
            live_connections: 3,
            done,
        }
    }

    #[test]
    fn what_faults_on_bytes_did_is_said_as_it_always_was() {
        let direction = Direction::Both;
        let done = BytesDone {
            met: 9,
            hit: 4,
            flows: 2,
            chunks: 5,
            bytes: 900,
            ends: 0,
            swallowed_bytes: 70,
            reset: 4,
            ..BytesDone::default()
        };
        let delay = OnBytes::Delay(Delay::of(
            Duration::from_millis(800),
            Duration::from_millis(10),
            direction,
        ));
        let cut = OnBytes::Cut(Cut { direction });
        let reset = OnBytes::Reset(Reset::default());
        let rate = ByteCount(65_536);
        let bandwidth = OnBytes::Bandwidth(Bandwidth { rate, direction });
        for (fault, effect) in [
            (
                delay.clone(),
                "5 chunks (900 bytes) of 2 flows delayed by 800ms",
            ),
            (cut, "70 bytes of 2 flows swallowed"),
            (reset, "4 connections reset"),
            (bandwidth, "900 bytes of 2 flows limited to 64KiB/s each"),
        ] {
            assert_eq!(
                Sighting::OnLinks(on_links(fault.clone(), done)).to_string(),
                format!("{effect} on links payments, stock")
            );
            assert_eq!(
                Sighting::OffLinks(on_links(fault, done)).to_string(),
                format!("taken off 3 live connections of links payments, stock; {effect}")
            );
        }
        assert_eq!(
            Sighting::OnLinks(on_links(delay, BytesDone::default())).to_string(),
            "attached to 3 live connections of links payments, stock, no traffic yet"
        );
    }

    #[test]
    fn a_share_says_how_many_connections_it_came_to() {
        let seen = |met, hit, reset| LinksSeen {
            share: Share::new(0.2),
            ..on_links(
                OnBytes::Reset(Reset::default()),
                BytesDone {
                    met,
                    hit,
                    flows: reset,
                    reset,
                    ..BytesDone::default()
                },
            )
        };
        assert_eq!(
            Sighting::OnLinks(seen(21, 4, 3)).to_string(),
            "3 connections reset on links payments, stock (hit 4 of 21 connections, its share is 20%)"
        );
        assert_eq!(
            Sighting::OnLinks(seen(2, 0, 0)).to_string(),
            "attached to 3 live connections of links payments, stock, no traffic yet \
             (hit 0 of 2 connections, its share is 20%)"
        );
        assert_eq!(
            Sighting::OffLinks(seen(21, 4, 3)).to_string(),
            "taken off 3 live connections of links payments, stock; 3 connections reset \
             (hit 4 of 21 connections, its share is 20%)"
        );
    }
}
