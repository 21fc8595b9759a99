//! Fixtures: every valid file parses without a word, every invalid one gives
//! exactly the finding beside it. `SQUALL_BLESS=1` writes what was found.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use squall_scenario::Scenario;
use squall_scenario_file::{
    Allowed, Checked, Diagnostic, ParseOptions, Source, explanations, parse_openslo,
    parse_scenario, parse_system,
};

fn no_environment(_: &str) -> Option<String> {
    None
}

fn folder(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .join("fixtures")
        .join(name)
}

fn yaml_files(name: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

/// Parses a fixture; only the file's own name stands in messages.
fn parse(path: &Path) -> Checked<Scenario> {
    let open = |system: &str, _: &str| {
        let on_disk = path.parent().unwrap().join(system);
        if !system.contains('.') {
            return squall_scenario_file::open_system(system, "");
        }
        let text = fs::read(on_disk).map_err(|_| missing(system))?;
        Source::from_bytes(system, text)
    };
    let mut source = Source::read(path).unwrap();
    source.name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut options = ParseOptions::new(&no_environment);
    options.open = &open;
    parse_scenario(&source, &options)
}

/// The finding for a missing file, without what the system says about it.
fn missing(name: &str) -> Box<Diagnostic> {
    let folder = tempfile::tempdir().unwrap();
    let mut problem = Source::read(&folder.path().join(name)).unwrap_err();
    problem.title = format!("I cannot read {name}");
    problem
}

/// The findings of an invalid fixture, those about remote hosts included.
fn findings(path: &Path) -> (Vec<Diagnostic>, Vec<Source>) {
    if is_openslo(path) {
        let mut source = Source::read(path).unwrap();
        source.name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let checked = parse_openslo(&source, &ParseOptions::new(&no_environment));
        let mut found = checked.diagnostics.clone();
        found.extend(checked.refused(&Allowed::default()));
        return (found, checked.sources);
    }
    let checked = parse(path);
    let mut found = checked.diagnostics.clone();
    let allowed = match stem(path).starts_with("S0411") {
        true => Allowed::default(),
        false => everything(),
    };
    found.extend(checked.refused(&allowed));
    (found, checked.sources)
}

/// Every process that fixtures find is allowed to be hit.
fn everything() -> Allowed {
    Allowed {
        processes: ["postgres", "nginx", "worker", "cron"]
            .map(str::to_owned)
            .to_vec(),
        ..Allowed::default()
    }
}

fn is_system(path: &Path) -> bool {
    stem(path).ends_with(".system")
}

/// Objectives, not a scenario.
fn is_openslo(path: &Path) -> bool {
    stem(path).ends_with(".openslo")
}

#[test]
fn valid_files_parse_without_a_word() {
    for path in yaml_files("valid") {
        if is_system(&path) {
            let source = Source::read(&path).unwrap();
            let checked = parse_system(&source, &ParseOptions::new(&no_environment));
            assert!(checked.diagnostics.is_empty(), "{}", checked.render(false));
            continue;
        }
        if is_openslo(&path) {
            let source = Source::read(&path).unwrap();
            let checked = parse_openslo(&source, &ParseOptions::new(&no_environment));
            assert!(checked.diagnostics.is_empty(), "{}", checked.render(false));
            assert!(!checked.value.unwrap().objectives.is_empty());
            continue;
        }
        let checked = parse(&path);
        let text = checked.render(false);
        assert!(checked.diagnostics.is_empty(), "{}\n{text}", path.display());
        let scenario = checked.value.clone().unwrap();
        assert_eq!(checked.redacted.as_ref(), Some(&scenario));
        let json = serde_json::to_string(&scenario).unwrap();
        let again: Scenario = serde_json::from_str(&json).unwrap();
        assert_eq!(again, scenario, "{}", path.display());
        assert!(checked.refused(&everything()).is_empty());
    }
}

#[test]
fn invalid_files_give_the_finding_beside_them() {
    let bless = std::env::var_os("SQUALL_BLESS").is_some();
    let mut wrong = Vec::new();
    for path in yaml_files("invalid").iter().filter(|path| !is_system(path)) {
        let (found, sources) = findings(path);
        let codes: Vec<&str> = found.iter().map(|finding| finding.code).collect();
        let expected_code = &stem(path)[..5];
        let text: Vec<String> = found.iter().map(|f| f.render(&sources, false)).collect();
        let text = text.join("\n");
        if codes != [expected_code] {
            wrong.push(format!("{}: {codes:?}\n{text}", path.display()));
            continue;
        }
        let expected = path.with_extension("txt");
        if bless {
            fs::write(&expected, &text).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != text {
            wrong.push(format!("{} differs:\n{text}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_finding_has_a_place_an_explanation_and_help() {
    for path in yaml_files("invalid").iter().filter(|path| !is_system(path)) {
        for finding in findings(path).0 {
            assert!(finding.primary().is_some(), "{}", path.display());
            assert!(squall_scenario_file::explain(finding.code).is_some());
            assert!(
                !finding.help.is_empty() || finding.code == "S0013" || !finding.notes.is_empty(),
                "{} gives no help",
                path.display()
            );
        }
    }
}

#[test]
fn every_code_has_an_invalid_file() {
    let with_file: BTreeSet<String> = yaml_files("invalid")
        .iter()
        .map(|path| stem(path)[..5].to_owned())
        .collect();
    // These are about files that cannot stand in a folder of text files; the
    // tests of reading make them.
    let generated = ["S0002", "S0003", "S0004"];
    for explanation in explanations() {
        let code = explanation.code;
        assert!(
            with_file.contains(code) || generated.contains(&code),
            "{code} has no invalid fixture"
        );
    }
}

#[test]
fn messages_name_no_types_of_the_program() {
    for path in yaml_files("invalid").iter().filter(|path| !is_system(path)) {
        for finding in findings(path).0 {
            let text = format!("{finding:?}");
            for word in [
                "u32", "usize", "Option<", "serde", "Vec<", "enum", "struct ", "Some(",
            ] {
                let said = finding.title.contains(word)
                    || finding.help.iter().any(|help| help.contains(word));
                assert!(!said, "{text}");
            }
        }
    }
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once() {
    let text = "version: 1\nname: example\ntarget: http://127.0.0.1:8080\nload:\n  shape:\n    - hold: { rate: 100, for: 60 }\n  requests:\n    - get /\nfaults:\n  - name: a\n    at: 5\n    inject: { delya: { by: 1s } }\n    into: nothing\n    for: 20s\nslo:\n  - during: b\n    expect: [ p99 < 4, 99p < 1s ]\n";
    let source = Source::new("many.yaml", text);
    let checked = parse_scenario(&source, &ParseOptions::new(&no_environment));
    let codes: Vec<&str> = checked.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(
        codes,
        [
            "S0110", "S0110", "S0114", "S0110", "S0105", "S0120", "S0322", "S0301", "S0302"
        ],
        "{}",
        checked.render(false)
    );
    assert!(checked.value.is_none());
}
