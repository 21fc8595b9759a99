//! The events of a stream as the JSON that checks look into.

use std::borrow::Cow;

use serde_json::Value;

/// What is called so where its server says no type.
const UNNAMED: &str = "message";

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    /// Its type.
    event: String,
    /// The last id that was given.
    id: String,
    data: String,
}

/// The events of a stream, or of the front of one, as a list of their types, ids and
/// data: `[{"event":"message","id":"7","data":{"price":3}}]`. Data that are JSON stand
/// there as they came, others as a text. What has no end is none.
pub(crate) fn json_of_events(stream: &[u8]) -> Vec<u8> {
    let mut list = String::from("[");
    for event in events(stream) {
        if list.len() > 1 {
            list.push(',');
        }
        list.push_str("{\"event\":");
        list.push_str(&quoted(&event.event));
        if !event.id.is_empty() {
            list.push_str(",\"id\":");
            list.push_str(&quoted(&event.id));
        }
        list.push_str(",\"data\":");
        let is_json = serde_json::from_str::<Value>(&event.data).is_ok();
        match is_json {
            true => list.push_str(&event.data),
            false => list.push_str(&quoted(&event.data)),
        }
        list.push('}');
    }
    list.push(']');
    list.into_bytes()
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// What a browser makes of a stream (WHATWG HTML, §9.2.6).
fn events(stream: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(stream);
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut events = Vec::new();
    let (mut event, mut id) = (Cow::Borrowed(""), String::new());
    let mut data: Option<String> = None;
    while let Some((line, behind)) = line(rest) {
        rest = behind;
        if line.is_empty() {
            let event = std::mem::take(&mut event);
            if let Some(data) = data.take() {
                let named = if event.is_empty() { UNNAMED } else { &event };
                events.push(Event {
                    event: named.to_owned(),
                    id: id.clone(),
                    data,
                });
            }
            continue;
        }
        // A line that begins with a colon is a comment: its name is empty.
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => event = Cow::Borrowed(value),
            "data" => match &mut data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            _ => {}
        }
    }
    events
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

    fn event(event: &str, id: &str, data: &str) -> Event {
        let [event, id, data] = [event, id, data].map(str::to_owned);
        Event { event, id, data }
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
            assert_eq!(events(stream.as_bytes()), seen, "{stream:?}");
        }
    }

    #[test]
    fn data_that_are_json_stand_there_as_they_came() {
        let stream = "id: \"1\"\nevent: é\ndata: {\"price\": 1.50}\n\ndata: [DONE]\n\ndata: 7\n\ndata: \"s\"\n\n";
        let json = String::from_utf8(json_of_events(stream.as_bytes())).unwrap();
        let one = r#"{"event":"é","id":"\"1\"","data":{"price": 1.50}}"#;
        let id = r#""event":"message","id":"\"1\"""#;
        assert_eq!(
            json,
            format!(r#"[{one},{{{id},"data":"[DONE]"}},{{{id},"data":7}},{{{id},"data":"s"}}]"#)
        );
        assert_eq!(json_of_events(b""), b"[]");
        assert_eq!(
            json_of_events(b"data: \xff\n\n"),
            "[{\"event\":\"message\",\"data\":\"\u{fffd}\"}]".as_bytes()
        );
    }
}
