//! Which way the bytes go that a fault acts on.

use serde::{Deserialize, Serialize};

use super::{Given, Parameter};

/// Which bytes of a connection a fault acts on, seen from the target of the
/// fault (the server side of the link).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Direction {
    /// Bytes from the target to its callers (Toxiproxy's downstream).
    #[default]
    From,
    /// Bytes from the callers to the target (Toxiproxy's upstream).
    To,
    /// Both.
    Both,
}

const NAME: &str = "direction";

const WORDS: &[(&str, &str)] = &[
    ("from", "Bytes from the target to its callers."),
    ("to", "Bytes from the callers to the target."),
    ("both", "Both."),
];

impl Direction {
    /// Both, as the default of a parameter that older records do not have.
    pub(super) const fn both() -> Self {
        Self::Both
    }

    const ALL: [Self; 3] = [Self::From, Self::To, Self::Both];

    /// The parameter of a fault that acts on bytes in this direction when
    /// nothing else is said.
    pub(super) const fn unless_said(default: Self) -> Parameter {
        Parameter::word(
            NAME,
            default.word(),
            WORDS,
            "Which bytes, seen from the target.",
        )
    }

    /// The direction that was given.
    pub(super) fn of(given: &Given) -> Option<Self> {
        let word = given.word(NAME)?;
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// As it follows a sentence, unless that goes without saying.
    pub(super) fn said_unless(self, default: Self) -> &'static str {
        if self == default {
            return "";
        }
        match self {
            Self::From => " from the target",
            Self::To => " to the target",
            Self::Both => " both ways",
        }
    }

    /// Whether bytes towards the target (`to_target`) or from it are meant.
    #[must_use]
    pub const fn is(self, to_target: bool) -> bool {
        match self {
            Self::Both => true,
            Self::To => to_target,
            Self::From => !to_target,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::To => "to",
            Self::Both => "both",
        }
    }
}
