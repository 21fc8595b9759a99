//! Bodies and who asks, as they are sent.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use std::borrow::Cow;

use proptest::prelude::*;
use squall_scenario::{BodyPiece, Request};
use squall_scenario_file::{Checked, ParseOptions, Source, parse_scenario};

fn parsed(load: &str) -> Checked<squall_scenario::Scenario> {
    let text = format!(
        "version: 1
name: example
target: http://127.0.0.1:8080
load:
  shape: [ {{ hold: {{ rate: 100/s, for: 60s }} }} ]
{load}
slo: [ {{ during: whole run, expect: [ success >= 90% ] }} ]
"
    );
    let env = |name: &str| match name {
        "PASSWORD" => Some("open $sesame 1".to_owned()),
        "NUMBER" => Some("1234567".to_owned()),
        _ => None,
    };
    let checked = parse_scenario(&Source::new("x", text), &ParseOptions::new(&env));
    assert_eq!(checked.render(false), "");
    checked
}

fn requests(load: &str) -> Vec<Request> {
    parsed(load).value.unwrap().load.requests
}

/// The body as it is sent where every placeholder has the value of its name.
fn body(request: &Request, values: &[(&str, &str)]) -> String {
    let lookup = |name: &str| {
        let value = values.iter().find(|(known, _)| *known == name);
        value.map(|(_, value)| Cow::Owned((*value).to_owned()))
    };
    let pieces = request.body_pieces();
    let text = pieces.iter().map(|piece| match piece {
        BodyPiece::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        BodyPiece::Text(text) => text.render(lookup).unwrap(),
    });
    text.collect()
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let mut headers = request.headers.iter();
    let (_, value) = headers.find(|(known, _)| known == name)?;
    Some(value.source())
}

fn asks(request: &Request, value: &str) -> Option<String> {
    let text = request.auth_text()?;
    Some(text.render(|_| Some(Cow::Owned(value.to_owned()))).unwrap())
}

#[test]
fn json_is_written_by_the_place_of_each_value() {
    let sent = requests(
        "  requests:
    - send: POST /
      json:
        number: $n
        text: \"$n\"
        pick: $word
        digits: $digit
        row: a-$n
        list: [1, -2.5e3, true, ~, null, 007, .5, yes]
        \"odd \\\"$key\": {}
        secret: ${PASSWORD}
        from outside: ${NUMBER}
        dollar: $$n
        empty: \"\"
        nothing: []
  data:
    n: { count: { from: 1 } }
    word: { pick: [a, 1] }
    digit: { pick: [1, 2] }",
    );
    let text = body(
        &sent[0],
        &[("n", "7"), ("word", "say \"hi\""), ("digit", "2")],
    );
    let expected = concat!(
        r#"{"number":7,"text":"7","pick":"say \"hi\"","digits":2,"row":"a-7","#,
        r#""list":[1,-2.5e3,true,null,null,"007",".5","yes"],"odd \"$key":{},"#,
        r#""secret":"open $sesame 1","from outside":"1234567","dollar":"$n","empty":"","nothing":[]}"#
    );
    assert_eq!(text, expected);
    assert_eq!(header(&sent[0], "content-type"), Some("application/json"));
}

#[test]
fn a_form_is_encoded_and_a_secret_is_shown_by_its_name() {
    let load = "  requests:
    - send: POST /
      form:
        \"a&b\": $word
        p:
          - x y
          - ${PASSWORD}
        e: \"\"
  data: { word: { pick: [one] } }";
    let checked = parsed(load);
    let sent = checked.value.unwrap().load.requests;
    let text = body(&sent[0], &[("word", "1&2=3")]);
    assert_eq!(text, "a%26b=1%262%3D3&p=x%20y&p=open%20%24sesame%201&e=");
    let media = Some("application/x-www-form-urlencoded");
    assert_eq!(header(&sent[0], "content-type"), media);
    let shown = checked.redacted.unwrap().load.requests;
    let shown = shown[0].body.as_ref().unwrap().source();
    assert_eq!(shown, "a%26b=$word&p=x%20y&p=${PASSWORD}&e=");
}

#[test]
fn parts_have_a_boundary_that_is_in_none_of_them() {
    let with = |text: &str| {
        let load = format!("  requests: [ {{ send: POST /, multipart: {{ a: \"{text}\" }} }} ]");
        requests(&load).remove(0)
    };
    let boundary = |request: &Request| request.multipart.as_ref().unwrap().boundary.clone();
    let first = boundary(&with("x"));
    assert_eq!(first, boundary(&with("y")));
    let other = with(&format!("--{first}"));
    assert_ne!(first, boundary(&other));
    let media = format!("multipart/form-data; boundary={}", boundary(&other));
    assert_eq!(header(&other, "content-type"), Some(media.as_str()));
    let text = body(&other, &[]);
    assert_eq!(text.matches(&boundary(&other)).count(), 2, "{text}");
}

#[test]
fn a_part_holds_a_file_or_a_text() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cat.jpg"), "$n cat").unwrap();
    let name = folder.path().join("shop.yaml").display().to_string();
    let read = |parts: &str| {
        let text = format!(
            "version: 1
name: example
target: http://127.0.0.1:8080
load:
  shape: [ {{ hold: {{ rate: 100/s, for: 60s }} }} ]
  requests: [ {{ send: POST /, multipart: {{ {parts} }} }} ]
slo: [ {{ during: whole run, expect: [ success >= 90% ] }} ]
"
        );
        let none = |_: &str| None;
        parse_scenario(&Source::new(name.as_str(), text), &ParseOptions::new(&none))
    };
    let sent =
        read("a: { file: cat.jpg }, b: [ { file: cat.jpg, filename: b, type: image/jpeg } ]");
    assert_eq!(sent.render(false), "");
    let sent = sent.value.unwrap().load.requests;
    let text = body(&sent[0], &[]);
    for head in [
        "name=\"a\"; filename=\"cat.jpg\"\r\ncontent-type: application/octet-stream\r\n\r\n$n",
        "name=\"b\"; filename=\"b\"\r\ncontent-type: image/jpeg\r\n\r\n$n",
    ] {
        assert!(text.contains(head), "{text}");
    }
    let codes = |parts: &str| -> Vec<&str> {
        let found = read(parts).diagnostics;
        found.iter().map(|found| found.code).collect()
    };
    assert_eq!(codes("a: { file: cat.jpg, text: a cat }"), ["S0113"]);
    assert_eq!(codes("a: { file: dog.jpg }"), ["S0001"]);
    assert_eq!(codes("a: { text: x, type: \"a\\nb\" }"), ["S0118"]);
    assert_eq!(codes("\"a\\nb\": x"), ["S0107"]);
}

#[test]
fn what_the_load_says_counts_where_a_request_says_nothing_else() {
    let load = "  headers:
    accept: text/plain
    X-All: ${PASSWORD}
  auth:
    basic:
      user: $n
      password: ${PASSWORD}
  requests:
    - GET /
    - { send: GET /a, headers: { Accept: text/html }, auth: none }
    - { send: GET /b, headers: { authorization: own } }
    - { send: GET /c, auth: { bearer: t-$n } }
  data: { n: { count: { from: 1 } } }";
    let checked = parsed(load);
    let sent = checked.value.unwrap().load.requests;
    // `7:open $sesame 1`
    assert_eq!(
        asks(&sent[0], "7").as_deref(),
        Some("Basic NzpvcGVuICRzZXNhbWUgMQ==")
    );
    assert_eq!(header(&sent[0], "x-all"), Some("open $$sesame 1"));
    assert_eq!(header(&sent[0], "accept"), Some("text/plain"));
    assert_eq!(header(&sent[1], "accept"), Some("text/html"));
    assert_eq!(
        [&sent[1], &sent[2]].map(|sent| asks(sent, "7")),
        [None, None]
    );
    assert_eq!(asks(&sent[3], "7").as_deref(), Some("Bearer t-7"));
    let shown = serde_json::to_string(&checked.redacted.unwrap()).unwrap();
    assert!(!shown.contains("sesame"), "{shown}");
    assert!(shown.contains("${PASSWORD}"), "{shown}");
}

proptest! {
    /// What is drawn for a text arrives as it was, and so does what is written.
    #[test]
    fn json_arrives_as_it_was_meant(drawn in any::<String>(), written in "[ -~äß]{1,12}") {
        let quoted = serde_json::to_string(&written.replace('$', "$$")).unwrap();
        let load = format!(
            "  requests: [ {{ send: POST /, json: {{ d: $word, w: {quoted}, m: \"<$word>\" }} }} ]
  data: {{ word: {{ pick: [one] }} }}"
        );
        let sent = requests(&load);
        let text = body(&sent[0], &[("word", &drawn)]);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(json["d"].as_str().unwrap(), &drawn);
        let middle = format!("<{drawn}>");
        prop_assert_eq!(json["m"].as_str().unwrap(), &middle);
        // `${` is the environment's, even in quotes; nothing else means anything.
        prop_assert_eq!(json["w"].as_str().unwrap(), written);
    }
}

#[test]
fn segments_follow_what_the_load_says_and_are_good_answers_only() {
    let journey = "  journeys:\n    - name: watch\n      steps:\n        - GET /play\n        \
                   - { name: title, player: { for: 5s } }";
    for (says, follow) in [("", 0), ("  follow: 2\n", 2)] {
        let scenario = parsed(&format!("{says}{journey}")).value.unwrap();
        let title = &scenario.load.journeys[0].steps[1].request;
        assert_eq!(title.follow, follow);
        let accepted = [200, 206, 299, 302, 304].map(|status| title.accepts(status));
        assert_eq!(accepted, [true, true, true, false, false]);
    }
}
