//! Values of the environment, taken out of everything that is shown.
//!
//! A value is looked for in the text as it is and in whatever was made of it:
//! escaped (JSON, Rust, shell, YAML, HTML), percent-encoded, in base64, split
//! into lines, cut. Instead of a list of encodings both sides are brought into
//! one form (see `reading`), and what is looked for are all stretches of
//! [`FRAGMENT_CHARACTERS`] characters of a value (see `forms`), so that no part
//! of that length is left over, wherever somebody cut it.
//!
//! What is not found: values that are too short, and a value of less than such
//! a stretch that is escaped and follows right behind a stray `\` or `%`, which
//! then seems to belong to it.

mod forms;
mod matcher;
mod reading;
mod stream;

use std::fmt;
use std::sync::{Arc, OnceLock};

use matcher::Matcher;

pub use forms::{FRAGMENT_CHARACTERS, VALUE_CHARACTERS_MIN};
pub use stream::Redaction;

/// Environment values that were put into a file, kept so that they can be
/// taken out of everything that is shown.
#[derive(Clone, Default)]
pub struct Secrets {
    values: Vec<(String, String)>,
    /// Made when it is first needed.
    matcher: OnceLock<Arc<Matcher>>,
}

/// Two are equal when their values are.
impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

impl Eq for Secrets {}

/// Shows names only.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.values.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

impl Secrets {
    /// The text with every known value, and every part of one that is long
    /// enough, replaced by its `${NAME}`. A text that was cut may end in a
    /// shorter part: half of [`FRAGMENT_CHARACTERS`] are enough there.
    ///
    /// Redact before a text is cut or escaped where that can be done.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        let mut redaction = self.redaction();
        let mut redacted = Vec::with_capacity(text.len());
        redaction.push(text.as_bytes(), &mut redacted);
        redaction.end(&mut redacted);
        // Whole characters are taken out of a text that is valid.
        String::from_utf8_lossy(&redacted).into_owned()
    }

    /// The same for a text that comes in pieces.
    #[must_use]
    pub fn redaction(&self) -> Redaction {
        Redaction::new(Arc::clone(self.matcher.get_or_init(|| {
            let values = self.values.iter();
            let values = values.map(|(name, value)| (name.as_str(), value.as_str()));
            Arc::new(Matcher::new(values))
        })))
    }

    /// Whether no environment value was used.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Names and values, for whoever has to redact in another process. They
    /// must not be shown.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let values = self.values.iter();
        values.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Keeps one more value; the first one of a name counts.
    pub fn add(&mut self, name: &str, value: &str) {
        if !self.values.iter().any(|(known, _)| known == name) {
            self.values.push((name.to_owned(), value.to_owned()));
            self.matcher = OnceLock::new();
        }
    }
}
