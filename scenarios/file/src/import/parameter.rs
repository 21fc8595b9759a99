//! Parameters and fields of OpenAPI: single values.

use super::draft::{Draft, DraftData, literal};
use super::json::Json;
use super::path::Piece;
use super::schema::Document;

impl<'d> Document<'d> {
    /// What stands for a parameter: its example, else what its schema allows.
    pub(super) fn piece(self, parameter: Option<&'d Json>, name: &str, draft: &mut Draft) -> Piece {
        let example = parameter.and_then(|one| self.example(one));
        if let Some(piece) = example.and_then(one_of) {
            return piece;
        }
        let schema = parameter.and_then(|one| one.get("schema"));
        let Some(schema) = schema.and_then(|schema| self.resolved(schema)) else {
            return Piece::Value(draft.data(name, DraftData::Uniform(1, 100)));
        };
        let (value, _) = self.value(schema, name, draft);
        one_of(&value).unwrap_or_else(|| Piece::Text(query_text(name)))
    }
}

/// A value as a piece of a URL, and of a list its first one.
fn one_of(value: &Json) -> Option<Piece> {
    match value {
        Json::Text(text) | Json::Number(text) => Some(Piece::Text(query_text(text))),
        Json::Flag(flag) => Some(Piece::Text(flag.to_string())),
        // What was made up is `$` and a name of data.
        Json::Template(text) | Json::Quoted(text) => {
            let name = text.strip_prefix('$')?;
            Some(Piece::Value(name.to_owned()))
        }
        Json::List(items) => one_of(items.first()?),
        Json::Null | Json::Map(_) => None,
    }
}

/// A text as a value in a path or query.
pub(super) fn query_text(text: &str) -> String {
    let mut encoded = String::new();
    // Writing there cannot fail.
    let _ = squall_scenario::Slot::Query.write(text, &mut encoded);
    encoded
}

/// The fields that a form can have, lists as several of one name; the names of the
/// others.
pub(super) fn fields(json: &Json) -> (Vec<(String, String)>, Vec<&str>) {
    let mut fields = Vec::new();
    let mut others = Vec::new();
    for (name, value) in json.entries() {
        let values = match value {
            Json::List(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        let texts: Option<Vec<String>> = values.iter().map(scalar).collect();
        match texts {
            Some(texts) => fields.extend(texts.into_iter().map(|text| (name.clone(), text))),
            None => others.push(name.as_str()),
        }
    }
    (fields, others)
}

/// A value as a text of a scenario; `None` where it is a list or a map.
fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::Text(text) => Some(literal(text)),
        Json::Number(number) => Some(number.clone()),
        Json::Flag(flag) => Some(flag.to_string()),
        Json::Template(text) | Json::Quoted(text) => Some(text.clone()),
        Json::Null => Some(String::new()),
        Json::List(_) | Json::Map(_) => None,
    }
}
