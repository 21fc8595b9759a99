//! What HTTP/1.1 can carry in each place, and what to write instead.

use std::ops::Range;

use crate::percent::percent_encoded;

/// Longest path and query, in bytes.
pub const PATH_BYTES_MAX: usize = 65_000;

/// A part of a text that cannot be sent where it stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Short remark for the place.
    pub label: &'static str,
    /// What to write instead.
    pub help: String,
}

/// The first part of a path and query that cannot be sent as it is written, by
/// RFC 3986 and with the square brackets that all clients send. Placeholders
/// may stand in it: their letters fit.
#[must_use]
pub fn path_misfit(path: &str) -> Option<Misfit> {
    if !path.starts_with('/') {
        return Some(Misfit {
            range: 0..path.len(),
            label: "a path starts with a slash",
            help: "the target says where; write only the path: `GET /search?q=$word`".to_owned(),
        });
    }
    if path.len() > PATH_BYTES_MAX {
        return Some(Misfit {
            range: 0..path.len(),
            label: "longer than 65000 bytes",
            help: "send what is long in the body".to_owned(),
        });
    }
    path.char_indices()
        .find_map(|(at, character)| path_character_misfit(path, at, character))
}

fn path_character_misfit(path: &str, at: usize, character: char) -> Option<Misfit> {
    let one = at..at + character.len_utf8();
    let (range, label, help) = match character {
        '%' => {
            let digits = path.as_bytes().get(at + 1..at + 3);
            let hex = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
            if hex {
                return None;
            }
            let help = "a percent sign itself is written `%25`";
            (one, "no two hex digits follow", help.to_owned())
        }
        '#' => {
            let help = "leave the fragment out; a `#` of the path itself is written `%23`";
            (at..path.len(), "a fragment is never sent", help.to_owned())
        }
        ' ' => (
            one,
            "a path has no spaces",
            "write a space as `%20`".to_owned(),
        ),
        _ if character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?[]".contains(character) => {
            return None;
        }
        _ => {
            let label = "not a character of a path";
            (one, label, format!("write it as `{}`", encoded(character)))
        }
    };
    Some(Misfit { range, label, help })
}

/// The UTF-8 bytes of a character as `%XX` each.
fn encoded(character: char) -> String {
    percent_encoded(character.encode_utf8(&mut [0; 4]), |_| false)
}

/// Whether a text can be the name of a header.
#[must_use]
pub fn is_header_name(name: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(token)
}

/// Headers by which a message is cut out of a connection. They follow from the
/// body; another value would make the target wait, or read half a request.
pub const FRAMING_HEADERS: [&str; 2] = ["content-length", "transfer-encoding"];

/// The first part of a header's value that cannot be sent.
#[must_use]
pub fn header_misfit(name: &str, value: &str) -> Option<Misfit> {
    if name.eq_ignore_ascii_case("host") && !is_authority(value) {
        return Some(Misfit {
            range: 0..value.len(),
            label: "not a host, with or without a port",
            help: "write for instance `shop.example` or `shop.example:8080`".to_owned(),
        });
    }
    let visible = |c: char| c == '\t' || c == ' ' || c.is_ascii_graphic();
    let (at, odd) = value.char_indices().find(|(_, c)| !visible(*c))?;
    let (label, help) = match odd {
        '\n' | '\r' => ("a header is one line", "write the value on one line"),
        _ if odd.is_ascii() => ("a control character", "leave it out"),
        _ => (
            "a header has only visible ASCII characters",
            "write it the way the target decodes it, for instance percent-encoded",
        ),
    };
    Some(Misfit {
        range: at..at + odd.len_utf8(),
        label,
        help: help.to_owned(),
    })
}

/// Whether a text is `host`, `host:port`, `[::1]` or `[::1]:port`; placeholders
/// may stand in it.
fn is_authority(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._:[]$%".contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_those_of_rfc_3986_and_brackets() {
        for path in [
            "/",
            "/a/b?c=d&e",
            "//x",
            "/caf%C3%A9",
            "/$who/x?q=$$",
            "/?filter[name]=a,b;c",
            "/~u/(1)!*'@:+",
        ] {
            assert_eq!(path_misfit(path), None, "{path}");
        }
    }

    #[test]
    fn what_no_path_holds_is_pointed_at() {
        for (path, part, help) in [
            ("/?q=<b>", "<", "`%3C`"),
            ("/docs#intro", "#intro", "`%23`"),
            ("/a b", " ", "`%20`"),
            ("/caf\u{e9}", "\u{e9}", "`%C3%A9`"),
            ("/a\\b", "\\", "`%5C`"),
            ("/100%", "%", "`%25`"),
            ("/%zz", "%", "`%25`"),
            ("/%4", "%", "`%25`"),
            ("/%$x", "%", "`%25`"),
            ("/{id}", "{", "`%7B`"),
            ("/\u{7f}", "\u{7f}", "`%7F`"),
            ("/\u{2028}", "\u{2028}", "`%E2%80%A8`"),
            ("x", "x", "only the path"),
        ] {
            let misfit = path_misfit(path).unwrap();
            assert_eq!(&path[misfit.range], part, "{path}");
            assert!(misfit.help.contains(help), "{path}: {}", misfit.help);
        }
        assert!(path_misfit(&format!("/{}", "a".repeat(PATH_BYTES_MAX))).is_some());
    }

    #[test]
    fn values_of_headers_are_visible_ascii() {
        assert_eq!(header_misfit("x-a", "a\tb ~ \"c\""), None);
        assert_eq!(header_misfit("host", "[::1]:80"), None);
        for (name, value, part) in [
            ("x-a", "a\r\nx-b: c", "\r"),
            ("x-a", "caf\u{e9}", "\u{e9}"),
            ("x-a", "\0", "\0"),
            ("x-a", "a\u{7f}", "\u{7f}"),
            ("Host", "a b", "a b"),
            ("host", "a/b", "a/b"),
            ("host", "", ""),
        ] {
            let misfit = header_misfit(name, value).unwrap();
            assert_eq!(&value[misfit.range], part, "{value:?}");
        }
    }

    proptest! {
        /// Nothing that passes can end a request line or a header early.
        #[test]
        fn what_fits_cannot_break_a_message(text in "/?\\PC{0,9}[\0-\u{ff}]{0,9}") {
            if path_misfit(&text).is_none() {
                prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()));
                prop_assert!(!text.contains('#'));
            }
            if header_misfit("x-a", &text).is_none() {
                prop_assert!(text.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b)));
            }
        }
    }
}
