//! What a schema of OpenAPI allows, as one value of it.

use super::draft::{Draft, DraftData, literal};
use super::json::Json;

/// How deep values are made up.
const DEPTH_MAX: usize = 8;
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

    /// One value of a schema, with data in place of what may differ.
    pub(super) fn value(self, schema: &'d Json, name: &str, draft: &mut Draft) -> Json {
        self.value_at(schema, name, draft, 0)
    }

    fn value_at(self, schema: &'d Json, name: &str, draft: &mut Draft, depth: usize) -> Json {
        let Some(schema) = self.resolved(schema).filter(|_| depth < DEPTH_MAX) else {
            return Json::Null;
        };
        for key in ["example", "default", "const"] {
            if let Some(value) = schema.get(key) {
                return value.clone();
            }
        }
        if let Some(first) = schema.get("examples").and_then(|all| all.items().first()) {
            return first.clone();
        }
        if let Some(parts) = schema.get("allOf") {
            return self.all_of(parts, schema, (name, draft, depth));
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(first) = schema.get(key).and_then(|all| all.items().first()) {
                return self.value_at(first, name, draft, depth + 1);
            }
        }
        match kind(schema) {
            "object" => self.object(schema, draft, depth),
            "array" => {
                let items = schema.get("items");
                let item = items.map(|items| self.value_at(items, name, draft, depth + 1));
                Json::List(
                    item.into_iter()
                        .filter(|item| *item != Json::Null)
                        .collect(),
                )
            }
            "boolean" => Json::Flag(true),
            "number" => Json::Number("1.5".to_owned()),
            "null" => Json::Null,
            _ => match self.data(schema, name) {
                Ok(data) => Json::Template(format!("${}", draft.data(name, data))),
                Err(text) => Json::Text(text),
            },
        }
    }

    fn all_of(
        self,
        parts: &'d Json,
        schema: &'d Json,
        (name, draft, depth): (&str, &mut Draft, usize),
    ) -> Json {
        let mut entries: Vec<(String, Json)> = Vec::new();
        let own = (!schema.entries().iter().all(|(key, _)| key == "allOf")).then_some(schema);
        for part in parts.items() {
            match self.value_at(part, name, draft, depth + 1) {
                Json::Map(more) => merge(&mut entries, more),
                Json::Null => {}
                other => return other,
            }
        }
        if let Some(Json::Map(more)) = own.map(|own| self.object(own, draft, depth)) {
            merge(&mut entries, more);
        }
        Json::Map(entries)
    }

    /// The properties that it needs; where it names none, all of them.
    fn object(self, schema: &'d Json, draft: &mut Draft, depth: usize) -> Json {
        let properties = schema
            .get("properties")
            .map(Json::entries)
            .unwrap_or_default();
        let required = schema.get("required").map(Json::items).unwrap_or_default();
        let needed =
            |name: &str| required.is_empty() || required.iter().any(|one| one.text() == Some(name));
        let mut entries = Vec::new();
        for (name, property) in properties {
            let read_only = self
                .resolved(property)
                .is_some_and(|it| it.is_true("readOnly"));
            if needed(name) && !read_only {
                let value = self.value_at(property, name, draft, depth + 1);
                entries.push((name.clone(), value));
            }
        }
        Json::Map(entries)
    }

    /// Data that draws values of a schema, or the one text there is.
    pub(super) fn data(self, schema: &'d Json, name: &str) -> Result<DraftData, String> {
        let schema = self.resolved(schema).unwrap_or(schema);
        let of_list = |list: &Json| -> Vec<String> {
            list.items()
                .iter()
                .filter_map(Json::text)
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
            let bound = |key: &str| schema.get(key).and_then(Json::whole);
            let from = bound("minimum").unwrap_or(1);
            let to = bound("maximum")
                .unwrap_or_else(|| from.saturating_add(99))
                .max(from);
            return Ok(DraftData::Uniform(from, to));
        }
        match schema.text_of("format") {
            "uuid" => Ok(DraftData::Uuid),
            "date" => Err("2026-01-31".to_owned()),
            "date-time" => Err("2026-01-31T12:00:00Z".to_owned()),
            "email" => Err("somebody@example.com".to_owned()),
            "uri" | "url" => Err("http://example.com/".to_owned()),
            "ipv4" => Err("192.0.2.1".to_owned()),
            _ => Err(name.to_owned()),
        }
    }
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

/// A value as a text of a scenario; `None` where it is a list or a map.
pub(super) fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::Text(text) => Some(literal(text)),
        Json::Number(number) => Some(number.clone()),
        Json::Flag(flag) => Some(flag.to_string()),
        Json::Template(text) => Some(text.clone()),
        Json::Null => Some(String::new()),
        Json::List(_) | Json::Map(_) => None,
    }
}
