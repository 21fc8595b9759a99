//! The body of the requests and who asks, as the text of a scenario.

use squall_scenario_file::{FormPart, SOURCE_BYTES_MAX};

use super::arguments::{Argument, Mistake};
use super::compose::{BAD_NAME, Line, literal, unresolved};
use super::writer::Piece;
use crate::args::ContentArgs;

/// Codes of the same mistakes in a file.
const TOO_LARGE: &str = "S0004";
const NOT_SENDABLE: &str = "S0118";

/// A field of a form, taken apart.
struct Field<'a> {
    argument: Argument,
    name: &'a str,
    value: &'a str,
}

impl Line<'_> {
    /// The body, in the form that was asked for.
    pub(super) fn content(&mut self, content: &ContentArgs) {
        if let Some(body) = &content.body {
            self.body("--body ", body);
        }
        if let Some(json) = &content.json {
            let argument = self.body("--json ", json);
            let help = "write for instance `--json '{\"title\": 7}'`; `-b` sends any text";
            if !json.starts_with('@') {
                self.refuse_what_is_no_json(argument, json, help);
            }
        }
        let fields = self.fields("--form ", &content.form);
        self.grouped("multipart", &fields, |line, key, field| {
            line.part(key, field);
        });
        let fields = self.fields("--data-urlencode ", &content.data_urlencode);
        self.grouped("form", &fields, |line, key, field| {
            let text = literal(field.value);
            let at = field.name.len() + 1;
            let from = Some((field.argument, at));
            line.out.value(key, &[Piece { text: &text, from }]);
        });
    }

    /// Who asks, where somebody does.
    pub(super) fn who_asks(&mut self, content: &ContentArgs) {
        if let Some(user) = &content.user {
            self.user(user);
        }
        if let Some(token) = &content.bearer {
            let argument = self.arguments.add("--bearer ", token);
            self.out.line("      auth:");
            self.open_value(
                "        bearer:",
                (argument, 0),
                token,
                "--bearer '${NAME}'",
            );
        }
    }

    /// A body as it is: a text, or a file behind an `@`.
    fn body(&mut self, option: &str, given: &str) -> Argument {
        let argument = self.arguments.add(option, given);
        if let Some(path) = given.strip_prefix('@') {
            let path = unresolved(path);
            let piece = Piece {
                text: &path,
                from: Some((argument, 1)),
            };
            self.out.line("      body:");
            self.out.value("        file:", &[piece]);
            return argument;
        }
        let text = literal(given);
        self.out.value("      body:", &[Piece::of(argument, &text)]);
        if self.out.text().len() as u64 > SOURCE_BYTES_MAX {
            let mistake = Mistake {
                code: TOO_LARGE,
                title: "the body does not fit into a scenario".to_owned(),
                remark: "too large",
                help: format!("put it into a file: `{}@FILE`", option),
            };
            let finding = self.arguments.refuse_all(argument, mistake);
            self.findings.push(finding);
        }
        argument
    }

    /// Says where a text is no JSON, and what to write.
    pub(super) fn refuse_what_is_no_json(&mut self, argument: Argument, given: &str, help: &str) {
        let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(given) else {
            return;
        };
        let before: usize = given
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1))
            .map(str::len)
            .sum();
        let at = (before + error.column().saturating_sub(1)).min(given.len().saturating_sub(1));
        let mistake = Mistake {
            code: NOT_SENDABLE,
            title: "this is not JSON".to_owned(),
            remark: "I could not go on here",
            help: help.to_owned(),
        };
        let finding = self.arguments.refuse(argument, at..given.len(), mistake);
        self.findings.push(finding);
    }

    /// Fields that have a name and a value.
    fn fields<'a>(&mut self, option: &str, given: &'a [String]) -> Vec<Field<'a>> {
        let mut fields = Vec::new();
        for text in given {
            let argument = self.arguments.add(option, text);
            match text.split_once('=').filter(|(name, _)| !name.is_empty()) {
                Some((name, value)) => fields.push(Field {
                    argument,
                    name,
                    value,
                }),
                None => {
                    let mistake = Mistake {
                        code: BAD_NAME,
                        title: "a field has a name and a value".to_owned(),
                        remark: "no name and `=`",
                        help: format!("write `{}{}=VALUE`", option, text.trim_start_matches('=')),
                    };
                    let finding = self.arguments.refuse_all(argument, mistake);
                    self.findings.push(finding);
                }
            }
        }
        fields
    }

    /// Fields under a key, those of one name in a list.
    fn grouped(
        &mut self,
        key: &str,
        fields: &[Field<'_>],
        write: impl Fn(&mut Self, &str, &Field<'_>),
    ) {
        if fields.is_empty() {
            return;
        }
        self.out.line(&format!("      {key}:"));
        for (number, field) in fields.iter().enumerate() {
            let is = |other: &&Field<'_>| other.name == field.name;
            if fields[..number].iter().any(|other| is(&other)) {
                continue;
            }
            self.out
                .key("        ", Piece::of(field.argument, field.name));
            let several: Vec<_> = fields[number..].iter().filter(is).collect();
            match several.as_slice() {
                [one] => write(self, "", one),
                _ => {
                    self.out.line("");
                    for field in several {
                        write(self, "          -", field);
                    }
                }
            }
        }
    }

    /// A part: a text, or a map with a file or more to say.
    fn part(&mut self, key: &str, field: &Field<'_>) {
        let part = FormPart::of(field.value);
        // What curl writes in quotes, or with a word behind it, stands elsewhere.
        let at = field
            .value
            .find(&part.content)
            .filter(|_| !part.content.is_empty());
        let from = at.map(|at| (field.argument, field.name.len() + 1 + at));
        let from = from.or(Some((field.argument, 0)));
        if !part.is_file && part.media.is_none() && part.filename.is_none() {
            let text = literal(&part.content);
            return self.out.value(key, &[Piece { text: &text, from }]);
        }
        // The first line follows a dash or stands below the name.
        let first = match key.is_empty() {
            true => {
                self.out.line("");
                "          ".to_owned()
            }
            false => format!("{key} "),
        };
        let indent = " ".repeat(first.len());
        let (holds, text) = match part.is_file {
            true => ("file", unresolved(&part.content)),
            false => ("text", literal(&part.content).into_owned()),
        };
        self.out
            .value(&format!("{first}{holds}:"), &[Piece { text: &text, from }]);
        for (name, said) in [("type", part.media), ("filename", part.filename)] {
            if let Some(said) = said {
                let said = unresolved(&said);
                let piece = Piece::of(field.argument, &said);
                self.out.value(&format!("{indent}{name}:"), &[piece]);
            }
        }
    }

    fn user(&mut self, given: &str) {
        let argument = self.arguments.add("--user ", given);
        let Some((name, password)) = given.split_once(':') else {
            let mistake = Mistake {
                code: BAD_NAME,
                title: "who asks has a name and a password".to_owned(),
                remark: "no colon",
                help: format!("write `--user '{given}:${{PASSWORD}}'`"),
            };
            let finding = self.arguments.refuse_all(argument, mistake);
            return self.findings.push(finding);
        };
        let instead = "--user '${NAME}:${PASSWORD}'";
        self.out.line("      auth:");
        self.out.line("        basic:");
        self.open_value("          user:", (argument, 0), name, instead);
        let at = name.len() + 1;
        self.open_value("          password:", (argument, at), password, instead);
    }
}
