//! The form in which values and texts are compared: characters that escaping
//! adds, changes or loses are left out, encoded ones are decoded.

/// One byte of a text, and the bytes of the source that stand for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) byte: u8,
    /// First byte of the source.
    pub(super) start: u64,
    /// Behind the last one.
    pub(super) end: u64,
}

/// Leaves out what different ways of writing a text disagree on: white space,
/// control characters, quotes, backslashes, `+`, what stands for a character
/// that cannot be shown, and invisible ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Sieve {
    /// The beginning of a character that may have to be left out.
    held: Vec<Unit>,
}

impl Sieve {
    pub(super) fn feed(&mut self, unit: Unit, out: &mut Vec<Unit>) {
        if self.held.is_empty() && unit.byte < 0x80 {
            if !is_left_out(unit.byte) {
                out.push(unit);
            }
            return;
        }
        let held = match *self.held.as_slice() {
            [] => [0; 2],
            [first] => [first.byte, 0],
            [first, second, ..] => [first.byte, second.byte],
        };
        let left_out = matches!(
            (held, unit.byte),
            // C1 controls and the no-break space.
            ([0xc2, 0], 0x80..=0xa0)
            // General punctuation: invisible ones, other spaces and quotes, `…`.
            | ([0xe2, 0x80 | 0x81], 0x80..=0xbf)
            // U+FFFD and the byte order mark.
            | ([0xef, 0xbf], 0xbd)
            | ([0xef, 0xbb], 0xbf)
        );
        if left_out {
            self.held.clear();
            return;
        }
        let goes_on = matches!(
            (held, unit.byte),
            ([0, 0], 0xc2 | 0xe2 | 0xef) | ([0xe2, 0], 0x80 | 0x81) | ([0xef, 0], 0xbf | 0xbb)
        );
        if goes_on {
            self.held.push(unit);
            return;
        }
        if self.held.is_empty() {
            out.push(unit);
        } else {
            out.append(&mut self.held);
            self.feed(unit, out);
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// Gives up what it held back.
    pub(super) fn flush(&mut self, out: &mut Vec<Unit>) {
        out.append(&mut self.held);
    }

    /// Where what it holds back begins.
    pub(super) fn holds_from(&self) -> Option<u64> {
        self.held.first().map(|unit| unit.start)
    }
}

const fn is_left_out(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | 0x7f | b'"' | b'\'' | b'`' | b'\\' | b'+')
}

/// Whether an encoded character may begin here.
pub(super) const fn begins_encoded(byte: u8) -> bool {
    matches!(byte, b'\\' | b'%' | b'&')
}

/// Decodes escapes (`\n`, `\x0a`, `\u{a}`, `\u000a`, `\012`), percent-encoding
/// and HTML entities, each of them also where it was encoded several times.
#[derive(Debug, Clone, Default)]
pub(super) struct Decoder {
    held: Vec<Unit>,
}

/// Longest encoded character; the longest sensible one is a pair of `\uXXXX`
/// that was escaped a few times.
const ENCODED_BYTES_MAX: usize = 64;

impl Decoder {
    pub(super) fn feed(&mut self, unit: Unit, out: &mut Vec<Unit>) {
        if self.held.is_empty() && !begins_encoded(unit.byte) {
            out.push(unit);
            return;
        }
        self.held.push(unit);
        self.settle(false, out);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// Gives up what it held back.
    pub(super) fn flush(&mut self, out: &mut Vec<Unit>) {
        self.settle(true, out);
    }

    /// Where what it holds back begins.
    pub(super) fn holds_from(&self) -> Option<u64> {
        self.held.first().map(|unit| unit.start)
    }

    /// Decodes what is held as far as that can be told, or `at_end` all of it.
    fn settle(&mut self, at_end: bool, out: &mut Vec<Unit>) {
        while let Some(first) = self.held.first().copied() {
            let mut bytes: Vec<u8> = self.held.iter().map(|unit| unit.byte).collect();
            if at_end {
                // Nothing that would go on with it.
                bytes.push(b' ');
            }
            match encoded(&bytes) {
                Found::Cut if !at_end && bytes.len() < ENCODED_BYTES_MAX => return,
                Found::Is { decoded, length } => {
                    let end = self.held[length - 1].end;
                    out.extend(decoded.into_iter().map(|byte| Unit {
                        byte,
                        start: first.start,
                        end,
                    }));
                    self.held.drain(..length);
                }
                Found::Cut | Found::Nothing => {
                    out.push(first);
                    self.held.remove(0);
                }
            }
        }
    }
}

/// What stands at the beginning of some bytes.
enum Found {
    /// An encoded character, of this length.
    Is { decoded: Vec<u8>, length: usize },
    /// It depends on what follows.
    Cut,
    /// A character as it is.
    Nothing,
}

impl Found {
    fn character(code: Option<u32>, length: usize) -> Self {
        let mut buffer = [0; 4];
        let character = code.and_then(char::from_u32).unwrap_or('\u{fffd}');
        let decoded = character.encode_utf8(&mut buffer).as_bytes().to_vec();
        Self::Is { decoded, length }
    }
}

fn encoded(bytes: &[u8]) -> Found {
    match bytes.first() {
        Some(b'%') => percent(bytes),
        Some(b'\\') => escape(bytes),
        Some(b'&') => entity(bytes),
        _ => Found::Nothing,
    }
}

/// `%0A`, and `%250A` where it was encoded again.
fn percent(bytes: &[u8]) -> Found {
    let mut at = 1;
    while bytes[at..].starts_with(b"25") {
        at += 2;
    }
    match bytes[at..] {
        [high, low, ..] => match number(&[high, low], 16) {
            Some(byte) => Found::Is {
                decoded: vec![byte as u8],
                length: at + 2,
            },
            // `%25` alone is a percent sign.
            None if at > 1 => Found::Is {
                decoded: vec![b'%'],
                length: at,
            },
            None => Found::Nothing,
        },
        [digit] if !digit.is_ascii_hexdigit() && at == 1 => Found::Nothing,
        _ => Found::Cut,
    }
}

/// Backslashes, and what they make of what follows. Several are one that was
/// escaped again.
fn escape(bytes: &[u8]) -> Found {
    let slashes = bytes.iter().take_while(|byte| **byte == b'\\').count();
    let rest = &bytes[slashes..];
    let Some(kind) = rest.first() else {
        return Found::Cut;
    };
    match kind {
        b'n' | b'r' | b't' | b'b' | b'f' | b'v' | b'a' | b'e' | b'E' => Found::Is {
            // Which control character it is does not matter.
            decoded: vec![b'\n'],
            length: slashes + 1,
        },
        b'x' => digits(rest, 2, slashes, |code| vec![code as u8]),
        b'u' if rest.get(1) == Some(&b'{') => match rest.iter().position(|byte| *byte == b'}') {
            Some(end) => Found::character(number(&rest[2..end], 16), slashes + end + 1),
            None if rest[2..].iter().all(u8::is_ascii_hexdigit) && rest.len() <= 8 => Found::Cut,
            None => Found::Nothing,
        },
        b'u' if rest.len() == 1 => Found::Cut,
        b'u' => unicode(rest, slashes),
        b'U' => digits(rest, 8, slashes, utf8),
        b'0'..=b'7' => octal(rest, slashes),
        _ => Found::Nothing,
    }
}

/// A letter and exactly `count` hexadecimal digits.
fn digits(rest: &[u8], count: usize, before: usize, decode: fn(u32) -> Vec<u8>) -> Found {
    let given = &rest[1..rest.len().min(1 + count)];
    if !given.iter().all(u8::is_ascii_hexdigit) {
        return Found::Nothing;
    }
    match number(given, 16) {
        Some(code) if given.len() == count => Found::Is {
            decoded: decode(code),
            length: before + 1 + count,
        },
        _ => Found::Cut,
    }
}

fn utf8(code: u32) -> Vec<u8> {
    char::from_u32(code).map_or_else(Vec::new, |c| c.to_string().into_bytes())
}

/// `\uXXXX`, or two of them for what does not fit one.
fn unicode(rest: &[u8], before: usize) -> Found {
    const LENGTH: usize = 5;
    let first = digits(rest, 4, before, utf8);
    let high = match number(rest.get(1..LENGTH).unwrap_or_default(), 16) {
        Some(high @ 0xd800..0xdc00) => high,
        _ => return first,
    };
    let again = &rest[LENGTH..];
    let slashes = again.iter().take_while(|byte| **byte == b'\\').count();
    let second = &again[slashes..];
    if (slashes == 0 && !again.is_empty()) || second.first().is_some_and(|byte| *byte != b'u') {
        return first;
    }
    match number(second.get(1..LENGTH).unwrap_or_default(), 16) {
        Some(low @ 0xdc00..0xe000) => {
            let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            Found::character(Some(code), before + LENGTH + slashes + LENGTH)
        }
        None if second.len() < LENGTH => Found::Cut,
        _ => first,
    }
}

/// One to three octal digits.
fn octal(rest: &[u8], before: usize) -> Found {
    let count = rest
        .iter()
        .take(3)
        .take_while(|byte| matches!(byte, b'0'..=b'7'))
        .count();
    if count < 3 && count == rest.len() {
        return Found::Cut;
    }
    Found::Is {
        decoded: number(&rest[..count], 8).map_or_else(Vec::new, |code| vec![code as u8]),
        length: before + count,
    }
}

/// `&amp;`, `&quot;`, `&#39;`, `&#x27;`, and `&amp;quot;`.
fn entity(bytes: &[u8]) -> Found {
    const NAMED: [(&[u8], char); 6] = [
        (b"amp", '&'),
        (b"lt", '<'),
        (b"gt", '>'),
        (b"quot", '"'),
        (b"apos", '\''),
        (b"nbsp", ' '),
    ];
    const NAME_BYTES_MAX: usize = 8;
    let mut at = 1;
    while bytes[at..].starts_with(b"amp;") {
        at += 4;
    }
    let rest = &bytes[at..];
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
    let length = rest.iter().take_while(|byte| is_name(byte)).count();
    let ended = rest.get(length);
    if length > NAME_BYTES_MAX
        || ended.is_some_and(|byte| *byte != b';')
        || (ended.is_some() && length == 0)
    {
        return match at {
            1 => Found::Nothing,
            length => Found::character(Some('&'.into()), length),
        };
    }
    if ended.is_none() {
        return Found::Cut;
    }
    let name = &rest[..length];
    let code = match name {
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16),
        [b'#', digits @ ..] => number(digits, 10),
        _ => {
            let named = NAMED.iter().find(|(known, _)| *known == name);
            named.map(|(_, character)| u32::from(*character))
        }
    };
    match code {
        Some(code) => Found::character(Some(code), at + length + 1),
        None if at > 1 => Found::character(Some('&'.into()), at),
        None => Found::Nothing,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    // `from_str_radix` would take a sign.
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}
