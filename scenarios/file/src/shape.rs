//! How the maps of a file are shaped: which keys they have and what stands
//! behind each. The reader checks files against these shapes and the JSON
//! Schema is written from them, so the two cannot disagree.

/// A map with known keys.
#[derive(Debug)]
pub(crate) struct Shape {
    /// "a fault", for messages.
    pub(crate) noun: &'static str,
    /// What it is, for hover text.
    pub(crate) about: &'static str,
    /// How it reads aloud, for the help of an unknown key; may be empty.
    pub(crate) reads: &'static str,
    pub(crate) keys: &'static [Key],
}

/// A key of a map, or a word that may stand for one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What it means, for hover text.
    pub(crate) about: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Words people write instead.
    pub(crate) otherwise: &'static [&'static str],
}

/// What stands behind a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// `[a-z][a-z0-9-]*`, or with `_` as well.
    Word,
    Template,
    Duration,
    /// `1s`, or any time from one to another: `1s..3s`.
    DurationRange,
    Rate,
    Share,
    /// `20% of connections`.
    ShareOfConnections,
    BytesPerSecond,
    /// `64KiB`.
    Size,
    Flag,
    /// A whole number between the two.
    Whole(u64, u64),
    /// A number above 0.
    Decimal,
    Status,
    /// A number of instances, or `$settings.NAME`.
    Instances,
    /// `GET /path`.
    Send,
    /// Anything that JSON can say.
    Json,
    /// One of the faults there are, with its parameters.
    Fault,
    FaultTarget,
    /// `p99 < 300ms` and its kin.
    Gate,
    /// `success during WINDOW`.
    Failure,
    Object(&'static Shape),
    List(&'static Kind),
    /// A map with keys of the user's choice.
    Names(&'static Kind),
    /// One of the words.
    Words(&'static [(&'static str, &'static str)]),
    /// A map with exactly one of the keys, which says what the value is. A key
    /// that is not required to have a value may stand alone as a word.
    OneOf(&'static [Key]),
    /// A short form and a long one.
    Either(&'static [Kind]),
}

/// A key that may be left out.
pub(crate) const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key {
        name,
        about,
        kind,
        required: false,
        otherwise: &[],
    }
}

/// A key that has to be there.
pub(crate) const fn needed(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key {
        required: true,
        ..key(name, kind, about)
    }
}

impl Key {
    /// Adds words people write instead.
    pub(crate) const fn otherwise(self, words: &'static [&'static str]) -> Self {
        Self {
            otherwise: words,
            ..self
        }
    }
}

impl Kind {
    /// How a key of this kind may be written, in backticks.
    pub(crate) fn example(&self, name: &str) -> String {
        let value = match self {
            Self::Duration => "30s",
            Self::DurationRange => "1s..3s",
            Self::Rate => "100/s",
            Self::Share => "95%",
            Self::ShareOfConnections => "20% of connections",
            Self::BytesPerSecond => "64KiB/s",
            Self::Size => "16MiB",
            Self::Flag => "true",
            Self::Whole(..) | Self::Instances => "1",
            Self::Decimal => "1.1",
            Self::Status => "200",
            Self::Send => "GET /",
            Self::Gate => "p99 < 300ms",
            Self::Failure => "success during NAME",
            Self::Text | Self::Template | Self::Word | Self::FaultTarget => "…",
            Self::List(item) => {
                return format!(
                    "`{name}: [ {} ]`",
                    item.example("").trim_matches('`').trim_start_matches(": ")
                );
            }
            Self::Names(_) | Self::OneOf(_) | Self::Fault | Self::Json => "{ … }",
            Self::Words(words) => words.first().map_or("…", |(word, _)| word),
            Self::Object(shape) if shape.keys.is_empty() => return format!("`{name}`"),
            Self::Object(shape) if shape.reads.starts_with(name) && !name.is_empty() => {
                return format!("`{}`", shape.reads);
            }
            Self::Object(_) => "{ … }",
            Self::Either(kinds) => {
                return kinds
                    .first()
                    .map_or_else(|| format!("`{name}`"), |kind| kind.example(name));
            }
        };
        format!("`{name}: {value}`")
    }
}
