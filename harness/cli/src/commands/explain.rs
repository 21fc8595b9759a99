//! `squall explain`: codes and exit codes, offline.

use std::process::ExitCode;

use squall_judge::{OUTCOMES, RunOutcome};

use crate::{exit, output};

/// Prints what a diagnostic code or the exit codes mean.
pub fn explain(code: &str) -> ExitCode {
    if code == "exit" {
        output::result("code  outcome         meaning");
        let mut rows: Vec<_> = OUTCOMES.iter().collect();
        rows.sort_by_key(|row| row.exit_code);
        for row in rows {
            output::result(format_args!(
                "{:>4}  {:<14}  {}",
                row.exit_code, row.word, row.meaning
            ));
        }
        return exit::code(RunOutcome::Pass);
    }
    match squall_scenario_file::explain(code) {
        Some(explanation) => {
            output::result(format_args!("{} {}\n", explanation.code, explanation.title));
            output::result(explanation.text.trim());
            exit::code(RunOutcome::Pass)
        }
        None => exit::fail(
            RunOutcome::Usage,
            &format!("{code:?} is neither a diagnostic code such as S0110 nor `exit`"),
        ),
    }
}
