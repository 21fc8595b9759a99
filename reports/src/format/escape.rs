//! Text of the system under test, of a record's author and of file systems,
//! made harmless: one function for each markup. The one for terminals is
//! [`squall_record::terminal_text`].

use squall_record::terminal_text;
use squall_scenario::{is_unreserved, percent_encoded, visible};

/// Text for content and attributes of XML, line breaks included. What marks up
/// is left to the writer of the document.
pub(super) fn xml_text(text: &str) -> String {
    visible(text, &['\n']).into_owned()
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

/// A path of the file system as one of an address: every unusual byte is
/// encoded.
pub(crate) fn url_path(path: &[u8]) -> String {
    percent_encoded(path, |byte| {
        is_unreserved(byte) || matches!(byte, b'/' | b'+')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_and_not_obeyed() {
        assert_eq!(
            html_text("<script a='\"'>&"),
            "&lt;script a=&#39;&quot;&#39;&gt;&amp;"
        );
        assert_eq!(markdown_text("a|b\n@x <i>"), "a\\|b\\\\u{a}\\@x &lt;i&gt;");
        assert_eq!(xml_text("a\nb\u{202e}\r"), "a\nb\\u{202e}\\u{d}");
    }
}
