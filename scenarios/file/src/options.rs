//! What reading a file depends on besides its text.

use crate::diagnostic::Diagnostic;
use crate::open::open_system;
use crate::source::Source;

/// How environment variables are looked up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How a `system:` path is opened: the path as it was written, and the name of
/// the scenario's source.
pub type OpenSystem<'a> = &'a dyn Fn(&str, &str) -> Result<Source, Box<Diagnostic>>;

/// What parsing depends on besides the text.
pub struct ParseOptions<'a> {
    /// Settings given on the command line, later ones first in effect.
    pub set: Vec<(String, String)>,
    /// Environment variables for `${NAME}`.
    pub env: Environment<'a>,
    /// Opens system files; see [`open_system`].
    pub open: OpenSystem<'a>,
}

impl<'a> ParseOptions<'a> {
    /// Options with the given environment that read system files from disk or
    /// from the library, and set nothing.
    #[must_use]
    pub const fn new(env: Environment<'a>) -> Self {
        Self {
            set: Vec::new(),
            env,
            open: &open_system,
        }
    }
}

/// The environment of this process, for [`ParseOptions::new`]. Variables whose
/// value is no text count as not set.
#[must_use]
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
