//! JSON, or YAML that says the same, in the order in which it was written.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{NotImported, UNKNOWN};
use crate::source::Source;
use crate::yaml::{self, Node, NodeKind};

/// Most values of a YAML file that is imported.
const NODES_MAX: usize = 2_000_000;
/// So many bytes of a text are as large as one value.
const TEXT_BYTES: usize = 100;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Flag(bool),
    /// As it is written.
    Number(String),
    Text(String),
    /// A text of a scenario: dollar signs mean something in it.
    Template(String),
    /// The same, and it stays a text where a number is drawn.
    Quoted(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl Json {
    /// Reads JSON, and YAML where it is none.
    pub(super) fn read(text: &str) -> Result<Self, NotImported> {
        if text.trim_start().starts_with(['{', '[']) {
            let not_json = |error: serde_json::Error| {
                let (line, column) = (error.line(), error.column());
                NotImported(format!("line {line}, column {column} is not JSON: {error}"))
            };
            return serde_json::from_str(text).map_err(not_json);
        }
        let mut findings = Vec::new();
        let node = yaml::large(&Source::new("text", text), NODES_MAX, &mut findings);
        match node.filter(|_| findings.is_empty()) {
            Some(node) => Ok(Self::of(&node)),
            None => Err(NotImported(match findings.first() {
                Some(finding) => match finding.primary() {
                    Some(label) => format!("line {}: {}", label.span.line, finding.title),
                    None => finding.title.clone(),
                },
                None => UNKNOWN.to_owned(),
            })),
        }
    }

    fn of(node: &Node) -> Self {
        match &node.kind {
            NodeKind::List(items) => Self::List(items.iter().map(Self::of).collect()),
            NodeKind::Map(entries) => {
                let entries = entries.iter();
                let entry = |entry: &yaml::Entry| (entry.key.clone(), Self::of(&entry.value));
                Self::Map(entries.map(entry).collect())
            }
            NodeKind::Scalar(scalar) if scalar.is_nothing() => Self::Null,
            NodeKind::Scalar(scalar) => {
                let text = scalar.text.as_str();
                let number = || serde_json::from_str::<serde_json::Number>(text).is_ok();
                match text {
                    _ if !scalar.plain => Self::Text(text.to_owned()),
                    "true" => Self::Flag(true),
                    "false" => Self::Flag(false),
                    _ if number() => Self::Number(text.to_owned()),
                    _ => Self::Text(text.to_owned()),
                }
            }
        }
    }

    /// The value of a key; `None` where there is none, or no map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let (_, value) = self.entries().iter().find(|(known, _)| known == key)?;
        Some(value)
    }

    pub(super) fn entries(&self) -> &[(String, Self)] {
        match self {
            Self::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// A text, or a number as it is written.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a key; empty where there is none.
    pub(super) fn text_of(&self, key: &str) -> &str {
        self.get(key).and_then(Self::text).unwrap_or_default()
    }

    pub(super) fn is_true(&self, key: &str) -> bool {
        self.get(key) == Some(&Self::Flag(true))
    }

    /// A whole number that is not negative.
    pub(super) fn whole(&self) -> Option<u64> {
        self.text()?.parse().ok()
    }

    /// How many values it consists of; a long text is several.
    pub(super) fn size(&self) -> usize {
        let of = |text: &str| text.len() / TEXT_BYTES;
        let within: usize = match self {
            Self::List(items) => items.iter().map(Self::size).sum(),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| of(key) + value.size())
                .sum(),
            Self::Number(text) | Self::Text(text) => of(text),
            Self::Template(text) | Self::Quoted(text) => of(text),
            Self::Null | Self::Flag(_) => 0,
        };
        1 + within
    }

    /// A text that is JSON, with its numbers digit by digit; `None` where a map has a
    /// key twice, which a scenario cannot write.
    pub(super) fn exact(text: &str) -> Option<Self> {
        let mut value: Self = serde_json::from_str(text).ok()?;
        value.set_numbers(&mut numbers(text).into_iter());
        (!value.has_twice()).then_some(value)
    }

    fn has_twice(&self) -> bool {
        let mut keys = HashSet::new();
        let mut entries = self.entries().iter();
        entries.any(|(key, value)| !keys.insert(key) || value.has_twice())
            || self.items().iter().any(Self::has_twice)
    }

    fn set_numbers<'t>(&mut self, written: &mut impl Iterator<Item = &'t str>) {
        match self {
            Self::Number(number) => {
                if let Some(written) = written.next() {
                    written.clone_into(number);
                }
            }
            Self::List(items) => items.iter_mut().for_each(|item| item.set_numbers(written)),
            Self::Map(entries) => {
                for (_, value) in entries {
                    value.set_numbers(written);
                }
            }
            _ => {}
        }
    }
}

/// The numbers of JSON as they are written, in their order.
fn numbers(json: &str) -> Vec<&str> {
    let mut numbers = Vec::new();
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let length = match byte {
            b'"' => {
                let mut end = at + 1;
                while bytes.get(end).is_some_and(|byte| *byte != b'"') {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                end + 1 - at
            }
            b'-' | b'0'..=b'9' => {
                let rest = &bytes[at..];
                let goes_on = |byte: &u8| byte.is_ascii_digit() || b".eE+-".contains(byte);
                let end = rest.iter().position(|byte| !goes_on(byte));
                let length = end.unwrap_or(rest.len());
                numbers.extend(json.get(at..at + length));
                length
            }
            _ => 1,
        };
        at += length;
    }
    numbers
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        let number = serde_json::Number::from_f64(number);
        Ok(number.map_or(Json::Null, |number| Json::Number(number.to_string())))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Json::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_digit_by_digit() {
        let text = r#"{"a\\\"1":[-0.50,12345678901234567890123],"2":1E5,"b":["7",true]}"#;
        assert_eq!(numbers(text), ["-0.50", "12345678901234567890123", "1E5"]);
        let json = Json::exact(text).unwrap();
        assert_eq!(json.get("2"), Some(&Json::Number("1E5".to_owned())));
        let list = json.get("a\\\"1").unwrap().items();
        assert_eq!(list[1], Json::Number("12345678901234567890123".to_owned()));
        assert_eq!(Json::exact(r#"[{"a":1,"a":2}]"#), None);
    }
}
