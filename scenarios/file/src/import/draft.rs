//! What an imported scenario consists of, before it is written.

use std::collections::HashMap;

use super::json::Json;
use super::names::Names;

/// Methods that a request may have.
pub(super) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A scenario on its way. Every text in it is one of a scenario already: dollar
/// signs of the source are doubled, `$name` is data, `${NAME}` the environment.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// What the scenario is called.
    pub(super) name: String,
    /// Lines for its head.
    pub(super) about: Vec<String>,
    /// `http://host:port`.
    pub(super) target: String,
    /// Headers that all requests have.
    pub(super) headers: Vec<(String, String)>,
    pub(super) requests: Vec<DraftRequest>,
    pub(super) data: Vec<(String, DraftData)>,
    data_names: Names,
    /// Names of data, by what was wanted and what is drawn.
    drawn: HashMap<(String, DraftData), String>,
    /// How long a client waits, in whole seconds, where that is said.
    pub(super) timeout_s: Option<u64>,
    /// Names of the environment and what each stands for.
    pub(super) secrets: Vec<(String, String)>,
    /// What could not be expressed.
    pub(super) left_out: Vec<String>,
    /// How many values the bodies consist of that were made up.
    pub(super) made_up: usize,
}

/// A kind of request.
#[derive(Debug, Default, Clone)]
pub(super) struct DraftRequest {
    pub(super) name: String,
    pub(super) method: String,
    /// Path and query.
    pub(super) path: String,
    pub(super) weight: u32,
    pub(super) headers: Vec<(String, String)>,
    pub(super) auth: Option<DraftAuth>,
    pub(super) body: DraftBody,
    /// Good statuses, where they are not those that are good anyway.
    pub(super) status: Vec<u16>,
    pub(super) follow: Option<u64>,
    /// Lines above it.
    pub(super) comments: Vec<String>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DraftAuth {
    Basic { user: String, password: String },
    Bearer(String),
}

/// The body of a request.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) enum DraftBody {
    #[default]
    None,
    Text(String),
    File(String),
    Json(Json),
    Form(Vec<(String, String)>),
    Parts(Vec<DraftPart>),
}

/// A part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DraftPart {
    pub(super) name: String,
    /// The text, or the path of a file.
    pub(super) content: String,
    pub(super) is_file: bool,
    pub(super) media: Option<String>,
    pub(super) filename: Option<String>,
}

/// Where values come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum DraftData {
    Uniform(u64, u64),
    Pick(Vec<String>),
    Uuid,
}

impl DraftRequest {
    /// What it is called in a remark.
    pub(super) fn name_or_method(&self) -> String {
        match self.name.as_str() {
            "" => format!("a {}", self.method),
            name => format!("`{name}`"),
        }
    }

    /// Sets a header, and what it said before does not count.
    pub(super) fn set_header(&mut self, name: &str, value: String) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value));
    }
}

impl Draft {
    /// Says once what could not be expressed.
    pub(super) fn note(&mut self, what: String) {
        if !self.left_out.contains(&what) {
            self.left_out.push(what);
        }
    }

    /// A name for data that is not taken, for values of this kind; the one there is
    /// where it draws the same.
    pub(super) fn data(&mut self, wanted: &str, data: DraftData) -> String {
        let wanted = data_name(wanted);
        let drawn = (wanted, data);
        if let Some(name) = self.drawn.get(&drawn) {
            return name.clone();
        }
        let (wanted, data) = &drawn;
        let name = self.data_names.free(wanted, &format!("{wanted}-"));
        self.data.push((name.clone(), data.clone()));
        self.drawn.insert(drawn, name.clone());
        name
    }

    /// Gives every request a name of its own, as a scenario names things.
    pub(super) fn name_requests(&mut self) {
        let mut names = Names::default();
        for request in &mut self.requests {
            let wanted = title(&request.name);
            let room: String = wanted.chars().take(70).collect();
            request.name = names.free(&wanted, &format!("{room} "));
        }
    }
}

/// A text in which no dollar sign means anything.
pub(super) fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// A text that is no template, in which nothing is taken from the environment.
pub(super) fn word(text: &str) -> String {
    text.replace("${", "{")
}

/// A text as a scenario names requests.
pub(super) fn title(text: &str) -> String {
    let fits = |c: char| if "<>=".contains(c) { '-' } else { c };
    let title: String = text
        .replace("${", "{")
        .chars()
        .filter(|c| !c.is_control())
        .map(fits)
        .take(80)
        .collect();
    match title.trim() {
        "" => "request".to_owned(),
        title => title.to_owned(),
    }
}

/// `[a-z][a-z0-9-]*`, at most 40 characters.
pub(super) fn data_name(text: &str) -> String {
    let mut name = String::new();
    let mut before = ' ';
    for character in text.chars().take(40) {
        if character.is_ascii_uppercase() && before.is_ascii_lowercase() {
            name.push('-');
        }
        match character.to_ascii_lowercase() {
            fits @ ('a'..='z' | '0'..='9') => name.push(fits),
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
        before = character;
    }
    let name = name.trim_matches('-');
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    match name {
        "" => "value".to_owned(),
        name => name.to_owned(),
    }
}

/// `[A-Z][A-Z0-9_]*`.
pub(super) fn environment_name(text: &str) -> String {
    let mut name = String::new();
    for character in text.chars().take(60) {
        match character.to_ascii_uppercase() {
            fits @ ('A'..='Z' | '0'..='9') => name.push(fits),
            _ if name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    let name = name.trim_matches('_');
    let name = name.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
    match name {
        "" => "SECRET".to_owned(),
        name => name.to_owned(),
    }
}
