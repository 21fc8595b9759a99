//! Reports as files: which were asked for, and where they go.

use std::path::{Path, PathBuf};

use squall_judge::Verdict;
use squall_record::Record;
use squall_record::store::files;
use squall_reports::format::{FORMATS, Format, RunFiles};

use crate::output;
use crate::output_paths::{are_one_file, refuse_unwritable, way_between};

/// `--report FORMAT[=PATH]`.
#[derive(Clone)]
pub struct ReportRequest {
    format: &'static dyn Format,
    /// `None`: into the run directory; `-`: standard output.
    path: Option<PathBuf>,
}

impl ReportRequest {
    /// Whether it names no place of its own.
    pub const fn goes_into_the_run(&self) -> bool {
        self.path.is_none()
    }

    /// Whether it goes to standard output.
    pub fn takes_standard_output(&self) -> bool {
        self.path
            .as_ref()
            .is_some_and(|path| path.as_os_str() == "-")
    }

    /// Parses every `--report`.
    ///
    /// # Errors
    /// What cannot work is told before anything runs.
    pub fn parse_all(texts: &[String]) -> Result<Vec<Self>, String> {
        let mut requests: Vec<Self> = Vec::new();
        for text in texts {
            let request = Self::parse(text)?;
            if requests.iter().any(|other| other.overwrites(&request)) {
                return Err(format!(
                    "--report {text}: another report goes there already; give each its own place"
                ));
            }
            requests.push(request);
        }
        Ok(requests)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) => (name, Some(PathBuf::from(path))),
            None => (text, None),
        };
        let format = squall_reports::format::format(name).ok_or_else(|| {
            let known: Vec<_> = FORMATS.iter().map(|format| format.name()).collect();
            format!(
                "there is no report format {name:?}; there are {}",
                known.join(", ")
            )
        })?;
        let request = Self { format, path };
        match &request.path {
            Some(path) if path.as_os_str().is_empty() => Err(
                "write --report FORMAT=PATH, or --report FORMAT=- for standard output".to_owned(),
            ),
            Some(path) if !request.takes_standard_output() => {
                refuse_unwritable(path).map_err(|why| format!("--report {name}: {why}"))
            }
            _ => Ok(()),
        }?;
        Ok(request)
    }

    /// Whether both go to one place, where one of them would be lost.
    fn overwrites(&self, other: &Self) -> bool {
        match (&self.path, &other.path) {
            (Some(one), Some(two)) => {
                let out = (self.takes_standard_output(), other.takes_standard_output());
                match out {
                    (false, false) => are_one_file(one, two),
                    (one, two) => one && two,
                }
            }
            // Each format has its own name in the run directory.
            _ => false,
        }
    }
}

/// Renders and writes; into `dir` when none is asked for, every format but those that
/// repeat the record.
pub fn write_reports(
    dir: &Path,
    record: &Record,
    verdict: &Verdict,
    requests: &[ReportRequest],
) -> Result<Vec<PathBuf>, String> {
    let usual = FORMATS
        .into_iter()
        .filter(|format| !format.repeats_intervals());
    let usual: Vec<_> = usual
        .map(|format| ReportRequest { format, path: None })
        .collect();
    let requests = if requests.is_empty() {
        &usual
    } else {
        requests
    };
    let mut written = Vec::new();
    for request in requests {
        let files = match &request.path {
            Some(path) => run_files(path, dir),
            None => RunFiles::Beside,
        };
        let bytes = request.format.render_apart(record, verdict, &files);
        // A name in a run directory is squall's choice and may have been made
        // to lead elsewhere by somebody else; one on the command line leads
        // where its author wants it to.
        let (path, done) = match &request.path {
            Some(path) if path.as_os_str() == "-" => {
                output::result_document(&bytes);
                continue;
            }
            Some(path) => (path.clone(), files::write_named(path, &bytes)),
            None => {
                let path = dir.join(request.format.file_name());
                let done = files::replace(&path, &bytes);
                (path, done)
            }
        };
        done.map_err(|error| format!("{}: {error}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// Where the files in `dir` are for who reads the report at `path`.
fn run_files(path: &Path, dir: &Path) -> RunFiles {
    match path.as_os_str() == "-" {
        true => RunFiles::Unknown,
        false => match way_between(path, dir) {
            Some(way) if way.as_os_str().is_empty() => RunFiles::Beside,
            Some(way) => RunFiles::In(way),
            None => RunFiles::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_told_when_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let parse = |texts: &[String]| ReportRequest::parse_all(texts).map(|all| all.len());
        let (one, missing) = (path("one"), path("missing/one"));
        for (texts, why) in [
            (vec!["xunit=a".to_owned()], "no report format"),
            (vec!["junit=".to_owned()], "FORMAT=-"),
            (vec![format!("junit={missing}")], "there is no folder"),
            (vec![format!("junit={}", path(""))], "a folder"),
            (
                vec![format!("junit={one}"), format!("json={one}")],
                "another report",
            ),
            (
                vec!["junit=-".to_owned(), "json=-".to_owned()],
                "another report",
            ),
        ] {
            let said = parse(&texts).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        let good = [
            format!("junit={one}"),
            "json=-".to_owned(),
            "html".to_owned(),
        ];
        assert_eq!(parse(&good), Ok(3));
    }
}
