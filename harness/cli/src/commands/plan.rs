//! `squall plan`: what a scenario would do, without doing it.

use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_record::json_document;

use crate::args::{Listing, PlanArgs};
use crate::{capacity, exit, locate, output};

/// Prints timeline, arrivals and samples per gate.
pub fn plan(args: &PlanArgs) -> ExitCode {
    let found = locate::scenario(&args.scenario, &args.reading);
    let mut scenario = match found.and_then(locate::Found::into_sound) {
        Ok(sound) => sound.redacted,
        Err(code) => return code,
    };
    scenario.seed = args.seed.or(scenario.seed);
    if let Some(remark) = capacity::remark(&scenario) {
        output::remark(format_args!("{}: {remark}", args.scenario));
    }
    let plan = scenario.plan();
    match args.format {
        Listing::Text => output::result(&plan),
        Listing::Json => match json_document(&plan) {
            Ok(json) => output::result(&json),
            Err(error) => return exit::fail(RunOutcome::Internal, &error.to_string()),
        },
    }
    exit::code(RunOutcome::Pass)
}
