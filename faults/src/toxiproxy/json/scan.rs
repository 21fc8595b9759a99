//! Where a JSON value ends, or why there is none, in the words of Go's scanner.
//!
//! Nothing here recurses, so no depth of nesting overflows a stack.

use std::fmt;

use thiserror::Error;

/// Nesting at which Go gives up.
const DEPTH_MAX: usize = 10_000;

/// A body that does not begin with a JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(in super::super) enum Malformed {
    /// There is nothing but white space.
    #[error("EOF")]
    Empty,
    /// It ends before the value does.
    #[error("unexpected EOF")]
    CutShort,
    /// A byte that cannot stand where it stands.
    #[error("invalid character {} {context}", Quoted(*byte))]
    Unexpected {
        /// The byte.
        byte: u8,
        /// What was read there.
        context: String,
    },
}

/// A byte as Go quotes it: taken for a character of Latin-1.
struct Quoted(u8);

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b'\'' => f.write_str(r"'\''"),
            b'\\' => f.write_str(r"'\\'"),
            0x07 => f.write_str(r"'\a'"),
            0x08 => f.write_str(r"'\b'"),
            0x0b => f.write_str(r"'\v'"),
            0x0c => f.write_str(r"'\f'"),
            b'\n' => f.write_str(r"'\n'"),
            b'\r' => f.write_str(r"'\r'"),
            b'\t' => f.write_str(r"'\t'"),
            byte @ (..0x20 | 0x7f) => write!(f, r"'\x{byte:02x}'"),
            byte @ (0x80..=0xa0 | 0xad) => write!(f, r"'\u{byte:04x}'"),
            byte => write!(f, "'{}'", char::from(byte)),
        }
    }
}

/// What may come next.
enum Expected {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    /// A comma or the end of what is open.
    More,
}

#[derive(Clone, Copy)]
enum Open {
    Object,
    Array,
}

/// Reads bytes from the front.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    open: Vec<Open>,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            open: Vec::new(),
        }
    }

    /// Where it is.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The next byte that is no white space, if there is one; it stays.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let rest = &self.bytes[self.at..];
        let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.at += rest.iter().take_while(space).count();
        self.bytes.get(self.at).copied()
    }

    /// Goes past the byte that is next.
    pub(super) const fn skip(&mut self) {
        self.at += 1;
    }

    /// Goes past one value.
    pub(super) fn value(&mut self) -> Result<(), Malformed> {
        let mut expected = Expected::Value;
        loop {
            let byte = self.peek().ok_or(Malformed::CutShort)?;
            expected = match expected {
                Expected::Value | Expected::ValueOrEnd => {
                    let may_end = matches!(expected, Expected::ValueOrEnd);
                    self.begin(byte, may_end)?
                }
                Expected::Key | Expected::KeyOrEnd => {
                    let may_end = matches!(expected, Expected::KeyOrEnd);
                    self.key(byte, may_end)?
                }
                Expected::More => self.more(byte)?,
            };
            if matches!(expected, Expected::More) && self.open.is_empty() {
                return Ok(());
            }
        }
    }

    fn begin(&mut self, byte: u8, may_end: bool) -> Result<Expected, Malformed> {
        match byte {
            b'{' => self.enter(byte, Open::Object, Expected::KeyOrEnd),
            b'[' => self.enter(byte, Open::Array, Expected::ValueOrEnd),
            b']' if may_end => Ok(self.leave()),
            b'"' => self.string().map(|()| Expected::More),
            b'-' | b'0'..=b'9' => self.number().map(|()| Expected::More),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => unexpected(byte, "looking for beginning of value"),
        }
    }

    fn key(&mut self, byte: u8, may_end: bool) -> Result<Expected, Malformed> {
        match byte {
            b'}' if may_end => return Ok(self.leave()),
            b'"' => self.string()?,
            _ => return unexpected(byte, "looking for beginning of object key string"),
        }
        match self.peek().ok_or(Malformed::CutShort)? {
            b':' => self.skip(),
            byte => return unexpected(byte, "after object key"),
        }
        Ok(Expected::Value)
    }

    fn more(&mut self, byte: u8) -> Result<Expected, Malformed> {
        match (self.open.last(), byte) {
            (Some(Open::Object), b'}') | (Some(Open::Array), b']') => Ok(self.leave()),
            (Some(Open::Object), b',') => {
                self.skip();
                Ok(Expected::Key)
            }
            (Some(Open::Array), b',') => {
                self.skip();
                Ok(Expected::Value)
            }
            (Some(Open::Object), _) => unexpected(byte, "after object key:value pair"),
            (Some(Open::Array), _) => unexpected(byte, "after array element"),
            (None, _) => unexpected(byte, "after top-level value"),
        }
    }

    fn enter(&mut self, byte: u8, what: Open, then: Expected) -> Result<Expected, Malformed> {
        self.skip();
        self.open.push(what);
        if self.open.len() > DEPTH_MAX {
            return unexpected(byte, "exceeded max depth");
        }
        Ok(then)
    }

    fn leave(&mut self) -> Expected {
        self.skip();
        self.open.pop();
        Expected::More
    }

    fn take(&mut self) -> Result<u8, Malformed> {
        let byte = self.bytes.get(self.at).ok_or(Malformed::CutShort)?;
        self.at += 1;
        Ok(*byte)
    }

    /// Goes past a string whose quote is next.
    pub(super) fn string(&mut self) -> Result<(), Malformed> {
        self.skip();
        loop {
            match self.take()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                byte @ ..0x20 => return unexpected(byte, "in string literal"),
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        match self.take()? {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
            b'u' => {
                for _ in 0..4 {
                    let byte = self.take()?;
                    if !byte.is_ascii_hexdigit() {
                        return unexpected(byte, r"in \u hexadecimal character escape");
                    }
                }
            }
            byte => return unexpected(byte, "in string escape code"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Malformed> {
        let mut first = self.take()?;
        if first == b'-' {
            first = self.take()?;
            if !first.is_ascii_digit() {
                return unexpected(first, "in numeric literal");
            }
        }
        if first != b'0' {
            self.digits();
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.skip();
            self.at_least_a_digit("after decimal point in numeric literal")?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.skip();
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.skip();
            }
            self.at_least_a_digit("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digits(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    }

    fn at_least_a_digit(&mut self, context: &str) -> Result<(), Malformed> {
        let byte = self.take()?;
        if !byte.is_ascii_digit() {
            return unexpected(byte, context);
        }
        self.digits();
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<Expected, Malformed> {
        for expected in word.bytes() {
            let byte = self.take()?;
            if byte != expected {
                let expected = char::from(expected);
                let context = format!("in literal {word} (expecting '{expected}')");
                return unexpected(byte, &context);
            }
        }
        Ok(Expected::More)
    }
}

fn unexpected<T>(byte: u8, context: &str) -> Result<T, Malformed> {
    let context = context.to_owned();
    Err(Malformed::Unexpected { byte, context })
}
