//! Reports as files: which were asked for, and where they go.

use std::path::{Path, PathBuf};

use squall_reports::format::{FORMATS, Format};
use squall_reports::{Record, Verdict};

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
    pub fn parse_all(texts: &[String]) -> Result<Vec<Self>, String> {
        texts.iter().map(|text| Self::parse(text)).collect()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) => (name, Some(PathBuf::from(path))),
            None => (text, None),
        };
        if let Some(path) = &path {
            writable(path)?;
        }
        let format = squall_reports::format::format(name).ok_or_else(|| {
            let known: Vec<_> = FORMATS.iter().map(|format| format.name()).collect();
            format!(
                "there is no report format {name:?}; there are {}",
                known.join(", ")
            )
        })?;
        Ok(Self { format, path })
    }
}

/// Told before the run, not after it.
fn writable(path: &Path) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    if path.as_os_str().is_empty() {
        return Err("write --report FORMAT=PATH, or --report FORMAT=- for standard output".into());
    }
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    Err(format!(
        "{}: there is no folder {}",
        path.display(),
        folder.display()
    ))
}

/// Renders and writes; every format into `dir` when none is asked for.
pub fn write_reports(
    dir: &Path,
    record: &Record,
    verdict: &Verdict,
    requests: &[ReportRequest],
) -> Result<Vec<PathBuf>, String> {
    let all: Vec<_> = FORMATS
        .map(|format| ReportRequest { format, path: None })
        .to_vec();
    let requests = if requests.is_empty() { &all } else { requests };
    let mut written = Vec::new();
    for request in requests {
        let bytes = request.format.render(record, verdict);
        match &request.path {
            Some(path) if path.as_os_str() == "-" => {
                anstream::print!("{}", String::from_utf8_lossy(&bytes));
            }
            other => {
                let path = other
                    .clone()
                    .unwrap_or_else(|| dir.join(request.format.file_name()));
                std::fs::write(&path, bytes)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                written.push(path);
            }
        }
    }
    Ok(written)
}
