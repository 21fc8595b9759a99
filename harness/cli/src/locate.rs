//! Finding scenarios: a path, or a name of the embedded library.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_scenario::{Scenario, Secrets, nearest};
use squall_scenario_file::{
    Allowed, Checked, Diagnostic, ParseOptions, Source, library, parse_scenario,
    process_environment,
};

use crate::args::{ConsentArgs, ScenarioArgs};
use crate::{exit, output, panics};

/// A scenario that was read and checked, with what there is to say about it.
pub struct Found {
    /// Path or name as it was given.
    pub given: String,
    /// The result.
    pub checked: Checked<Scenario>,
}

/// A scenario without a mistake.
pub struct Sound {
    /// Path or name as it was given.
    pub given: String,
    /// What is run.
    pub scenario: Scenario,
    /// The same with `${NAME}` in place of secrets: what is recorded.
    pub redacted: Scenario,
    /// Its text, without secrets.
    pub text: String,
    /// Values of the environment it used.
    pub secrets: Secrets,
    /// Folder of the file that describes the processes; `None` in the library.
    pub folder: Option<PathBuf>,
    /// The command line that it stands for, where it was no file; without a
    /// seed.
    pub command: Option<String>,
}

impl Found {
    /// Prints every diagnostic to standard error, as rustc does.
    pub fn print_diagnostics(&self) {
        print(&self.checked);
    }

    /// Refuses targets off this machine and processes that squall did not start
    /// unless they were allowed on the command line. The engine checks the
    /// resolved address once more.
    pub fn refuse(&mut self, allowed: &Allowed) {
        let refused = self.checked.refused(allowed);
        if !refused.is_empty() {
            self.checked.value = None;
            self.checked.diagnostics.extend(refused);
        }
    }

    /// The scenario, if it has no error; otherwise the diagnostics are printed.
    pub fn into_sound(self) -> Result<Sound, ExitCode> {
        self.print_diagnostics();
        let text = self
            .checked
            .sources
            .first()
            .map(|source| source.text.clone());
        let folder = system_folder(&self.checked.sources);
        match (self.checked.value, self.checked.redacted) {
            (Some(scenario), Some(redacted)) => Ok(Sound {
                given: self.given,
                scenario,
                redacted,
                text: text.unwrap_or_default(),
                secrets: self.checked.secrets,
                folder,
                command: None,
            }),
            _ => {
                let errors = self
                    .checked
                    .diagnostics
                    .iter()
                    .filter(|d| d.is_error())
                    .count();
                let noun = if errors == 1 { "mistake" } else { "mistakes" };
                let message = format!("{}: {errors} {noun}; nothing was run", self.given);
                Err(exit::fail(RunOutcome::Usage, &message))
            }
        }
    }
}

/// Prints every diagnostic to standard error, as rustc does.
pub fn print<T>(checked: &Checked<T>) {
    if !checked.diagnostics.is_empty() {
        output::remark(checked.render(output::colour_on_stderr()));
    }
}

/// Reads and checks a scenario by its path or library name.
pub fn scenario(given: &str, reading: &ScenarioArgs) -> Result<Found, ExitCode> {
    let source = source(given).map_err(|diagnostic| unreadable(given, &diagnostic))?;
    let mut options = ParseOptions::new(&process_environment);
    options.set.clone_from(&reading.set);
    let checked = parse_scenario(&source, &options);
    panics::keep(&checked.secrets);
    Ok(Found {
        given: given.to_owned(),
        checked,
    })
}

/// Reads and checks several scenarios; all of them before the first is run.
pub fn sound_scenarios(
    given: &[String],
    reading: &ScenarioArgs,
    consent: &ConsentArgs,
) -> Result<Vec<Sound>, ExitCode> {
    let mut sound = Vec::new();
    let mut failure = None;
    for given in given {
        let found = scenario(given, reading).map(|mut found| {
            found.refuse(&consent.allowed());
            found
        });
        match found.and_then(Found::into_sound) {
            Ok(scenario) => sound.push(scenario),
            Err(code) => failure = Some(code),
        }
    }
    failure.map_or(Ok(sound), Err)
}

/// The folder of the system file, or of the scenario that describes its own
/// system: relative programs and arguments mean files beside it.
fn system_folder(sources: &[Source]) -> Option<PathBuf> {
    let is_file = |source: &&Source| {
        !source.name.starts_with(library::PREFIX) && Path::new(&source.name).is_file()
    };
    let described_in = sources.iter().rfind(is_file)?;
    let path = std::path::absolute(&described_in.name).ok()?;
    path.parent().map(Path::to_path_buf)
}

/// A path wins over a library name, so that a file can never be hidden.
fn source(given: &str) -> Result<Source, Box<Diagnostic>> {
    let path = Path::new(given);
    match library::source(given) {
        Some(source) if !path.exists() => Ok(source),
        _ => Source::read(path),
    }
}

fn unreadable(given: &str, diagnostic: &Diagnostic) -> ExitCode {
    let source = Source::new(given, "");
    let mut diagnostic = diagnostic.clone();
    if let Some(meant) = meant(given) {
        diagnostic
            .help
            .insert(0, format!("did you mean `{meant}`?"));
    }
    output::remark(diagnostic.render(&[source], output::colour_on_stderr()));
    if !given.contains(['/', '.']) {
        let names: Vec<_> = library::scenarios().iter().map(|(name, _)| *name).collect();
        output::remark(format_args!("the library has: {}", names.join(", ")));
    }
    exit::code(RunOutcome::Usage)
}

/// Most files that are looked at for one whose name was meant.
const NEIGHBOURS_MAX: usize = 1000;

/// The scenario that a path or a name is most likely a slip of: one of the
/// library, or a file beside the one that is not there.
fn meant(given: &str) -> Option<String> {
    let path = Path::new(given);
    let name = path.file_name()?.to_str()?;
    if path.exists() {
        return None;
    }
    let bare = !given.contains(['/', '.']);
    if let Some(meant) = library::meant(given).filter(|_| bare) {
        return Some(meant.to_owned());
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let files: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .take(NEIGHBOURS_MAX)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
        .collect();
    let whole = if bare {
        format!("{name}.yaml")
    } else {
        name.to_owned()
    };
    let near = nearest(&whole, files.iter().map(String::as_str))?;
    Some(path.with_file_name(near).display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_named() {
        assert_eq!(
            meant("slow-recomendations").as_deref(),
            Some("slow-recommendations")
        );
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(at("checkout.yaml"), "").unwrap();
        std::fs::write(at("checkout.json"), "").unwrap();
        for slip in ["chekout.yaml", "checkout.yml", "Checkout.yaml"] {
            assert_eq!(meant(&at(slip)), Some(at("checkout.yaml")), "{slip}");
        }
        for other in ["checkout.yaml", "payments.yaml", "missing/checkout.yaml"] {
            assert_eq!(meant(&at(other)), None, "{other}");
        }
    }
}
