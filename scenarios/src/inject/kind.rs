//! What a kind of fault has to say of itself.

use std::fmt;
use std::time::Duration;

use super::{Inject, Surface};
use crate::units::{ByteCount, Share, format_duration};

/// All there is to know about a kind of fault, for files, people and readers.
#[derive(Debug)]
pub struct About {
    /// The word behind `inject`.
    pub keyword: &'static str,
    /// Where it acts.
    pub surface: Surface,
    /// What it does, in one line.
    pub about: &'static str,
    /// Words that other tools use for it, or that people write instead.
    pub also_called: &'static [&'static str],
    /// `a delay`, for messages.
    pub noun: &'static str,
    /// What its parameters are about, for hover text.
    pub meaning: &'static str,
    /// How it reads in a file.
    pub reads: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// An entry of `faults`, as YAML.
    pub example: &'static str,
    /// How squall makes sure that it took effect.
    pub verified: &'static str,
    /// How it is put back.
    pub undone: &'static str,
    /// Makes the fault of its parameters; `None` where one is not given that
    /// has no default.
    pub read: fn(&Given) -> Option<Inject>,
}

impl PartialEq for About {
    fn eq(&self, other: &Self) -> bool {
        self.keyword == other.keyword
    }
}

/// A parameter of a fault.
#[derive(Debug)]
pub struct Parameter {
    /// Its key.
    pub name: &'static str,
    /// What its value is.
    pub kind: ParameterKind,
    /// What holds when it is absent.
    pub absent: Absent,
    /// What it means.
    pub about: &'static str,
    /// Words people write instead.
    pub otherwise: &'static [&'static str],
}

impl Parameter {
    /// One that has to be there.
    pub(super) const fn needed(
        name: &'static str,
        kind: ParameterKind,
        about: &'static str,
        otherwise: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            kind,
            absent: Absent::Mistake,
            about,
            otherwise,
        }
    }

    /// One that may be left out, and then nothing stands for it.
    #[must_use]
    pub const fn optional(
        name: &'static str,
        kind: ParameterKind,
        about: &'static str,
        otherwise: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            kind,
            absent: Absent::Nothing,
            about,
            otherwise,
        }
    }

    /// One of those of which exactly one has to be there.
    pub(super) const fn alternative(
        name: &'static str,
        kind: ParameterKind,
        about: &'static str,
        otherwise: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            kind,
            absent: Absent::Another,
            about,
            otherwise,
        }
    }

    /// A duration that is nothing when it is absent.
    pub(super) const fn no_time(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            kind: ParameterKind::Duration,
            absent: Absent::Means(Value::Duration(Duration::ZERO)),
            about,
            otherwise: &[],
        }
    }

    /// One of some words; the first that is given here when it is absent.
    pub(super) const fn word(
        name: &'static str,
        default: &'static str,
        words: &'static [(&'static str, &'static str)],
        about: &'static str,
    ) -> Self {
        Self {
            name,
            kind: ParameterKind::Words(words),
            absent: Absent::Means(Value::Word(default)),
            about,
            otherwise: &[],
        }
    }
}

/// What holds when a parameter is absent.
#[derive(Debug)]
pub enum Absent {
    /// It has to be there.
    Mistake,
    /// Nothing.
    Nothing,
    /// Another one of those that say so has to be there: one and no more.
    Another,
    /// The same as with this value.
    Means(Value),
}

/// What the value of a parameter is.
#[derive(Debug, Clone, Copy)]
pub enum ParameterKind {
    /// `300ms`.
    Duration,
    /// `64KiB/s`.
    BytesPerSecond,
    /// `64KiB`.
    Size,
    /// `20%`.
    Share,
    /// A whole number between the two.
    Count(u32, u32),
    /// A text; what it may say is for the fault to check.
    Text,
    /// A text that may hold a secret.
    Content,
    /// `50%` or `64KiB`.
    Part,
    /// Headers with their values.
    Texts,
    /// Names of headers.
    Names,
    /// Parameters that belong together.
    Group(&'static Group),
    /// One of these words, each with its meaning.
    Words(&'static [(&'static str, &'static str)]),
}

/// Parameters of a fault that belong together: a map of its own in a file.
#[derive(Debug)]
pub struct Group {
    /// Its key.
    pub name: &'static str,
    /// What it is, for messages.
    pub noun: &'static str,
    /// What it means.
    pub about: &'static str,
    /// How it reads in a file.
    pub reads: &'static str,
    /// The parameter that a value stands for where there is no map.
    pub short: Option<&'static str>,
    /// Its parameters; none of them is a group.
    pub parameters: &'static [Parameter],
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A duration.
    Duration(Duration),
    /// Bytes, or bytes per second.
    Bytes(ByteCount),
    /// A share.
    Share(Share),
    /// A whole number.
    Count(u32),
    /// A word.
    Word(&'static str),
    /// A text.
    Text(String),
    /// Texts by name.
    Texts(Vec<(String, String)>),
    /// Names.
    Names(Vec<String>),
    /// Parameters that belong together.
    Group(Given),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration(duration) => f.write_str(&format_duration(*duration)),
            Self::Bytes(bytes) => bytes.fmt(f),
            Self::Share(share) => share.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Word(word) => f.write_str(word),
            Self::Text(text) => f.write_str(text),
            Self::Texts(texts) => {
                let names: Vec<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
                f.write_str(&names.join(", "))
            }
            Self::Names(names) => f.write_str(&names.join(", ")),
            Self::Group(given) => {
                for (at, (name, value)) in given.0.iter().enumerate() {
                    let between = if at == 0 { "" } else { ", " };
                    write!(f, "{between}{name}: {value}")?;
                }
                Ok(())
            }
        }
    }
}

/// The parameters of one fault, given or by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given(Vec<(&'static str, Value)>);

impl Given {
    /// Adds the value of a parameter.
    pub fn set(&mut self, name: &'static str, value: Value) {
        self.0.push((name, value));
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let found = self.0.iter().find(|(given, _)| *given == name);
        found.map(|(_, value)| value)
    }

    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        match self.get(name) {
            Some(Value::Duration(duration)) => Some(*duration),
            _ => None,
        }
    }

    pub(super) fn bytes(&self, name: &str) -> Option<ByteCount> {
        match self.get(name) {
            Some(Value::Bytes(bytes)) => Some(*bytes),
            _ => None,
        }
    }

    /// The share that a parameter was given, if it was.
    #[must_use]
    pub fn share(&self, name: &str) -> Option<Share> {
        match self.get(name) {
            Some(Value::Share(share)) => Some(*share),
            _ => None,
        }
    }

    /// The whole number that a parameter was given, if it was.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u32> {
        match self.get(name) {
            Some(Value::Count(count)) => Some(*count),
            _ => None,
        }
    }

    pub(super) fn word(&self, name: &str) -> Option<&'static str> {
        match self.get(name) {
            Some(Value::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// The text that a parameter was given, if it was.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl Given {
    /// Texts by name, if they were given.
    pub(super) fn texts(&self, name: &str) -> Option<&[(String, String)]> {
        match self.get(name) {
            Some(Value::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    /// Names, if they were given.
    pub(super) fn names(&self, name: &str) -> Option<&[String]> {
        match self.get(name) {
            Some(Value::Names(names)) => Some(names),
            _ => None,
        }
    }

    /// Parameters that belong together, if they were given.
    pub(super) fn group(&self, name: &str) -> Option<&Self> {
        match self.get(name) {
            Some(Value::Group(given)) => Some(given),
            _ => None,
        }
    }
}

/// A value of a parameter that fits by itself and still cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The parameter; one of a group stands behind its name and a dot.
    pub parameter: &'static str,
    /// The kind of mistake.
    pub problem: Problem,
    /// What is wrong.
    pub title: &'static str,
    /// Short remark for the place.
    pub label: String,
    /// What to write.
    pub help: &'static str,
}

impl Mistake {
    /// A value that nobody means.
    pub(super) fn out_of_range(
        parameter: &'static str,
        title: &'static str,
        label: impl Into<String>,
        help: &'static str,
    ) -> Self {
        Self {
            parameter,
            problem: Problem::OutOfRange,
            title,
            label: label.into(),
            help,
        }
    }
}

/// Kinds of [`Mistake`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// A value that nobody means.
    OutOfRange,
    /// More jitter than delay.
    JitterAboveDelay,
}

/// What a fault says of itself, with its parameters.
pub(super) trait Kind {
    /// Its parameters, as they follow its keyword in a plan; those that have
    /// their defaults are left out.
    fn details(&self) -> String {
        String::new()
    }

    /// What matters most of its parameters, as it follows its keyword.
    fn brief(&self) -> String {
        String::new()
    }

    /// What is wrong with its parameters, if anything.
    fn mistake(&self) -> Option<Mistake> {
        None
    }
}
