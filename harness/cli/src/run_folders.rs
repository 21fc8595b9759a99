//! The run directories below an output folder: `OUT/<scenario>/<utc-start>`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::fd::AsRawFd;
use rustix::fs::{Mode, OFlags};
use squall_judge::RunSummary;
use squall_record::RecordError;
use squall_record::store::MANIFEST_FILE;

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
/// links in it are deleted, not followed; nor is one that took the place of its
/// parent since the run was found.
///
/// # Errors
/// When something in it cannot be deleted.
pub fn delete(run: &RunFolder) -> io::Result<()> {
    let (Some(parent), Some(leaf)) = (run.dir.parent(), run.dir.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = rustix::fs::open(parent, flags, Mode::empty())?;
    // The folder that is held, whatever its name leads to by now.
    let own = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
    fs::remove_dir_all(own.join(leaf))?;
    // Refused while other runs are in it.
    let _ = fs::remove_dir(parent);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A real record, as a run wrote it, copied to `dir`.
    fn record(dir: &Path) {
        let real = Path::new(env!("CARGO_MANIFEST_DIR"));
        let real = real.join("../../reports/fixtures/records/v1-0.1.0");
        fs::create_dir_all(dir).unwrap();
        for entry in fs::read_dir(real).unwrap() {
            let from = entry.unwrap().path();
            fs::copy(&from, dir.join(from.file_name().unwrap())).unwrap();
        }
    }

    #[test]
    fn nothing_is_deleted_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let elsewhere = folder.path().join("elsewhere");
        record(&out.join("shop/one"));
        record(&out.join("shop/two"));
        record(&elsewhere.join("two"));
        symlink(&elsewhere, out.join("shop/one/link")).unwrap();
        symlink(&elsewhere, out.join("linked")).unwrap();
        symlink(elsewhere.join("two"), out.join("shop/three")).unwrap();
        let found = find(&out).unwrap();
        let mut names: Vec<_> = found.runs.iter().map(|run| run.dir.clone()).collect();
        names.sort();
        assert_eq!(names, [out.join("shop/one"), out.join("shop/two")]);
        let run = |leaf: &str| {
            let mut runs = found.runs.iter();
            runs.find(|run| run.dir.ends_with(leaf)).unwrap()
        };
        delete(run("one")).unwrap();
        assert!(!out.join("shop/one").exists());
        // The folder of the runs is swapped for a link between look and deed.
        fs::rename(out.join("shop"), out.join("moved")).unwrap();
        symlink(&elsewhere, out.join("shop")).unwrap();
        assert!(delete(run("two")).is_err());
        assert!(elsewhere.join("two").join(MANIFEST_FILE).is_file());
    }
}
