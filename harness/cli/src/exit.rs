//! Exit codes of commands that run nothing. Runs take theirs from the one
//! table of outcomes in `squall-judge`.

use std::process::ExitCode;

use squall_judge::RunOutcome;

use crate::output;

/// The exit code of an outcome.
pub fn code(outcome: RunOutcome) -> ExitCode {
    ExitCode::from(outcome.exit_code())
}

/// The exit code of a command whose result is what it prints: where that could
/// not be printed, something is missing, as with a report that cannot be
/// written. What is worse is told all the same.
pub fn of_printed(code: ExitCode) -> ExitCode {
    let worse = [
        RunOutcome::UndoFailed,
        RunOutcome::Internal,
        RunOutcome::Usage,
    ];
    match output::failure() {
        Some(why) if !worse.map(self::code).contains(&code) => fail(RunOutcome::NotReady, &why),
        _ => code,
    }
}

/// The exit code of judging a record that was read, by what the verdict counts
/// as. A record that contradicts itself is a wrong input here, whoever wrote it:
/// squall itself would have told at the end of the run.
pub fn of_judged(outcome: RunOutcome) -> ExitCode {
    match outcome {
        RunOutcome::Internal => fail(
            RunOutcome::Usage,
            "the record contradicts itself: its arrivals do not add up, so it is damaged",
        ),
        outcome => code(outcome),
    }
}

/// Prints what clap says instead of a command: help, the version, or what is
/// wrong with the command line.
pub fn answered(answer: &clap::Error) -> ExitCode {
    let text = answer.render();
    if answer.use_stderr() {
        output::remark_text(text.ansi());
        return code(RunOutcome::Usage);
    }
    output::result_text(text.ansi());
    of_printed(code(RunOutcome::Pass))
}

/// Prints `error: …` to standard error and gives the outcome's exit code.
pub fn fail(outcome: RunOutcome, message: &str) -> ExitCode {
    let bold_red = anstyle::AnsiColor::Red.on_default().bold();
    output::remark(format_args!("{bold_red}error{bold_red:#}: {message}"));
    code(outcome)
}
