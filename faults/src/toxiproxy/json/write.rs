//! JSON as Go writes it.

use std::fmt::Write;

/// Appends a string with its quotes. Go escapes what would be markup in HTML
/// and line ends of JavaScript as well.
pub(in super::super) fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ..'\u{20}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string never fails.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Appends the shortest number that reads back as the same `f32`.
pub(in super::super) fn push_f32(out: &mut String, value: f32) {
    let size = value.abs();
    let written = if size != 0.0 && size < 1e-6 {
        format!("{value:e}")
    } else if size >= 1e21 {
        format!("{value:e}").replace('e', "e+")
    } else {
        value.to_string()
    };
    out.push_str(&written);
}
