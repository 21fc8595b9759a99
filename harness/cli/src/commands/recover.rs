//! `squall recover`: undo what a dead run left behind.

use std::process::ExitCode;

use squall_faults::Journal;
use squall_faults::recover::{Standing, list, run};
use squall_reports::RunOutcome;

use crate::args::RecoverArgs;
use crate::exit;

/// Replays the undo journals of dead runs, or lists them.
pub fn recover(args: &RecoverArgs) -> ExitCode {
    let dir = match Journal::default_dir() {
        Ok(dir) => dir,
        Err(error) => return exit::fail(RunOutcome::NotReady, &error.to_string()),
    };
    if args.list {
        return match list(&dir) {
            Ok(found) => {
                found.iter().for_each(print_found);
                if found.is_empty() {
                    anstream::println!("nothing to recover");
                }
                exit::code(RunOutcome::Pass)
            }
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
        anstream::println!("undone: {sentence}");
    }
    for sentence in &report.failed {
        anstream::eprintln!("not undone: {sentence}");
    }
    if report.is_clean() {
        anstream::println!("clean: nothing of a dead run is left");
        exit::code(RunOutcome::Pass)
    } else {
        exit::code(RunOutcome::UndoFailed)
    }
}

fn print_found(found: &squall_faults::recover::Found) {
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
    anstream::println!("{run}: {standing}, {} undos pending", found.pending.len());
}
