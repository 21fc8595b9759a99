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
mod openapi;
mod path;
mod routes;
mod schema;
mod secrets;
mod shell;
mod write;

use draft::Draft;
use json::Json;

/// Largest text that is imported, in bytes.
pub const IMPORT_BYTES_MAX: u64 = 64 << 20;

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

/// Makes a scenario of a text, which says itself what it is. `file` is what the
/// scenario's own file is called.
///
/// # Errors
/// It is none of the kinds that are known, or has nothing to send.
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
    let Draft {
        secrets, left_out, ..
    } = &draft;
    Ok(Imported {
        text: write::scenario(&draft, file, kind),
        kind,
        secrets: secrets.clone(),
        left_out: left_out.clone(),
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
