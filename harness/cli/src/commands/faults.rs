//! `squall faults`: what each fault does, offline.

use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_scenario_file::{FaultParameter, FaultReference, fault_reference};

use crate::args::{FaultsArgs, Listing};
use crate::{exit, output};

/// Lists the faults, or describes one of them.
pub fn faults(args: &FaultsArgs) -> ExitCode {
    let all = fault_reference();
    let Some(wanted) = &args.name else {
        match args.format {
            Listing::Text => print_list(&all),
            Listing::Json => output::result_json(&serde_json::json!(all)),
        }
        return exit::code(RunOutcome::Pass);
    };
    let is_it = |fault: &&FaultReference| {
        fault.name == wanted || fault.also_called.contains(&wanted.as_str())
    };
    let Some(fault) = all.iter().find(is_it) else {
        let known: Vec<_> = all.iter().map(|fault| fault.name).collect();
        let message = format!(
            "there is no fault {wanted:?}; there are {}",
            known.join(", ")
        );
        return exit::fail(RunOutcome::Usage, &message);
    };
    match args.format {
        Listing::Text => output::result_text(page(fault)),
        Listing::Json => output::result_json(&serde_json::json!(fault)),
    }
    exit::code(RunOutcome::Pass)
}

fn print_list(all: &[FaultReference]) {
    for fault in all {
        let parameters: Vec<_> = fault.parameters.iter().map(|p| p.name).collect();
        let parameters = match parameters.is_empty() {
            true => String::new(),
            false => format!(" ({})", parameters.join(", ")),
        };
        output::result(format_args!(
            "{:<10} {}{parameters}",
            fault.name, fault.about
        ));
    }
    output::result("\n`squall faults NAME` shows the parameters and an example");
}

fn page(fault: &FaultReference) -> String {
    let mut page = format!("{}: {}\n", fault.name, fault.about);
    page.push_str(&format!("acts on {}\n", fault.acts_on));
    if !fault.also_called.is_empty() {
        let others = fault.also_called.join(", ");
        page.push_str(&format!("elsewhere called {others}\n"));
    }
    if !fault.parameters.is_empty() {
        page.push_str("\nParameters\n");
    }
    for parameter in &fault.parameters {
        page.push_str(&line(parameter));
    }
    let example = fault.example.replace('\n', "\n    ");
    page.push_str(&format!("\nExample\n  faults:\n    {example}\n"));
    page.push_str(&format!("\nVerified\n  {}\n", fault.verified));
    page.push_str(&format!("\nUndone\n  {}\n", fault.undone));
    page
}

fn line(parameter: &FaultParameter) -> String {
    let values = match parameter.values.as_slice() {
        [example] => format!("such as {example}"),
        words => words.join(" | "),
    };
    let default = match &parameter.default {
        Some(default) => format!("{default} when absent"),
        None if parameter.required => "needed".to_owned(),
        None if parameter.alternative => "one of those that say so is needed".to_owned(),
        None => "may be left out".to_owned(),
    };
    format!(
        "  {:<10} {} ({values}; {default})\n",
        parameter.name, parameter.about
    )
}
