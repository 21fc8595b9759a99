//! A JSON value as it was written, looked into one level at a time.

use super::scan::{Malformed, Scanner};

/// A value that is known to be well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Raw<'a>(&'a [u8]);

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number,
    Text,
    Array,
    Object,
}

/// The first value of a body.
pub(in super::super) fn first_value(body: &[u8]) -> Result<Raw<'_>, Malformed> {
    let mut scanner = Scanner::new(body);
    if scanner.peek().is_none() {
        return Err(Malformed::Empty);
    }
    let start = scanner.at();
    scanner.value()?;
    Ok(Raw(&body[start..scanner.at()]))
}

impl<'a> Raw<'a> {
    pub(super) fn kind(self) -> Kind {
        match self.0.first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b't') => Kind::Bool(true),
            Some(b'f') => Kind::Bool(false),
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// A number as it was written.
    pub(super) fn number(self) -> &'a str {
        // Digits, signs, points and letters: always text.
        std::str::from_utf8(self.0).unwrap_or_default()
    }

    /// The value of a string. What is no UTF-8 becomes U+FFFD byte by byte, and
    /// so does half of a surrogate pair.
    pub(super) fn text(self) -> String {
        let quoted = self.0.get(1..self.0.len() - 1).unwrap_or_default();
        unquoted(quoted)
    }

    /// The members of an object, in order; of anything else none.
    pub(super) fn members(self) -> Members<'a> {
        let mut scanner = Scanner::new(self.0);
        scanner.skip();
        Members {
            bytes: self.0,
            scanner,
            ended: self.kind() != Kind::Object,
        }
    }

    /// The elements of an array, in order; of anything else none.
    pub(super) fn elements(self) -> Elements<'a> {
        let mut scanner = Scanner::new(self.0);
        scanner.skip();
        Elements {
            bytes: self.0,
            scanner,
            ended: self.kind() != Kind::Array,
        }
    }
}

fn next_value<'a>(bytes: &'a [u8], scanner: &mut Scanner<'_>) -> Option<Raw<'a>> {
    scanner.peek()?;
    let start = scanner.at();
    scanner.value().ok()?;
    Some(Raw(&bytes[start..scanner.at()]))
}

/// See [`Raw::members`].
pub(super) struct Members<'a> {
    bytes: &'a [u8],
    scanner: Scanner<'a>,
    ended: bool,
}

impl<'a> Iterator for Members<'a> {
    type Item = (String, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.scanner.peek()? == b'}' {
            self.ended = true;
            return None;
        }
        let name = next_value(self.bytes, &mut self.scanner)?.text();
        // The colon.
        self.scanner.peek()?;
        self.scanner.skip();
        let value = next_value(self.bytes, &mut self.scanner)?;
        // A comma, or the end.
        self.ended = self.scanner.peek()? == b'}';
        self.scanner.skip();
        Some((name, value))
    }
}

/// See [`Raw::elements`].
pub(super) struct Elements<'a> {
    bytes: &'a [u8],
    scanner: Scanner<'a>,
    ended: bool,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.scanner.peek()? == b']' {
            self.ended = true;
            return None;
        }
        let value = next_value(self.bytes, &mut self.scanner)?;
        self.ended = self.scanner.peek()? == b']';
        self.scanner.skip();
        Some(value)
    }
}

fn unquoted(quoted: &[u8]) -> String {
    let mut text = String::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        push_lossy(&mut text, &rest[..at]);
        rest = push_escape(&mut text, &rest[at + 1..]);
    }
    push_lossy(&mut text, rest);
    text
}

fn push_lossy(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
}

/// Takes what stands behind a backslash; what is left.
fn push_escape<'a>(text: &mut String, rest: &'a [u8]) -> &'a [u8] {
    let Some((letter, rest)) = rest.split_first() else {
        return rest;
    };
    match letter {
        b'b' => text.push('\u{8}'),
        b'f' => text.push('\u{c}'),
        b'n' => text.push('\n'),
        b'r' => text.push('\r'),
        b't' => text.push('\t'),
        b'u' => return push_unit(text, rest),
        other => text.push(char::from(*other)),
    }
    rest
}

fn unit(hex: &[u8]) -> Option<u16> {
    let hex = std::str::from_utf8(hex.get(..4)?).ok()?;
    u16::from_str_radix(hex, 16).ok()
}

fn push_unit<'a>(text: &mut String, rest: &'a [u8]) -> &'a [u8] {
    let Some(first) = unit(rest) else {
        return rest;
    };
    let rest = &rest[4..];
    let second = rest.strip_prefix(br"\u").and_then(unit);
    if let Some(second) = second
        && let Some(Ok(pair)) = char::decode_utf16([first, second]).next()
        && pair.len_utf16() == 2
    {
        text.push(pair);
        return &rest[6..];
    }
    text.push(char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}
