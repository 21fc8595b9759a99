//! `squall init`: a commented scenario to start from.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_record::store::files;
use squall_record::terminal_line;
use squall_scenario_file::{
    Checked, IMPORT_BYTES_MAX, Imported, ParseOptions, Source, import, is_curl, parse_scenario,
};

use crate::args::InitArgs;
use crate::{exit, output};

const HEAD: &str = include_str!("../../templates/head.yaml");
const PROCESSES: &str = include_str!("../../templates/processes.yaml");
const TARGET: &str = include_str!("../../templates/target.yaml");
const REST: &str = include_str!("../../templates/rest.yaml");

/// A scenario that was made of something else, and what there is to say of it.
type Made = (String, Vec<String>);

/// A file that is not there, or cannot be read.
const UNREADABLE: &str = "S0001";

/// Why there is none.
enum Unmade {
    /// What was given is wrong.
    Wrong(String),
    /// Squall wrote what it does not read.
    Bug(String),
}

/// Writes the scenario; never over a file that exists.
pub fn init(args: &InitArgs) -> ExitCode {
    let file = args.file.display();
    let made = match &args.from {
        Some(from) => imported(from, &args.file),
        None => scenario(args)
            .and_then(|text| Ok((sound(&args.file, text)?, Vec::new())))
            .map_err(Unmade::Wrong),
    };
    let (text, remarks) = match made {
        Ok(made) => made,
        Err(Unmade::Wrong(message)) => return exit::fail(RunOutcome::Usage, &message),
        Err(Unmade::Bug(message)) => return exit::fail(RunOutcome::Internal, &message),
    };
    match write_new(&args.file, &text) {
        Ok(()) => {
            for remark in remarks {
                output::remark(remark);
            }
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

/// A scenario made of a file, of standard input, or of a line of curl.
fn imported(from: &str, file: &Path) -> Result<Made, Unmade> {
    let is_line = is_curl(from);
    let text = match from {
        "-" => read(std::io::stdin().lock()).map_err(|why| format!("standard input: {why}")),
        line if is_line => Ok(line.to_owned()),
        path => std::fs::File::open(path)
            .map_err(|error| error.to_string())
            .and_then(read)
            .map_err(|why| format!("{path}: {why}")),
    };
    let name = file.to_string_lossy();
    let imported = text.and_then(|text| {
        import(&text, &name).map_err(|why| match from {
            path if path != "-" && !is_line => format!("{path}: {why}"),
            _ => why.to_string(),
        })
    });
    let imported = imported.map_err(Unmade::Wrong)?;
    let missing = missing_files(&imported, file).map_err(Unmade::Bug)?;
    let secrets = imported.secrets.iter().map(|(name, what)| {
        let what = terminal_line(what);
        format!("secret: {what} is taken from the environment: export {name}=…")
    });
    let left_out = imported.left_out.iter();
    let left_out = left_out.map(|what| format!("left out, or different: {}", terminal_line(what)));
    let remarks = secrets.chain(left_out).chain(missing).collect();
    Ok((imported.text.clone(), remarks))
}

/// What has to be put beside the scenario before it is read.
///
/// # Errors
/// It would not be read then either: what was written is no scenario.
fn missing_files(imported: &Imported, file: &Path) -> Result<Vec<String>, String> {
    let secrets = &imported.secrets;
    let environment = |name: &str| {
        let mut names = secrets.iter().map(|(known, _)| known);
        names
            .any(|known| known == name)
            .then(|| "a-secret".to_owned())
    };
    let source = Source::new(file.display().to_string(), imported.text.as_str());
    let Checked { diagnostics, .. } = parse_scenario(&source, &ParseOptions::new(&environment));
    let (missing, wrong): (Vec<_>, Vec<_>) = diagnostics
        .iter()
        .filter(|found| found.is_error())
        .partition(|found| found.code == UNREADABLE);
    if let Some(found) = wrong.first() {
        let line = found.primary().map_or(0, |label| label.span.line);
        return Err(format!(
            "what squall made of {} is no scenario, which is a bug of squall: {}, line {line} of \
             it. Nothing was written; please report it",
            imported.kind,
            terminal_line(&found.title)
        ));
    }
    let missing = missing.iter();
    let missing = missing.map(|found| format!("missing: {}", terminal_line(&found.title)));
    Ok(missing.collect())
}

/// A text of a size that can be imported.
fn read(from: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    from.take(IMPORT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > IMPORT_BYTES_MAX {
        return Err(format!("larger than {} MiB", IMPORT_BYTES_MAX >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())
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
