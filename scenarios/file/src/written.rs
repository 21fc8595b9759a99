//! How a text is written into a scenario.

/// Whether YAML reads a text as it stands, without quotes, as the value of a
/// key or of an item on a line of its own.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphanumeric() || "/$.".contains(c);
    let fits = |c: char| c.is_ascii_alphanumeric() || " /$._-%<>=?&+~;@,(){}*!'\"|^:[]".contains(c);
    text.starts_with(first)
        && text.chars().all(fits)
        && !text.contains(": ")
        && !text.ends_with([' ', ':'])
        && !["null", "...", "---"].contains(&text)
}

/// Appends a character as it stands inside double quotes. Everything that is neither
/// a letter nor visible ASCII is written by its number: YAML has several line
/// breaks, and characters it refuses.
pub fn escape(character: char, out: &mut String) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        ' '..='~' => out.push(character),
        _ if character.is_alphanumeric() => out.push(character),
        _ if u32::from(character) > 0xffff => {
            out.push_str(&format!("\\U{:08x}", u32::from(character)));
        }
        _ => out.push_str(&format!("\\u{:04x}", u32::from(character))),
    }
}

/// A text as a value: as it stands where that can be, else in double quotes.
pub(crate) fn value(text: &str) -> String {
    match is_plain(text) {
        true => text.to_owned(),
        false => in_quotes(text),
    }
}

/// A text in double quotes.
pub(crate) fn in_quotes(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    text.chars()
        .for_each(|character| escape(character, &mut quoted));
    quoted.push('"');
    quoted
}

/// A text as a key whose name is not squall's own.
pub(crate) fn key(text: &str) -> String {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(letter);
    match plain && !["null", "true", "false"].contains(&text) {
        true => text.to_owned(),
        false => in_quotes(text),
    }
}
