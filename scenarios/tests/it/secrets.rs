//! What came from the environment is taken out of every text, whatever was done
//! to the text before.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed test is a panic"
)]

use proptest::prelude::*;
use squall_scenario::{FRAGMENT_CHARACTERS, Secrets};

fn secrets(values: &[(&str, &str)]) -> Secrets {
    let mut secrets = Secrets::default();
    for (name, value) in values {
        secrets.add(name, value);
    }
    secrets
}

fn redact(value: &str, text: &str) -> String {
    secrets(&[("KEY", value)]).redact(text)
}

/// A way to write a text, character by character.
type Writing = (&'static str, fn(char) -> String);

fn percent(character: char, plain: &str, upper: bool) -> String {
    if character.is_ascii_alphanumeric() || plain.contains(character) {
        return character.to_string();
    }
    let mut buffer = [0; 4];
    let bytes = character.encode_utf8(&mut buffer).bytes();
    let digits = bytes.map(|byte| match upper {
        true => format!("%{byte:02X}"),
        false => format!("%{byte:02x}"),
    });
    digits.collect()
}

fn inside(quoted: String) -> String {
    quoted[1..quoted.len() - 1].to_owned()
}

fn units(character: char) -> String {
    let mut buffer = [0; 2];
    let units = character.encode_utf16(&mut buffer).iter();
    units.map(|unit| format!("\\u{unit:04x}")).collect()
}

const WRITINGS: &[Writing] = &[
    ("as it is", |c| c.to_string()),
    ("Rust", |c| inside(format!("{:?}", c.to_string()))),
    ("Rust, twice", |c| {
        let once = inside(format!("{:?}", c.to_string()));
        inside(format!("{once:?}"))
    }),
    ("JSON", |c| inside(serde_json::to_string(&c).unwrap())),
    ("JSON in JSON", |c| {
        let once = inside(serde_json::to_string(&c).unwrap());
        inside(serde_json::to_string(&once).unwrap())
    }),
    ("JSON with escaped slashes", |c| match c {
        '/' => "\\/".to_owned(),
        other => inside(serde_json::to_string(&other).unwrap()),
    }),
    ("JSON in ASCII", |c| match c {
        ' '..='~' => inside(serde_json::to_string(&c).unwrap()),
        other => units(other),
    }),
    ("bytes of Python", |c| match c {
        ' '..='~' if c != '\\' => c.to_string(),
        other => {
            let mut buffer = [0; 4];
            let bytes = other.encode_utf8(&mut buffer).bytes();
            bytes.map(|byte| format!("\\x{byte:02x}")).collect()
        }
    }),
    ("percent", |c| percent(c, "-_.~", true)),
    ("percent, lower case", |c| percent(c, "-_.~", false)),
    ("percent, few", |c| percent(c, "-_.~!$&'()*+,;=:@/?", true)),
    ("percent, twice", |c| {
        percent(c, "-_.~", true).replace('%', "%25")
    }),
    ("form", |c| match c {
        ' ' => "+".to_owned(),
        other => percent(other, "-_.*", true),
    }),
    ("percent of JSON", |c| {
        let json = inside(serde_json::to_string(&c).unwrap());
        json.chars().map(|c| percent(c, "-_.~", true)).collect()
    }),
    ("HTML", |c| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#x27;".to_owned(),
        '/' => "&#x2f;".to_owned(),
        other => other.to_string(),
    }),
    ("HTML of JSON", |c| {
        let json = inside(serde_json::to_string(&c).unwrap());
        json.replace('&', "&amp;").replace('"', "&quot;")
    }),
    ("shell", |c| match c {
        '\'' => r"'\''".to_owned(),
        other => other.to_string(),
    }),
    ("YAML", |c| match c {
        '\'' => "''".to_owned(),
        other => other.to_string(),
    }),
    ("no control characters", |c| match c.is_control() {
        true => String::new(),
        false => c.to_string(),
    }),
    ("control characters replaced", |c| match c.is_control() {
        true => "\u{fffd}".to_owned(),
        false => c.to_string(),
    }),
    ("an annotation", |c| match c {
        '%' => "%25".to_owned(),
        '\r' => "%0D".to_owned(),
        '\n' => "%0A".to_owned(),
        other => other.to_string(),
    }),
    ("lines joined", |c| match c {
        '\n' => " ".to_owned(),
        other => other.to_string(),
    }),
];

fn write(writing: &Writing, text: &str) -> String {
    text.chars().map(writing.1).collect()
}

/// Characters that count towards the length of a part.
fn counts(character: char) -> bool {
    let invisible = ('\u{2000}'..='\u{207f}').contains(&character);
    let lost = character.is_whitespace() || character.is_control() || invisible;
    !lost && !"\"'`\\+\u{fffd}".contains(character)
}

/// The shortest parts of a value that must not be left over.
fn parts(value: &str) -> Vec<&str> {
    let counted: Vec<(usize, char)> = value.char_indices().filter(|(_, c)| counts(*c)).collect();
    // What looks encoded already may be read in several ways.
    let clear = !value.contains(['\\', '%', '&']);
    let length = FRAGMENT_CHARACTERS + if clear { 0 } else { 6 };
    let length = counted.len().min(length);
    let part = |window: &[(usize, char)]| {
        let (last, character) = window[window.len() - 1];
        &value[window[0].0..last + character.len_utf8()]
    };
    counted.windows(length).map(part).collect()
}

fn check(writing: &Writing, value: &str, redacted: &str) -> Result<(), TestCaseError> {
    // The name itself may go on a part.
    let redacted = redacted.replace("${KEY}", "\0");
    for part in parts(value) {
        let part = write(writing, part);
        prop_assert!(
            !redacted.contains(&part),
            "{}: {part:?} of {value:?} is left in {redacted:?}",
            writing.0
        );
    }
    Ok(())
}

fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        8 => proptest::char::range('a', 'z'),
        4 => proptest::char::range('0', '9'),
        4 => proptest::char::range('A', 'Z'),
        6 => proptest::sample::select("!#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\"".chars().collect::<Vec<_>>()),
        2 => proptest::sample::select(vec!['\n', '\t', '\r', ' ', '\u{1b}', '\u{7f}', '\u{85}']),
        2 => proptest::sample::select(vec!['é', 'ж', 'я', '漢', '😀', '\u{a0}', '…']),
    ]
}

fn value() -> impl Strategy<Value = String> {
    proptest::collection::vec(character(), 8..90)
        .prop_map(|characters| characters.into_iter().collect::<String>())
        // Of an address only the whole and what is not its host is looked for.
        .prop_filter("is an address", |value: &String| !value.contains(':'))
        .prop_filter("is too short", |value| {
            value.chars().filter(|c| counts(*c)).count() >= 4
        })
}

fn around() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ -~\n]{0,40}",
        Just("key=\\".to_owned()),
        Just("100%".to_owned())
    ]
}

/// What may stand before a value: an escape right before a short one that is
/// escaped as well may take a character of it.
fn before(value: &str, around: String) -> String {
    match value.chars().filter(|c| counts(*c)).count() > FRAGMENT_CHARACTERS + 3 {
        true => around,
        false => around + " ",
    }
}

fn floor(text: &str, at: usize) -> &str {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    &text[..at]
}

/// A percent sign of a value at the very end of a text, encoded.
#[test]
fn an_encoded_value_at_the_end_is_found() {
    assert_eq!(redact("aaaaaa%a", " aaaaaa%25a"), " ${KEY}");
    assert_eq!(redact("aaaaaa&a", " aaaaaa&amp;a"), " ${KEY}");
    // It can be read as a sign that was encoded twice.
    let followed = redact("aaaaa!a%", " aaaaa%21a%25100%");
    assert_eq!(followed, " ${KEY}%25100%");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_part_of_a_value_is_left_however_it_was_written(
        value in value(), before in around(), after in around(), number in 0..WRITINGS.len(),
    ) {
        let writing = &WRITINGS[number];
        let before = crate::secrets::before(&value, before);
        let text = format!("{before}{}{after}", write(writing, &value));
        check(writing, &value, &redact(&value, &text))?;
    }

    #[test]
    fn no_part_of_a_value_is_left_wherever_it_was_cut(
        value in value(), before in around(), number in 0..WRITINGS.len(), cut in 0..400_usize,
    ) {
        let writing = &WRITINGS[number];
        let text = format!("{before} {}", write(writing, &value));
        check(writing, &value, &redact(&value, floor(&text, cut)))?;
    }

    #[test]
    fn no_part_of_a_value_is_left_in_base64(
        value in value(), before in 0..7_usize, after in 0..4_usize, url_safe: bool, wrapped: bool,
    ) {
        let text = format!("{}{value}{}", &"user:x:"[..before], &"more"[..after]);
        let mut encoded = base64(text.as_bytes(), url_safe);
        let first = (before * 8).div_ceil(6);
        let last = (before + value.len()) * 8 / 6;
        let inside = encoded[first..last].to_owned();
        if wrapped {
            let lines: Vec<_> = encoded.as_bytes().chunks(20).map(|line| std::str::from_utf8(line).unwrap()).collect();
            encoded = lines.join("\n");
        }
        let redacted = redact(&value, &format!("Authorization: Basic {encoded}")).replace('\n', "");
        // Sixteen characters wherever they begin, and what a step leaves over.
        let inside: Vec<char> = inside.chars().collect();
        for part in inside.windows(inside.len().min(16 + 4)) {
            let part: String = part.iter().collect();
            prop_assert!(!redacted.contains(&part), "{part:?} is left in {redacted:?}");
        }
    }

    #[test]
    fn pieces_are_redacted_as_the_whole_is(
        value in value(), before in around(), after in around(), number in 0..WRITINGS.len(),
        sizes in proptest::collection::vec(1..20_usize, 1..60),
    ) {
        let writing = &WRITINGS[number];
        let written = write(writing, &value);
        let text = format!("{before}{written}{after}{written}");
        let secrets = secrets(&[("KEY", &value)]);
        let mut redaction = secrets.redaction();
        let mut out = Vec::new();
        let mut rest = text.as_bytes();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, more) = rest.split_at((*size).min(rest.len()));
            redaction.push(piece, &mut out);
            rest = more;
        }
        redaction.end(&mut out);
        prop_assert_eq!(String::from_utf8_lossy(&out), secrets.redact(&text));
    }

    #[test]
    fn no_part_of_a_value_is_left_when_somebody_could_not_wait(
        value in value(), number in 0..WRITINGS.len(),
        flushes in proptest::collection::vec(1..300_usize, 0..4),
    ) {
        let writing = &WRITINGS[number];
        let text = format!("key {} end", write(writing, &value));
        let secrets = secrets(&[("KEY", &value)]);
        let mut redaction = secrets.redaction();
        let mut out = Vec::new();
        for (at, byte) in text.bytes().enumerate() {
            redaction.push(&[byte], &mut out);
            if flushes.contains(&at) {
                redaction.flush(&mut out);
            }
        }
        redaction.end(&mut out);
        if value.chars().filter(|c| counts(*c)).count() >= FRAGMENT_CHARACTERS {
            check(writing, &value, &String::from_utf8_lossy(&out))?;
        }
    }

    /// Unlike above not even the beginning is left, which is too short to be found by
    /// itself: it waits for its rest.
    #[test]
    fn no_beginning_of_a_value_is_shown_while_its_rest_may_come(
        value in "[a-zA-Z0-9]{12,40}", before in "[ -/]{0,20}", cut in 6..40_usize,
    ) {
        let cut = cut.min(value.len() - 1);
        let secrets = secrets(&[("KEY", &value)]);
        let mut redaction = secrets.redaction();
        let mut out = Vec::new();
        redaction.push(format!("{before}{}", &value[..cut]).as_bytes(), &mut out);
        redaction.flush_but_beginnings(&mut out);
        // Of a long one is known by now what it belongs to.
        let out_so_far = String::from_utf8_lossy(&out);
        prop_assert!(
            before.starts_with(&*out_so_far) || out_so_far == format!("{before}${{KEY}}"),
            "{out_so_far:?}"
        );
        redaction.push(&value.as_bytes()[cut..], &mut out);
        redaction.end(&mut out);
        prop_assert_eq!(String::from_utf8_lossy(&out), format!("{before}${{KEY}}"));
    }

    /// Who looks for a line gets it, also where a value could begin with it.
    #[test]
    fn a_whole_line_is_shown_although_a_value_begins_with_it(
        value in "[a-z]{12,40}", cut in 6..11_usize,
    ) {
        let secrets = secrets(&[("KEY", &value)]);
        let mut redaction = secrets.redaction();
        let mut out = Vec::new();
        let line = format!("{}\n", &value[..cut]);
        redaction.push(line.as_bytes(), &mut out);
        redaction.flush_but_beginnings(&mut out);
        prop_assert_eq!(String::from_utf8_lossy(&out), line);
        prop_assert!(!redaction.holds());
    }

    #[test]
    fn a_text_without_values_stays_as_it_is(text in "\\PC{0,200}", value in "[a-z]{5}Q[0-9]{5}Z[a-z]{3}") {
        prop_assume!(!text.contains(&value[..6]));
        prop_assert_eq!(redact(&value, &text), text);
    }
}

fn base64(bytes: &[u8], url_safe: bool) -> String {
    let digits: &[u8] = match url_safe {
        true => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        false => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    };
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            text.push(char::from(digits[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

#[test]
fn a_value_is_written_back_as_its_name() {
    let pem = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nend==\n-----END KEY-----\n";
    for (value, text, shown) in [
        (
            "s3cret-value",
            "GET /?k=s3cret-value&x=1",
            "GET /?k=${KEY}&x=1",
        ),
        (
            "quo\"te\\X",
            "{\"k\":\"quo\\\"te\\\\X\"}",
            "{\"k\":\"${KEY}\"}",
        ),
        (
            "tab\tXYZZY",
            "last words: tab\\u{9}XYZZY | done",
            "last words: ${KEY} | done",
        ),
        ("a b&c=d", "?k=a+b%26c%3dd;", "?k=${KEY};"),
        (pem, pem, "${KEY}\n"),
        (
            pem,
            "1: MIIEvQIBADANBgkqhkiG9w0BAQ\n2: ok",
            "1: ${KEY}\n2: ok",
        ),
        (
            "hunter22",
            "Basic dXNlcjpodW50ZXIyMg==",
            "Basic dXNlcjp${KEY}g==",
        ),
        ("correct horse battery", "cut: correct hor", "cut: ${KEY}"),
        (
            "correct horse battery",
            "cut: correct hor...",
            "cut: ${KEY}...",
        ),
        ("abc", "abcdef", "abcdef"),
        (
            "http://127.0.0.1:80",
            "http://127.0.0.1:80/a, http://127.0.0.1:81/b",
            "${KEY}/a, http://127.0.0.1:81/b",
        ),
        (
            "127.0.0.1:8080",
            "127.0.0.1:8080 127.0.0.1:8081",
            "${KEY} 127.0.0.1:8081",
        ),
        (
            "pg://me:pw-of-me@db/x",
            "pg://db/x me:pw-of-me@db",
            "pg://db/x ${KEY}db",
        ),
    ] {
        assert_eq!(redact(value, text), shown, "{value:?} in {text:?}");
    }
}

#[test]
fn of_two_values_the_one_that_was_meant_is_named() {
    let both = secrets(&[
        ("URL", "http://me:s3cret-password@host/path"),
        ("PASSWORD", "s3cret-password"),
    ]);
    assert_eq!(both.redact("http://me:s3cret-password@host/path"), "${URL}");
    assert_eq!(
        both.redact("it was s3cret-password!"),
        "it was ${PASSWORD}!"
    );
    let twice = redact("s3cret-password", "s3cret-passwords3cret-password");
    assert_eq!(twice, "${KEY}${KEY}");
}

#[test]
fn a_value_is_not_shown_by_what_holds_it() {
    let secrets = secrets(&[("KEY", "s3cret-password")]);
    assert_eq!(format!("{secrets:?}"), "{\"KEY\"}");
}

#[test]
fn what_repeats_for_ever_is_not_held_back() {
    let secrets = secrets(&[("KEY", "aaaaaaaaaaaaaaaa")]);
    let mut redaction = secrets.redaction();
    let (mut given, mut out) = (0, Vec::new());
    for piece in [
        [b' '; 1 << 14],
        [b'\\'; 1 << 14],
        [b'%'; 1 << 14],
        [b'x'; 1 << 14],
    ] {
        for _ in 0..4 {
            redaction.push(&piece, &mut out);
            given += piece.len();
            assert!(given - out.len() < 5000, "{given} {}", out.len());
        }
    }
    let before = out.len();
    for _ in 0..4 {
        redaction.push(&[b'a'; 1 << 14], &mut out);
    }
    redaction.end(&mut out);
    assert_eq!(String::from_utf8_lossy(&out[given..]), "${KEY}");
    assert!(before <= given);
}
