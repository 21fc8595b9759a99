//! Command lines of curl, as people type them and as browsers copy them.

use super::NotImported;
use super::asked::{Asked, Datum};
use super::content::{add_media, body_of, pieces};
use super::draft::{Draft, DraftAuth, DraftBody, DraftPart, DraftRequest, METHODS, word};
use super::path::{Url, written};
use super::secrets::{Hidden, text_of, with_one_cookie};
use super::shell;

/// The draft of the commands in a text.
pub(super) fn draft(text: &str) -> Result<Draft, NotImported> {
    let (commands, odd) = shell::commands(text).map_err(NotImported)?;
    let mut draft = Draft::default();
    let mut hidden = Hidden::default();
    for what in odd {
        draft.note(what);
    }
    for words in commands {
        let set = words
            .iter()
            .take_while(|word| shell::sets_variable(word))
            .count();
        match words[set..].split_first() {
            Some((name, words)) if name == "curl" || name == "curl.exe" => {
                for asked in Asked::all(words) {
                    asked.add_to(&mut draft, &mut hidden);
                }
            }
            Some((name, _)) => draft.note(format!("the command `{name}`")),
            None => {}
        }
    }
    let Some(first) = draft.requests.first() else {
        let why = draft
            .left_out
            .first()
            .map_or_else(String::new, |why| format!(": {why}"));
        return Err(NotImported(format!(
            "there is no URL of http in this line of curl{why}"
        )));
    };
    draft.name = super::draft::title(&first.name);
    draft.name_requests();
    Ok(draft)
}

impl Asked {
    fn add_to(self, draft: &mut Draft, hidden: &mut Hidden) {
        for what in &self.left_out {
            draft.note(what.clone());
        }
        for text in self.urls.iter().chain(&self.doubtful) {
            let Some(url) = Url::read(text) else {
                let text = match text.contains(char::is_whitespace) {
                    // It may be a header whose option was forgotten.
                    true => "a text with spaces".to_owned(),
                    false => format!("{:?}", shown(text)),
                };
                draft.note(format!("{text}, which is no URL of http"));
                continue;
            };
            if draft.target.is_empty() {
                draft.target.clone_from(&url.origin);
            }
            if draft.target != url.origin {
                let target = draft.target.clone();
                draft.note(format!(
                    "requests to {}: a load has one target, here {target}",
                    url.origin
                ));
                continue;
            }
            if !self.globs_off && is_glob(&url) {
                let what = "`{…}` or `[…]` of a URL, in place of which curl without `-g` asks for \
                            each, or for none: the URL is sent as it is written";
                draft.note(what.to_owned());
            }
            let request = self.request(&url, draft, hidden);
            match METHODS.contains(&request.method.as_str()) {
                true => draft.requests.push(request),
                false => draft.note(format!("the method {:?}", request.method)),
            }
        }
        draft.timeout_s = draft.timeout_s.max(self.timeout_s);
        if self.insecure && draft.target.starts_with("https://") {
            draft.note("`-k`: nobody is trusted blindly".to_owned());
        }
    }

    fn request(&self, url: &Url, draft: &mut Draft, hidden: &mut Hidden) -> DraftRequest {
        let has_body = !self.data.is_empty() && !self.get || !self.parts.is_empty();
        let method = match &self.method {
            Some(method) => method.clone(),
            None if self.head => "HEAD".to_owned(),
            None if has_body => "POST".to_owned(),
            None => "GET".to_owned(),
        };
        let mut query = url.query.clone();
        if self.get && !self.data.is_empty() {
            if self.data.iter().any(Datum::is_file) {
                let what = "a file as the query (`-G`); its name is sent instead";
                draft.note(what.to_owned());
            }
            let more = self.joined();
            query = Some(match query {
                Some(query) if !query.is_empty() => format!("{query}&{more}"),
                _ => more,
            });
        }
        let mut request = DraftRequest {
            name: format!("{method} {}", url.path),
            method,
            path: written(&pieces(&url.path, query.as_deref(), draft, hidden)),
            weight: 1,
            ..DraftRequest::default()
        };
        let headers = self.headers.iter().map(|(name, value)| (&**name, &**value));
        for (name, value) in with_one_cookie(headers) {
            hidden.header(draft, &mut request, (name, &value));
        }
        if self.compressed {
            self.packed(&mut request, draft);
        }
        let asks = self.user.as_deref().map(|user| {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            (user.to_owned(), password.to_owned())
        });
        if let Some((user, password)) = asks.or_else(|| url.asks.clone()) {
            request.auth = Some(hidden.basic(draft, &user, &password));
        }
        if let Some(token) = &self.bearer {
            let token = hidden.hide(draft, "TOKEN", token, "the bearer token");
            request.auth = Some(DraftAuth::Bearer(token));
        }
        if request.auth.is_some() {
            request.headers.retain(|(name, _)| name != "authorization");
        }
        if self.follow {
            request.follow = Some(self.redirects.unwrap_or(10).min(20)).filter(|most| *most > 0);
        }
        if has_body {
            self.body(&mut request, draft, hidden);
        }
        request
    }

    /// Asks for answers that are packed, as every curl can read them.
    fn packed(&self, request: &mut DraftRequest, draft: &mut Draft) {
        let name = "accept-encoding";
        if !request.headers.iter().any(|(known, _)| known == name) {
            let codings = "deflate, gzip".to_owned();
            request.headers.push((name.to_owned(), codings));
        }
        draft.note("`--compressed`: answers come packed, and nothing unpacks them".to_owned());
    }

    /// The parts of the body, as curl joins them.
    fn joined(&self) -> String {
        let texts = self.data.iter().map(|datum| match datum {
            Datum::Text(text) => text.clone(),
            Datum::Field(name, value) => {
                let mut field = format!("{name}=");
                // Writing there cannot fail.
                let _ = squall_scenario::Slot::Form.write(value, &mut field);
                field
            }
            Datum::File(path) => format!("@{path}"),
        });
        let between = if self.json { "" } else { "&" };
        texts.collect::<Vec<_>>().join(between)
    }

    fn parts(&self, draft: &mut Draft, hidden: &mut Hidden) -> Vec<DraftPart> {
        let mut parts = Vec::new();
        for (name, part) in &self.parts {
            let content = match part.is_file {
                true => word(&part.content),
                false => text_of(name, &part.content, "the field", draft, hidden),
            };
            if part.is_file {
                draft.note(format!(
                    "the file {content:?} is looked for beside the scenario"
                ));
            }
            parts.push(DraftPart {
                name: name.clone(),
                content,
                is_file: part.is_file,
                media: part.media.as_deref().map(word),
                filename: part.filename.as_deref().map(word),
            });
        }
        parts
    }

    fn body(&self, request: &mut DraftRequest, draft: &mut Draft, hidden: &mut Hidden) {
        if !self.parts.is_empty() {
            request.headers.retain(|(name, _)| name != "content-type");
            request.body = DraftBody::Parts(self.parts(draft, hidden));
            return;
        }
        if self.json {
            for name in ["content-type", "accept"] {
                if !request.headers.iter().any(|(known, _)| known == name) {
                    let media = "application/json".to_owned();
                    request.headers.push((name.to_owned(), media));
                }
            }
        }
        if let [Datum::File(path)] = self.data.as_slice() {
            request.body = DraftBody::File(word(path));
            add_media(request, "application/x-www-form-urlencoded");
            return draft.note(format!(
                "the file {path:?} is looked for beside the scenario"
            ));
        }
        if self.data.iter().any(Datum::is_file) {
            let what = "a file among other data of one body; its name is sent instead";
            draft.note(what.to_owned());
        }
        body_of(&self.joined(), request, draft, hidden);
    }
}

/// Whether curl would take a part of a URL for several, or for a fault.
fn is_glob(url: &Url) -> bool {
    let is_mark = |text: &str| text.replace("[]", "").contains(['{', '}', '[', ']']);
    is_mark(&url.path) || url.query.as_deref().is_some_and(is_mark)
}

/// A URL without what may be a secret in it: who asks, and the query.
fn shown(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    let at = match authority.rfind('@') {
        // A password may hold what ends an authority.
        None if authority.contains(':') => rest.rfind('@'),
        at => at,
    };
    let rest = at.map_or(rest, |at| &rest[at + 1..]);
    format!(
        "{scheme}{}",
        rest.split(['?', '#']).next().unwrap_or_default()
    )
}
