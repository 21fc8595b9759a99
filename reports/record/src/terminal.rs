//! Text of the system under test, of a record's author and of file systems,
//! made harmless for terminals.

use std::fmt::Write as _;

use squall_scenario::{acts, visible};

/// Longest text of the system under test that a report repeats, in characters.
const LENGTH_MAX: usize = 300;

/// Part of a line that a terminal shows and does not obey, for instance a name.
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

/// One line that a terminal shows and does not obey, however long: our own
/// sentences, which quote text that was cut already.
#[must_use]
pub fn terminal_line(text: &str) -> String {
    let words: Vec<_> = text.split(' ').map(terminal_text).collect();
    words.join(" ")
}

/// Lines that a terminal shows and does not obey, but for colours: whole blocks
/// whose parts went through [`terminal_text`], once more before they are printed.
#[must_use]
pub fn terminal_block(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        let (before, after) = rest.split_at(at);
        safe.push_str(&visible(before, &['\n', '\t']));
        let length = colour(after);
        match length {
            0 => safe.push_str("\\u{1b}"),
            length => safe.push_str(&after[..length]),
        }
        rest = &after[length.max(1)..];
    }
    safe.push_str(&visible(rest, &['\n', '\t']));
    safe
}

/// Bytes of the sequence at the beginning that sets a colour or a weight; 0 when
/// there is none, or it does something else.
fn colour(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("\u{1b}[") else {
        return 0;
    };
    let parameters = rest
        .bytes()
        .take_while(|b| b.is_ascii_digit() || *b == b';');
    let end = parameters.count();
    match rest.as_bytes().get(end) {
        Some(b'm') => "\u{1b}[".len() + end + 1,
        _ => 0,
    }
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
            terminal_text(&"x".repeat(1000)).chars().count(),
            LENGTH_MAX + 1
        );
        let line = format!("{} a\u{2028}b", "word ".repeat(200));
        assert!(terminal_line(&line).ends_with("word  a\\u{2028}b"));
    }

    #[test]
    fn a_block_keeps_its_colours_and_nothing_else_that_acts() {
        let coloured = "\u{1b}[1;31mFAIL\u{1b}[0m  a\tb\n";
        assert_eq!(terminal_block(coloured), coloured);
        assert_eq!(
            terminal_block("a\u{1b}[2J\u{1b}]0;x\u{7}\r\u{9b}1m\u{1b}[31\u{1b}[0m\u{1b}"),
            "a\\u{1b}[2J\\u{1b}]0;x\\u{7}\\u{d}\\u{9b}1m\\u{1b}[31\u{1b}[0m\\u{1b}"
        );
    }
}
