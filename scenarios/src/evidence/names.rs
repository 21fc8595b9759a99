//! What was seen of a fault on names.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::inject::Dns;

/// Names as a fault on them left them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamesSeen {
    /// What is answered.
    pub fault: Dns,
    /// The names.
    pub names: Vec<String>,
    /// Questions for them since the injection, over UDP and TCP; those of squall
    /// itself are not counted.
    pub asked: u64,
    /// Questions that the fault answered.
    pub hit: u64,
}

impl NamesSeen {
    pub(super) fn on(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hit {
            0 => write!(f, "in force on {}, nobody asked yet", self.names()),
            hit => write!(f, "{} on {}", self.fault.effect(hit), self.names()),
        }
    }

    pub(super) fn off(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (names, effect) = (self.names(), self.fault.effect(self.hit));
        write!(f, "{names} answered truly again; {effect}")
    }

    /// `name a`, or `names a, b`.
    fn names(&self) -> String {
        let word = if self.names.len() == 1 {
            "name"
        } else {
            "names"
        };
        format!("{word} {}", self.names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sighting;
    use crate::inject::DnsAnswer;

    #[test]
    fn what_happened_to_names_is_said() {
        let seen = |hit| NamesSeen {
            fault: Dns {
                answer: DnsAnswer::Nxdomain,
                by: None,
                to: None,
            },
            names: vec!["payments.test".to_owned()],
            asked: hit,
            hit,
        };
        let said = [
            Sighting::OnNames(seen(0)),
            Sighting::OnNames(seen(1)),
            Sighting::OffNames(seen(7)),
        ]
        .map(|sighting| sighting.to_string());
        assert_eq!(
            said,
            [
                "in force on name payments.test, nobody asked yet",
                "1 question answered with NXDOMAIN on name payments.test",
                "name payments.test answered truly again; 7 questions answered with NXDOMAIN",
            ]
        );
    }
}
