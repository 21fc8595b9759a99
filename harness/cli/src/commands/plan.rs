//! `squall plan`: what a scenario would do, without doing it.

use std::process::ExitCode;

use squall_reports::RunOutcome;
use squall_scenario::Plan;

use crate::args::{Listing, PlanArgs};
use crate::{exit, locate};

/// Prints timeline, arrivals and samples per gate.
pub fn plan(args: &PlanArgs) -> ExitCode {
    let located = locate::scenario(&args.scenario, &args.reading.set);
    let (_, scenario, _) = match located.into_scenario() {
        Ok(found) => found,
        Err(code) => return code,
    };
    let plan = Plan::of(&scenario);
    match args.format {
        Listing::Text => anstream::println!("{plan}"),
        Listing::Json => match serde_json::to_string_pretty(&plan) {
            Ok(json) => anstream::println!("{json}"),
            Err(error) => return exit::fail(RunOutcome::Internal, &error.to_string()),
        },
    }
    exit::code(RunOutcome::Pass)
}
