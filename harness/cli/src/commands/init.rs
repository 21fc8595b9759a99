//! `squall init`: a commented scenario to start from.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_record::store::files;
use squall_scenario_file::{ParseOptions, Source, parse_scenario};

use crate::args::InitArgs;
use crate::{exit, output};

const HEAD: &str = include_str!("../../templates/head.yaml");
const PROCESSES: &str = include_str!("../../templates/processes.yaml");
const TARGET: &str = include_str!("../../templates/target.yaml");
const REST: &str = include_str!("../../templates/rest.yaml");

/// Writes the scenario; never over a file that exists.
pub fn init(args: &InitArgs) -> ExitCode {
    let file = args.file.display();
    let written = scenario(args).and_then(|text| sound(&args.file, text));
    let text = match written {
        Ok(text) => text,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    match write_new(&args.file, &text) {
        Ok(()) => {
            output::result(format_args!("wrote {file}; `squall check {file}` reads it"));
            exit::code(RunOutcome::Pass)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let message = format!("{file} is there already and was left alone; name another file");
            exit::fail(RunOutcome::Usage, &message)
        }
        Err(error) => exit::fail(RunOutcome::NotReady, &format!("{file}: {error}")),
    }
}

/// The text of the scenario, or what is wrong with the address.
fn scenario(args: &InitArgs) -> Result<String, String> {
    let system = match &args.target {
        // A JSON string is a YAML string.
        Some(url) => TARGET.replace("@ADDRESS@", &serde_json::json!(address(url)?).to_string()),
        None => PROCESSES.to_owned(),
    };
    let name = args.file.to_string_lossy();
    // The name stands in comments; a line break would end one.
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    Ok(format!("{}{system}{REST}", HEAD.replace("@FILE@", &name)))
}

/// `host:port` of `http://host:port`.
fn address(url: &str) -> Result<String, String> {
    let rest = url.strip_prefix("http://").unwrap_or_default();
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.is_empty() || authority.contains(['/', '@', '?', '#']) {
        return Err(format!(
            "write --target as http://127.0.0.1:8080, without a path, not {url:?}"
        ));
    }
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.ends_with(']'));
    Ok(match has_port {
        true => authority.to_owned(),
        false => format!("{authority}:80"),
    })
}

/// Only the address is the user's: what is wrong with it is said before
/// anything is written.
fn sound(file: &Path, text: String) -> Result<String, String> {
    let nothing = |_: &str| None;
    let source = Source::new(file.display().to_string(), text);
    let checked = parse_scenario(&source, &ParseOptions::new(&nothing));
    match checked.diagnostics.iter().find(|found| found.is_error()) {
        Some(found) => Err(format!("{}; {}", found.title, found.help.join("; "))),
        None => Ok(source.text),
    }
}

fn write_new(file: &Path, text: &str) -> std::io::Result<()> {
    files::create_new(file)?.write_all(text.as_bytes())
}
