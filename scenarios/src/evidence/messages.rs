//! What was seen of a fault on HTTP.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::inject::{HttpDone, OnHttp};

/// Links as a fault on their HTTP left them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesSeen {
    /// What is done to the messages.
    pub fault: OnHttp,
    /// The links, by name.
    pub links: Vec<String>,
    /// Live connections that took the change over.
    pub live_connections: u64,
    /// What the fault has done on all links together.
    pub done: HttpDone,
}

impl MessagesSeen {
    /// What it does, in words.
    pub(super) fn on(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (links, besides) = (listed_links(&self.links), self.besides());
        match self.done.requests {
            0 => write!(f, "on {links}, no request yet{besides}"),
            _ => write!(f, "{} on {links}{besides}", self.fault.effect(&self.done)),
        }
    }

    /// What it did, now that it is gone.
    pub(super) fn off(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (live, links) = (self.live_connections, listed_links(&self.links));
        let (effect, besides) = (self.fault.effect(&self.done), self.besides());
        write!(
            f,
            "taken off {live} live connections of {links}; {effect}{besides}"
        )
    }

    /// What stood in its way; empty when nothing did.
    fn besides(&self) -> String {
        match self.done.not_http {
            0 => String::new(),
            1 => "; 1 connection was not HTTP and passed untouched".to_owned(),
            many => format!("; {many} connections were not HTTP and passed untouched"),
        }
    }
}

/// `link a`, or `links a, b`.
pub(super) fn listed_links(links: &[String]) -> String {
    let word = if links.len() == 1 { "link" } else { "links" };
    format!("{word} {}", links.join(", "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Sighting;
    use crate::inject::{Answer, Http, HttpAction, Matching, Message, Part};
    use crate::units::{ByteCount, Share};

    fn seen(action: HttpAction, acted: u64) -> MessagesSeen {
        let http = Http {
            when: Matching::default(),
            share: Share::WHOLE,
            at_most: Some(3),
            scoped: false,
            message: Message::Answer,
            action,
        };
        MessagesSeen {
            fault: OnHttp::Http(http),
            links: vec!["payments".to_owned()],
            live_connections: 4,
            done: HttpDone {
                requests: 100,
                matched: 20,
                acted,
                bytes: 640,
                delay_p50_us: Some(301_000),
                ..HttpDone::default()
            },
        }
    }

    fn on(seen: &MessagesSeen) -> String {
        Sighting::OnMessages(seen.clone()).to_string()
    }

    fn off(seen: &MessagesSeen) -> String {
        Sighting::OffMessages(seen.clone()).to_string()
    }

    #[test]
    fn every_action_says_what_it_did() {
        let rate = ByteCount(65_536);
        let by = Duration::from_millis(300);
        let jitter = Duration::ZERO;
        let answer = Answer {
            status: 503,
            headers: Vec::new(),
            body: String::new(),
        };
        let after = ByteCount(0);
        for (action, effect) in [
            (
                HttpAction::Delay { by, jitter },
                "2 answers delayed by 300ms, observed p50 301ms",
            ),
            (HttpAction::Answer(answer), "2 requests answered with 503"),
            (HttpAction::Abort { after }, "2 answers ended by a reset"),
            (
                HttpAction::Truncate(Part::Bytes(rate)),
                "2 answers cut short",
            ),
            (
                HttpAction::Corrupt(Share::WHOLE),
                "640 bytes of 2 answers changed",
            ),
            (
                HttpAction::SetHeaders(Vec::new()),
                "headers of 2 answers set",
            ),
            (
                HttpAction::RemoveHeaders(Vec::new()),
                "headers of 2 answers removed",
            ),
            (
                HttpAction::Throttle(rate),
                "640 bytes of 2 answers limited to 64KiB/s each",
            ),
        ] {
            let seen = seen(action, 2);
            let matched = "(20 of 100 requests matched)";
            assert_eq!(on(&seen), format!("{effect} {matched} on link payments"));
            assert_eq!(
                off(&seen),
                format!("taken off 4 live connections of link payments; {effect} {matched}")
            );
        }
    }

    #[test]
    fn what_no_request_has_met_says_so() {
        let mut seen = seen(HttpAction::Corrupt(Share::WHOLE), 0);
        seen.done = HttpDone::default();
        assert_eq!(on(&seen), "on link payments, no request yet");
    }

    #[test]
    fn what_stood_in_its_way_is_said() {
        let after = ByteCount(0);
        let mut seen = seen(HttpAction::Abort { after }, 1);
        seen.done.over_the_cap = 7;
        seen.done.not_http = 2;
        assert_eq!(
            on(&seen),
            "1 answer ended by a reset (20 of 100 requests matched, 7 over the cap of 3) \
             on link payments; 2 connections were not HTTP and passed untouched"
        );
    }
}
