//! The run directories below an output folder: `OUT/<scenario>/<utc-start>`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use squall_reports::store::MANIFEST_FILE;
use squall_reports::{RecordError, RunSummary};

/// A run directory.
pub struct RunFolder {
    /// The directory.
    pub dir: PathBuf,
    /// When the run began.
    pub started: Timestamp,
    /// What it was and how it ended.
    pub summary: RunSummary,
}

/// What was found below an output folder.
#[derive(Default)]
pub struct Found {
    /// Runs, newest first.
    pub runs: Vec<RunFolder>,
    /// Directories that look like runs and were left out.
    pub left_out: Vec<LeftOut>,
}

/// A directory that cannot be read as a run.
pub struct LeftOut {
    /// The directory.
    pub dir: PathBuf,
    /// Why, its path included.
    pub why: String,
}

/// Which runs are old.
#[derive(Debug, Clone, Copy)]
pub enum Old {
    /// All but the newest N of each scenario and variant.
    Beyond(usize),
    /// Those that began longer ago than this.
    Than(Duration),
}

/// Reads every run directory below `out`. Symbolic links are not followed, and
/// a folder that does not exist holds no runs.
///
/// # Errors
/// When `out` cannot be read.
pub fn find(out: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    let scenarios = match folders(out) {
        Ok(scenarios) => scenarios,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    for scenario in scenarios {
        let dirs = match folders(&scenario) {
            Ok(dirs) => dirs,
            Err(error) => {
                let why = format!("{}: {error}", scenario.display());
                found.left_out.push(LeftOut { dir: scenario, why });
                continue;
            }
        };
        for dir in dirs {
            match read(&dir) {
                Ok(run) => found.runs.push(run),
                Err(NotOne::Nothing) => {}
                Err(NotOne::Unclear(why)) => found.left_out.push(LeftOut { dir, why }),
            }
        }
    }
    sort(&mut found.runs);
    Ok(found)
}

/// The readable runs of one scenario's folder, newest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn newest_first(scenario: &Path) -> io::Result<Vec<RunFolder>> {
    let dirs = folders(scenario)?;
    let mut runs: Vec<_> = dirs.iter().filter_map(|dir| read(dir).ok()).collect();
    sort(&mut runs);
    Ok(runs)
}

/// Newest first; of two that began at once, the one that was named last.
fn sort(runs: &mut [RunFolder]) {
    runs.sort_by(|a, b| (b.started, &b.dir).cmp(&(a.started, &a.dir)));
}

/// Why a directory is no run.
enum NotOne {
    /// It does not look like one.
    Nothing,
    /// It does, but cannot be read as one.
    Unclear(String),
}

fn read(dir: &Path) -> Result<RunFolder, NotOne> {
    let is_file = |meta: fs::Metadata| meta.file_type().is_file();
    if !fs::symlink_metadata(dir.join(MANIFEST_FILE)).is_ok_and(is_file) {
        return Err(NotOne::Nothing);
    }
    let summary =
        RunSummary::read(dir).map_err(|error: RecordError| NotOne::Unclear(error.to_string()))?;
    let started = summary.manifest.started_utc.parse().map_err(|error| {
        NotOne::Unclear(format!("{}: its start is no time: {error}", dir.display()))
    })?;
    Ok(RunFolder {
        dir: dir.to_owned(),
        started,
        summary,
    })
}

/// Folders in a folder, by name; links to folders are none.
fn folders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // The type of the entry itself, as against what it points to.
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The old ones among `runs`, which come newest first.
pub fn old(runs: &[RunFolder], which: Old, now: Timestamp) -> Vec<&RunFolder> {
    let mut newer: BTreeMap<Option<&Path>, usize> = BTreeMap::new();
    let mut is_old = |run: &RunFolder, parent| match which {
        Old::Beyond(keep) => {
            let count = newer.entry(parent).or_default();
            *count += 1;
            *count > keep
        }
        Old::Than(age) => {
            let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
            now.duration_since(run.started) > age
        }
    };
    let mut found = Vec::new();
    for run in runs {
        if is_old(run, run.dir.parent()) {
            found.push(run);
        }
    }
    found
}

/// Deletes a run directory, and its parent when that is empty then. Symbolic
/// links in it are deleted, not followed.
///
/// # Errors
/// When something in it cannot be deleted.
pub fn delete(run: &RunFolder) -> io::Result<()> {
    fs::remove_dir_all(&run.dir)?;
    if let Some(parent) = run.dir.parent() {
        // Refused while other runs are in it.
        let _ = fs::remove_dir(parent);
    }
    Ok(())
}
