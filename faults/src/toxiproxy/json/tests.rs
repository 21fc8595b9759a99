//! JSON as Go reads and writes it.

use proptest::prelude::*;

use super::raw::{Raw, first_value};
use super::*;

fn error(body: &str) -> String {
    first_value(body.as_bytes()).unwrap_err().to_string()
}

fn whole(body: &str) -> Raw<'_> {
    first_value(body.as_bytes()).unwrap()
}

/// Each text is what Go 1.26 says.
#[test]
fn what_is_wrong_is_said_in_gos_words() {
    for (body, why) in [
        ("", "EOF"),
        ("\t\r\n ", "EOF"),
        ("[", "unexpected EOF"),
        ("-", "unexpected EOF"),
        ("1.", "unexpected EOF"),
        ("\"a", "unexpected EOF"),
        ("tru", "unexpected EOF"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("}", "invalid character '}' looking for beginning of value"),
        (
            "[1,]",
            "invalid character ']' looking for beginning of value",
        ),
        ("[1 2]", "invalid character '2' after array element"),
        (
            "{1:2}",
            "invalid character '1' looking for beginning of object key string",
        ),
        (
            r#"{"a":1,}"#,
            "invalid character '}' looking for beginning of object key string",
        ),
        (r#"{"a" 1}"#, "invalid character '1' after object key"),
        (
            r#"{"a":01}"#,
            "invalid character '1' after object key:value pair",
        ),
        ("-x", "invalid character 'x' in numeric literal"),
        (
            "1.x",
            "invalid character 'x' after decimal point in numeric literal",
        ),
        (
            "1e+x",
            "invalid character 'x' in exponent of numeric literal",
        ),
        (
            "trie",
            "invalid character 'i' in literal true (expecting 'u')",
        ),
        (
            "nil",
            "invalid character 'i' in literal null (expecting 'u')",
        ),
        ("\"\n\"", r"invalid character '\n' in string literal"),
        ("\"\u{1}\"", r"invalid character '\x01' in string literal"),
        (r#""\q""#, "invalid character 'q' in string escape code"),
        (
            r#""\u12g4""#,
            r"invalid character 'g' in \u hexadecimal character escape",
        ),
        (
            "'",
            r"invalid character '\'' looking for beginning of value",
        ),
        ("é", "invalid character 'Ã' looking for beginning of value"),
        (
            "\u{7f}",
            r"invalid character '\x7f' looking for beginning of value",
        ),
    ] {
        assert_eq!(error(body), why, "{body:?}");
    }
    let byte = first_value(b"\x85").unwrap_err().to_string();
    assert_eq!(
        byte,
        r"invalid character '\u0085' looking for beginning of value"
    );
}

#[test]
fn no_depth_overflows_the_stack() {
    assert!(
        first_value("[".repeat(10_000).as_bytes())
            .is_err_and(|e| e.to_string() == "unexpected EOF")
    );
    let deeper = error(&"[".repeat(1_000_000));
    assert_eq!(deeper, "invalid character '[' exceeded max depth");
    let nested = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(whole(&nested).elements().count(), 1);
}

#[test]
fn only_the_first_value_counts() {
    for body in ["\"a\" x", "\"a\"x", " \"a\"]"] {
        assert_eq!(whole(body).text(), "a");
    }
    assert_eq!(whole("12 13").number(), "12");
    assert_eq!(whole("01").number(), "0");
}

#[test]
fn strings_are_undone_as_go_undoes_them() {
    for (written, text) in [
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""\u0041\u00e9\uD83D\uDE00""#, "Aé😀"),
        (r#""\uD83D""#, "\u{fffd}"),
        (r#""\uD83D\u0041\uDE00x""#, "\u{fffd}A\u{fffd}x"),
        ("\"é😀\u{7f}\"", "é😀\u{7f}"),
    ] {
        assert_eq!(whole(written).text(), text, "{written}");
    }
    let broken = first_value(b"\"a\xff\xe2\x82b\"").unwrap();
    assert_eq!(broken.text(), "a\u{fffd}\u{fffd}\u{fffd}b");
}

fn read(body: &str) -> Result<(String, i64, f32, bool), String> {
    let mut read = (String::from("before"), 7, 0.5, true);
    let fields = &["text", "whole", "share", "yes"];
    let place = |name| Place::Field {
        of: "T",
        path: name,
    };
    let taken = whole(body).each_field(Place::Whole, "t.T", fields, |name, value| match name {
        "text" => value.text_into(&mut read.0, place(name)),
        "whole" => value.integer_into(&mut read.1, place(name), "int64"),
        "share" => value.f32_into(&mut read.2, place(name)),
        _ => value.bool_into(&mut read.3, place(name)),
    });
    taken.map(|()| read).map_err(|error| error.to_string())
}

#[test]
fn keys_match_in_any_case_and_the_last_one_counts() {
    let body =
        r#"{"TEXT":"a","text":"b","Whole":-0,"other":[{"text":1}],"tEXt":"c","\u0079es":false}"#;
    assert_eq!(read(body), Ok(("c".into(), 0, 0.5, false)));
    // Two letters beyond ASCII fold into it.
    assert!(!read("{\"ye\u{17f}\":false}").unwrap().3);
    assert_eq!(read("{\"t\u{e9}xt\":1}").unwrap().0, "before");
    let nothing = r#"{"text":null,"whole":null,"share":null,"yes":null}"#;
    for body in [nothing, "null", "{}"] {
        assert_eq!(read(body), Ok(("before".into(), 7, 0.5, true)));
    }
}

#[test]
fn what_does_not_fit_is_said_in_gos_words() {
    for (body, what, wanted) in [
        ("5", "number", "value of type t.T"),
        (r#""a""#, "string", "value of type t.T"),
        (
            r#"{"text":[]}"#,
            "array",
            "struct field T.text of type string",
        ),
        (
            r#"{"text":1.5}"#,
            "number",
            "struct field T.text of type string",
        ),
        (
            r#"{"whole":"1"}"#,
            "string",
            "struct field T.whole of type int64",
        ),
        (
            r#"{"whole":1e3}"#,
            "number 1e3",
            "struct field T.whole of type int64",
        ),
        (
            r#"{"whole":9223372036854775808}"#,
            "number 9223372036854775808",
            "struct field T.whole of type int64",
        ),
        (
            r#"{"share":1e39}"#,
            "number 1e39",
            "struct field T.share of type float32",
        ),
        (
            r#"{"share":{}}"#,
            "object",
            "struct field T.share of type float32",
        ),
        (
            r#"{"yes":"true"}"#,
            "string",
            "struct field T.yes of type bool",
        ),
        (
            r#"{"text":true,"whole":"x"}"#,
            "bool",
            "struct field T.text of type string",
        ),
    ] {
        let message = format!("json: cannot unmarshal {what} into Go {wanted}");
        assert_eq!(read(body), Err(message), "{body}");
    }
}

#[test]
fn strings_are_written_as_go_writes_them() {
    let mut out = String::new();
    push_text(&mut out, "\"\\\u{8}\u{c}\n\r\t\u{1}<>&\u{2028}\u{7f}é");
    assert_eq!(
        out,
        "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u003c\\u003e\\u0026\\u2028\u{7f}é\""
    );
}

/// JSON with blanks, one of whose bytes may be another.
fn nearly_json() -> impl Strategy<Value = String> {
    let number = r"-?(0|[1-9][0-9]{0,2})(\.[0-9]{1,2})?([eE][+-]?[0-9])?";
    let leaf = format!("({number})|true|false|null|\"[a-z ]{{0,3}}\"");
    let blank = "[ \t\r\n]{0,2}";
    let leaf = prop::string::string_regex(&leaf).unwrap();
    let value = leaf.prop_recursive(3, 12, 3, move |inner| {
        let items = prop::collection::vec((blank, inner, blank), 0..3);
        let array = items.clone().prop_map(|items| {
            let items: Vec<_> = items.iter().map(|(a, b, c)| format!("{a}{b}{c}")).collect();
            format!("[{}]", items.join(","))
        });
        let object = items.prop_map(|items| {
            let items: Vec<_> = items
                .iter()
                .map(|(a, b, c)| format!("{a}\"k\"{c}:{b}"))
                .collect();
            format!("{{{}}}", items.join(","))
        });
        prop_oneof![array, object]
    });
    let change = prop::option::of((any::<prop::sample::Index>(), r#"[\[\]{}:,"0-9eE+. -]"#));
    (value, change).prop_map(|(mut json, change)| {
        if let Some((at, with)) = change {
            let at = at.index(json.len());
            json.replace_range(at..=at, &with);
        }
        json
    })
}

proptest! {
    /// What is one value to serde is one here, and the other way round.
    #[test]
    fn the_same_is_json_here_and_elsewhere(body in nearly_json()) {
        let first = serde_json::Deserializer::from_str(&body)
            .into_iter::<serde::de::IgnoredAny>()
            .next();
        let elsewhere = matches!(first, Some(Ok(_)));
        let here = first_value(body.as_bytes());
        if elsewhere {
            prop_assert!(here.is_ok(), "{body:?}");
        }
        if here.is_ok_and(|raw| raw.number().len() == body.trim().len()) {
            prop_assert!(elsewhere, "{body:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back(text in "\\PC{0,20}|.{0,20}") {
        let mut out = String::new();
        push_text(&mut out, &text);
        prop_assert_eq!(first_value(out.as_bytes()).unwrap().text(), text.clone());
        prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }

    #[test]
    fn a_share_reads_back(share in any::<f32>().prop_filter("is a number", |share| share.is_finite())) {
        let mut out = String::new();
        push_f32(&mut out, share);
        let read = read(&format!("{{\"share\":{out}}}")).unwrap().2;
        prop_assert_eq!(read.to_bits(), share.to_bits());
    }
}
