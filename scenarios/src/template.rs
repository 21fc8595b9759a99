//! Text with run-time values in it: `GET /home/$profile`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::pattern::wildcard;

/// Text with `$name` and `$name.part.part` placeholders. A name starts with a
/// letter and goes on with `[a-z0-9_-]`; `$$` is a dollar sign.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Part {
    Text(String),
    Variable(String),
}

/// A template names a value that the run does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVariable {
    /// The name without its dollar sign, for instance `processes.api.port`.
    pub name: String,
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing in this run is called `${}`", self.name)
    }
}

impl std::error::Error for UnknownVariable {}

impl Template {
    /// Splits `source` into text and placeholders. A dollar sign that starts
    /// no name stays a dollar sign.
    #[must_use]
    pub fn parse(source: &str) -> Self {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some(at) = rest.find('$') {
            text.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                text.push('$');
                rest = after;
                continue;
            }
            let length = variable_length(rest);
            if length == 0 {
                text.push('$');
                continue;
            }
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Variable(rest[..length].to_owned()));
            rest = &rest[length..];
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Self {
            source: source.to_owned(),
            parts,
        }
    }

    /// The text as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names of all placeholders, in order of appearance.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Its parts in order: `Ok` for text, `Err` for the name of a placeholder.
    pub fn pieces(&self) -> impl Iterator<Item = Result<&str, &str>> {
        self.parts.iter().map(|part| match part {
            Part::Text(literal) => Ok(literal.as_str()),
            Part::Variable(name) => Err(name.as_str()),
        })
    }

    /// Whether `text` is like this: `*` in the text stands for anything, and a value
    /// for itself, whatever is in it.
    ///
    /// # Errors
    /// The first name for which `lookup` has no value.
    pub fn fits<'v>(
        &self,
        text: &[u8],
        mut lookup: impl FnMut(&str) -> Option<std::borrow::Cow<'v, str>>,
    ) -> Result<bool, UnknownVariable> {
        let mut pattern: Vec<Option<u8>> = Vec::with_capacity(self.source.len());
        for part in &self.parts {
            match part {
                Part::Text(literal) => {
                    pattern.extend(literal.bytes().map(|byte| (byte != b'*').then_some(byte)));
                }
                Part::Variable(name) => match lookup(name) {
                    Some(value) => pattern.extend(value.bytes().map(Some)),
                    None => return Err(UnknownVariable { name: name.clone() }),
                },
            }
        }
        let fits = |one: &Option<u8>, is: &u8| *one == Some(*is);
        Ok(wildcard(&pattern, text, Option::is_none, fits))
    }

    /// The same with the value of one placeholder in its place. What
    /// [`Template::source`] says does not change.
    #[must_use]
    pub fn filled(&self, name: &str, value: &str) -> Self {
        let parts = self.parts.iter().map(|part| match part {
            Part::Variable(variable) if variable == name => Part::Text(value.to_owned()),
            Part::Variable(_) | Part::Text(_) => part.clone(),
        });
        Self {
            source: self.source.clone(),
            parts: parts.collect(),
        }
    }

    /// The text with every placeholder replaced by `lookup(name)`.
    ///
    /// # Errors
    /// The first name for which `lookup` has no value.
    pub fn render<'v>(
        &self,
        mut lookup: impl FnMut(&str) -> Option<std::borrow::Cow<'v, str>>,
    ) -> Result<String, UnknownVariable> {
        let mut text = String::with_capacity(self.source.len() + 16);
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Variable(name) => match lookup(name) {
                    Some(value) => text.push_str(&value),
                    None => return Err(UnknownVariable { name: name.clone() }),
                },
            }
        }
        Ok(text)
    }
}

/// Length in bytes of the placeholder name at the start of `text`, 0 if none.
fn variable_length(text: &str) -> usize {
    let mut length = 0;
    let mut segment_start = true;
    for (at, character) in text.char_indices() {
        let fits = if segment_start {
            character.is_ascii_lowercase()
        } else {
            character.is_ascii_lowercase()
                || character.is_ascii_digit()
                || character == '_'
                || character == '-'
        };
        if fits {
            segment_start = false;
            length = at + 1;
        } else if character == '.' && !segment_start {
            segment_start = true;
        } else {
            break;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_and_replaced() {
        let template = Template::parse("GET /play/$title?at=$processes.catalog-0.port.");
        assert_eq!(
            template.variables().collect::<Vec<_>>(),
            ["title", "processes.catalog-0.port"]
        );
        let text = template
            .render(|name| {
                Some(if name == "title" {
                    "7".into()
                } else {
                    "80".into()
                })
            })
            .unwrap();
        assert_eq!(text, "GET /play/7?at=80.");
    }

    #[test]
    fn dollars_can_be_written() {
        let template = Template::parse("costs 5$ or $$x, $");
        assert_eq!(template.render(|_| None).unwrap(), "costs 5$ or $x, $");
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        let error = Template::parse("/$nope").render(|_| None).unwrap_err();
        assert_eq!(error.name, "nope");
    }
}
