//! What a person may call a run: its directory, its scenario's folder or name,
//! or `latest`; each with `~N` for the Nth before it.

use std::path::{Path, PathBuf};

use squall_record::store::MANIFEST_FILE;
use squall_record::{Record, RecordError, terminal_line};

use crate::output;
use crate::run_folders::{RunFolder, find, newest_first};

/// The newest run of all scenarios.
const LATEST: &str = "latest";

/// A run that was found and read.
pub struct NamedRun {
    /// Its directory.
    pub dir: PathBuf,
    /// What it left.
    pub record: Record,
}

/// Finds and reads the run called `given`, below `out` where it is no path.
/// Damage is told on standard error.
///
/// # Errors
/// In words: nothing is called so, or it cannot be read.
pub fn read(given: &str, out: &Path) -> Result<NamedRun, String> {
    let dir = locate(given, out)?;
    let record = Record::read(&dir).map_err(|error: RecordError| error.to_string())?;
    for damage in &record.damage {
        output::remark(format_args!("warning: {}", terminal_line(damage)));
    }
    Ok(NamedRun { dir, record })
}

/// The directory of the run called `given`. A path that exists wins over a
/// name, so that a directory can never be hidden.
pub fn locate(given: &str, out: &Path) -> Result<PathBuf, String> {
    let path = Path::new(given);
    if path.join(MANIFEST_FILE).is_file() {
        return Ok(path.to_owned());
    }
    let (name, back) = steps_back(given);
    let runs = called(name, out)?;
    let count = runs.len();
    let missing = || match count {
        0 => nothing(given, out),
        1 => format!("{name} has only one run; there is none before it"),
        many => format!("{name} has only {many} runs"),
    };
    let run = runs.into_iter().nth(back).ok_or_else(missing)?;
    Ok(run.dir)
}

/// `checkout~2` is the second run before the newest of `checkout`.
fn steps_back(given: &str) -> (&str, usize) {
    let parts = given.rsplit_once('~');
    let parsed = parts.and_then(|(name, back)| Some((name, back.parse().ok()?)));
    match parsed {
        Some((name, back)) if !name.is_empty() => (name, back),
        _ => (given, 0),
    }
}

/// Runs called so, newest first.
fn called(name: &str, out: &Path) -> Result<Vec<RunFolder>, String> {
    let path = Path::new(name);
    if path.is_dir() {
        let runs = newest_first(path).map_err(|error| format!("{name}: {error}"))?;
        if !runs.is_empty() {
            return Ok(runs);
        }
    }
    let found = find(out).map_err(|error| format!("{}: {error}", out.display()))?;
    let is_called = |run: &RunFolder| {
        let folder = run.dir.parent().and_then(Path::file_name);
        let leaf = run.dir.file_name();
        name == LATEST
            || folder.is_some_and(|folder| folder == name)
            || leaf.is_some_and(|leaf| leaf == name)
            || run.summary.manifest.scenario.name == name
    };
    Ok(found.runs.into_iter().filter(is_called).collect())
}

fn nothing(given: &str, out: &Path) -> String {
    format!(
        "there is no run {given:?}; write a run directory, the folder or name of a scenario \
         below {} (its newest run), or `latest`; `squall runs` lists them",
        out.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_counts_backwards() {
        assert_eq!(steps_back("latest~2"), ("latest", 2));
        assert_eq!(steps_back("latest"), ("latest", 0));
        assert_eq!(steps_back("~3"), ("~3", 0));
        assert_eq!(steps_back("a~b"), ("a~b", 0));
    }
}
