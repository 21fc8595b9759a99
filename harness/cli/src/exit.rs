//! Exit codes of commands that run nothing. Runs take theirs from the one
//! table of outcomes in `squall-reports`.

use std::process::ExitCode;

use squall_reports::RunOutcome;

/// The exit code of an outcome.
pub fn code(outcome: RunOutcome) -> ExitCode {
    ExitCode::from(outcome.exit_code())
}

/// Prints `error: …` to standard error and gives the outcome's exit code.
pub fn fail(outcome: RunOutcome, message: &str) -> ExitCode {
    let bold_red = anstyle::AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{bold_red}error{bold_red:#}: {message}");
    code(outcome)
}
