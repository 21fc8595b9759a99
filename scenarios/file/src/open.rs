//! Opening the files that are written by hand, and the ways that can go wrong.

use std::io::Read;
use std::path::Path;

use squall_scenario::quoted;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::{codes, library};

/// Largest file that is read, in bytes. Scenarios are written by people; a
/// larger file is some other file.
pub const SOURCE_BYTES_MAX: u64 = 1 << 20;

impl Source {
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
}

/// Opens the system file of a scenario. The path is relative to the scenario's
/// file. In the library, and for a path that is a bare word, it is the name of
/// a system in the library.
///
/// # Errors
/// As [`Source::read`].
pub fn open_system(path: &str, scenario: &str) -> Result<Source, Box<Diagnostic>> {
    let file = Path::new(path);
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let bare = !path.contains(['/', '.']);
    if scenario.starts_with(library::PREFIX) || bare {
        let name = stem.unwrap_or(path);
        return library::system(name)
            .map(|text| Source::new(format!("{}{name}", library::PREFIX), text))
            .ok_or_else(|| {
                let title = format!("the library has no system called {}", quoted(name));
                Box::new(Diagnostic::error(codes::UNREADABLE, title))
            });
    }
    let folder = Path::new(scenario).parent().unwrap_or(Path::new(""));
    Source::read(&folder.join(file))
}

#[cfg(test)]
mod tests {
    use super::*;

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
