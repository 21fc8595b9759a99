//! What was seen of a fault, as events and records tell it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use squall_scenario::{Evidence, EvidenceLevel};

/// What was seen of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Fields", into = "Fields")]
pub enum FaultSeen {
    /// As data.
    Evidence(Evidence),
    /// In words: all that records of older versions have, and what is
    /// understood of those of newer ones.
    Words(String),
}

/// How it stands in an event.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Fields {
    /// What was seen, in words and figures.
    evidence: String,
    /// The same as data: how much is proved (`requested`, `acted` or `felt`),
    /// and every sighting with its counters. Absent in records of older
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proof: Option<Map<String, Value>>,
}

impl From<Fields> for FaultSeen {
    fn from(fields: Fields) -> Self {
        let evidence = fields.proof.and_then(|proof| {
            // Sightings that only a newer version knows are told in its words.
            serde_json::from_value(Value::Object(proof)).ok()
        });
        evidence.map_or(Self::Words(fields.evidence), Self::Evidence)
    }
}

impl From<FaultSeen> for Fields {
    fn from(seen: FaultSeen) -> Self {
        let words = seen.to_string();
        let proof = match seen {
            FaultSeen::Evidence(evidence) => match serde_json::to_value(evidence) {
                Ok(Value::Object(fields)) => Some(fields),
                // What is made of names, numbers and texts alone can be written.
                _ => None,
            },
            FaultSeen::Words(_) => None,
        };
        Self {
            evidence: words,
            proof,
        }
    }
}

impl FaultSeen {
    /// How much is proved; `None` where only words are left.
    #[must_use]
    pub const fn level(&self) -> Option<EvidenceLevel> {
        match self {
            Self::Evidence(evidence) => Some(evidence.level),
            Self::Words(_) => None,
        }
    }

    /// Hands over every text that came from outside.
    pub fn each_text(&mut self, change: impl Fn(&mut String)) {
        match self {
            Self::Evidence(evidence) => evidence.each_text(change),
            Self::Words(words) => change(words),
        }
    }
}

impl fmt::Display for FaultSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evidence(evidence) => evidence.fmt(f),
            Self::Words(words) => f.write_str(words),
        }
    }
}

impl From<Evidence> for FaultSeen {
    fn from(evidence: Evidence) -> Self {
        Self::Evidence(evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultChange;

    const OLD: &str = r#"{"active":{"evidence":"attached to 1 live connections of link a"}}"#;

    fn read(text: &str) -> FaultChange {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_older_versions_wrote_is_read_and_written_as_it_was() {
        let change = read(OLD);
        let FaultChange::Active { evidence } = &change else {
            panic!("{change:?}");
        };
        assert_eq!(evidence.level(), None);
        assert_eq!(
            evidence.to_string(),
            "attached to 1 live connections of link a"
        );
        assert_eq!(serde_json::to_string(&change).unwrap(), OLD);
    }

    #[test]
    fn evidence_is_written_as_data_with_the_words_beside_it() {
        let change = FaultChange::Observed {
            evidence: Evidence::lost("it ended".to_owned()).into(),
            effective: false,
            lost: true,
        };
        let written = serde_json::to_string(&change).unwrap();
        assert_eq!(
            written,
            r#"{"observed":{"evidence":"it ended","proof":{"level":"requested","seen":[{"lost":{"why":"it ended"}}]},"effective":false,"lost":true}}"#
        );
        assert_eq!(read(&written), change);
    }

    #[test]
    fn a_sighting_of_a_newer_version_is_told_in_its_words() {
        let change = read(
            r#"{"removed":{"evidence":"it melted","proof":{"level":"felt","seen":[{"melted":{}}]}}}"#,
        );
        let words = FaultSeen::Words("it melted".to_owned());
        assert_eq!(change, FaultChange::Removed { evidence: words });
    }
}
