//! What an answer says of how it may be used again, to the cache of one user (RFC 9111).
//!
//! `s-maxage`, `public`, `private` and `proxy-revalidate` are for caches that are shared.
//! Nothing stale is ever used without asking, so `must-revalidate` asks for nothing more;
//! where an answer says nothing, no time is guessed for it.

use std::time::Duration;

use super::super::dates::seconds;

/// Longer times count as this (RFC 9111 §1.2.2): 68 years.
const SECONDS_MAX: u64 = 1 << 31;

/// Most names of fields, each time that it is said, on which an answer depends that is
/// kept.
const VARIES_MAX: usize = 64;

/// How an answer may be used again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// How long it is fresh from when it was asked for, its age on the way taken off;
    /// nothing, where it is asked for each time whether it is still so.
    pub(super) fresh_for: Duration,
    /// Names of the request's fields on which it depends, in lower case.
    pub(super) varies: Vec<String>,
    /// Whether the server can be asked if it is still so.
    pub(super) validators: Validators,
}

/// By what a server knows whether an answer is still so, each as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Validators {
    pub(super) etag: Option<Vec<u8>>,
    pub(super) modified: Option<Vec<u8>>,
}

impl Validators {
    fn of(fields: &[(String, Vec<u8>)]) -> Self {
        let one = |wanted: &'static str| {
            let value = named(fields, wanted).next()?.trim_ascii();
            let sendable = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
            (!value.is_empty() && value.iter().all(sendable)).then(|| value.to_vec())
        };
        Self {
            etag: one("etag"),
            modified: one("last-modified"),
        }
    }

    const fn is_empty(&self) -> bool {
        self.etag.is_none() && self.modified.is_none()
    }

    /// The header fields of a request that asks whether it is still so.
    pub(super) fn conditions(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        let fields = [
            (&b"if-none-match: "[..], &self.etag),
            (b"if-modified-since: ", &self.modified),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                lines.extend_from_slice(name);
                lines.extend_from_slice(value);
                lines.extend_from_slice(b"\r\n");
            }
        }
        lines
    }

    /// Whether an answer that says "still so" with these fields speaks of the one with
    /// these validators: a tag that it names has to be the same.
    pub(super) fn are_meant_by(&self, fields: &[(String, Vec<u8>)]) -> bool {
        match (Self::of(fields).etag, &self.etag) {
            (Some(named), Some(own)) => opaque(&named) == opaque(own),
            (Some(_), None) => false,
            (None, _) => true,
        }
    }
}

/// A tag without the mark that it is weak.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

impl Policy {
    /// How an answer with these fields may be used again; `None` where it may not be
    /// kept, or keeping it is of no use.
    pub(super) fn of(fields: &[(String, Vec<u8>)]) -> Option<Self> {
        let said: Vec<_> = named(fields, "cache-control")
            .flat_map(directives)
            .collect();
        let says = |name: &str| said.iter().any(|(known, _)| known == name);
        let varies = varies(fields)?;
        if says("no-store") {
            return None;
        }
        let lifetime = match says("no-cache") {
            true => 0,
            false => lifetime(fields, &said),
        };
        let policy = Self {
            fresh_for: Duration::from_secs(lifetime.saturating_sub(age(fields))),
            varies,
            validators: Validators::of(fields),
        };
        let useful = !policy.fresh_for.is_zero() || !policy.validators.is_empty();
        useful.then_some(policy)
    }
}

/// Seconds for which an answer is fresh. What is said twice, or not to be understood,
/// makes it stale.
fn lifetime(fields: &[(String, Vec<u8>)], said: &[(String, Option<Vec<u8>>)]) -> u64 {
    let mut ages = said.iter().filter(|(name, _)| name == "max-age");
    match (ages.next(), ages.next()) {
        (Some((_, age)), None) => return age.as_deref().and_then(count).unwrap_or(0),
        (Some(_), Some(_)) => return 0,
        (None, _) => {}
    }
    let mut ends = named(fields, "expires");
    let (Some(end), None) = (ends.next(), ends.next()) else {
        return 0;
    };
    let date = named(fields, "date").next();
    // The two are of one clock, which need not be ours.
    let (Some(end), Some(date)) = (seconds(end), date.and_then(seconds)) else {
        return 0;
    };
    u64::try_from(end.saturating_sub(date)).map_or(0, |lives| lives.min(SECONDS_MAX))
}

/// How many seconds old an answer was when it was sent, of the first number there is.
fn age(fields: &[(String, Vec<u8>)]) -> u64 {
    let first = named(fields, "age").next();
    let first = first.and_then(|value| value.split(|byte| *byte == b',').next());
    first.and_then(count).unwrap_or(0)
}

/// A number of seconds.
fn count(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    let sound = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = || std::str::from_utf8(text).ok()?.parse::<u64>().ok();
    sound.then(|| number().unwrap_or(SECONDS_MAX).min(SECONDS_MAX))
}

/// Names of the request's fields on which an answer depends; `None` where no later
/// request is known to be like its own (`*`), or there are too many.
fn varies(fields: &[(String, Vec<u8>)]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut said = 0;
    for value in named(fields, "vary") {
        for name in value.split(|byte| *byte == b',') {
            let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
            if name == "*" {
                return None;
            }
            if name.is_empty() {
                continue;
            }
            said += 1;
            if said > VARIES_MAX {
                return None;
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Some(names)
}

/// The values of a field, in the order of its lines.
pub(super) fn named<'f>(
    fields: &'f [(String, Vec<u8>)],
    wanted: &'static str,
) -> impl Iterator<Item = &'f [u8]> {
    let own = fields.iter();
    let own = own.filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
    own.map(|(_, value)| value.as_slice())
}

/// Directives of `cache-control`: names in lower case, and their values, in quotes or
/// without.
fn directives(value: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    let mut part = Vec::new();
    let (mut quoted, mut escaped) = (false, false);
    for byte in value.iter().chain(b",") {
        match byte {
            _ if escaped => {
                part.push(*byte);
                escaped = false;
            }
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                all.extend(directive(&part));
                part.clear();
            }
            _ => part.push(*byte),
        }
    }
    // Quotes without an end: the name counts.
    all.extend(directive(&part));
    all
}

fn directive(part: &[u8]) -> Option<(String, Option<Vec<u8>>)> {
    let mut halves = part.splitn(2, |byte| *byte == b'=');
    let name = halves.next()?.trim_ascii();
    let value = halves.next().map(|value| value.trim_ascii().to_vec());
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    (!name.is_empty()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[&str]) -> Option<Policy> {
        let fields: Vec<(String, Vec<u8>)> = fields
            .iter()
            .map(|field| {
                let (name, value) = field.split_once(": ").unwrap();
                (name.to_owned(), value.as_bytes().to_vec())
            })
            .collect();
        Policy::of(&fields)
    }

    /// Seconds for which an answer with these fields, and a tag, is fresh.
    fn fresh_s(fields: &[&str]) -> Option<u64> {
        let fields: Vec<&str> = fields.iter().copied().chain(["ETag: \"a\""]).collect();
        of(&fields).map(|policy| policy.fresh_for.as_secs())
    }

    #[test]
    fn an_answer_is_fresh_for_as_long_as_it_says_to_one_user() {
        let date = "Date: Wed, 09 Jun 2021 10:18:14 GMT";
        let later = "Expires: Wed, 09 Jun 2021 10:19:14 GMT";
        let cases: &[(&[&str], u64)] = &[
            (&[], 0),
            (&["Cache-Control: max-age=60"], 60),
            (&["cache-control: Private, MAX-AGE=\"60\", immutable"], 60),
            (&["Cache-Control: public, s-maxage=9, max-age=60"], 60),
            (&["Cache-Control: s-maxage=60"], 0),
            (&["Cache-Control: max-age=60", "Cache-Control: no-cache"], 0),
            (
                &["Cache-Control: max-age=60, no-cache=\"set-cookie, x\""],
                0,
            ),
            (&["Cache-Control: x=\"no-cache, no-store\", max-age=60"], 60),
            (&["Cache-Control: max-age=60, must-revalidate"], 60),
            // Said twice, or not to be understood.
            (&["Cache-Control: max-age=60, max-age=60"], 0),
            (&["Cache-Control: max-age=soon", date, later], 0),
            (&["Cache-Control: max-age=-1"], 0),
            (&["Cache-Control: max-age", date, later], 0),
            (&["Cache-Control: max-age=99999999999999999999"], 1 << 31),
            // What was spent on the way.
            (&["Cache-Control: max-age=60", "Age: 20"], 40),
            (&["Cache-Control: max-age=60", "Age: 20, 50"], 40),
            (&["Cache-Control: max-age=60", "Age: 61"], 0),
            (&["Cache-Control: max-age=60", "Age: old"], 60),
            (&[date, later], 60),
            (&[date, later, "Cache-Control: max-age=7"], 7),
            (&[date, later, later], 0),
            (&[later], 0),
            (&[date, "Expires: 0"], 0),
            (&[later, "Date: Thu, 10 Jun 2021 10:18:14 GMT"], 0),
            // No time is guessed.
            (&[date, "Last-Modified: Wed, 09 Jun 1999 10:18:14 GMT"], 0),
        ];
        for (fields, expected) in cases {
            assert_eq!(fresh_s(fields), Some(*expected), "{fields:?}");
        }
    }

    #[test]
    fn what_may_not_be_kept_or_is_of_no_use_is_not() {
        for fields in [
            &["Cache-Control: no-store"][..],
            &["Cache-Control: max-age=60, No-Store"],
            &["Cache-Control: no-store=\"x"],
            &["Cache-Control: max-age=60", "Vary: accept, *"],
        ] {
            assert_eq!(fresh_s(fields), None, "{fields:?}");
        }
        assert_eq!(of(&["Cache-Control: no-cache"]), None, "nothing to ask by");
        assert_eq!(of(&["Cache-Control: max-age=0"]), None);
        let many = |count: usize| {
            let vary = format!("Vary: {}", ",x".repeat(count));
            let policy = of(&["Cache-Control: max-age=60", &vary]);
            policy.map(|policy| policy.varies)
        };
        assert_eq!(many(VARIES_MAX), Some(vec!["x".to_owned()]));
        assert_eq!(many(VARIES_MAX + 1), None, "they are not even looked at");
        let broken = of(&["ETag: \"a\r\nx: y\""]);
        assert_eq!(broken, None, "it cannot be sent");
    }

    #[test]
    fn conditions_and_variants_are_as_the_answer_names_them() {
        let policy = of(&[
            "ETag: W/\"a\"",
            "Last-Modified: Wed, 09 Jun 1999 10:18:14 GMT",
            "Vary: Accept, X-Tag",
            "vary: accept",
        ]);
        let policy = policy.unwrap();
        assert_eq!(policy.varies, ["accept", "x-tag"]);
        let expected = "if-none-match: W/\"a\"\r\n\
                        if-modified-since: Wed, 09 Jun 1999 10:18:14 GMT\r\n";
        let validators = policy.validators;
        assert_eq!(validators.conditions(), expected.as_bytes());
        let means = |tag: &str| {
            let tag = tag.as_bytes().to_vec();
            validators.are_meant_by(&[("etag".to_owned(), tag)])
        };
        assert!(means("\"a\"") && means("W/\"a\"") && !means("\"b\""));
        assert!(validators.are_meant_by(&[]));
    }
}
