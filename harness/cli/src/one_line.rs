//! `squall load`: arguments to the text of a scenario, and back from what is
//! wrong with that text to the argument behind it.
//!
//! Nothing is parsed twice: the text is read as that of any file, and a
//! diagnostic about a part of it is shown at the argument it came from.

mod again;
mod arguments;
mod compose;
mod content;
mod message;
mod reach;
mod spoken;
mod url;
mod writer;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use arguments::Arguments;
use squall_judge::RunOutcome;
use squall_scenario_file::{
    Allowed, Diagnostic, ParseOptions, Source, parse_scenario, process_environment,
};
use writer::Writer;

use crate::args::LoadArgs;
use crate::locate::Sound;
use crate::{exit, output, panics};

/// What messages, records and annotations call the place of the arguments.
const COMMAND_LINE: &str = "command line";

/// A file that is not there, or cannot be read.
const UNREADABLE: &str = "S0001";

/// A gate has fewer samples than it needs.
const TOO_FEW: &str = "S0310";

/// Without a gate in a file there is a warning; a line may just measure.
const NO_GATES: &str = "S0326";

/// Headers whose values are secrets as a rule.
const SECRET_HEADERS: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
];

/// A scenario that was composed, with the way back to the arguments.
struct Composed {
    arguments: Arguments,
    written: Writer,
    findings: Vec<Diagnostic>,
}

/// What came of a line: a scenario unless a finding is an error. All findings
/// point into the arguments.
struct Read {
    arguments: Arguments,
    findings: Vec<Diagnostic>,
    sound: Option<Sound>,
}

/// The scenario that the arguments stand for. What is wrong with them is
/// printed.
///
/// # Errors
/// The exit code, when there is none.
pub fn sound(args: &LoadArgs) -> Result<Sound, ExitCode> {
    // Nothing is sent by printing.
    let consent = &args.options.execution.consent;
    let allowed = (!args.print_scenario).then(|| consent.allowed());
    let Read {
        arguments,
        findings,
        sound,
    } = read(args, allowed.as_ref());
    let sources = [arguments.source().clone()];
    for finding in &findings {
        output::remark(finding.render(&sources, output::colour_on_stderr()));
    }
    if let Some(sound) = sound {
        warn_of_secrets(args);
        return Ok(sound);
    }
    let errors = findings.iter().filter(|found| found.is_error()).count();
    let noun = if errors == 1 { "mistake" } else { "mistakes" };
    let message = format!("{COMMAND_LINE}: {errors} {noun}; nothing was run");
    Err(exit::fail(RunOutcome::Usage, &message))
}

/// The same without a word, for a line whose findings are told already; `None` where
/// there is none.
pub fn sound_again(args: &LoadArgs) -> Option<Sound> {
    read(args, Some(&args.options.execution.consent.allowed())).sound
}

/// What is to be done so that the gates of a line have enough samples, where they
/// have too few.
pub fn needs_more(args: &LoadArgs) -> Option<String> {
    let findings = read(args, None).findings;
    let short = findings.iter().find(|finding| finding.code == TOO_FEW)?;
    short.help.first().cloned()
}

/// Reads the line; hosts off this machine are refused unless they are among
/// `allowed`, where it is given.
fn read(args: &LoadArgs, allowed: Option<&Allowed>) -> Read {
    let Composed {
        arguments,
        written,
        mut findings,
    } = compose::compose(args);
    let source = Source::new(COMMAND_LINE, written.text());
    let checked = parse_scenario(&source, &ParseOptions::new(&process_environment));
    panics::keep(&checked.secrets);
    let mut found = checked.diagnostics.clone();
    found.retain(|finding| finding.code != NO_GATES);
    if let Some(allowed) = allowed {
        found.extend(checked.refused(allowed));
    }
    for finding in &mut found {
        written.point_back(finding, &arguments);
        if finding.code == UNREADABLE {
            finding.help = vec!["the path is relative to the folder you are in".to_owned()];
        }
    }
    findings.extend(found);
    let broken = findings.iter().any(Diagnostic::is_error);
    let sound = checked.value.zip(checked.redacted).filter(|_| !broken);
    let sound = sound.map(|(scenario, redacted)| Sound {
        given: COMMAND_LINE.to_owned(),
        scenario,
        redacted,
        text: source.text,
        secrets: checked.secrets,
        folder: None,
        command: Some(again::command(args)),
    });
    Read {
        arguments,
        findings,
        sound,
    }
}

/// What is typed out stands in the record, as what is written in a file does.
fn warn_of_secrets(args: &LoadArgs) {
    let headers = args.headers.iter();
    let headers = headers.filter_map(|header| header.split_once(':'));
    let headers = headers.map(|(name, value)| (name.trim().to_ascii_lowercase(), value));
    let headers = headers
        .filter(|(name, _)| SECRET_HEADERS.contains(&name.as_str()))
        .map(|(name, value)| {
            let instead = format!("-H '{name}: ${{NAME}}'");
            (format!("the value of `{name}`"), value, instead)
        });
    let content = &args.content;
    let password = content.user.as_deref().and_then(|user| {
        let (name, password) = user.split_once(':')?;
        let instead = format!("--user '{name}:${{NAME}}'");
        Some(("the password of --user".to_owned(), password, instead))
    });
    let token = content.bearer.as_deref().map(|token| {
        let instead = "--bearer '${NAME}'".to_owned();
        ("the token of --bearer".to_owned(), token, instead)
    });
    for (what, value, instead) in headers.chain(password).chain(token) {
        if !value.contains("${") {
            output::remark(format_args!(
                "warning: {what} will stand in the record of the run; write {instead} and it \
                 is taken from the environment and never shown"
            ));
        }
    }
}
