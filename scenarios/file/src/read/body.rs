//! The body of a request: as it is, from a file, as JSON, as a form, in parts.

use squall_scenario::seed::sub_seed;
use squall_scenario::{BodyFile, Multipart, Part, PartContent, Slot, Template, quoted};

use super::{Context, Fields, Reader};
use crate::diagnostic::{Diagnostic, Place};
use crate::yaml::{Entry, Node, NodeKind, Scalar};
use crate::{codes, keys};

/// What a part is that says nothing about it.
const FILE_MEDIA: &str = "application/octet-stream";

/// A body as it was read.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) text: Option<Template>,
    pub(super) file: Option<BodyFile>,
    pub(super) multipart: Option<Multipart>,
    /// The content-type that follows from how it is written, and where that is.
    pub(super) media: Option<(String, Place)>,
}

impl Reader {
    /// The body of a request: one of its forms, or none.
    pub(super) fn body(&mut self, fields: Fields<'_>) -> Option<Body> {
        let forms = ["body", "json", "form", "multipart"];
        let mut written: Vec<&str> = forms.into_iter().collect();
        written.retain(|key| fields.get(key).is_some());
        written.sort_by_key(|key| fields.key_place(key).span.start);
        let Some(form) = written.first() else {
            return Some(Body::default());
        };
        if let Some(second) = written.get(1) {
            let title = format!("a request has one body, not `{form}` and `{second}`");
            self.report(
                Diagnostic::error(codes::KEYS_CONFLICT, title)
                    .at(fields.key_place(second), "a second one")
                    .also(fields.key_place(form), "the first one")
                    .help("keep one of them"),
            );
            return None;
        }
        let node = fields.get(form)?;
        let place = fields.key_place(form);
        let media = |media: &str| Some((media.to_owned(), place));
        Some(match *form {
            "json" => {
                let mut text = String::new();
                self.json_text(node, &mut text)?;
                Body {
                    text: Some(Template::parse(&text)),
                    media: media("application/json"),
                    ..Body::default()
                }
            }
            "form" => Body {
                text: Some(self.form(node)?),
                media: media("application/x-www-form-urlencoded"),
                ..Body::default()
            },
            "multipart" => {
                let body = self.multipart(node)?;
                Body {
                    media: media(&format!("multipart/form-data; boundary={}", body.boundary)),
                    multipart: Some(body),
                    ..Body::default()
                }
            }
            _ if matches!(node.kind, NodeKind::Map(_)) => {
                let fields = self.fields(node, &keys::BODY)?;
                Body {
                    file: Some(self.body_file(fields.get("file")?)?),
                    ..Body::default()
                }
            }
            _ => Body {
                text: self.template(node, Context::Request),
                ..Body::default()
            },
        })
    }

    /// A file whose content was read before.
    fn body_file(&mut self, node: &Node) -> Option<BodyFile> {
        let path = self.text(node)?;
        let bodies = &self.beside.bodies;
        let found = bodies.iter().find(|file| file.path == path).cloned()?;
        Some(BodyFile {
            path: self.secret_text(node)?,
            ..found
        })
    }

    /// Appends the JSON that a node stands for, as a template.
    pub(super) fn json_text(&mut self, node: &Node, into: &mut String) -> Option<()> {
        match &node.kind {
            NodeKind::List(items) => {
                into.push('[');
                for (number, item) in items.iter().enumerate() {
                    if number > 0 {
                        into.push(',');
                    }
                    self.json_text(item, into)?;
                }
                into.push(']');
            }
            NodeKind::Map(entries) => {
                into.push('{');
                for (number, entry) in entries.iter().enumerate() {
                    if number > 0 {
                        into.push(',');
                    }
                    push_string(std::iter::once(Ok(entry.key.as_str())), into);
                    into.push(':');
                    self.json_text(&entry.value, into)?;
                }
                into.push('}');
            }
            NodeKind::Scalar(scalar) if scalar.is_nothing() => into.push_str("null"),
            NodeKind::Scalar(scalar) if is_json(scalar) => into.push_str(&scalar.text),
            NodeKind::Scalar(scalar) if scalar.text.is_empty() => into.push_str("\"\""),
            NodeKind::Scalar(scalar) => {
                let template = self.template(node, Context::Request)?;
                let mut pieces = template.pieces();
                let alone = match (pieces.next(), pieces.next()) {
                    (Some(Err(name)), None) => Some(name),
                    _ => None,
                };
                match alone.filter(|name| scalar.plain && self.common.is_number(name)) {
                    Some(name) => push_variable(name, into),
                    None => push_string(template.pieces(), into),
                }
            }
        }
        Some(())
    }

    /// The fields of a form in a row.
    fn form(&mut self, node: &Node) -> Option<Template> {
        let entries = self.entries_of_body(node, "fields of the form", "name: $word")?;
        let mut text = String::new();
        for entry in entries {
            for value in several(&entry.value) {
                if !text.is_empty() {
                    text.push('&');
                }
                // Writing there cannot fail.
                let _ = Slot::Form.write(&entry.key, &mut text);
                text.push('=');
                if value.scalar().is_some_and(|scalar| scalar.text.is_empty()) {
                    continue;
                }
                let template = self.template(value, Context::Request)?;
                // What is shown instead of a secret stays readable.
                let shown = self.is_hidden(value);
                for piece in template.pieces() {
                    match piece {
                        Ok(literal) if shown => text.push_str(literal),
                        Ok(literal) => {
                            let _ = Slot::Form.write(literal, &mut text);
                        }
                        Err(name) => push_variable(name, &mut text),
                    }
                }
            }
        }
        Some(Template::parse(&text))
    }

    fn multipart(&mut self, node: &Node) -> Option<Multipart> {
        let entries = self.entries_of_body(node, "parts", "photo: { file: cat.jpg }")?;
        let mut parts = Vec::new();
        for entry in entries {
            if entry.key.chars().any(char::is_control) {
                let title = format!("{} cannot name a part", quoted(&entry.key));
                self.report(
                    Diagnostic::error(codes::BAD_NAME, title)
                        .at(entry.key_place, "one line without control characters")
                        .help("name the field as the server calls it: `photo`"),
                );
                return None;
            }
            for value in several(&entry.value) {
                parts.push(self.part(&entry.key, value)?);
            }
        }
        Some(Multipart {
            boundary: boundary(&parts),
            parts,
        })
    }

    fn part(&mut self, name: &str, node: &Node) -> Option<Part> {
        let part = |content| Part {
            name: name.to_owned(),
            filename: None,
            media: None,
            content,
        };
        if node.scalar().is_some() {
            return Some(part(PartContent::Text(self.part_text(node)?)));
        }
        let fields = self.fields(node, &keys::PART)?;
        let content = match (fields.get("file"), fields.get("text")) {
            (Some(file), None) => PartContent::File(self.body_file(file)?),
            (None, Some(text)) => PartContent::Text(self.part_text(text)?),
            (Some(_), Some(_)) => {
                let title = "a part holds a file or a text, not both";
                self.report(
                    Diagnostic::error(codes::KEYS_CONFLICT, title)
                        .at(fields.key_place("text"), "the text")
                        .also(fields.key_place("file"), "the file")
                        .help("keep one of them"),
                );
                return None;
            }
            (None, None) => {
                let title = format!("the part {} holds nothing", quoted(name));
                self.report(
                    Diagnostic::error(codes::MISSING_KEY, title)
                        .at(node.place, "neither `file` nor `text`")
                        .help(format!("write for instance `{name}: {{ file: cat.jpg }}`")),
                );
                return None;
            }
        };
        let word = |reader: &mut Self, key| match fields.get(key) {
            Some(node) => reader.part_word(node).map(Some),
            None => Some(None),
        };
        let media = word(self, "type")?;
        let filename = word(self, "filename")?;
        let own = match &content {
            PartContent::File(file) => {
                let name = file.path.rsplit('/').next().unwrap_or_default();
                Some((name.to_owned(), FILE_MEDIA.to_owned()))
            }
            PartContent::Text(_) => None,
        };
        let (own_name, own_media) = own.unzip();
        Some(Part {
            filename: filename.or(own_name),
            media: media.or(own_media),
            ..part(content)
        })
    }

    fn part_text(&mut self, node: &Node) -> Option<Template> {
        match node.scalar() {
            Some(scalar) if !scalar.plain && scalar.text.is_empty() => Some(Template::parse("")),
            _ => self.template(node, Context::Request),
        }
    }

    /// A text that stands in the head of a part.
    fn part_word(&mut self, node: &Node) -> Option<String> {
        let text = self.secret_text(node)?;
        if !text.chars().any(char::is_control) {
            return Some(text);
        }
        let diagnostic =
            Diagnostic::error(codes::NOT_SENDABLE, "this stands in a line of its part")
                .at(node.place, "one line without control characters")
                .help("write for instance `image/jpeg`");
        self.report_value(node, diagnostic);
        None
    }

    /// The entries of a body that has at least one.
    fn entries_of_body<'n>(
        &mut self,
        node: &'n Node,
        wanted: &str,
        example: &str,
    ) -> Option<&'n [Entry]> {
        let entries = self.names(node, wanted);
        if !entries.is_empty() {
            return Some(entries);
        }
        let empty = match &node.kind {
            NodeKind::Map(_) => true,
            NodeKind::Scalar(scalar) => scalar.is_nothing(),
            NodeKind::List(_) => false,
        };
        if empty {
            let title = format!("the body has no {wanted}");
            self.report(
                Diagnostic::error(codes::NOTHING_IN_IT, title)
                    .at(node.place, "nothing in it")
                    .help(format!("add for instance `{example}`")),
            );
        }
        None
    }
}

/// The values of a field: those of a list, or the one.
fn several(node: &Node) -> &[Node] {
    match &node.kind {
        NodeKind::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// Whether a scalar is a number, `true` or `false` as JSON writes them.
fn is_json(scalar: &Scalar) -> bool {
    let text = scalar.text.as_str();
    let number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let json = || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    scalar.plain
        && scalar.resolved.is_none()
        && (["true", "false"].contains(&text) || number && json())
}

/// Whether a drawn value is a number as JSON writes it.
pub(super) fn is_number(value: &str) -> bool {
    let number = value.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let whole = value.ends_with(|c: char| c.is_ascii_digit());
    number && whole && serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok()
}

fn push_variable(name: &str, into: &mut String) {
    into.push('$');
    into.push_str(name);
}

/// Appends a JSON string of a template's pieces, as a template.
fn push_string<'t>(pieces: impl Iterator<Item = Result<&'t str, &'t str>>, into: &mut String) {
    into.push('"');
    for piece in pieces {
        match piece {
            Ok(literal) => {
                // Writing there cannot fail.
                let _ = Slot::JsonString.write(&literal.replace('$', "$$"), into);
            }
            Err(name) => push_variable(name, into),
        }
    }
    into.push('"');
}

/// What stands between parts: the same for the same names, and in none of what
/// the scenario says that they hold.
fn boundary(parts: &[Part]) -> String {
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    let names = names.join("\n");
    let mut boundary = String::new();
    for attempt in 0.. {
        boundary = format!("squall-{:016x}", sub_seed(attempt, &names));
        let inside = |part: &Part| match &part.content {
            PartContent::Text(text) => text.source().contains(&boundary),
            PartContent::File(file) => {
                let mut windows = file.content.windows(boundary.len());
                windows.any(|window| window == boundary.as_bytes())
            }
        };
        if !parts.iter().any(inside) {
            break;
        }
    }
    boundary
}
