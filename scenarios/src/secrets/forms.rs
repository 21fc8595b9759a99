//! What is looked for of a value.

use std::collections::HashMap;
use std::ops::Range;

use super::reading::{Decoder, Sieve, Unit};

/// A value needs as many characters, other than white space, control
/// characters, quotes, backslashes and `+`; shorter ones would be found
/// everywhere and are not looked for.
pub const VALUE_CHARACTERS_MIN: usize = 4;
/// Parts of a longer value are found from this length on, in the same count.
pub const FRAGMENT_CHARACTERS: usize = 12;

/// Lines of a value that are looked for by themselves: a text with something
/// between the lines holds none of its longer stretches.
const LINE_CHARACTERS_MIN: usize = 6;
/// Characters of base64 for a value, or a stretch of one.
const BASE64_MIN: usize = 5;
const BASE64_STRETCH: usize = 16;
/// Stretches of base64 begin with every third byte.
const BASE64_STEP: usize = 4;
/// A longer value is found by its parts.
const WHOLE_BYTES_MAX: usize = 256;
/// Of a value that is longer than this not every stretch is looked for.
const EVERY_STRETCH_BYTES_MAX: usize = 16 << 10;

/// What is looked for, and of which value it is a part.
#[derive(Debug, Default)]
pub(super) struct Forms {
    /// Byte strings; one that several values have is the shortest one's.
    pub(super) wanted: HashMap<Vec<u8>, usize>,
    /// Beginnings of values, with where each character of them ends.
    pub(super) beginnings: Vec<Beginning>,
    lengths: Vec<usize>,
}

/// The first characters of a value.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) of: usize,
    pub(super) bytes: Vec<u8>,
    /// Where each of its characters ends.
    pub(super) ends: Vec<usize>,
}

impl Forms {
    /// Adds a value; values are numbered as they come.
    pub(super) fn add(&mut self, value: &str) {
        let of = self.lengths.len();
        self.lengths.push(value.len());
        let step = 1 + value.len() / EVERY_STRETCH_BYTES_MAX;
        let public = public_parts(value);
        for rounds in 0..=2 {
            let form = Form::of(value, rounds);
            form.stretches(FRAGMENT_CHARACTERS, step, &public, |bytes| {
                self.want(bytes, VALUE_CHARACTERS_MIN, of);
            });
            // What follows may be read together with the sign that it ends with.
            let open = value.trim_end_matches(['%', '&', '\\']);
            if open.len() < value.len() && form.begins.len() <= FRAGMENT_CHARACTERS {
                self.want(Form::of(open, rounds).bytes(), VALUE_CHARACTERS_MIN, of);
            }
            if public.is_empty() {
                self.beginnings.extend(form.beginning(of));
            }
            for line in value.lines() {
                let line = Form::of(line, rounds);
                if (LINE_CHARACTERS_MIN..FRAGMENT_CHARACTERS).contains(&line.begins.len()) {
                    self.want(line.bytes(), VALUE_CHARACTERS_MIN, of);
                }
            }
        }
        for url_safe in [false, true] {
            for before in 0..3 {
                let text = base64_inside(value.as_bytes(), before, url_safe);
                let form = Form::of(&text, 0);
                form.stretches(BASE64_STRETCH, BASE64_STEP * step, &[], |bytes| {
                    self.want(bytes, BASE64_MIN, of);
                });
            }
        }
    }

    fn want(&mut self, bytes: Vec<u8>, characters_min: usize, of: usize) {
        if characters(&bytes) < characters_min {
            return;
        }
        let lengths = &self.lengths;
        let owner = self.wanted.entry(bytes).or_insert(of);
        if lengths[of] < lengths[*owner] {
            *owner = of;
        }
    }
}

fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| is_start(**byte)).count()
}

/// Whether a character of UTF-8 starts with it.
const fn is_start(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

/// A value in the form in which it is compared.
struct Form {
    units: Vec<Unit>,
    /// Where each character begins.
    begins: Vec<usize>,
}

impl Form {
    /// As it is after it was decoded so often.
    fn of(value: &str, rounds: usize) -> Self {
        let mut units: Vec<Unit> = (0..)
            .zip(value.bytes())
            .map(|(start, byte)| Unit {
                byte,
                start,
                end: start + 1,
            })
            .collect();
        for _ in 0..rounds {
            let mut decoder = Decoder::default();
            let mut decoded = Vec::new();
            for unit in units {
                decoder.feed(unit, &mut decoded);
            }
            decoder.flush(&mut decoded);
            units = decoded;
        }
        let mut sieve = Sieve::default();
        let mut kept = Vec::new();
        for unit in units {
            sieve.feed(unit, &mut kept);
        }
        sieve.flush(&mut kept);
        let begins = (0..kept.len()).filter(|at| is_start(kept[*at].byte));
        Self {
            begins: begins.collect(),
            units: kept,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.units.iter().map(|unit| unit.byte).collect()
    }

    /// Hands out every stretch of `length` characters that begins with every
    /// `step`th and holds nothing public; the whole when it is shorter, or when
    /// its stretches do not cover it.
    fn stretches(
        &self,
        length: usize,
        step: usize,
        public: &[Range<u64>],
        mut want: impl FnMut(Vec<u8>),
    ) {
        let count = self.begins.len();
        if count <= length || (!public.is_empty() && self.units.len() <= WHOLE_BYTES_MAX) {
            want(self.bytes());
        }
        let Some(last) = count.checked_sub(length + 1).map(|last| last + 1) else {
            return;
        };
        for first in (0..last).step_by(step).chain([last]) {
            let from = self.begins[first];
            let to = self.begins.get(first + length).copied();
            let units = &self.units[from..to.unwrap_or(self.units.len())];
            let is_public = |unit: &Unit| public.iter().any(|part| part.contains(&unit.start));
            if !units.iter().any(is_public) {
                want(units.iter().map(|unit| unit.byte).collect());
            }
        }
    }

    fn beginning(&self, of: usize) -> Option<Beginning> {
        let count = self.begins.len().min(FRAGMENT_CHARACTERS);
        let ends: Vec<usize> = (1..count).map(|next| self.begins[next]).collect();
        let bytes = self.units[..*ends.last()?].iter().map(|unit| unit.byte);
        let bytes = bytes.collect();
        Some(Beginning { of, bytes, ends })
    }
}

/// What is no secret of an address, although the whole may hold one: that it is
/// a URL, and the host. Other addresses have the same.
fn public_parts(value: &str) -> Vec<Range<u64>> {
    let range = |from: usize, to: usize| from as u64..to as u64;
    let Some(scheme) = value.find("://").map(|at| at + 3) else {
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-[]:".contains(c);
        let port = value.rsplit_once(':').map(|(_, port)| port);
        let number = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        return match value.chars().all(is_host) && port.is_some_and(number) {
            true => vec![range(0, value.len())],
            false => Vec::new(),
        };
    };
    let behind = value[scheme..].find(['/', '?', '#']);
    let behind = behind.map_or(value.len(), |at| scheme + at);
    // Who asks stands before the host, and is none of the public's business.
    match value[scheme..behind].rfind('@') {
        Some(at) => vec![range(0, scheme), range(scheme + at + 1, behind)],
        None => vec![range(0, behind)],
    }
}

/// The characters of base64 that depend on nothing but `value`, with `before`
/// bytes before it in a group of three.
fn base64_inside(value: &[u8], before: usize, url_safe: bool) -> String {
    let bit = |at: usize| {
        let byte = at.checked_sub(before * 8).map(|at| (value[at / 8], at % 8));
        byte.map_or(0, |(byte, at)| usize::from(byte >> (7 - at)) & 1)
    };
    let digits = (before * 8).div_ceil(6)..(before + value.len()) * 8 / 6;
    let digit = |number: usize| {
        let bits = (0..6).fold(0, |bits, at| bits << 1 | bit(number * 6 + at));
        match (bits, url_safe) {
            (0..26, _) => b'A' + bits as u8,
            (26..52, _) => b'a' + (bits - 26) as u8,
            (52..62, _) => b'0' + (bits - 52) as u8,
            (62, false) => b'+',
            (62, true) => b'-',
            (_, false) => b'/',
            (_, true) => b'_',
        }
    };
    digits.map(|number| char::from(digit(number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_base64_makes_of_a_value_is_known_wherever_it_stands() {
        // `printf 'user:s3cret-?>~value' | base64`, and with one and two bytes
        // more before it.
        for (before, encoded) in [
            (2, "dXNlcjpzM2NyZXQtPz5+dmFsdWU="),
            (0, "eHVzZXI6czNjcmV0LT8+fnZhbHVl"),
            (1, "eHh1c2VyOnMzY3JldC0/Pn52YWx1ZQ=="),
        ] {
            let inside = base64_inside(b"s3cret-?>~value", before, false);
            assert!(encoded.contains(&inside), "{before}: {inside}");
            assert!(inside.len() >= 18, "{before}: {inside}");
            let safe = encoded.replace('+', "-").replace('/', "_");
            let inside = base64_inside(b"s3cret-?>~value", before, true);
            assert!(safe.contains(&inside), "{before}: {inside}");
        }
    }

    #[test]
    fn the_host_of_an_address_is_public() {
        let parts = |value: &str| -> Vec<String> {
            let parts = public_parts(value).into_iter();
            let text = |part: Range<u64>| value[part.start as usize..part.end as usize].to_owned();
            parts.map(text).collect()
        };
        assert_eq!(parts("127.0.0.1:8080"), ["127.0.0.1:8080"]);
        assert_eq!(parts("http://a.b:80"), ["http://a.b:80"]);
        assert_eq!(parts("https://a.b/T0/key?x=1"), ["https://a.b"]);
        assert_eq!(parts("pg://me:pw@db:5432/x"), ["pg://", "db:5432"]);
        assert_eq!(parts("me:pw@x"), [""; 0]);
        assert_eq!(parts("s3cret"), [""; 0]);
    }
}
