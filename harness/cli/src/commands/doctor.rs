//! `squall doctor`: what this machine can do, before a run needs it.

use std::process::ExitCode;

use squall_faults::machine::{Ability, Standing};
use squall_judge::RunOutcome;
use squall_record::terminal_line;

use crate::args::{DoctorArgs, Listing};
use crate::this_machine::machine;
use crate::{exit, output};

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
