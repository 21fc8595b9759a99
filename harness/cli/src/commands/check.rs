//! `squall check`: parse and lint, touch nothing.

use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_scenario_file::{Checked, OpenSlo};

use crate::args::{CheckArgs, DiagnosticFormat};
use crate::{capacity, exit, locate, objectives, output};

/// Checks every file and prints what there is to say, all at once.
pub fn check(args: &CheckArgs) -> ExitCode {
    let mut wrong = 0;
    let mut json = Vec::new();
    for given in &args.scenarios {
        let sound = match objectives::openslo(given) {
            Some(mut checked) => {
                let refused = checked.refused(&args.consent.allowed());
                checked.diagnostics.extend(refused);
                let remark = tell(args, &checked, &mut json);
                remark.map(|remark| remark + &as_gates(&checked))
            }
            None => match locate::scenario(given, &args.reading) {
                Ok(mut found) => {
                    found.refuse(&args.consent.allowed());
                    // Of this machine and not of the file, which is no worse for it.
                    if let Some(remark) = found.checked.value.as_ref().and_then(capacity::remark) {
                        output::remark(format_args!("{given}: {remark}"));
                    }
                    tell(args, &found.checked, &mut json)
                }
                Err(_printed) => None,
            },
        };
        match sound {
            None => wrong += 1,
            Some(remark) if args.format == DiagnosticFormat::Text => {
                output::result(format_args!("{given}: sound{remark}"));
            }
            Some(_) => {}
        }
    }
    if args.format == DiagnosticFormat::Json {
        output::result_json(&serde_json::Value::Array(json));
    }
    match wrong {
        0 => exit::code(RunOutcome::Pass),
        _ => exit::code(RunOutcome::Usage),
    }
}

/// Prints the findings of a file, or keeps them for the JSON list. Gives a
/// remark about a file that is sound.
fn tell<T>(
    args: &CheckArgs,
    checked: &Checked<T>,
    json: &mut Vec<serde_json::Value>,
) -> Option<String> {
    let (findings, sources) = (&checked.diagnostics, &checked.sources);
    match args.format {
        DiagnosticFormat::Text => locate::print(checked),
        DiagnosticFormat::Json => {
            json.extend(findings.iter().map(|finding| finding.to_json(sources)));
        }
        DiagnosticFormat::Github => {
            for finding in findings {
                output::result(finding.github_annotation(sources));
            }
        }
    }
    if checked.has_errors() || (args.strict && !findings.is_empty()) {
        return None;
    }
    Some(match findings.len() {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        many => format!(", {many} warnings"),
    })
}

/// What the objectives of a file are as gates.
fn as_gates(checked: &Checked<OpenSlo>) -> String {
    let objectives = checked.value.iter().flat_map(|file| &file.objectives);
    let mut text = String::new();
    for objective in objectives {
        text.push_str(&format!("\n  {}: {}", objective.slo, objective.gate.value));
        if let Some(window) = &objective.time_window {
            text.push_str(&format!(" (its target is for {window})"));
        }
    }
    text
}
