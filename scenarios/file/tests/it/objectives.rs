//! Objectives in a file of their own are read for a run, and their mistakes
//! are pointed at in that file.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use squall_scenario::Scenario;
use squall_scenario_file::{
    Checked, Objectives, ParseOptions, Source, is_objectives, library, parse_objectives,
    parse_scenario,
};

fn run() -> Scenario {
    let source = library::source("slow-recommendations").unwrap();
    parse_scenario(&source, &ParseOptions::new(&|_| None))
        .value
        .unwrap()
}

fn asked(text: &str) -> Checked<Objectives> {
    let source = Source::new("slo.yaml", text);
    assert!(is_objectives(&source));
    parse_objectives(&source, &ParseOptions::new(&|_| None), &run())
}

#[test]
fn a_file_of_objectives_needs_no_load() {
    let checked = asked(
        "version: 1\nname: stricter\nslo:\n  - during: slow recommendations\n    expect: [ p99 of visit/homepage < 200ms, success >= 99% ]\n  - after: slow recommendations\n    within: 5s\n    expect: [ baseline returns, breaker recommendations closes ]\n",
    );
    assert!(checked.diagnostics.is_empty(), "{}", checked.render(false));
    let objectives = checked.value.unwrap();
    assert_eq!(objectives.slo.len(), 2);
    assert_eq!(objectives.slo[0].expect[0].span.line, 5);
    assert_eq!(objectives.steady_state, None);
    let scenario = library::source("slow-recommendations").unwrap();
    assert!(!is_objectives(&scenario));
}

#[test]
fn what_the_run_does_not_have_is_pointed_at_in_the_file() {
    let checked = asked(
        "version: 1\nslo:\n  - during: slow recomendations\n    expect: [ p99 of hompage < 200ms ]\n  - during: whole run\n    expect: [ success >= 99 ]\n  - after: whole run\n    within: 5s\n    expect: [ baseline returns ]\n",
    );
    assert!(checked.value.is_none());
    let text = checked.render(false);
    let codes: Vec<&str> = checked.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["S0322", "S0120", "S0301", "S0322"], "{text}");
    for place in [
        "slo.yaml:3:13",
        "slo.yaml:4:22",
        "slo.yaml:6:26",
        "slo.yaml:7:12",
    ] {
        assert!(text.contains(place), "{place}: {text}");
    }
    assert!(text.contains("write `slow recommendations`"), "{text}");
    let unknown = asked(
        "version: 1\nslo: [ { during: whole run, expect: [ success >= 99% ] } ]\nfaults: []\n",
    );
    assert_eq!(unknown.diagnostics[0].code, "S0101");
}
