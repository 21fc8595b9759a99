//! A part of a form as curl writes it: `TEXT` or `@FILE`, with `;type=MEDIA` and
//! `;filename=NAME` behind it.

/// What stands behind `NAME=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormPart {
    /// The text, or the path of a file.
    pub content: String,
    /// Whether it is a path.
    pub is_file: bool,
    /// What `type` says.
    pub media: Option<String>,
    /// What `filename` says.
    pub filename: Option<String>,
}

impl FormPart {
    /// Takes a part apart. What stands between quotes is kept as it is; a semicolon
    /// before anything else that curl knows nothing of belongs to the text.
    #[must_use]
    pub fn of(given: &str) -> Self {
        let (is_file, words) = match given.strip_prefix('@') {
            Some(path) => (true, path),
            None => (false, given),
        };
        let (content, mut rest) = word(words);
        let mut part = Self {
            content,
            is_file,
            media: None,
            filename: None,
        };
        while let Some(behind) = rest.strip_prefix(';') {
            let behind = behind.trim_start();
            if let Some(said) = behind.strip_prefix("filename=") {
                let (filename, more) = word(said);
                part.filename = Some(filename);
                rest = more;
                continue;
            }
            let (said, more) = behind.split_at(behind.find(';').unwrap_or(behind.len()));
            let said = said.trim_end();
            match (said.strip_prefix("type="), &mut part.media) {
                (Some(media), _) => part.media = Some(media.to_owned()),
                // `type=text/plain;charset=utf-8`
                (None, Some(media)) => *media = format!("{media};{said}"),
                (None, None) => {
                    return Self {
                        content: words.to_owned(),
                        is_file,
                        media: None,
                        filename: None,
                    };
                }
            }
            rest = more;
        }
        part
    }
}

/// A word up to the next semicolon, in quotes or not, and what follows it.
fn word(text: &str) -> (String, &str) {
    if let Some(inside) = text.strip_prefix('"') {
        let mut word = String::new();
        let mut characters = inside.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    let behind = &inside[at + 1..];
                    let next = behind.find(';').unwrap_or(behind.len());
                    return (word, &behind[next..]);
                }
                '\\' => match characters.clone().next() {
                    Some((_, escaped @ ('"' | '\\'))) => {
                        word.push(escaped);
                        characters.next();
                    }
                    _ => word.push('\\'),
                },
                other => word.push(other),
            }
        }
    }
    let (word, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
    (word.trim_end().to_owned(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(given: &str) -> (String, Option<String>, Option<String>) {
        let part = FormPart::of(given);
        assert_eq!(part.is_file, given.starts_with('@'));
        (part.content, part.media, part.filename)
    }

    #[test]
    fn parts_are_what_curl_makes_of_them() {
        let some = |text: &str| Some(text.to_owned());
        for (given, content, media, filename) in [
            ("x", "x", None, None),
            ("a=b", "a=b", None, None),
            ("@x;filename=\"a b.txt\"", "x", None, some("a b.txt")),
            ("@x;filename=\"a;\\\"b\\\\\"", "x", None, some("a;\"b\\")),
            ("x; type=text/plain", "x", some("text/plain"), None),
            ("x ;type=a/b ; filename=c", "x", some("a/b"), some("c")),
            ("x;type=a/b; charset=c", "x", some("a/b;charset=c"), None),
            ("\"a;b\"; type=a/b", "a;b", some("a/b"), None),
            ("@\"a b.txt\"", "a b.txt", None, None),
            // Texts that only look so.
            ("a;b", "a;b", None, None),
            ("a ", "a", None, None),
            ("\"a", "\"a", None, None),
            ("", "", None, None),
        ] {
            let expected = (content.to_owned(), media, filename);
            assert_eq!(parts(given), expected, "{given}");
        }
    }
}
