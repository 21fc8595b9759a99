//! What of a request is a secret, by its name.

use std::collections::HashMap;

use squall_scenario::{FRAMING_HEADERS, header_misfit, is_header_name};

use super::draft::{Draft, DraftAuth, DraftRequest, environment_name, literal};
use super::json::Json;
use super::names::Names;
use super::path::decoded;

/// What was taken out of sight so far.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    names: Names,
    /// Names of the environment, by the values they stand for.
    known: HashMap<String, String>,
}

/// Names of which a part says that the value is a secret, whatever stands between
/// its words.
const PARTS: [&str; 15] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "cookie",
    "session",
    "signature",
    "credential",
    "csrf",
];

/// Words before `key` with which it is a secret, as in `Ocp-Apim-Subscription-Key`.
const KEYS: [&str; 15] = [
    "api",
    "access",
    "account",
    "admin",
    "app",
    "application",
    "auth",
    "encryption",
    "functions",
    "license",
    "master",
    "private",
    "shared",
    "signing",
    "subscription",
];

/// Words of names of numbers that count or measure what has to do with secrets:
/// `max_tokens`.
const TELLS: [&str; 17] = [
    "tokens", "count", "counts", "counter", "max", "maximum", "min", "minimum", "minutes",
    "expire", "expires", "expired", "expiry", "timeout", "ttl", "length", "size",
];

/// The words of a name, in lower case with spaces between: of `maxAuthTokens`, `max
/// auth tokens`.
fn words(name: &str) -> String {
    let mut words = String::new();
    let mut before = ' ';
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let ends_capitals =
            before.is_uppercase() && letters.peek().is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (ends_capitals || !before.is_uppercase()) {
            words.push(' ');
        }
        match letter.is_alphanumeric() {
            true => words.extend(letter.to_lowercase()),
            false => words.push(' '),
        }
        before = letter;
    }
    words
}

/// Whether the value of a header, parameter or field of this name is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let spaced = words(name);
    let name = name.to_ascii_lowercase().replace('_', "-");
    let whole = [
        "auth", "sig", "key", "pwd", "pass", "pin", "otp", "cvv", "cvc", "sid", "jwt",
    ];
    let whole = whole.contains(&name.strip_prefix("x-").unwrap_or(&name));
    let together: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    let mut last = spaced.split_whitespace().rev();
    let before = match last.next().and_then(|word| word.strip_suffix("key")) {
        Some("") => last.next(),
        before => before,
    };
    let is_key = before.is_some_and(|word| KEYS.contains(&word));
    // What is known to everybody, or says only that there is one.
    let harmless = [
        "set-cookie",
        "x-csrf-token-name",
        "token-type",
        "grant-type",
    ];
    let of_parts = PARTS.iter().any(|part| together.contains(part));
    (whole || is_key || of_parts) && !harmless.contains(&name.as_str())
}

/// Whether a value of JSON with this key is a secret itself.
pub(super) fn is_secret_value(name: &str, value: &Json) -> bool {
    // Numbers have such names that only tell of a secret.
    let tells = || words(name).split(' ').any(|word| TELLS.contains(&word));
    match value {
        Json::Text(text) => !text.is_empty() && is_secret(name),
        Json::Number(_) => is_secret(name) && !tells(),
        Json::List(items) => items.iter().any(|item| is_secret_value(name, item)),
        _ => false,
    }
}

/// Whether a key says that its value is a secret.
pub(super) fn names_secret(json: &Json) -> bool {
    let mut entries = json.entries().iter();
    entries.any(|(key, value)| is_secret_value(key, value) || names_secret(value))
        || json.items().iter().any(names_secret)
}

/// A name of a secret that a value follows in a text of any form.
fn named_secret(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let word = &rest[start..];
        let length = word.find(|c| !is_part(c)).unwrap_or(word.len());
        let (word, behind) = word.split_at(length);
        let mark = behind.trim_start_matches(['"', '\'', ' ', '\\']);
        if is_secret(word) && mark.starts_with([':', '=', '>']) {
            return Some(word);
        }
        rest = behind;
    }
    None
}

/// The text of a header, a field or a part. JSON that holds a secret is one as a whole:
/// nothing is taken from the environment within the quotes of a text.
pub(super) fn text_of(
    name: &str,
    text: &str,
    what: &str,
    draft: &mut Draft,
    hidden: &mut Hidden,
) -> String {
    if is_secret(name) {
        return hidden.value(draft, name, text, what);
    }
    if Json::exact(text).is_some_and(|json| names_secret(&json)) {
        let what = format!("{what} `{name}`, JSON that holds a secret");
        return hidden.hide(draft, name, text, &what);
    }
    note_secret(text, &format!("{what} `{name}`"), draft);
    literal(text)
}

/// Says that a text holds a secret, where it does.
pub(super) fn note_secret(text: &str, of: &str, draft: &mut Draft) {
    if let Some(name) = named_secret(text) {
        draft.note(format!("{of} holds `{name}`; it stands there as it was"));
    }
}

/// Says that a path holds a secret, as `/cart;jsessionid=…` does.
pub(super) fn note_path(path: &str, draft: &mut Draft) {
    let path = decoded(path);
    let values = path.split(['/', ';']).filter_map(|it| it.split_once('='));
    for (name, _) in values.filter(|(name, value)| is_secret(name) && !value.is_empty()) {
        draft.note(format!(
            "the path holds `{name}`; it stands there as it was"
        ));
    }
}

/// The address of a page without who asks, and without what stands behind its path
/// where that holds a secret.
fn without_secrets(url: &str, draft: &mut Draft) -> String {
    let (page, behind) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
    let fields = behind.split(['?', '&', '#']);
    let mut fields = fields.filter_map(|field| field.split_once('='));
    let holds = fields.any(|(name, value)| {
        is_secret(&decoded(name)) && !value.is_empty() || named_secret(&decoded(value)).is_some()
    });
    let behind = match holds {
        true => {
            let what = "what the header `referer` has behind its path, which holds a secret";
            draft.note(what.to_owned());
            ""
        }
        false => behind,
    };
    note_path(page, draft);
    let (scheme, rest) = match page.split_once("//") {
        Some((scheme, rest)) => (&page[..scheme.len() + 2], rest),
        None => ("", page),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => {
            draft.note("who asks, in the header `referer`".to_owned());
            format!("{scheme}{host}{path}{behind}")
        }
        None => format!("{page}{behind}"),
    }
}

/// Headers in their order, with all cookies in the first of theirs.
pub(super) fn with_one_cookie<'h>(
    headers: impl Iterator<Item = (&'h str, &'h str)>,
) -> Vec<(&'h str, String)> {
    let mut all: Vec<(&str, String)> = Vec::new();
    let is_cookie = |name: &str| name.eq_ignore_ascii_case("cookie");
    for (name, value) in headers {
        let known = all.iter_mut().find(|(known, _)| is_cookie(known));
        match known.filter(|_| is_cookie(name)) {
            Some((_, cookies)) => {
                let before = cookies.trim_end_matches([' ', ';']);
                *cookies = format!("{before}; {value}");
            }
            None => all.push((name, value.to_owned())),
        }
    }
    all
}

impl Hidden {
    /// What a scenario writes for the value of a name: the environment's, if it is
    /// a secret.
    pub(super) fn value(
        &mut self,
        draft: &mut Draft,
        name: &str,
        value: &str,
        what: &str,
    ) -> String {
        match is_secret(name) && !value.is_empty() {
            true => self.hide(draft, name, value, &format!("{what} `{name}`")),
            false => literal(value),
        }
    }

    /// Takes a value out of sight; the name of the environment that stands for it.
    /// The same value has the same name.
    pub(super) fn hide(
        &mut self,
        draft: &mut Draft,
        name: &str,
        value: &str,
        what: &str,
    ) -> String {
        if let Some(known) = self.known.get(value) {
            return format!("${{{known}}}");
        }
        let wanted = environment_name(name);
        let free = self.names.free(&wanted, &format!("{wanted}_"));
        draft.secrets.push((free.clone(), what.to_owned()));
        self.known.insert(value.to_owned(), free.clone());
        format!("${{{free}}}")
    }

    /// Adds a header to a request, or what it says of who asks.
    pub(super) fn header(
        &mut self,
        draft: &mut Draft,
        request: &mut DraftRequest,
        (name, value): (&str, &str),
    ) {
        let lower = name.to_ascii_lowercase();
        if FRAMING_HEADERS.contains(&lower.as_str()) {
            return;
        }
        if !is_header_name(&lower) || header_misfit(&lower, value).is_some() {
            return draft.note(format!("the header {name:?}, which cannot be sent"));
        }
        if lower != "authorization" {
            let value = match lower.as_str() {
                "referer" => literal(&without_secrets(value, draft)),
                _ => text_of(&lower, value, "the header", draft, self),
            };
            request.headers.retain(|(known, _)| *known != lower);
            return request.headers.push((lower, value));
        }
        // The last one counts.
        request.headers.retain(|(known, _)| *known != lower);
        request.auth = None;
        let scheme = value
            .split_once(' ')
            .map(|(scheme, rest)| (scheme, rest.trim()));
        match scheme {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                let token = self.hide(draft, "TOKEN", token, "the bearer token");
                request.auth = Some(DraftAuth::Bearer(token));
            }
            _ => {
                let value = self.hide(draft, &lower, value, "the header `authorization`");
                request.headers.push((lower, value));
            }
        }
    }

    /// A name and a password.
    pub(super) fn basic(&mut self, draft: &mut Draft, user: &str, password: &str) -> DraftAuth {
        // A key stands there alone, and whoever has it needs no password.
        if password.is_empty() && !user.is_empty() {
            return DraftAuth::Basic {
                user: self.hide(draft, "USERNAME", user, "who asks, without a password"),
                password: String::new(),
            };
        }
        let what = format!("the password of {user:?}");
        DraftAuth::Basic {
            user: literal(user),
            password: match password {
                "" => String::new(),
                _ => self.hide(draft, "PASSWORD", password, &what),
            },
        }
    }

    /// The same JSON, with texts of secrets taken out of sight.
    pub(super) fn json(&mut self, draft: &mut Draft, name: &str, json: Json) -> Json {
        match json {
            Json::Text(text) if is_secret(name) && !text.is_empty() => {
                let what = format!("the field `{name}`");
                Json::Template(self.hide(draft, name, &text, &what))
            }
            Json::Number(number) if is_secret_value(name, &Json::Number(number.clone())) => {
                let what = format!("the field `{name}`");
                draft.note(format!("{what} was a number, and a text is sent"));
                Json::Template(self.hide(draft, name, &number, &what))
            }
            Json::List(items) => {
                let items = items.into_iter();
                Json::List(items.map(|item| self.json(draft, name, item)).collect())
            }
            Json::Map(entries) => {
                let entries = entries.into_iter().map(|(key, value)| {
                    let value = self.json(draft, &key, value);
                    (key, value)
                });
                Json::Map(entries.collect())
            }
            other => other,
        }
    }
}
