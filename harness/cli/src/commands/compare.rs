//! `squall compare`: two runs side by side.

use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_record::json_document;
use squall_reports::compare::{Change, RunComparison, compare as compare_records};

use crate::args::{CompareArgs, ComparisonFormat, FailOn};
use crate::{exit, output, run_names};

/// Compares run B with run A and prints what changed; executes nothing of
/// either.
pub fn compare(args: &CompareArgs) -> ExitCode {
    let read = |given: &str| run_names::read(given, &args.place.out);
    let (a, b) = match (read(&args.a), read(&args.b)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(message), _) | (_, Err(message)) => return exit::fail(RunOutcome::Usage, &message),
    };
    let comparison = match compare_records(&a.record, &b.record, args.margins()) {
        Ok(comparison) => comparison,
        Err(error) => return exit::fail(RunOutcome::Inconclusive, &error.to_string()),
    };
    match args.format {
        ComparisonFormat::Text => output::result_text(comparison.to_text()),
        ComparisonFormat::Markdown => output::result_text(comparison.to_markdown()),
        ComparisonFormat::Json => match json_document(&comparison) {
            Ok(json) => output::result(&json),
            Err(error) => return exit::fail(RunOutcome::Internal, &error.to_string()),
        },
    }
    exit::code(outcome(&comparison, &args.fail_on))
}

/// Comparing is no judging: a difference fails only where it is asked to.
fn outcome(comparison: &RunComparison, fail_on: &[FailOn]) -> RunOutcome {
    let failed = fail_on.iter().any(|asked| {
        let changes: &[Change] = match asked {
            FailOn::Worse => &[Change::Worse],
            FailOn::CannotTell => &[Change::CannotTell, Change::NoDifferenceSeen],
        };
        changes.iter().any(|change| comparison.count(*change) > 0)
    });
    if failed {
        RunOutcome::Fail
    } else {
        RunOutcome::Pass
    }
}
