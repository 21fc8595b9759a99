//! Whether an answer is what its request expects, besides its status.

use std::borrow::Cow;

use memchr::memmem;
use serde_json::Value;
use squall_scenario::{AnswerCheck, Digest, Expected, Template};

use crate::answer::Kept;
use crate::json::json_at;

/// Longest part of a value that is told.
const SHOWN_CHARACTERS: usize = 80;

/// The first check that does not hold, in words; `None` where all do. `value` knows
/// the values that the request was made with.
pub(crate) fn first_broken<'c, 'v>(
    checks: impl IntoIterator<Item = &'c AnswerCheck>,
    kept: &Kept,
    body_bytes: u64,
    mut value: impl FnMut(&str) -> Option<Cow<'v, str>>,
) -> Option<String> {
    checks.into_iter().find_map(|check| {
        if let Some(why) = kept.unread().filter(|_| check.reads_body()) {
            return Some(why);
        }
        match check {
            AnswerCheck::Header { name, expected } => {
                let there = kept
                    .fields
                    .iter()
                    .filter(|(known, _)| known.eq_ignore_ascii_case(name))
                    .map(|(_, value)| Cow::Borrowed(value.as_slice()));
                let said = is_as(expected, there, &mut value);
                said.map(|said| format!("header {name}: {said}"))
            }
            AnswerCheck::Json { pointer, expected } => {
                let found = match json_at(&kept.body, pointer) {
                    Ok(found) => found,
                    Err(why) => return Some(why),
                };
                let there = found.as_ref().map(written);
                let said = is_as(expected, there.into_iter(), &mut value);
                said.map(|said| format!("json {pointer}: {said}"))
            }
            AnswerCheck::Contains(text) => match contains(&kept.body, text, &mut value) {
                Ok(true) => None,
                Ok(false) => Some(format!("the body does not contain {}", named(text))),
                Err(unknown) => Some(unknown),
            },
            AnswerCheck::Lacks(text) => match contains(&kept.body, text, &mut value) {
                Ok(true) => Some(format!("the body contains {}", named(text))),
                Ok(false) => None,
                Err(unknown) => Some(unknown),
            },
            AnswerCheck::AtLeast(size) => (body_bytes < size.0)
                .then(|| format!("the body has {body_bytes} bytes, fewer than {size}")),
            AnswerCheck::AtMost(size) => (body_bytes > size.0)
                .then(|| format!("the body has {body_bytes} bytes, more than {size}")),
            AnswerCheck::Series(check) => {
                let series = kept.series.unwrap_or_default();
                check.broken(&series, "messages")
            }
            AnswerCheck::Events(check) => {
                let series = kept.series.unwrap_or_default();
                check.broken(&series, "events")
            }
            AnswerCheck::Sha256(expected) => {
                let is = Digest::new(kept.sha256.unwrap_or_default());
                (is != *expected).then(|| format!("the body's sha256 is {is}"))
            }
        }
    })
}

/// What is wrong with what is there, if anything.
fn is_as<'a, 'v>(
    expected: &Expected,
    mut there: impl Iterator<Item = Cow<'a, [u8]>>,
    mut value: impl FnMut(&str) -> Option<Cow<'v, str>>,
) -> Option<String> {
    match expected {
        Expected::Present => there.next().is_none().then(|| "absent".to_owned()),
        Expected::Absent => there.next().map(|is| shown(&is)),
        Expected::Like(text) => {
            let mut is = None;
            for one in there {
                match text.fits(&one, &mut value) {
                    Ok(true) => return None,
                    Ok(false) => is = Some(one),
                    Err(unknown) => return Some(unknown.to_string()),
                }
            }
            let is = is.map_or_else(|| "absent".to_owned(), |is| shown(&is));
            Some(format!("{is}, not {}", named(text)))
        }
    }
}

/// A value of JSON as it is compared: a text without its quotes, anything else as it
/// is written.
fn written(value: &Value) -> Cow<'_, [u8]> {
    match value {
        Value::String(text) => Cow::Borrowed(text.as_bytes()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Cow::Owned(value.to_string().into_bytes())
        }
    }
}

/// Whether a body has a text with its values in it.
fn contains<'v>(
    body: &[u8],
    text: &Template,
    value: impl FnMut(&str) -> Option<Cow<'v, str>>,
) -> Result<bool, String> {
    let text = text.render(value).map_err(|unknown| unknown.to_string())?;
    Ok(memmem::find(body, text.as_bytes()).is_some())
}

/// A text as the scenario writes it: values that an arrival drew may be secret.
fn named(text: &Template) -> String {
    shown(text.source().as_bytes())
}

/// As much of it as people read.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut short: String = text.chars().take(SHOWN_CHARACTERS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use squall_scenario::ByteCount;

    use super::*;

    const BODY: &str = r#"{"rows":[{"id":7,"title":"Storm"}],"next":null,"more":false}"#;

    fn kept() -> Kept {
        Kept {
            fields: vec![
                ("Content-Type".to_owned(), b"application/json".to_vec()),
                ("set-cookie".to_owned(), b"a=1".to_vec()),
                ("set-cookie".to_owned(), b"b=2".to_vec()),
            ],
            body: BODY.as_bytes().to_vec(),
            cut: false,
            list_cut: false,
            crowded_out: false,
            sha256: Some([7; 32]),
            series: None,
            told: None,
        }
    }

    fn like(text: &str) -> Expected {
        Expected::Like(Template::parse(text))
    }

    fn broken(check: AnswerCheck) -> Option<String> {
        let value = |name: &str| (name == "id").then_some(Cow::Borrowed("7"));
        first_broken(&[check], &kept(), BODY.len() as u64, value)
    }

    fn header(name: &str, expected: Expected) -> Option<String> {
        let name = name.to_owned();
        broken(AnswerCheck::Header { name, expected })
    }

    fn json(pointer: &str, expected: Expected) -> Option<String> {
        let pointer = pointer.to_owned();
        broken(AnswerCheck::Json { pointer, expected })
    }

    #[test]
    fn headers_are_found_in_any_case_and_any_of_them_may_fit() {
        assert_eq!(header("content-type", Expected::Present), None);
        assert_eq!(header("content-type", like("application/*")), None);
        assert_eq!(header("set-cookie", like("b=*")), None);
        assert_eq!(header("x-fallback", Expected::Absent), None);
        let said = header("x-fallback", Expected::Present);
        assert_eq!(said.as_deref(), Some("header x-fallback: absent"));
        let said = header("content-type", Expected::Absent);
        assert_eq!(
            said.as_deref(),
            Some(r#"header content-type: "application/json""#)
        );
        let said = header("set-cookie", like("c=*"));
        assert_eq!(
            said.as_deref(),
            Some(r#"header set-cookie: "b=2", not "c=*""#)
        );
    }

    #[test]
    fn values_of_json_are_compared_as_they_are_written() {
        for (pointer, expected) in [
            ("/rows/0/title", like("Storm")),
            ("/rows/0/id", like("$id")),
            ("/next", like("null")),
            ("/next", Expected::Present),
            ("/more", like("false")),
            ("/rows/1", Expected::Absent),
            ("", like("{*}")),
        ] {
            assert_eq!(
                json(pointer, expected.clone()),
                None,
                "{pointer} {expected}"
            );
        }
        let said = json("/rows/0/id", like("8"));
        assert_eq!(said.as_deref(), Some(r#"json /rows/0/id: "7", not "8""#));
        let said = json("/rows/1", Expected::Present);
        assert_eq!(said.as_deref(), Some("json /rows/1: absent"));
    }

    #[test]
    fn bodies_are_looked_into() {
        let text = Template::parse;
        assert_eq!(broken(AnswerCheck::Contains(text(r#""rows":"#))), None);
        assert_eq!(broken(AnswerCheck::Lacks(text("error"))), None);
        assert!(broken(AnswerCheck::Contains(text("error"))).is_some());
        assert!(broken(AnswerCheck::Lacks(text("rows"))).is_some());
        let size = BODY.len() as u64;
        for (at, least, most) in [
            (size - 1, true, false),
            (size, true, true),
            (size + 1, false, true),
        ] {
            assert_eq!(broken(AnswerCheck::AtLeast(ByteCount(at))).is_none(), least);
            assert_eq!(broken(AnswerCheck::AtMost(ByteCount(at))).is_none(), most);
        }
        let is = Digest::new([7; 32]);
        assert_eq!(broken(AnswerCheck::Sha256(is)), None);
        let said = broken(AnswerCheck::Sha256(Digest::new([0; 32])));
        assert_eq!(said, Some(format!("the body's sha256 is {is}")));
    }

    #[test]
    fn what_was_not_read_whole_is_not_vouched_for() {
        let cut = Kept {
            cut: true,
            ..kept()
        };
        let lacks = AnswerCheck::Lacks(Template::parse("error"));
        let said = first_broken(&[lacks], &cut, 1 << 30, |_| None).unwrap();
        assert!(said.contains("more than 1 MiB"), "{said}");
        let crowded_out = Kept {
            crowded_out: true,
            ..kept()
        };
        let mut listed = kept();
        listed.listed(None);
        let lacks = AnswerCheck::Lacks(Template::parse("error"));
        let said = first_broken(&[lacks], &listed, 1, |_| None).unwrap();
        assert!(
            said.contains("what came has more than 8 MiB as JSON"),
            "{said}"
        );
        let lacks = AnswerCheck::Lacks(Template::parse("error"));
        let said = first_broken(&[lacks], &crowded_out, 1, |_| None).unwrap();
        assert!(said.contains("was not looked at"), "{said}");
        let most = AnswerCheck::AtLeast(ByteCount(1 << 29));
        assert_eq!(first_broken(&[most], &cut, 1 << 30, |_| None), None);
    }

    /// A value stands for itself, whatever is in it, and one that there is not is told.
    #[test]
    fn values_are_no_wildcards_and_have_to_be_there() {
        let check = |text: &str| AnswerCheck::Json {
            pointer: "/rows/0/title".to_owned(),
            expected: like(text),
        };
        let said = |text, star: &'static str| {
            first_broken(&[check(text)], &kept(), 1, |name| {
                (name == "star").then_some(Cow::Borrowed(star))
            })
        };
        assert_eq!(said("$star", "Storm"), None);
        let broken = said("$star", "S*");
        assert_eq!(
            broken.as_deref(),
            Some(r#"json /rows/0/title: "Storm", not "$star""#)
        );
        assert_eq!(said("S*$star", "m"), None);
        let unknown = said("$nobody", "").unwrap();
        assert!(unknown.contains("nobody"), "{unknown}");
        let lacks = AnswerCheck::Lacks(Template::parse("$nobody"));
        assert!(first_broken(&[lacks], &kept(), 1, |_| None).is_some());
    }

    #[test]
    fn what_is_no_json_says_so() {
        let page = Kept {
            body: b"<html>".to_vec(),
            ..kept()
        };
        let check = AnswerCheck::Json {
            pointer: "/a".to_owned(),
            expected: Expected::Absent,
        };
        let said = first_broken(&[check], &page, 6, |_| None).unwrap();
        assert!(said.starts_with("the body is not JSON"), "{said}");
    }
}
