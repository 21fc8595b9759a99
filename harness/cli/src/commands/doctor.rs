//! `squall doctor`: what this machine can do, before a run needs it.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use squall_faults::Journal;
use squall_faults::machine::{Ability, Standing};
use squall_faults::measure::{self, Measured, NotMeasured};
use squall_judge::RunOutcome;
use squall_record::terminal_line;

use crate::args::{DoctorArgs, Listing};
use crate::this_machine::machine;
use crate::{capacity, exit, output};

/// Shows every mechanism that squall looks for; not ready where one is missing
/// that every run needs.
pub fn doctor(args: &DoctorArgs) -> ExitCode {
    let abilities = machine().abilities();
    match args.format {
        Listing::Text => abilities.iter().for_each(print),
        Listing::Json => output::result_json(&serde_json::json!(abilities)),
    }
    let missing = abilities.iter().find(|ability| {
        ability.faults.is_empty() && matches!(ability.standing, Standing::Missing { .. })
    });
    match missing {
        None => exit::code(RunOutcome::Pass),
        Some(ability) => {
            let message = format!("no run is possible here without: {}", ability.name);
            exit::fail(RunOutcome::NotReady, &message)
        }
    }
}

fn print(ability: &Ability) {
    let (mark, what) = match &ability.standing {
        Standing::Works { found } => ("works", found.clone()),
        Standing::Fallback { why, instead } => ("other", format!("{why}; instead: {instead}")),
        Standing::Missing { why, help } => ("no", format!("{why}; {help}")),
    };
    let (name, purpose) = (ability.name, ability.purpose);
    let faults = match ability.faults {
        [] => String::new(),
        faults => format!(" ({})", faults.join(", ")),
    };
    output::result(format_args!("{mark:<6} {name:<16} {purpose}{faults}"));
    output::result(format_args!("{:<23} {}", "", terminal_line(&what)));
}

/// What stands for all measurements.
const ALL: &str = "all";

/// Measures faults, and the rate that is held, one after the other; what could not
/// be measured ends it as not ready, after all others.
pub async fn measure(args: DoctorArgs) -> ExitCode {
    let known = [measure::names(), vec![capacity::NAME]].concat();
    let mut names = args.measure.unwrap_or_default();
    let everything = names.iter().any(|name| name == ALL);
    if everything {
        names = known.iter().map(ToString::to_string).collect();
    }
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let known = known.join(", ");
        let message = format!("{unknown:?} cannot be measured; there are {known}");
        return exit::fail(RunOutcome::Usage, &message);
    }
    let journal = match journal() {
        Ok(journal) => Arc::new(journal),
        Err(error) => return exit::fail(RunOutcome::NotReady, &error.to_string()),
    };
    let guardian = guardian();
    let (mut all, mut failed) = (Vec::new(), Vec::new());
    let mut held = None;
    for name in &names {
        output::progress(format_args!("measuring {name} …"));
        if name == capacity::NAME {
            match rate_held().await {
                Ok(rate) => held = Some(rate),
                Err(why) => failed.push(format!("{name}: {why}")),
            }
            continue;
        }
        match measure::measure(name, Arc::clone(&journal), &guardian).await {
            Some(Ok(measured)) => all.extend(measured),
            // Asked for all, those are meant that there are here.
            Some(Err(NotMeasured::Missing(why))) if everything => {
                output::remark(terminal_line(&format!("{name} is left out: {why}")));
            }
            Some(Err(error)) => failed.push(format!("{name}: {error}")),
            None => {}
        }
    }
    match args.format {
        Listing::Text => {
            if !all.is_empty() {
                table(&all);
            }
            if let Some(held) = &held {
                output::result(format_args!("{}: {held}", capacity::NAME));
            }
        }
        Listing::Json => {
            let faults = all.iter().map(|measured| serde_json::json!(measured));
            let load = held.iter().map(|held| serde_json::json!({ "load": held }));
            output::result_json(&faults.chain(load).collect::<Vec<_>>());
        }
    }
    for failure in &failed {
        output::remark(terminal_line(failure));
    }
    if let Err(error) = journal.close() {
        return exit::fail(RunOutcome::UndoFailed, &error.to_string());
    }
    match failed.is_empty() {
        true => exit::code(RunOutcome::Pass),
        false => exit::fail(RunOutcome::NotReady, "not everything could be measured"),
    }
}

/// Measures the rate that is held, and keeps it for `plan` and `check`.
async fn rate_held() -> Result<capacity::Held, String> {
    let held = capacity::measure().await?;
    if let Err(error) = capacity::keep(&held) {
        output::remark(format_args!("it cannot be kept: {error}"));
    }
    Ok(held)
}

/// Program and arguments that start a guardian, for the faults that need one; without
/// them, those say so.
fn guardian() -> Vec<OsString> {
    let Ok(program) = std::env::current_exe() else {
        return Vec::new();
    };
    let args = machine().guardian.into_iter();
    [program.into_os_string()].into_iter().chain(args).collect()
}

fn journal() -> Result<Journal, squall_faults::JournalError> {
    let run = format!("measure-{}", std::process::id());
    Journal::create(&Journal::default_dir()?, &run)
}

fn table(all: &[Measured]) {
    output::result(format_args!(
        "{:<26} {:<11} {:<36} {}",
        "fault", "requested", "observed", "beside it, without the fault"
    ));
    for measured in all {
        output::result(format_args!(
            "{:<26} {:<11} {:<36} {}",
            measured.fault,
            measured.requested.to_string(),
            measured.observed.to_string(),
            measured.beside,
        ));
    }
}
