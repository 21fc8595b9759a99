//! Characters that act on a screen instead of standing on it, made visible.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character acts on what shows it: control characters, separators
/// of lines and paragraphs, and those that reorder, hide or take no room.
#[must_use]
pub fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The text with every character that acts, unless it is among `kept`, written
/// by its number: `\u{202e}`.
#[must_use]
pub fn visible<'t>(text: &'t str, kept: &[char]) -> Cow<'t, str> {
    let to_write = |character: &char| acts(*character) && !kept.contains(character);
    if !text.chars().any(|character| to_write(&character)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if to_write(&character) {
            // Writing to a string cannot fail.
            let _ = write!(safe, "{}", character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// User text for a message: in backticks, without control characters. Long
/// text is cut by who shows it, after secrets were taken out of it.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("`{}`", without_controls(text))
}

/// The text with a replacement character for every one that acts.
#[must_use]
pub fn without_controls(text: &str) -> String {
    text.chars()
        .map(|c| if acts(c) { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_never_reach_a_message() {
        assert_eq!(quoted("a\u{1b}[31m"), "`a\u{fffd}[31m`");
    }

    #[test]
    fn what_acts_is_written_by_its_number_and_the_rest_stays() {
        assert_eq!(
            visible("a\u{1b}[2J\u{202e}\u{2028}\u{9b}", &[]),
            "a\\u{1b}[2J\\u{202e}\\u{2028}\\u{9b}"
        );
        assert_eq!(visible("a\r\nb", &['\n']), "a\\u{d}\nb");
        let plain = "Grüße, 日本 \u{1f980} 42 %";
        assert!(matches!(visible(plain, &[]), Cow::Borrowed(same) if same == plain));
    }
}
