//! JSON as text. Foreign text in it is what it was when it is read, and acts on
//! nothing that shows the file: JSON itself escapes only the first 32
//! characters.

use serde::Serialize;
use squall_scenario::acts;

/// A value on one line, without a newline at its end.
///
/// # Errors
/// The value has no form in JSON, for instance a map whose keys are no text.
pub fn json_line(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(inert)
}

/// A value on many lines, for people too.
///
/// # Errors
/// As [`json_line`].
pub fn json_document(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(inert)
}

/// Outside of strings there is nothing that acts but line breaks, and in
/// strings no line break.
fn inert(json: String) -> String {
    let to_write = |character: char| acts(character) && character != '\n';
    if !json.chars().any(to_write) {
        return json;
    }
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if to_write(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_acts_and_nothing_is_lost(text in "\\PC*|[\u{0}-\u{9f}\u{200b}-\u{2069}\u{e0000}-\u{e0fff}]*") {
            let value = serde_json::json!({ &text: [&text, 1] });
            for json in [json_line(&value).unwrap(), json_document(&value).unwrap()] {
                prop_assert!(!json.chars().any(|c| acts(c) && c != '\n'), "{:?}", json);
                let read: serde_json::Value = serde_json::from_str(&json).unwrap();
                prop_assert_eq!(&read, &value);
            }
            prop_assert!(!json_line(&value).unwrap().contains('\n'));
        }
    }
}
