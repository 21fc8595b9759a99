//! The events of a stream as the JSON that checks look into.

use serde_json::Value;

use crate::answer::KEPT_LIST_BYTES_MAX;
use crate::json::is_json;

/// What is called so where its server says no type.
const UNNAMED: &str = "message";

/// The events of a stream, or of the front of one, as a list of their types, ids and
/// data: `[{"event":"message","id":"7","data":{"price":3}}]`. Data that are JSON stand
/// there as they came, others as a text. What has no end is none.
///
/// They are what a browser makes of it (WHATWG HTML, §9.2.6): each has the last id that
/// was given, so that the list may be much longer than the stream. `None` where it is
/// longer than [`KEPT_LIST_BYTES_MAX`].
pub(crate) fn json_of_events(stream: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(stream);
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut list = String::from("[");
    let (mut event, mut id) = ("", None);
    let mut data: Option<String> = None;
    while let Some((line, behind)) = line(rest) {
        rest = behind;
        if line.is_empty() {
            let event = std::mem::take(&mut event);
            if let Some(data) = data.take() {
                push(&mut list, event, id.as_deref(), &data);
            }
            if list.len() > KEPT_LIST_BYTES_MAX {
                return None;
            }
            continue;
        }
        // A line that begins with a colon is a comment: its name is empty.
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => event = value,
            "data" => match &mut data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => {
                id = Some(value).filter(|id| !id.is_empty()).map(quoted);
            }
            _ => {}
        }
    }
    list.push(']');
    Some(list.into_bytes())
}

/// Adds an event; its id is in quotes already.
fn push(list: &mut String, event: &str, id: Option<&str>, data: &str) {
    if list.len() > 1 {
        list.push(',');
    }
    list.push_str("{\"event\":");
    list.push_str(&quoted(if event.is_empty() { UNNAMED } else { event }));
    if let Some(id) = id {
        list.push_str(",\"id\":");
        list.push_str(id);
    }
    list.push_str(",\"data\":");
    match is_json(data) {
        true => list.push_str(data),
        false => list.push_str(&quoted(data)),
    }
    list.push('}');
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The first line, where it has an end, and what follows.
fn line(text: &str) -> Option<(&str, &str)> {
    let end = memchr::memchr2(b'\r', b'\n', text.as_bytes())?;
    let (line, rest) = (&text[..end], &text[end..]);
    let rest = rest.strip_prefix("\r\n").unwrap_or(&rest[1..]);
    Some((line, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type, id and data.
    type Event = [String; 3];

    fn event(event: &str, id: &str, data: &str) -> Event {
        [event, id, data].map(str::to_owned)
    }

    fn events(stream: &str) -> Vec<Event> {
        let json = json_of_events(stream.as_bytes()).unwrap();
        let list: Vec<Value> = serde_json::from_slice(&json).unwrap();
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let each = list.iter();
        each.map(|it| ["event", "id", "data"].map(|name| text(&it[name])))
            .collect()
    }

    /// Those of the specification, and what it says besides.
    #[test]
    fn events_are_those_that_a_browser_sees() {
        for (stream, seen) in [
            (
                "data: YHOO\ndata: +2\ndata: 10\n\n",
                vec![event("message", "", "YHOO\n+2\n10")],
            ),
            (
                ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
                vec![
                    event("message", "1", "first event"),
                    event("message", "", "second event"),
                    event("message", "", " third event"),
                ],
            ),
            (
                "data\n\ndata\ndata\n\ndata:",
                vec![event("message", "", ""), event("message", "", "\n")],
            ),
            (
                "data:test\n\ndata: test\n\n",
                vec![event("message", "", "test"), event("message", "", "test")],
            ),
            ("\u{feff}data: a\r\r", vec![event("message", "", "a")]),
            ("\u{feff}\u{feff}data: a\n\n", vec![]),
            (
                "event: add\r\ndata: 7\r\n\r\nevent: gone\n\ndata: 8\n\n",
                vec![event("add", "", "7"), event("message", "", "8")],
            ),
            (
                "id: 1\n\ndata: a\n\nid: 2\0\ndata: b\n\n",
                vec![event("message", "1", "a"), event("message", "1", "b")],
            ),
            ("retry: 10\ndata : no\nDATA: no\ndatas: no\n\n", vec![]),
            ("data: no end\n", vec![]),
        ] {
            assert_eq!(events(stream), seen, "{stream:?}");
        }
    }

    #[test]
    fn data_that_are_json_stand_there_as_they_came() {
        let stream = "id: \"1\"\nevent: é\ndata: {\"price\": 1.50}\n\ndata: [DONE]\n\ndata: 7\n\ndata: \"s\"\n\n";
        let json = String::from_utf8(json_of_events(stream.as_bytes()).unwrap()).unwrap();
        let one = r#"{"event":"é","id":"\"1\"","data":{"price": 1.50}}"#;
        let id = r#""event":"message","id":"\"1\"""#;
        assert_eq!(
            json,
            format!(r#"[{one},{{{id},"data":"[DONE]"}},{{{id},"data":7}},{{{id},"data":"s"}}]"#)
        );
        assert_eq!(json_of_events(b"").unwrap(), b"[]");
        assert_eq!(
            json_of_events(b"data: \xff\n\n").unwrap(),
            "[{\"event\":\"message\",\"data\":\"\u{fffd}\"}]".as_bytes()
        );
    }

    /// A long id stands at every event behind it, though the stream says it once.
    #[test]
    fn a_small_stream_makes_no_list_without_bound() {
        let stream = |id: usize, events: usize| {
            let id = "x".repeat(id);
            format!("id: {id}\n{}", "data\n\n".repeat(events))
        };
        let made = |id, events| json_of_events(stream(id, events).as_bytes());
        let short = made(10_000, 800).map(|list| list.len());
        assert!(short.is_some_and(|bytes| (8_000_000..=KEPT_LIST_BYTES_MAX).contains(&bytes)));
        assert_eq!(made(10_000, 4_000).map(|list| list.len()), None);
        // Without ids, the smallest events there are make one.
        let most = crate::answer::KEPT_BODY_BYTES_MAX / "data\n\n".len();
        assert!(json_of_events("data\n\n".repeat(most).as_bytes()).is_some());
    }
}
