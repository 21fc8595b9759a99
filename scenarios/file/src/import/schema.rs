//! What a schema of OpenAPI allows, as one value of it.

use super::draft::{Draft, DraftData};
use super::json::Json;
use super::numbers;

/// How deep values are made up.
const DEPTH_MAX: usize = 8;
/// How many values one body is made of. A few schemas that lead to each other in
/// several ways would give thousands of times as many.
const VALUES_MAX: usize = 2_000;
/// How many those of all bodies are together; no scenario holds more.
const ALL_VALUES_MAX: usize = 50_000;
/// How long a text is made, in characters, where a schema wants a long one.
const TEXT_MAX: usize = 1_000;
/// How many words of an `enum` are drawn.
const WORDS_MAX: usize = 200;
/// Most references that lead from one to the next.
const REFERENCES_MAX: usize = 30;

/// An OpenAPI document, in which references are followed.
#[derive(Clone, Copy)]
pub(super) struct Document<'d>(pub(super) &'d Json);

impl<'d> Document<'d> {
    /// What a value is, where it may be a reference within the document.
    pub(super) fn resolved(self, mut json: &'d Json) -> Option<&'d Json> {
        for _ in 0..REFERENCES_MAX {
            let Some(Json::Text(reference)) = json.get("$ref") else {
                return Some(json);
            };
            let pointer = reference.strip_prefix("#/")?;
            json = pointer.split('/').try_fold(self.0, |at, name| {
                let name = super::path::decoded(name);
                let name = name.replace("~1", "/").replace("~0", "~");
                at.get(&name)
            })?;
        }
        None
    }

    /// The example of a parameter or of a media type, or that of its schema.
    pub(super) fn example(self, of: &'d Json) -> Option<&'d Json> {
        let of_examples = || {
            let (_, first) = of.get("examples")?.entries().first()?;
            self.resolved(first)?.get("value")
        };
        let schema = of.get("schema").and_then(|schema| self.resolved(schema));
        let of_schema = || schema?.get("example").or_else(|| schema?.get("default"));
        of.get("example").or_else(of_examples).or_else(of_schema)
    }

    /// One value of a schema, with data in place of what may differ; whether it was
    /// cut short.
    pub(super) fn value(self, schema: &'d Json, name: &str, draft: &mut Draft) -> (Json, bool) {
        let mut making = Making {
            document: self,
            draft,
            entered: Vec::new(),
            values: 0,
        };
        let value = making.value(schema, name);
        let (made, cut) = (making.values, making.is_spent());
        draft.made_up += made;
        (value, cut)
    }

    /// An example as a value; nothing where it is too large, which is told.
    pub(super) fn given(self, example: &'d Json, draft: &mut Draft) -> (Json, bool) {
        let size = example.size();
        draft.made_up += size;
        match size > VALUES_MAX || draft.made_up > ALL_VALUES_MAX {
            true => (Json::Null, true),
            false => (example.clone(), false),
        }
    }

    /// Data that draws values of a schema, or the one text there is.
    fn data(self, schema: &'d Json, name: &str) -> Result<DraftData, String> {
        let schema = self.resolved(schema).unwrap_or(schema);
        let of_list = |list: &Json| -> Vec<String> {
            list.items()
                .iter()
                .filter_map(Json::text)
                .take(WORDS_MAX)
                .map(str::to_owned)
                .collect()
        };
        if let Some(words) = schema
            .get("enum")
            .map(of_list)
            .filter(|words| !words.is_empty())
        {
            return match words.as_slice() {
                [one] => Err(one.clone()),
                _ => Ok(DraftData::Pick(words)),
            };
        }
        if kind(schema) == "integer" {
            return numbers::whole(schema);
        }
        match schema.text_of("format") {
            "uuid" => Ok(DraftData::Uuid),
            "date" => Err("2026-01-31".to_owned()),
            "date-time" => Err("2026-01-31T12:00:00Z".to_owned()),
            "email" => Err("somebody@example.com".to_owned()),
            "uri" | "url" => Err("http://example.com/".to_owned()),
            "ipv4" => Err("192.0.2.1".to_owned()),
            _ => Err(long_enough(name, schema)),
        }
    }
}

/// A value that is made of a schema.
struct Making<'d, 'w> {
    document: Document<'d>,
    draft: &'w mut Draft,
    /// The schemas that it stands in, from the outermost: none is entered again.
    entered: Vec<&'d Json>,
    values: usize,
}

impl<'d> Making<'d, '_> {
    fn value(&mut self, schema: &'d Json, name: &str) -> Json {
        self.values += 1;
        let Some(schema) = self.document.resolved(schema) else {
            return Json::Null;
        };
        let again = self.entered.iter().any(|one| std::ptr::eq(*one, schema));
        if again || self.entered.len() >= DEPTH_MAX || self.is_spent() {
            return Json::Null;
        }
        self.entered.push(schema);
        let value = self.entered_value(schema, name);
        self.entered.pop();
        value
    }

    const fn is_spent(&self) -> bool {
        self.values > VALUES_MAX || self.draft.made_up + self.values > ALL_VALUES_MAX
    }

    fn entered_value(&mut self, schema: &'d Json, name: &str) -> Json {
        let of_list = schema.get("examples").and_then(|all| all.items().first());
        let mut said = ["example", "default", "const"].into_iter();
        if let Some(value) = said.find_map(|key| schema.get(key)).or(of_list) {
            self.values += value.size();
            return match (self.is_spent(), value) {
                (true, _) => Json::Null,
                // As YAML reads what its author left without quotes.
                (_, Json::Number(text)) if schema.text_of("type") == "string" => {
                    Json::Text(text.clone())
                }
                _ => value.clone(),
            };
        }
        if let Some(parts) = schema.get("allOf") {
            return self.all_of(parts, schema, name);
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(first) = schema.get(key).and_then(|all| all.items().first()) {
                return self.value(first, name);
            }
        }
        match kind(schema) {
            "object" => self.object(schema),
            "array" => {
                let item = schema.get("items").map(|items| self.value(items, name));
                let item = item.filter(|item| *item != Json::Null);
                Json::List(item.into_iter().collect())
            }
            "boolean" => Json::Flag(!only_false(schema)),
            "null" => Json::Null,
            "number" if schema.get("enum").is_none() => Json::Number(numbers::any(schema)),
            _ => self.drawn(schema, name),
        }
    }

    /// Data of a schema, as a number where it is one.
    fn drawn(&mut self, schema: &'d Json, name: &str) -> Json {
        let is_text = is_text(schema);
        match self.document.data(schema, name) {
            Ok(data) => {
                let drawn = format!("${}", self.draft.data(name, data));
                match is_text {
                    true => Json::Quoted(drawn),
                    false => Json::Template(drawn),
                }
            }
            Err(text) if is_text => Json::Text(text),
            Err(text) => Json::Number(text),
        }
    }

    fn all_of(&mut self, parts: &'d Json, schema: &'d Json, name: &str) -> Json {
        let mut entries: Vec<(String, Json)> = Vec::new();
        for part in parts.items() {
            if self.is_spent() {
                break;
            }
            match self.value(part, name) {
                Json::Map(more) => merge(&mut entries, more),
                Json::Null => {}
                other => return other,
            }
        }
        if schema.entries().iter().any(|(key, _)| key != "allOf")
            && let Json::Map(more) = self.object(schema)
        {
            merge(&mut entries, more);
        }
        Json::Map(entries)
    }

    /// The properties that it needs; where it names none, all of them.
    fn object(&mut self, schema: &'d Json) -> Json {
        let properties = schema
            .get("properties")
            .map(Json::entries)
            .unwrap_or_default();
        let required = schema.get("required").map(Json::items).unwrap_or_default();
        let required: Vec<&str> = required.iter().filter_map(Json::text).collect();
        let needed = |name: &str| required.is_empty() || required.contains(&name);
        let mut entries = Vec::new();
        for (name, property) in properties {
            if self.is_spent() {
                break;
            }
            let resolved = self.document.resolved(property);
            let read_only = resolved.is_some_and(|it| it.is_true("readOnly"));
            if needed(name) && !read_only {
                let value = self.value(property, name);
                entries.push((name.clone(), value));
            }
        }
        Json::Map(entries)
    }
}

/// Whether what a schema draws is a text, also where it looks like a number.
fn is_text(schema: &Json) -> bool {
    let words = schema.get("enum").map(Json::items).unwrap_or_default();
    let of_words = || words.iter().any(|word| matches!(word, Json::Text(_)));
    match schema.get("type") {
        Some(_) => !["integer", "number"].contains(&kind(schema)),
        None => words.is_empty() || of_words(),
    }
}

/// Whether a schema of truth allows one of the two.
fn only_false(schema: &Json) -> bool {
    let listed = schema.get("enum").map(Json::items).unwrap_or_default();
    !listed.is_empty() && !listed.contains(&Json::Flag(true))
}

/// A text of as many characters as a schema wants, as far as that is sensible.
fn long_enough(text: &str, schema: &Json) -> String {
    let length = |key: &str| {
        let length = schema.get(key).and_then(Json::whole)?;
        usize::try_from(length).ok()
    };
    let count = text.chars().count();
    let least = length("minLength").unwrap_or(0).min(TEXT_MAX);
    let most = length("maxLength").unwrap_or(usize::MAX);
    let wanted = count.max(least).min(most.max(least));
    text.chars().cycle().take(wanted).collect()
}

fn merge(entries: &mut Vec<(String, Json)>, more: Vec<(String, Json)>) {
    for (name, value) in more {
        match entries.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => entries.push((name, value)),
        }
    }
}

/// The type of a schema; OpenAPI 3.1 may name several.
pub(super) fn kind(schema: &Json) -> &str {
    let named = schema.get("type");
    let several = named.map(Json::items).unwrap_or_default();
    let one = several
        .iter()
        .filter_map(Json::text)
        .find(|one| *one != "null");
    match named.and_then(Json::text).or(one) {
        Some(kind) => kind,
        None if schema.get("properties").is_some() => "object",
        None if schema.get("items").is_some() => "array",
        None => "string",
    }
}
