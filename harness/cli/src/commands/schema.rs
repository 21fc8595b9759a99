//! `squall schema`: JSON Schema of the files squall reads and writes.

use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_reports::SCHEMAS;

use crate::args::SchemaOf;
use crate::{exit, output};

/// Prints the schema.
pub fn schema(of: SchemaOf) -> ExitCode {
    let written = |name: &str| {
        let found = SCHEMAS.iter().find(|schema| schema.name == name);
        found.map_or(serde_json::Value::Null, |schema| schema.schema())
    };
    let schema = match of {
        SchemaOf::Scenario => squall_scenario_file::scenario_schema(),
        SchemaOf::System => squall_scenario_file::system_schema(),
        SchemaOf::Record => written("record"),
        SchemaOf::Event => written("event"),
        SchemaOf::Sample => written("sample"),
        SchemaOf::Verdict => written("verdict"),
        SchemaOf::Report => written("report"),
    };
    match serde_json::to_string_pretty(&schema) {
        Ok(json) => {
            output::result(&json);
            exit::code(RunOutcome::Pass)
        }
        Err(error) => exit::fail(RunOutcome::Internal, &error.to_string()),
    }
}
