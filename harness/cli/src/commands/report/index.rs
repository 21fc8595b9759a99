//! `squall report --index`: the history of the runs below a folder.

use std::path::Path;
use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_record::store::files;
use squall_reports::{IndexedRun, index_page};

use crate::run_folders::find;
use crate::{exit, output};

/// Writes `dir/index.html` and prints its path.
pub fn index(dir: &Path) -> ExitCode {
    if !dir.is_dir() {
        let message = format!("{}: there is no such folder", dir.display());
        return exit::fail(RunOutcome::Usage, &message);
    }
    let found = match find(dir) {
        Ok(found) => found,
        Err(error) => {
            return exit::fail(RunOutcome::NotReady, &format!("{}: {error}", dir.display()));
        }
    };
    let relative = |run: &Path| {
        let below = run.strip_prefix(dir).unwrap_or(run);
        below.display().to_string()
    };
    let sound = found.runs.into_iter().map(|run| IndexedRun {
        dir: relative(&run.dir),
        has_page: run.dir.join("report.html").is_file(),
        summary: Ok(run.summary),
    });
    let damaged = found.left_out.into_iter().map(|left| IndexedRun {
        dir: relative(&left.dir),
        has_page: false,
        summary: Err(left.why),
    });
    let runs: Vec<_> = sound.chain(damaged).collect();
    let path = dir.join("index.html");
    match files::replace(&path, &index_page(&runs)) {
        Ok(()) => {
            output::result(path.display());
            exit::code(RunOutcome::Pass)
        }
        Err(error) => exit::fail(
            RunOutcome::NotReady,
            &format!("{}: {error}", path.display()),
        ),
    }
}
