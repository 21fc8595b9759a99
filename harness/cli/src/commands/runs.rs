//! `squall runs`: which runs there are, and deleting old ones.

use std::io;
use std::process::ExitCode;

use jiff::Timestamp;
use squall_faults::Journal;
use squall_faults::recover::{Standing, list, sweep};
use squall_judge::RunOutcome;
use squall_record::{terminal_line, terminal_text};

use crate::args::{Listing, OutArgs, PruneArgs, RunsArgs, RunsCommand};
use crate::run_folders::{Found, Old, RunFolder, delete, find, old};
use crate::{exit, output};

/// Lists runs, or prunes them.
pub fn runs(args: &RunsArgs) -> ExitCode {
    let done = match &args.command {
        None => show(args),
        Some(RunsCommand::Prune(prune_args)) => prune(prune_args),
    };
    done.unwrap_or_else(|message| exit::fail(RunOutcome::NotReady, &message))
}

fn look(place: &OutArgs) -> Result<Found, String> {
    let found = find(&place.out).map_err(|error| format!("{}: {error}", place.out.display()))?;
    for left in &found.left_out {
        output::remark(format_args!("warning: {}", terminal_line(&left.why)));
    }
    Ok(found)
}

fn show(args: &RunsArgs) -> Result<ExitCode, String> {
    let found = look(&args.place)?;
    match args.format {
        Listing::Json => {
            let rows: Vec<_> = found.runs.iter().map(row).collect();
            output::result_json(&serde_json::Value::Array(rows));
        }
        Listing::Text if found.runs.is_empty() => {
            output::result(format_args!("no runs in {}", args.place.out.display()));
        }
        Listing::Text => found.runs.iter().for_each(print_line),
    }
    Ok(exit::code(RunOutcome::Pass))
}

/// Length of the measured load in seconds.
fn load_s(run: &RunFolder) -> Option<f64> {
    let verdict = run.summary.verdict.as_ref()?;
    Some(verdict.load_end_us.max(0) as f64 / 1e6)
}

fn row(run: &RunFolder) -> serde_json::Value {
    let manifest = &run.summary.manifest;
    let verdict = run.summary.verdict.as_ref();
    serde_json::json!({
        "run": run.dir,
        "scenario": manifest.scenario.name,
        "variant": manifest.variant,
        "seed": manifest.seed,
        "started_utc": manifest.started_utc,
        "load_s": load_s(run),
        "outcome": verdict.map(|verdict| verdict.outcome),
        "exit_code": verdict.map(|verdict| verdict.exit_code),
    })
}

fn print_line(run: &RunFolder) {
    let manifest = &run.summary.manifest;
    let verdict = run.summary.verdict.as_ref();
    let outcome = verdict.map_or("not judged", |verdict| verdict.outcome.word());
    let load = load_s(run).map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.0}s"));
    let variant = manifest.variant.as_deref();
    let variant = variant.map_or_else(String::new, |name| format!(" ({name})"));
    let name = terminal_text(&format!("{}{variant}", manifest.scenario.name));
    let started = run.started.strftime("%Y-%m-%d %H:%M:%SZ");
    output::result(format_args!(
        "{started}  {outcome:<14} {load:>6}  {name}  {}",
        terminal_line(&run.dir.display().to_string())
    ));
}

fn prune(args: &PruneArgs) -> Result<ExitCode, String> {
    let which = match (args.keep, args.older_than) {
        (Some(keep), _) => Old::Beyond(keep),
        (None, Some(age)) => Old::Than(age),
        (None, None) => return Err("say --keep N or --older-than AGE".to_owned()),
    };
    let found = look(&args.place)?;
    if !args.dry_run {
        forget_dead_runs()?;
    }
    let live = live_runs()?;
    let mut failed = 0;
    for run in old(&found.runs, which, Timestamp::now()) {
        let dir = terminal_line(&run.dir.display().to_string());
        if is_live(run, &live) {
            output::result(format_args!("left alone, under way: {dir}"));
            continue;
        }
        let done = if args.dry_run { Ok(()) } else { delete(run) };
        match done {
            Ok(()) if args.dry_run => output::result(format_args!("would delete {dir}")),
            Ok(()) => output::result(format_args!("deleted {dir}")),
            Err(error) => {
                failed += 1;
                tell_failure(&dir, &error);
            }
        }
    }
    match failed {
        0 => Ok(exit::code(RunOutcome::Pass)),
        1 => Err("1 run could not be deleted".to_owned()),
        many => Err(format!("{many} runs could not be deleted")),
    }
}

fn tell_failure(dir: &str, error: &io::Error) {
    output::remark(format_args!("not deleted: {dir}: {error}"));
}

/// Takes away what dead runs left beside their records: journals, sockets.
fn forget_dead_runs() -> Result<(), String> {
    let dir = Journal::default_dir().map_err(|error| error.to_string())?;
    sweep(&dir).map_err(|error| error.to_string())
}

/// Ids of the runs whose undo journal belongs to a live process.
fn live_runs() -> Result<Vec<String>, String> {
    let dir = Journal::default_dir().map_err(|error| error.to_string())?;
    let found = list(&dir).map_err(|error| error.to_string())?;
    let live = found
        .into_iter()
        .filter(|journal| matches!(journal.standing, Standing::Live { .. }));
    Ok(live.filter_map(|journal| journal.run_id).collect())
}

/// The id of a run is the name of its directory and the process of squall.
fn is_live(run: &RunFolder, live: &[String]) -> bool {
    let leaf = run.dir.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!("{leaf}-");
    live.iter().any(|id| id.starts_with(&prefix))
}
