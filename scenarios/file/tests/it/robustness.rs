//! Whatever bytes come in: no panic, every finding with a place, and an end
//! in bounded time.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use squall_scenario::Scenario;
use squall_scenario_file::{Checked, ParseOptions, Source, library, parse_scenario};

/// A bound that only an endless loop or quadratic work reaches: the median is
/// a few milliseconds, and tens of them on an unoptimised build.
const HANG: Duration = Duration::from_secs(20);

fn environment(name: &str) -> Option<String> {
    (name == "HOME").then(|| "p$x{[: %s".to_owned())
}

/// Parses and checks the promises that hold for any text.
fn parse(text: &str) -> Checked<Scenario> {
    let started = Instant::now();
    let source = Source::new("mutated.yaml", text);
    let mut options = ParseOptions::new(&environment);
    let open = |_: &str, _: &str| {
        Ok(Source::new(
            "system.yaml",
            library::system("reference").unwrap(),
        ))
    };
    options.open = &open;
    let checked = parse_scenario(&source, &options);
    for finding in &checked.diagnostics {
        let place = finding.primary();
        assert!(place.is_some(), "{finding:?}");
        for label in &finding.labels {
            let text = &checked.sources[label.source].text;
            assert!(label.span.start <= label.span.end, "{finding:?}");
            assert!(label.span.end <= text.len(), "{finding:?}");
            assert!(label.span.line >= 1 && label.span.column >= 1);
        }
        assert!(
            finding
                .render(&checked.sources, false)
                .contains(finding.code)
        );
        assert!(!finding.github_annotation(&checked.sources).contains('\n'));
    }
    assert_eq!(checked.value.is_some(), !checked.has_errors());
    if let Some(scenario) = &checked.value {
        let plan = scenario.plan().to_string();
        assert!(!plan.is_empty());
    }
    assert!(started.elapsed() < HANG);
    checked
}

fn seeds() -> Vec<String> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("fixtures/valid");
    let mut texts: Vec<String> = library::scenarios()
        .iter()
        .map(|(_, text)| (*text).to_owned())
        .collect();
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    texts.extend(paths.iter().map(|path| fs::read_to_string(path).unwrap()));
    texts
}

#[derive(Debug, Clone)]
enum Mutation {
    DeleteBytes(usize, usize),
    DeleteLine(usize),
    RepeatLine(usize),
    SwapLines(usize, usize),
    Insert(usize, &'static str),
    ReplaceToken(usize, &'static str),
}

const SCRAPS: &[&str] = &[
    "\t",
    "  ",
    "\n",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "#",
    "&a ",
    "*a",
    "!t ",
    "|",
    ">",
    "${HOME}",
    "${",
    "$",
    "$$",
    "-5s",
    "30",
    "99999999999999999999",
    "0",
    "1e400",
    "NaN",
    "ü",
    "\u{1b}[31m",
    "\u{feff}",
    "\r",
    "any 2 of ",
    "<<: ",
    "---\n",
    "...\n",
    "%",
    "baseline",
    "breaker",
    " of ",
    " for ",
    " during ",
    "hold",
    "p100",
    "0s",
    "1000000h",
    "null",
    "~",
];

fn mutation() -> impl Strategy<Value = Mutation> {
    let scrap = || proptest::sample::select(SCRAPS);
    prop_oneof![
        (any::<usize>(), 1_usize..40).prop_map(|(at, n)| Mutation::DeleteBytes(at, n)),
        any::<usize>().prop_map(Mutation::DeleteLine),
        any::<usize>().prop_map(Mutation::RepeatLine),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Mutation::SwapLines(a, b)),
        (any::<usize>(), scrap()).prop_map(|(at, text)| Mutation::Insert(at, text)),
        (any::<usize>(), scrap()).prop_map(|(at, text)| Mutation::ReplaceToken(at, text)),
    ]
}

fn apply(text: &str, mutation: &Mutation) -> String {
    let mut lines: Vec<&str> = text.split('\n').collect();
    let count = lines.len();
    let border = |at: usize| {
        let mut at = at % (text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    match mutation {
        Mutation::DeleteBytes(at, length) => {
            let at = border(*at);
            let end = border((at + length).min(text.len())).max(at);
            return format!("{}{}", &text[..at], &text[end..]);
        }
        Mutation::DeleteLine(n) => {
            lines.remove(n % count);
        }
        Mutation::RepeatLine(n) => lines.insert(n % count, lines[n % count]),
        Mutation::SwapLines(a, b) => lines.swap(a % count, b % count),
        Mutation::Insert(at, scrap) => {
            let at = border(*at);
            return format!("{}{scrap}{}", &text[..at], &text[at..]);
        }
        Mutation::ReplaceToken(n, scrap) => {
            let tokens: Vec<&str> = text.split_whitespace().collect();
            if let Some(token) = tokens.get(n % tokens.len().max(1)) {
                return text.replacen(token, scrap, 1);
            }
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_files_give_findings_with_places(
        seed in proptest::sample::select(seeds()),
        mutations in proptest::collection::vec(mutation(), 1..5),
    ) {
        let text = mutations.iter().fold(seed, |text, m| apply(&text, m));
        parse(&text);
    }

    #[test]
    fn any_text_gives_findings_with_places(text in "\\PC{0,200}") {
        parse(&text);
    }
}

#[test]
fn a_file_of_a_hundred_thousand_lines_is_refused_at_once() {
    let lines = "- a\n".repeat(100_000);
    let checked = parse(&format!("version: 1\nfaults:\n{lines}"));
    assert_eq!(checked.diagnostics[0].code, "S0013");
}

#[test]
fn a_long_map_is_read_whole_with_few_findings() {
    let keys: String = (0..9_000).map(|n| format!("  key-{n}: x\n")).collect();
    let checked = parse(&format!("version: 1\nprocesses:\n{keys}"));
    assert!(checked.has_errors());
    assert!(checked.diagnostics.len() <= 100);
}

#[test]
fn a_bomb_of_aliases_is_refused_at_once() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..30 {
        let before = format!("*a{}, ", n - 1).repeat(9);
        bomb.push_str(&format!("a{n}: &a{n} [{before}]\n"));
    }
    assert_eq!(parse(&bomb).diagnostics[0].code, "S0013");
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["[", "{a: ", "- "] {
        let checked = parse(&format!("about: \n  {}", open.repeat(5_000)));
        assert!(checked.has_errors(), "{open}");
    }
}

#[test]
fn line_ends_of_other_systems_are_read() {
    let (_, text) = library::scenarios()[0];
    let checked = parse(&text.replace('\n', "\r\n"));
    assert!(checked.value.is_some(), "{}", checked.render(false));
    let with_mark = format!("\u{feff}{text}");
    assert!(parse(&with_mark).value.is_some());
}

const AUTHORIZED: &str = "version: 1
name: example
target: http://127.0.0.1:8080
load:
  shape:
    - hold: { rate: 100/s, for: 60s }
  requests:
    - send: GET /
      headers:
        authorization: Bearer ${TOKEN}
";

#[test]
fn secrets_stay_out_of_the_redacted_scenario() {
    let secret = "hunter2-is-secret";
    let env = |name: &str| (name == "TOKEN").then(|| secret.to_owned());
    let checked = parse_scenario(&Source::new("x", AUTHORIZED), &ParseOptions::new(&env));
    let value = serde_json::to_string(&checked.value).unwrap();
    let redacted = serde_json::to_string(&checked.redacted).unwrap();
    assert!(value.contains(secret));
    assert!(!redacted.contains(secret) && redacted.contains("Bearer ${TOKEN}"));
    assert_eq!(
        checked.secrets.redact(&format!("sent {secret}")),
        "sent ${TOKEN}"
    );
}

/// `AUTHORIZED` with the secret in places where it does not belong.
fn misplaced_secrets() -> Vec<String> {
    let text = AUTHORIZED;
    let stage = "60s }\n    - hold:\n        rate: ${TOKEN}\n        for: ${TOKEN}";
    let gates = "  - during: ${TOKEN}\n    expect:\n      - p99 of ${TOKEN} < 1s\n      - p99 < ${TOKEN}\n      - ${TOKEN}\n";
    let fault = "  - name: ${TOKEN}\n    at: ${TOKEN}\n    inject: ${TOKEN}\n    into: ${TOKEN}\n";
    vec![
        text.replace("GET /", "${TOKEN}"),
        text.replace("60s }", stage),
        text.replace("http://127.0.0.1:8080", "${TOKEN}"),
        text.replace("name: example", "name: example\nseed: ${TOKEN}"),
        text.replace("name: example", "name: <${TOKEN}>"),
        format!("{text}slo:\n{gates}"),
        format!("{text}faults:\n{fault}"),
    ]
}

#[test]
fn secrets_stay_out_of_messages() {
    let secrets = [
        "hunter2".to_owned(),
        "hunter2".repeat(10),
        "7hunter2".to_owned(),
        "hunter2\nhunter2".to_owned(),
        format!("{}hunter2", "7".repeat(58)),
    ];
    for secret in secrets {
        let env = |name: &str| (name == "TOKEN").then(|| secret.clone());
        let options = ParseOptions::new(&env);
        for broken in misplaced_secrets() {
            let checked = parse_scenario(&Source::new("x", broken), &options);
            assert!(checked.has_errors());
            let text = format!("{}{:?}", checked.render(false), checked.diagnostics);
            assert!(!text.contains("hunter2") && !text.contains("777"), "{text}");
        }
    }
}
