//! `squall schema`: JSON Schema for editors.

use std::process::ExitCode;

use squall_reports::RunOutcome;

use crate::args::SchemaOf;
use crate::exit;

/// Prints the schema.
pub fn schema(of: SchemaOf) -> ExitCode {
    let schema = match of {
        SchemaOf::Scenario => squall_scenario::scenario_schema(),
        SchemaOf::System => squall_scenario::system_schema(),
    };
    match serde_json::to_string_pretty(&schema) {
        Ok(json) => {
            anstream::println!("{json}");
            exit::code(RunOutcome::Pass)
        }
        Err(error) => exit::fail(RunOutcome::Internal, &error.to_string()),
    }
}
