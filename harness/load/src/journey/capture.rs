//! What steps of a journey take from their answers for those behind them.

use regex_lite::Regex;
use serde_json::Value;
use squall_scenario::{Slot, Take};

use crate::answer::Kept;
use crate::json::json_at;

/// Longest value that is taken.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// Takes one value from an answer.
#[derive(Debug)]
pub(crate) struct Capture {
    /// Its place among the values of its journey.
    pub(crate) index: usize,
    name: String,
    from: From,
    /// Where it will be written, which it has to fit.
    slots: Vec<Slot>,
}

#[derive(Debug)]
enum From {
    Json(String),
    Header(String),
    Regex(Regex),
}

impl Capture {
    /// The nth value of a journey, which is written into `slots` later.
    ///
    /// # Errors
    /// It is no regular expression; in words.
    pub(crate) fn new(
        (index, name): (usize, &str),
        take: &Take,
        slots: Vec<Slot>,
    ) -> Result<Self, String> {
        let from = match take {
            Take::Json(pointer) => From::Json(pointer.clone()),
            Take::Header(name) => From::Header(name.clone()),
            Take::Regex(expression) => {
                From::Regex(Regex::new(expression).map_err(|error| error.to_string())?)
            }
        };
        let name = name.to_owned();
        Ok(Self {
            index,
            name,
            from,
            slots,
        })
    }

    /// Whether the body is looked into.
    pub(crate) const fn reads_body(&self) -> bool {
        match self.from {
            From::Json(_) | From::Regex(_) => true,
            From::Header(_) => false,
        }
    }

    fn find(&self, kept: &Kept) -> Result<String, String> {
        if let Some(why) = kept.unread().filter(|_| self.reads_body()) {
            return Err(why);
        }
        match &self.from {
            From::Json(pointer) => match json_at(&kept.body, pointer)? {
                None | Some(Value::Null) => Err(format!("nothing at json {pointer}")),
                Some(Value::String(text)) => Ok(text),
                Some(other) => Ok(other.to_string()),
            },
            From::Header(name) => {
                let mut fields = kept.fields.iter();
                let field = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
                let (_, value) = field.ok_or_else(|| format!("no header {name}"))?;
                text_of(value, "the header").map(str::to_owned)
            }
            From::Regex(expression) => {
                let body = text_of(&kept.body, "the body")?;
                let found = expression.captures(body);
                let found = found.and_then(|found| found.get(1).or_else(|| found.get(0)));
                let found = found.ok_or("the regular expression fits nowhere in the body")?;
                Ok(found.as_str().to_owned())
            }
        }
    }

    fn fit(&self, value: &str) -> Result<(), String> {
        if value.len() > VALUE_BYTES_MAX {
            let most = VALUE_BYTES_MAX >> 10;
            return Err(format!("it is longer than {most} KiB"));
        }
        for slot in &self.slots {
            let why = slot.write(value, &mut String::new());
            why.map_err(|why| format!("it cannot be sent where it is used: {why}"))?;
        }
        Ok(())
    }
}

/// All values that a step takes from an answer, by their places.
///
/// # Errors
/// The first one that is not there, or cannot be sent where it is used; in words,
/// which do not say what it is.
pub(crate) fn captured(captures: &[Capture], kept: &Kept) -> Result<Vec<(usize, String)>, String> {
    let each = captures.iter().map(|capture| {
        let value = capture.find(kept).and_then(|value| {
            capture.fit(&value)?;
            Ok((capture.index, value))
        });
        value.map_err(|why| format!("take {}: {why}", capture.name))
    });
    each.collect()
}

fn text_of<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, String> {
    std::str::from_utf8(bytes).map_err(|_| format!("{what} is no UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(body: &str) -> Kept {
        Kept {
            fields: vec![("Location".to_owned(), b"/orders/7".to_vec())],
            body: body.as_bytes().to_vec(),
            ..Kept::default()
        }
    }

    #[test]
    fn nothing_is_taken_from_a_body_that_was_not_looked_at() {
        let whole = kept("{\"token\":1}");
        let at = Take::Json("/token".to_owned());
        let capture = [Capture::new((0, "it"), &at, vec![]).unwrap()];
        assert!(captured(&capture, &whole).is_ok());
        let crowded_out = Kept {
            crowded_out: true,
            ..kept("{\"tok")
        };
        let said = captured(&capture, &crowded_out).unwrap_err();
        assert!(said.contains("was not looked at"), "{said}");
        let cut = Kept {
            cut: true,
            ..kept("{\"tok")
        };
        let said = captured(&capture, &cut).unwrap_err();
        assert!(said.contains("more than 1 MiB"), "{said}");
    }

    fn take(take: &Take, slots: &[Slot], body: &str) -> Result<String, String> {
        let capture = Capture::new((0, "it"), take, slots.to_vec()).unwrap();
        let taken = captured(&[capture], &kept(body))?;
        Ok(taken[0].1.clone())
    }

    #[test]
    fn values_are_found_where_they_stand() {
        let json = |pointer: &str| Take::Json(pointer.to_owned());
        let body = r#"{"token":"a b","n":7,"list":[true],"none":null}"#;
        for (pointer, expected) in [("/token", "a b"), ("/n", "7"), ("/list", "[true]")] {
            assert_eq!(take(&json(pointer), &[], body), Ok(expected.to_owned()));
        }
        for pointer in ["/none", "/nothing"] {
            let said = format!("take it: nothing at json {pointer}");
            assert_eq!(take(&json(pointer), &[], body), Err(said));
        }
        let said = take(&json("/a"), &[], "<html>").unwrap_err();
        assert!(said.contains("not JSON"), "{said}");
        let header = |name: &str| Take::Header(name.to_owned());
        assert_eq!(
            take(&header("location"), &[], ""),
            Ok("/orders/7".to_owned())
        );
        assert!(take(&header("etag"), &[], "").is_err());
        let regex = |text: &str| Take::Regex(text.to_owned());
        let page = "<input name=\"csrf\" value=\"x1\">";
        let found = take(&regex("value=\"([^\"]+)\""), &[], page);
        assert_eq!(found, Ok("x1".to_owned()));
        assert_eq!(take(&regex("x[0-9]"), &[], page), Ok("x1".to_owned()));
        assert!(take(&regex("y"), &[], page).is_err());
        assert!(Capture::new((0, "it"), &regex("("), vec![]).is_err());
    }

    #[test]
    fn what_cannot_be_sent_is_told_when_it_is_taken_and_not_shown() {
        let token = Take::Json("/token".to_owned());
        let body = r#"{"token":"secret\nline"}"#;
        assert!(take(&token, &[Slot::Path, Slot::JsonString], body).is_ok());
        let said = take(&token, &[Slot::Path, Slot::Header], body).unwrap_err();
        assert!(
            said.contains("cannot be sent") && !said.contains("secret"),
            "{said}"
        );
        let long = format!(r#"{{"token":"{}"}}"#, "x".repeat(VALUE_BYTES_MAX + 1));
        assert!(take(&token, &[], &long).unwrap_err().contains("64 KiB"));
        let cut = Kept {
            cut: true,
            ..kept(body)
        };
        let capture = Capture::new((0, "it"), &token, vec![]).unwrap();
        assert!(captured(&[capture], &cut).is_err());
    }
}
