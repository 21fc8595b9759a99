//! `squall check`: parse and lint, touch nothing.

use std::process::ExitCode;

use squall_reports::RunOutcome;

use crate::args::{CheckArgs, DiagnosticFormat};
use crate::{exit, locate};

/// Checks every scenario and prints what there is to say, all at once.
pub fn check(args: &CheckArgs) -> ExitCode {
    let mut wrong = 0;
    let mut json = Vec::new();
    for given in &args.scenarios {
        let found = match locate::scenario(given, &args.reading) {
            Ok(found) => found,
            Err(_printed) => {
                wrong += 1;
                continue;
            }
        };
        let diagnostics = &found.checked.diagnostics;
        let sources = &found.checked.sources;
        match args.format {
            DiagnosticFormat::Text => found.print_diagnostics(),
            DiagnosticFormat::Json => {
                json.extend(
                    diagnostics
                        .iter()
                        .map(|diagnostic| diagnostic.to_json(sources)),
                );
            }
            DiagnosticFormat::Github => {
                for diagnostic in diagnostics {
                    anstream::println!("{}", diagnostic.github_annotation(sources));
                }
            }
        }
        let bad = found.checked.has_errors() || (args.strict && !diagnostics.is_empty());
        if bad {
            wrong += 1;
        } else if args.format == DiagnosticFormat::Text {
            let warnings = diagnostics.len();
            let remark = match warnings {
                0 => String::new(),
                1 => ", 1 warning".to_owned(),
                many => format!(", {many} warnings"),
            };
            anstream::println!("{given}: sound{remark}");
        }
    }
    if args.format == DiagnosticFormat::Json {
        anstream::println!("{}", serde_json::Value::Array(json));
    }
    match wrong {
        0 => exit::code(RunOutcome::Pass),
        _ => exit::code(RunOutcome::Usage),
    }
}
