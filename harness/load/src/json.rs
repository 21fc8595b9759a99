//! One value of a JSON text, without the memory that a tree of all of it takes.

use std::fmt;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::answer::KEPT_BODY_BYTES_MAX;

/// Whether a text is one value of JSON.
pub(crate) fn is_json(text: &str) -> bool {
    let mut reader = serde_json::Deserializer::from_str(text);
    Seek(None).deserialize(&mut reader).is_ok() && reader.end().is_ok()
}

/// The value that a pointer leads to (RFC 6901), if there is one.
///
/// # Errors
/// The text is not JSON, or the pointer is to all of one that is too long; in words.
pub(crate) fn json_at(json: &[u8], pointer: &str) -> Result<Option<Value>, String> {
    if pointer.is_empty() && json.len() > KEPT_BODY_BYTES_MAX {
        let most = KEPT_BODY_BYTES_MAX >> 20;
        return Err(format!(
            "the body has more than {most} MiB as JSON, the most that is looked at as one value"
        ));
    }
    let unescaped = |token: &str| token.replace("~1", "/").replace("~0", "~");
    let tokens: Vec<String> = pointer.split('/').skip(1).map(unescaped).collect();
    let leads = pointer.is_empty() || pointer.starts_with('/');
    let mut reader = serde_json::Deserializer::from_slice(json);
    let found = Seek(Some(&tokens)).deserialize(&mut reader);
    let found = found.and_then(|found| reader.end().map(|()| found));
    let found = found.map_err(|error| format!("the body is not JSON: {error}"))?;
    Ok(found.filter(|_| leads))
}

/// Follows the tokens of a pointer, or passes over a value and keeps nothing of it. What
/// no tree could hold is refused then too, which serde's `IgnoredAny` passes over.
#[derive(Clone, Copy)]
struct Seek<'p>(Option<&'p [String]>);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        let (token, rest) = match self.0.map(<[String]>::split_first) {
            Some(None) => return Value::deserialize(from).map(Some),
            Some(Some((token, rest))) => (Some(token.as_str()), rest),
            None => (None, [].as_slice()),
        };
        from.deserialize_any(Follow { token, rest })
    }
}

/// Looks for what one token names, if there is one.
struct Follow<'p> {
    token: Option<&'p str>,
    rest: &'p [String],
}

impl<'p> Follow<'p> {
    const fn seek(&self, is_it: bool) -> Seek<'p> {
        match is_it {
            true => Seek(Some(self.rest)),
            false => Seek(None),
        }
    }
}

impl<'de> Visitor<'de> for Follow<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let wanted = self.token.and_then(index);
        let (mut found, mut at) = (None, 0);
        while let Some(value) = items.next_element_seed(self.seek(wanted == Some(at)))? {
            found = found.or(value);
            at += 1;
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = entries.next_key_seed(Key(self.token))? {
            let value = entries.next_value_seed(self.seek(is_it))?;
            // Of several with one name the last counts.
            if is_it {
                found = value;
            }
        }
        Ok(found)
    }
}

/// The place in a list that a token names.
fn index(token: &str) -> Option<usize> {
    let is_odd = token.starts_with('+') || (token.starts_with('0') && token.len() > 1);
    token.parse().ok().filter(|_| !is_odd)
}

/// Whether the name of a value is this.
struct Key<'p>(Option<&'p str>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(Some(name) == self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pieces that make JSON, or something that is nearly so.
    const WORDS: [&str; 26] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"0\"",
        "\"a/b~\"",
        "0",
        "-1.50",
        "1e400",
        "null",
        "true",
        "\"\\ud800\"",
        "\"\\u00e9\"",
        " ",
        "\"a\":",
        "{\"a\":",
        "[0,",
        "}]",
        "]}",
        "[[1]]",
        "{\"a\":{\"0\":7}}",
        "nul",
        "\"x",
    ];
    const POINTERS: [&str; 12] = [
        "", "/", "/a", "/0", "/1", "/a/0", "/0/a", "/0/0", "/a~1b~0", "/00", "/+1", "a",
    ];

    proptest! {
        /// What is found, and what is refused, is what a tree of all of it has.
        #[test]
        fn it_is_what_a_tree_has(
            words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..9),
            pointer in prop::sample::select(&POINTERS[..]),
        ) {
            let text = words.concat();
            let tree = serde_json::from_str::<Value>(&text);
            prop_assert_eq!(is_json(&text), tree.is_ok(), "{}", text);
            let found = json_at(text.as_bytes(), pointer);
            match tree {
                Ok(tree) => prop_assert_eq!(found, Ok(tree.pointer(pointer).cloned())),
                Err(error) => prop_assert_eq!(
                    found.map_err(|said| said.replace("the body is not JSON: ", "")),
                    Err(error.to_string())
                ),
            }
        }
    }

    #[test]
    fn of_two_with_one_key_it_is_the_last() {
        let text = br#"{"a":1,"b":[0],"a":2}"#;
        assert_eq!(json_at(text, "/a"), Ok(Some(Value::from(2))));
        assert_eq!(json_at(br#"{"a":[1],"a":2}"#, "/a/0"), Ok(None));
    }

    #[test]
    fn what_is_too_deep_or_too_long_is_refused() {
        let deep = [vec![b'['; 200], vec![b']'; 200]].concat();
        for pointer in ["", "/0", "/1"] {
            let said = json_at(&deep, pointer).unwrap_err();
            assert!(said.contains("recursion limit"), "{said}");
        }
        let long = format!("[7{}]", ",0".repeat(KEPT_BODY_BYTES_MAX));
        assert_eq!(json_at(long.as_bytes(), "/0"), Ok(Some(Value::from(7))));
        let said = json_at(long.as_bytes(), "").unwrap_err();
        assert!(said.contains("more than 1 MiB as JSON"), "{said}");
    }
}
