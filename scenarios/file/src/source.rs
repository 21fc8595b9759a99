//! A file as text.

use serde::Serialize;
use squall_scenario::Span;

/// The text of a file together with the name shown in messages.
///
/// The text is what stands in the file: `${NAME}` is not replaced in it, so it
/// may be shown and recorded without giving away a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Path as the user wrote it, `library:NAME`, or `command line`.
    pub name: String,
    /// The text.
    pub text: String,
}

impl Source {
    /// Joins a name and a text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// The place of a byte range of the text, clamped to character borders.
    #[must_use]
    pub fn span(&self, start: usize, end: usize) -> Span {
        let start = floor_char_boundary(&self.text, start);
        let end = floor_char_boundary(&self.text, end).max(start);
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span {
            start,
            end,
            line: count(before.matches('\n').count() + 1),
            column: count(before[line_start..].chars().count() + 1),
        }
    }
}

/// The greatest character border that is at most `at`.
pub(crate) fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let source = Source::new("x", "a\nüb\n");
        let span = source.span(4, 5);
        assert_eq!((span.line, span.column), (2, 2));
        // Inside the two bytes of `ü`: its start.
        assert_eq!(source.span(3, 3).start, 2);
        assert_eq!(source.span(99, 99).line, 3);
    }
}
