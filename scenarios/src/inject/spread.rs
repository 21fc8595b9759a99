//! How delays spread around what was asked for.

use serde::{Deserialize, Serialize};

use super::{Given, Parameter};

/// The distribution of a delay around its mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Spread {
    /// Evenly between mean - jitter and mean + jitter.
    #[default]
    Uniform,
    /// Normal, with the jitter as its standard deviation.
    Normal,
    /// Pareto with α = 3 (netem's), with the jitter as its standard deviation:
    /// mostly a little less than the mean, now and then far more.
    Pareto,
}

const NAME: &str = "spread";

const WORDS: &[(&str, &str)] = &[
    (
        "uniform",
        "Evenly between `by` - `jitter` and `by` + `jitter`.",
    ),
    ("normal", "Normal, with `jitter` as standard deviation."),
    (
        "pareto",
        "Pareto with α = 3, with `jitter` as standard deviation: most a little shorter than `by`, few far longer.",
    ),
];

impl Spread {
    const ALL: [Self; 3] = [Self::Uniform, Self::Normal, Self::Pareto];

    pub(super) const PARAMETER: Parameter = Parameter::word(
        NAME,
        Self::Uniform.word(),
        WORDS,
        "How delays spread; their mean is `by` unless they would be negative.",
    );

    /// The one that was given.
    pub(super) fn of(given: &Given) -> Option<Self> {
        let word = given.word(NAME)?;
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// Whether it is the one that goes without saying.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// As it follows a delay with its jitter: ` normal`.
    pub(super) const fn said(self) -> &'static str {
        match self {
            Self::Uniform => "",
            Self::Normal => " normal",
            Self::Pareto => " pareto",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Normal => "normal",
            Self::Pareto => "pareto",
        }
    }
}
