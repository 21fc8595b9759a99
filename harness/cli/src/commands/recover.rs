//! `squall recover`: undo what a dead run left behind.

use std::path::Path;
use std::process::ExitCode;

use squall_faults::Journal;
use squall_faults::recover::{Found, Standing, left_of_dead_runs, list, run};
use squall_judge::RunOutcome;
use squall_record::terminal_line;

use crate::args::RecoverArgs;
use crate::{exit, output};

/// Replays the undo journals of dead runs, or lists them.
pub fn recover(args: &RecoverArgs) -> ExitCode {
    let dir = match Journal::default_dir() {
        Ok(dir) => dir,
        Err(error) => return exit::fail(RunOutcome::NotReady, &error.to_string()),
    };
    if args.list {
        return match list(&dir) {
            Ok(found) => show(&dir, &found),
            Err(error) => exit::fail(RunOutcome::UndoFailed, &error.to_string()),
        };
    }
    let report = match run(&dir) {
        Ok(report) => report,
        Err(error) => return exit::fail(RunOutcome::UndoFailed, &error.to_string()),
    };
    for found in &report.found {
        print_found(found);
    }
    for sentence in &report.undone {
        output::result(format_args!("undone: {}", terminal_line(sentence)));
    }
    for sentence in &report.failed {
        output::remark(format_args!("not undone: {}", terminal_line(sentence)));
    }
    if report.is_clean() {
        output::result("clean: nothing of a dead run is left");
        exit::code(RunOutcome::Pass)
    } else {
        exit::code(RunOutcome::UndoFailed)
    }
}

/// Lists journals, and what is left of dead runs whatever their journals say.
fn show(dir: &Path, found: &[Found]) -> ExitCode {
    found.iter().for_each(print_found);
    let strays = match left_of_dead_runs(dir) {
        Ok(strays) => strays,
        Err(why) => return exit::fail(RunOutcome::UndoFailed, &why),
    };
    for (run, processes) in &strays {
        let line = format!("{run}: its run is dead, processes left: {processes}");
        output::result(terminal_line(&line));
    }
    if found.is_empty() && strays.is_empty() {
        output::result("nothing to recover");
    }
    exit::code(RunOutcome::Pass)
}

fn print_found(found: &Found) {
    let run = found
        .run_id
        .clone()
        .unwrap_or_else(|| found.path.display().to_string());
    let standing = match &found.standing {
        Standing::Dead => "its run is dead".to_owned(),
        Standing::Live { pid } => format!("still alive (pid {pid}), left alone"),
        Standing::OtherBoot => "from before the last boot".to_owned(),
        Standing::Refused(why) => format!("left alone: {why}"),
    };
    let line = format!("{run}: {standing}, {} undos pending", found.pending.len());
    output::result(terminal_line(&line));
}
