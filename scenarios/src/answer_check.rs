//! What an answer has to be like besides its status: an answer that came in time and
//! is wrong is no good answer.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::template::Template;
use crate::units::{ByteCount, format_duration};

/// One thing that holds of every good answer of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswerCheck {
    /// A header.
    Header {
        /// Its name, in lower case.
        name: String,
        /// What is there.
        expected: Expected,
    },
    /// A value within a body of JSON.
    Json {
        /// Where it stands: a JSON pointer (RFC 6901). The empty one is the whole
        /// body.
        pointer: String,
        /// What is there.
        expected: Expected,
    },
    /// The body has this text in it.
    Contains(Template),
    /// The body does not.
    Lacks(Template),
    /// The body has so many bytes, or more.
    AtLeast(ByteCount),
    /// The body has so many bytes, or fewer.
    AtMost(ByteCount),
    /// The SHA-256 digest of the body; of a stream, of its messages one after the other,
    /// without their prefixes.
    Sha256(Digest),
    /// What comes one after the other: the messages of a stream.
    Series(SeriesCheck),
    /// The same of server-sent events.
    Events(SeriesCheck),
}

/// Something that holds of what comes one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeriesCheck {
    /// So many come, or more.
    AtLeast(u64),
    /// So many come, or fewer.
    AtMost(u64),
    /// The first comes within this time from when the arrival was due.
    First(Duration),
    /// Some come, and each but the first within this time from the one before it.
    Gap(Duration),
}

/// What came one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Series {
    /// How many.
    pub count: u64,
    /// When the first had come.
    pub first: Option<Duration>,
    /// The longest time between two of them.
    pub longest_gap: Duration,
}

impl SeriesCheck {
    /// What is wrong with a series, in words; `things` is what it is of.
    #[must_use]
    pub fn broken(self, series: &Series, things: &str) -> Option<String> {
        let count = series.count;
        let shown = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        match self {
            Self::AtLeast(least) => {
                (count < least).then(|| format!("{count} {things} came, fewer than {least}"))
            }
            Self::AtMost(most) => {
                (count > most).then(|| format!("{count} {things} came, more than {most}"))
            }
            Self::First(within) => match series.first {
                None => Some(format!("none of the {things} came")),
                Some(first) => (first > within).then(|| {
                    let (first, within) = (shown(first), format_duration(within));
                    format!("the first of the {things} came after {first}, later than {within}")
                }),
            },
            // Silence is no series of things that come soon after one another.
            Self::Gap(_) if count == 0 => Some(format!("none of the {things} came")),
            Self::Gap(within) => (series.longest_gap > within).then(|| {
                let (gap, within) = (shown(series.longest_gap), format_duration(within));
                format!("{gap} lay between two {things}, more than {within}")
            }),
        }
    }
}

impl SeriesCheck {
    /// In words; `thing` is one of what it is of.
    fn write(self, f: &mut fmt::Formatter<'_>, thing: &str) -> fmt::Result {
        match self {
            Self::AtLeast(count) => write!(f, "at least {count} {thing}s"),
            Self::AtMost(count) => write!(f, "at most {count} {thing}s"),
            Self::First(within) => write!(f, "first {thing} within {}", format_duration(within)),
            Self::Gap(within) => write!(f, "{thing}s {} apart", format_duration(within)),
        }
    }
}

/// What is expected to be somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expected {
    /// Anything at all. JSON's `null` is something.
    Present,
    /// Nothing.
    Absent,
    /// A text like this, in which `*` stands for anything. A value of JSON that is
    /// no text is compared as it is written: `3`, `true`, `null`.
    Like(Template),
}

/// A SHA-256 digest; 64 hexadecimal digits in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl AnswerCheck {
    /// Whether the body has to be kept whole before it can be told.
    #[must_use]
    pub const fn reads_body(&self) -> bool {
        match self {
            Self::Json { .. } | Self::Contains(_) | Self::Lacks(_) => true,
            Self::Header { .. }
            | Self::AtLeast(_)
            | Self::AtMost(_)
            | Self::Sha256(_)
            | Self::Series(_)
            | Self::Events(_) => false,
        }
    }

    /// Whether it is about what an answer brings behind its head, which an answer that
    /// brings nothing can be neither right nor wrong about.
    #[must_use]
    pub const fn is_of_content(&self) -> bool {
        match self {
            Self::Header { .. } => false,
            Self::Json { .. }
            | Self::Contains(_)
            | Self::Lacks(_)
            | Self::AtLeast(_)
            | Self::AtMost(_)
            | Self::Sha256(_)
            | Self::Series(_)
            | Self::Events(_) => true,
        }
    }

    /// The same with one value in its place, see [`Template::filled`].
    #[must_use]
    pub fn filled(mut self, name: &str, value: &str) -> Self {
        let template = match &mut self {
            Self::Header { expected, .. } | Self::Json { expected, .. } => match expected {
                Expected::Like(template) => Some(template),
                Expected::Present | Expected::Absent => None,
            },
            Self::Contains(template) | Self::Lacks(template) => Some(template),
            Self::AtLeast(_)
            | Self::AtMost(_)
            | Self::Sha256(_)
            | Self::Series(_)
            | Self::Events(_) => None,
        };
        if let Some(template) = template {
            *template = template.filled(name, value);
        }
        self
    }
}

impl fmt::Display for AnswerCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, expected } => write!(f, "header {name} {expected}"),
            Self::Json { pointer, expected } if pointer.is_empty() => {
                write!(f, "json {expected}")
            }
            Self::Json { pointer, expected } => write!(f, "json {pointer} {expected}"),
            Self::Contains(text) => write!(f, "body contains {:?}", text.source()),
            Self::Lacks(text) => write!(f, "body lacks {:?}", text.source()),
            Self::AtLeast(size) => write!(f, "body of at least {size}"),
            Self::AtMost(size) => write!(f, "body of at most {size}"),
            Self::Sha256(digest) => write!(f, "body with sha256 {digest}"),
            Self::Series(check) => check.write(f, "message"),
            Self::Events(check) => check.write(f, "event"),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("present"),
            Self::Absent => f.write_str("absent"),
            Self::Like(text) => write!(f, "{:?}", text.source()),
        }
    }
}

impl Digest {
    /// The digest with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// A text that is no SHA-256 digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoDigest;

impl fmt::Display for NoDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a SHA-256 digest has 64 hexadecimal digits")
    }
}

impl std::error::Error for NoDigest {}

impl TryFrom<String> for Digest {
    type Error = NoDigest;

    fn try_from(text: String) -> Result<Self, NoDigest> {
        text.parse()
    }
}

impl std::str::FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let digits: Option<Vec<u8>> = text
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|value| value.try_into().ok()))
            .collect();
        let digits = digits.filter(|digits| digits.len() == 64).ok_or(NoDigest)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = pair.iter().fold(0, |all, digit| all << 4 | digit);
        }
        Ok(Self(bytes))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_as_it_should_be_to_the_last_microsecond() {
        let ms = Duration::from_millis;
        let series = Series {
            count: 3,
            first: Some(ms(200)),
            longest_gap: ms(50),
        };
        let broken = |check: SeriesCheck| check.broken(&series, "messages");
        let less = Duration::from_micros(1);
        for check in [
            SeriesCheck::AtLeast(3),
            SeriesCheck::AtMost(3),
            SeriesCheck::First(ms(200)),
            SeriesCheck::Gap(ms(50)),
        ] {
            assert_eq!(broken(check), None, "{check:?}");
        }
        for check in [
            SeriesCheck::AtLeast(4),
            SeriesCheck::AtMost(2),
            SeriesCheck::First(ms(200) - less),
            SeriesCheck::Gap(ms(50) - less),
        ] {
            assert!(broken(check).is_some(), "{check:?}");
        }
        let nothing = Series::default();
        for check in [SeriesCheck::First(ms(1)), SeriesCheck::Gap(ms(1))] {
            let said = check.broken(&nothing, "messages");
            assert_eq!(said.as_deref(), Some("none of the messages came"));
        }
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest: Digest = text.parse().unwrap();
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(digest));
        for wrong in [
            "",
            &text[1..],
            &format!("{text}0"),
            &text.replace('e', "x"),
            "ü",
        ] {
            assert_eq!(wrong.parse::<Digest>(), Err(NoDigest), "{wrong}");
        }
    }
}
