//! A draft as the text of a scenario, with comments for who goes on from there.

use super::draft::{Draft, DraftAuth, DraftBody, DraftData, DraftPart, DraftRequest};
use super::json::Json;
use crate::written::{in_quotes, key, value};

/// Items of JSON that stand on one line have fewer characters.
const LINE_CHARACTERS: usize = 70;

/// The text of the scenario; `file` is what its own file is called, `kind` what it
/// was made of.
pub(super) fn scenario(draft: &Draft, file: &str, kind: &str) -> String {
    let mut out = Out {
        text: String::new(),
    };
    let file: String = file.chars().filter(|c| !c.is_control()).collect();
    let made = format!("Made of {kind} by `squall init --from`. Read it once: what is sent,");
    out.comment("", &made);
    out.comment("", "how often, and which answers are good. Then");
    out.comment("", &format!("    squall check {file}"));
    out.comment("", &format!("    squall run {file}"));
    for line in &draft.about {
        out.comment("", line);
    }
    if !draft.secrets.is_empty() {
        out.comment("", "");
        out.comment("", "Secrets stand in the environment; export them before:");
        for (name, what) in &draft.secrets {
            out.comment("", &format!("    {name}: {what}"));
        }
    }
    if !draft.left_out.is_empty() {
        out.comment("", "");
        out.comment("", "Left out, or different from the source:");
        for line in &draft.left_out {
            out.comment("", &format!("  - {line}"));
        }
    }
    out.line("version: 1");
    out.line(&format!("name: {}", value(&draft.name)));
    out.line(&format!("target: {}", value(&draft.target)));
    out.line("load:");
    out.comment(
        "  ",
        "Arrivals come at their times, however slow the answers are.",
    );
    out.line("  shape:");
    out.line("    - hold: { rate: 10/s, for: 30s }");
    if let Some(seconds) = draft.timeout_s {
        out.line(&format!("  timeout: {seconds}s"));
    }
    out.headers("  ", &draft.headers);
    out.line("  requests:");
    for request in &draft.requests {
        out.request(request);
    }
    if !draft.data.is_empty() {
        out.line("  data:");
    }
    for (name, data) in &draft.data {
        out.data(name, data);
    }
    out.comment(
        "",
        "What must hold; without it the load is measured and nothing judged.",
    );
    out.line("slo:");
    out.line("  - during: whole run");
    out.line("    expect:");
    out.line("      - success >= 99%");
    out.text
}

struct Out {
    text: String,
}

impl Out {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn comment(&mut self, indent: &str, text: &str) {
        let text: String = text
            .chars()
            .filter(|c| !c.is_control() && *c != '\u{feff}')
            .collect();
        // Other line breaks of YAML would end the comment.
        let text = text.replace(['\u{85}', '\u{2028}', '\u{2029}'], " ");
        self.line(&format!("{indent}# {text}"));
    }

    fn headers(&mut self, indent: &str, headers: &[(String, String)]) {
        if headers.is_empty() {
            return;
        }
        self.line(&format!("{indent}headers:"));
        for (name, text) in headers {
            self.line(&format!("{indent}  {}: {}", key(name), value(text)));
        }
    }

    fn request(&mut self, request: &DraftRequest) {
        for comment in &request.comments {
            self.comment("    ", comment);
        }
        self.line(&format!("    - name: {}", value(&request.name)));
        let send = format!("{} {}", request.method, request.path);
        self.line(&format!("      send: {}", value(&send)));
        if request.weight > 1 {
            self.line(&format!("      weight: {}", request.weight));
        }
        if let Some(follow) = request.follow {
            self.line(&format!("      follow: {follow}"));
        }
        self.headers("      ", &request.headers);
        match &request.auth {
            Some(DraftAuth::Bearer(token)) => {
                self.line("      auth:");
                self.line(&format!("        bearer: {}", value(token)));
            }
            Some(DraftAuth::Basic { user, password }) => {
                self.line("      auth:");
                self.line("        basic:");
                self.line(&format!("          user: {}", value(user)));
                self.line(&format!("          password: {}", value(password)));
            }
            None => {}
        }
        self.body(&request.body);
        if !request.status.is_empty() {
            let status: Vec<String> = request.status.iter().map(u16::to_string).collect();
            self.line(&format!(
                "      expect: {{ status: [{}] }}",
                status.join(", ")
            ));
        }
    }

    fn body(&mut self, body: &DraftBody) {
        match body {
            DraftBody::None => {}
            DraftBody::Text(text) => self.line(&format!("      body: {}", in_quotes(text))),
            DraftBody::File(path) => {
                self.line("      body:");
                self.line(&format!("        file: {}", value(path)));
            }
            DraftBody::Json(json) => self.json("      json:", "        ", json),
            DraftBody::Form(fields) => {
                self.line("      form:");
                for (name, texts) in grouped(fields, |(name, _)| name) {
                    self.several(name, &texts, |(_, text)| value(text));
                }
            }
            DraftBody::Parts(parts) => {
                self.line("      multipart:");
                for (name, parts) in grouped(parts, |part| &part.name) {
                    self.parts(name, &parts);
                }
            }
        }
    }

    /// A field, or several of one name.
    fn several<T>(&mut self, name: &str, of: &[&T], show: impl Fn(&T) -> String) {
        if let [one] = of {
            return self.line(&format!("        {}: {}", key(name), show(one)));
        }
        self.line(&format!("        {}:", key(name)));
        for one in of {
            self.line(&format!("          - {}", show(one)));
        }
    }

    fn parts(&mut self, name: &str, parts: &[&DraftPart]) {
        let word = |text: &str| value(&text.replace(char::is_control, " "));
        let name = name.replace(char::is_control, " ");
        if let [
            DraftPart {
                content,
                is_file: false,
                media: None,
                filename: None,
                ..
            },
        ] = parts
        {
            return self.line(&format!("        {}: {}", key(&name), value(content)));
        }
        self.line(&format!("        {}:", key(&name)));
        for part in parts {
            let holds = if part.is_file { "file" } else { "text" };
            self.line(&format!("          - {holds}: {}", value(&part.content)));
            for (key, said) in [("type", &part.media), ("filename", &part.filename)] {
                if let Some(said) = said {
                    self.line(&format!("            {key}: {}", word(said)));
                }
            }
        }
    }

    /// JSON behind `before`: short lists and scalars on its line, the rest below it
    /// at `indent`.
    fn json(&mut self, before: &str, indent: &str, json: &Json) {
        if let Some(short) = on_one_line(json) {
            return self.line(&format!("{before} {short}"));
        }
        self.line(before);
        let deeper = format!("{indent}  ");
        for (name, value) in json.entries() {
            let name = key(name);
            self.json(&format!("{indent}{name}:"), &deeper, value);
        }
        for item in json.items() {
            match item {
                Json::Map(entries) if on_one_line(item).is_none() => {
                    // The first key stands behind the dash.
                    for (number, (name, value)) in entries.iter().enumerate() {
                        let mark = if number == 0 { "- " } else { "  " };
                        let name = key(name);
                        let before = format!("{indent}{mark}{name}:");
                        self.json(&before, &format!("{deeper}  "), value);
                    }
                }
                _ => self.json(&format!("{indent}-"), &deeper, item),
            }
        }
    }

    fn data(&mut self, name: &str, data: &DraftData) {
        match data {
            DraftData::Uuid => self.line(&format!("    {name}: uuid")),
            DraftData::Uniform(from, to) => {
                self.line(&format!(
                    "    {name}: {{ uniform: {{ from: {from}, to: {to} }} }}"
                ));
            }
            DraftData::Pick(values) => {
                let values = values.iter();
                let values = values.map(|text| in_quotes(&text.replace("${", "$${")));
                let values: Vec<String> = values.collect();
                let line = format!("    {name}: {{ pick: [{}] }}", values.join(", "));
                if line.chars().count() <= LINE_CHARACTERS {
                    return self.line(&line);
                }
                self.line(&format!("    {name}:"));
                self.line("      pick:");
                for text in values {
                    self.line(&format!("        - {text}"));
                }
            }
        }
    }
}

/// JSON on one line; `None` where it is long, or has what only stands on a line of
/// its own.
fn on_one_line(json: &Json) -> Option<String> {
    let text = match json {
        Json::Null => return Some("null".to_owned()),
        Json::Flag(flag) => return Some(flag.to_string()),
        Json::Number(number) => return Some(number.clone()),
        Json::Text(text) => return Some(in_quotes(&text.replace('$', "$$"))),
        Json::Template(text) => return Some(text.clone()),
        Json::Quoted(text) => return Some(in_quotes(text)),
        Json::List(items) if items.is_empty() => "[]".to_owned(),
        Json::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Json::Map(_) => return None,
        Json::List(items) => {
            let scalar = |item: &Json| match item {
                Json::List(_) | Json::Map(_) => None,
                // A name of the environment cannot stand in a list on one line.
                Json::Template(text) if text.contains('{') => None,
                _ => on_one_line(item),
            };
            let items: Vec<String> = items.iter().map(scalar).collect::<Option<_>>()?;
            format!("[{}]", items.join(", "))
        }
    };
    (text.chars().count() <= LINE_CHARACTERS).then_some(text)
}

/// Those of one name together, in the order of their first.
fn grouped<'t, T>(all: &'t [T], name: impl Fn(&'t T) -> &'t String) -> Vec<(&'t str, Vec<&'t T>)> {
    let mut groups: Vec<(&str, Vec<&T>)> = Vec::new();
    for one in all {
        let name = name(one).as_str();
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, group)) => group.push(one),
            None => groups.push((name, vec![one])),
        }
    }
    groups
}
