//! A file as text, and the ways reading one can go wrong.

use std::io::Read;
use std::path::Path;

use serde::Serialize;
use squall_scenario::Span;

use crate::codes;
use crate::diagnostic::Diagnostic;

/// Largest file that is read, in bytes. Scenarios are written by people; a
/// larger file is some other file.
pub const SOURCE_BYTES_MAX: u64 = 1 << 20;

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

    /// Reads a file.
    ///
    /// # Errors
    /// A diagnostic that says why the file is no scenario: missing or
    /// unreadable (`S0001`), empty (`S0002`), not text (`S0003`), or larger
    /// than [`SOURCE_BYTES_MAX`] (`S0004`).
    pub fn read(path: &Path) -> Result<Self, Box<Diagnostic>> {
        let name = path.display().to_string();
        let unreadable = |why: &dyn std::fmt::Display| {
            Diagnostic::error(codes::UNREADABLE, format!("I cannot read {name}: {why}"))
                .help("check the path; `squall scenarios` lists those of the library")
        };
        let file = std::fs::File::open(path).map_err(|e| Box::new(unreadable(&e)))?;
        if file.metadata().is_ok_and(|m| m.is_dir()) {
            return Err(Box::new(unreadable(&"it is a folder")));
        }
        let mut bytes = Vec::new();
        file.take(SOURCE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| Box::new(unreadable(&e)))?;
        Self::from_bytes(name, bytes)
    }

    /// Takes the bytes of a file that was read elsewhere.
    ///
    /// # Errors
    /// As [`Source::read`], but for a file that cannot be read.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, Box<Diagnostic>> {
        let name = name.into();
        if bytes.len() as u64 > SOURCE_BYTES_MAX {
            let title = format!("{name} is larger than 1 MiB");
            return Err(Box::new(
                Diagnostic::error(codes::TOO_LARGE, title)
                    .help("a scenario is a short text; is this the right file?"),
            ));
        }
        let not_text = |at: usize| {
            let title = format!("{name} is not a text file: byte {at} is no UTF-8 text");
            Box::new(
                Diagnostic::error(codes::NOT_TEXT, title)
                    .help("a scenario is YAML in UTF-8; is this the right file?"),
            )
        };
        if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
            return Err(not_text(at));
        }
        let text =
            String::from_utf8(bytes).map_err(|error| not_text(error.utf8_error().valid_up_to()))?;
        if text.trim().is_empty() {
            return Err(Box::new(Self::new(name, text).empty()));
        }
        Ok(Self { name, text })
    }

    /// The diagnostic for a file without content.
    pub(crate) fn empty(&self) -> Diagnostic {
        Diagnostic::error(codes::EMPTY_FILE, format!("{} is empty", self.name))
            .help("`squall init` writes a commented scenario to start from")
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

    #[test]
    fn what_is_no_scenario_is_refused() {
        let code = |bytes: &[u8]| Source::from_bytes("x", bytes.to_vec()).unwrap_err().code;
        assert_eq!(code(b""), "S0002");
        assert_eq!(code(b" \n\t"), "S0002");
        assert_eq!(code(b"version: 1\0"), "S0003");
        assert_eq!(code(b"name: \xff"), "S0003");
        assert_eq!(code(&vec![b' '; (1 << 20) + 1]), "S0004");
    }

    #[test]
    fn files_that_cannot_be_read_say_so() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Source::read(folder.path()).unwrap_err().code, "S0001");
        let missing = folder.path().join("none.yaml");
        let problem = Source::read(&missing).unwrap_err();
        assert_eq!(problem.code, "S0001");
        assert!(problem.title.contains("none.yaml"), "{}", problem.title);
    }
}
