//! What the machine can do, as `squall doctor` says it.

use serde_json::Value;

use crate::support::{Running, Sandbox};

#[test]
fn every_mechanism_is_named_with_its_standing() {
    let sandbox = Sandbox::new();
    let json = sandbox.squall(&["doctor", "--format", "json"]);
    json.assert_code(0);
    let all: Vec<Value> = serde_json::from_str(&json.stdout).unwrap();
    let text = sandbox.squall(&["doctor"]);
    for ability in &all {
        let said = ability["standing"].as_str().unwrap();
        assert!(["works", "fallback", "missing"].contains(&said), "{json}");
        text.assert_stdout(&[ability["name"].as_str().unwrap()]);
    }
    let journal = all.iter().find(|ability| ability["name"] == "undo journal");
    let found = journal.unwrap()["found"].as_str().unwrap();
    assert!(found.contains("/state/squall/undo"), "{found}");
    sandbox.assert_empty();
}

#[test]
fn without_a_journal_no_run_is_possible() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    let mut command = sandbox.command(&["doctor"]);
    command.env("XDG_STATE_HOME", sandbox.work().join("file"));
    let ended = Running::start(command).end();
    ended
        .assert_code(5)
        .assert_stdout(&[
            "no     undo journal",
            "file/squall/undo",
            "set XDG_STATE_HOME",
        ])
        .assert_stderr(&["no run is possible here without: undo journal"]);
}

#[test]
fn faults_are_measured_and_what_is_beside_them_is_spared() {
    let sandbox = Sandbox::new();
    let json = sandbox.squall(&["doctor", "--measure", "cut,kill", "--format", "json"]);
    json.assert_code(0);
    let all: Vec<Value> = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(all.len(), 2, "{json}");
    for measured in &all {
        assert_eq!(measured["beside"]["happened"]["times"], 0, "{measured}");
    }
    let cut = &all[0]["observed"]["happened"];
    assert_eq!(cut["times"], cut["of"], "{cut}");
    assert_eq!(all[1]["observed"]["times"]["n"], 10, "{json}");
    sandbox
        .squall(&["doctor", "--measure", "gravity"])
        .assert_code(2)
        .assert_stderr(&["\"gravity\" cannot be measured", "delay"]);
    sandbox.assert_empty();
}
