//! Scenarios out of what other programs wrote: a HAR file of a browser, an OpenAPI
//! description, command lines of curl.
//!
//! Each is read into one draft, which is written as a scenario. Nothing is dropped
//! silently: what a scenario cannot say is listed. Secrets become names of the
//! environment.

mod asked;
mod content;
mod curl;
mod draft;
mod har;
mod json;
mod names;
mod numbers;
mod openapi;
mod options;
mod parameter;
mod path;
mod routes;
mod schema;
mod secrets;
mod shell;
mod write;

use std::collections::HashSet;

use json::Json;

use crate::open::SOURCE_BYTES_MAX;

/// Largest text that is imported, in bytes.
pub const IMPORT_BYTES_MAX: u64 = 64 << 20;

/// Most remarks on what could not be expressed.
const REMARKS_MAX: usize = 1_000;

/// A scenario that was made of something else.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The text of the scenario.
    pub text: String,
    /// What it was made of: `a HAR file`.
    pub kind: &'static str,
    /// Names of the environment that stand for secrets, and what each was.
    pub secrets: Vec<(String, String)>,
    /// What could not be expressed, or is not known.
    pub left_out: Vec<String>,
}

/// What could not be imported, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotImported(pub(crate) String);

impl std::fmt::Display for NotImported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotImported {}

/// Whether a text is a line of curl rather than the path of a file.
#[must_use]
pub fn is_curl(text: &str) -> bool {
    shell::starts_with_curl(text) && text.trim().contains(char::is_whitespace)
}

/// Makes a scenario of a text, which says itself what it is. `file` is what the
/// scenario's own file is called.
///
/// # Errors
/// It is none of the kinds that are known, has nothing to send, or too much for one
/// scenario.
pub fn import(text: &str, file: &str) -> Result<Imported, NotImported> {
    let text = text.trim_start_matches('\u{feff}');
    let (kind, draft) = if shell::starts_with_curl(text) {
        ("curl", curl::draft(text)?)
    } else {
        let json = Json::read(text)?;
        if json.get("log").and_then(|log| log.get("entries")).is_some() {
            ("a HAR file", har::draft(&json)?)
        } else if json.get("openapi").is_some() {
            ("an OpenAPI description", openapi::draft(&json)?)
        } else {
            return Err(unknown(&json));
        }
    };
    let mut draft = draft;
    draft.left_out.truncate(REMARKS_MAX);
    let mut text = write::scenario(&draft, file, kind);
    // What asked for one may have been left out.
    let known = draft.secrets.len();
    let named = text.split("${").skip(1);
    let named: HashSet<&str> = named
        .filter_map(|rest| Some(rest.split_once('}')?.0))
        .collect();
    draft
        .secrets
        .retain(|(name, _)| named.contains(name.as_str()));
    if draft.secrets.len() < known {
        text = write::scenario(&draft, file, kind);
    }
    if text.len() as u64 > SOURCE_BYTES_MAX {
        return Err(NotImported(format!(
            "the scenario of it would be larger than {} KiB, which is the most: take a part of it",
            SOURCE_BYTES_MAX >> 10
        )));
    }
    Ok(Imported {
        text,
        kind,
        secrets: draft.secrets,
        left_out: draft.left_out,
    })
}

/// What is said of a text that is nothing of the kind.
const UNKNOWN: &str = "I do not know what this is; write a HAR file, an OpenAPI 3 description or \
                       a line of curl";

fn unknown(json: &Json) -> NotImported {
    let why = if json.get("swagger").is_some() {
        "this is Swagger 2; convert it to OpenAPI 3 first, for instance by `swagger2openapi`"
    } else if json.get("item").is_some() && json.get("info").is_some() {
        "this is a collection of Postman, which squall does not read; OpenAPI 3 it does"
    } else {
        UNKNOWN
    };
    NotImported(why.to_owned())
}
