//! Finding scenarios: a path, or a name of the embedded library.

use std::path::Path;
use std::process::ExitCode;

use squall_reports::RunOutcome;
use squall_scenario::{Checked, Diagnostic, ParseOptions, Scenario, Source, library};

use crate::exit;

/// A scenario that was read and checked, with what there is to say about it.
pub struct Located {
    /// Path or name as it was given.
    pub given: String,
    /// The result.
    pub checked: Checked<Scenario>,
}

impl Located {
    /// Whether any diagnostic is an error.
    pub fn has_errors(&self) -> bool {
        self.checked.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// Prints every diagnostic to standard error, as rustc does.
    pub fn print_diagnostics(&self) {
        let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        for diagnostic in &self.checked.diagnostics {
            anstream::eprintln!("{}\n", diagnostic.render(&self.checked.sources, color));
        }
    }

    /// The scenario, if it has no error; otherwise the diagnostics are printed.
    pub fn into_scenario(self) -> Result<(String, Scenario, String), ExitCode> {
        self.print_diagnostics();
        let errors = self.checked.diagnostics.iter().filter(|d| d.is_error()).count();
        match self.checked.value {
            Some(scenario) if errors == 0 => {
                let text = self.checked.redacted_text;
                Ok((self.given, scenario, text))
            }
            _ => {
                let noun = if errors == 1 { "mistake" } else { "mistakes" };
                let message = format!("{}: {errors} {noun}; nothing was run", self.given);
                Err(exit::fail(RunOutcome::Usage, &message))
            }
        }
    }
}

/// Reads and checks a scenario by its path or library name.
pub fn scenario(given: &str, set: &[(String, String)]) -> Located {
    let environment = |name: &str| std::env::var(name).ok();
    let options = ParseOptions { set: set.to_vec(), env: &environment };
    let checked = match source(given) {
        Ok(source) => squall_scenario::parse_scenario(&source, &options),
        Err(diagnostic) => Checked::failed(*diagnostic),
    };
    Located { given: given.to_owned(), checked }
}

/// A path wins over a library name, so that a file can never be hidden.
fn source(given: &str) -> Result<Source, Box<Diagnostic>> {
    let path = Path::new(given);
    match library::scenario(given) {
        Some(text) if !path.exists() => Ok(Source::new(format!("{given}.yaml"), text)),
        _ => Source::read(path),
    }
}
