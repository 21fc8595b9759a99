//! What an answer has to be like besides its status: an answer that came in time and
//! is wrong is no good answer.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::template::Template;
use crate::units::ByteCount;

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
    /// The SHA-256 digest of the body.
    Sha256(Digest),
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
            Self::Header { .. } | Self::AtLeast(_) | Self::AtMost(_) | Self::Sha256(_) => false,
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
            Self::AtLeast(_) | Self::AtMost(_) | Self::Sha256(_) => None,
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
