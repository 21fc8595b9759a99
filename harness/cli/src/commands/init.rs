//! `squall init`: a commented scenario to start from.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_record::store::files;
use squall_record::terminal_line;
use squall_scenario_file::{IMPORT_BYTES_MAX, ParseOptions, Source, import, parse_scenario};

use crate::args::InitArgs;
use crate::{exit, output};

const HEAD: &str = include_str!("../../templates/head.yaml");
const PROCESSES: &str = include_str!("../../templates/processes.yaml");
const TARGET: &str = include_str!("../../templates/target.yaml");
const REST: &str = include_str!("../../templates/rest.yaml");

/// A scenario that was made of something else, and what there is to say of it.
type Made = (String, Vec<String>);

/// Writes the scenario; never over a file that exists.
pub fn init(args: &InitArgs) -> ExitCode {
    let file = args.file.display();
    let made = match &args.from {
        Some(from) => imported(from, &args.file),
        None => scenario(args).and_then(|text| Ok((sound(&args.file, text)?, Vec::new()))),
    };
    let (text, remarks) = match made {
        Ok(made) => made,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
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
fn imported(from: &str, file: &Path) -> Result<Made, String> {
    let text = match from {
        "-" => read(std::io::stdin().lock()).map_err(|why| format!("standard input: {why}"))?,
        line if line.trim_start().starts_with("curl ") => line.to_owned(),
        path => std::fs::File::open(path)
            .map_err(|error| error.to_string())
            .and_then(read)
            .map_err(|why| format!("{path}: {why}"))?,
    };
    let name = file.to_string_lossy();
    let imported = import(&text, &name).map_err(|why| match from {
        "-" => why.to_string(),
        line if line.trim_start().starts_with("curl ") => why.to_string(),
        path => format!("{path}: {why}"),
    })?;
    let secrets = imported.secrets.iter().map(|(name, what)| {
        format!("secret: {what} is taken from the environment: export {name}=…")
    });
    let left_out = imported.left_out.iter();
    let left_out = left_out.map(|what| format!("left out, or different: {}", terminal_line(what)));
    Ok((imported.text.clone(), secrets.chain(left_out).collect()))
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
