//! Text of the system under test, made harmless for terminals and pages.

use std::fmt::Write as _;

/// Longest text of the system under test that a report repeats, in characters.
const LENGTH_MAX: usize = 300;

/// Whether a character acts on the screen instead of standing on it: control
/// characters, and those that reorder or hide text.
pub(super) fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// One line of text that a terminal shows and does not obey.
#[must_use]
pub fn terminal_text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for (count, character) in text.chars().enumerate() {
        if count == LENGTH_MAX {
            safe.push('\u{2026}');
            break;
        }
        if acts(character) {
            let _ = write!(safe, "{}", character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Text for element content and quoted attributes of HTML and SVG.
#[must_use]
pub fn html_text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// Text for a cell of a Markdown table: no markup, no HTML, no new cell.
pub(crate) fn markdown_text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in terminal_text(text).chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '@' | '!' => {
                safe.push('\\');
                safe.push(character);
            }
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_and_not_obeyed() {
        assert_eq!(
            terminal_text("\u{1b}[2J\r\nok\u{202e}"),
            "\\u{1b}[2J\\u{d}\\u{a}ok\\u{202e}"
        );
        assert_eq!(
            html_text("<script a='\"'>&"),
            "&lt;script a=&#39;&quot;&#39;&gt;&amp;"
        );
        assert_eq!(markdown_text("a|b\n@x <i>"), "a\\|b\\\\u{a}\\@x &lt;i&gt;");
        assert_eq!(
            terminal_text(&"x".repeat(1000)).chars().count(),
            LENGTH_MAX + 1
        );
    }
}
