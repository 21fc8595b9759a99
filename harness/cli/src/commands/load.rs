//! `squall load`.

use std::process::ExitCode;

use squall_judge::RunOutcome;

use super::run::{Plan, carry_out};
use crate::args::{LoadArgs, ScenarioArgs};
use crate::{exit, one_line, output};

/// Prints the scenario that a line stands for.
pub fn print(args: &LoadArgs) -> ExitCode {
    match one_line::sound(args) {
        Ok(sound) => {
            output::result_document(sound.text.as_bytes());
            exit::code(RunOutcome::Pass)
        }
        Err(code) => code,
    }
}

/// Runs the scenario that a line stands for as `squall run` runs one.
pub async fn load(args: LoadArgs) -> ExitCode {
    let sound = match one_line::sound(&args) {
        Ok(sound) => sound,
        Err(code) => return code,
    };
    let plan = Plan {
        scenarios: vec![sound],
        variant: None,
        reading: ScenarioArgs { set: Vec::new() },
        options: args.options,
        format: args.format,
    };
    carry_out(plan).await
}
