//! `squall calibrate`: gates that fail with nothing broken.

use rustix::process::Signal;

use crate::support::{Sandbox, one_server, verdict};

/// Three seconds of load, in which the server would be killed for one.
fn losing_it(gates: &str) -> String {
    one_server(&format!(
        "load:
  shape: [ {{ hold: {{ rate: 100/s, for: 3s }} }} ]
  requests: [ GET /health ]
  timeout: 5s
  warm_up: 200ms
faults:
  - {{ name: gone, at: 1s, inject: kill, into: api, for: 1s }}
slo:
  - during: gone
    expect: [ {gates} ]
"
    ))
}

#[test]
fn gates_are_judged_without_the_fault() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("quiet.yaml", losing_it("success >= 99%, success < 50%"));
    let ended = sandbox.squall(&["calibrate", &file, "--runs", "2", "--save", "c.json"]);
    ended
        .assert_code(0)
        .assert_stderr(&["run 1 of 2, seed 5", "run 2 of 2, seed 6", "withheld"])
        .assert_stdout(&[
            "No fault was injected, on purpose.",
            "ok     during gone: success >= 99%",
            "0 of 2 runs failed: at most 77.64% at 95 %",
            "not applicable: it asks for failures",
        ]);
    sandbox.assert_empty();
    for run in sandbox.runs() {
        let verdict = verdict(&run);
        assert!(verdict.faults[0].withheld && verdict.faults[0].problems.is_empty());
        assert_eq!(verdict.processes[0].unexpected_exits, 0);
        assert!(verdict.processes[0].down.is_empty(), "nobody killed it");
        let window = verdict.windows.iter().find(|w| w.name == "gone").unwrap();
        let length_ms = window.ranges[0].length_us() / 1_000;
        assert!((900..3_000).contains(&length_ms), "{length_ms} ms");
    }
    let saved = std::fs::read_to_string(sandbox.work().join("c.json")).unwrap();
    let saved: serde_json::Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(saved["gates"][0]["judged"], 2);
    assert_eq!(saved["runs"][1]["seed"], 6);
}

#[test]
fn a_gate_that_fails_with_nothing_broken_is_noisy() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("noisy.yaml", losing_it("p50 < 1us"));
    let ended = sandbox.squall(&["calibrate", &file, "--seeds", "9", "--format", "json"]);
    ended.assert_code(1);
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["gates"][0]["failed"], 1);
    assert_eq!(told["runs"][0]["seed"], 9);
}

#[test]
fn an_interrupted_calibration_tells_what_it_has() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("quiet.yaml", losing_it("success >= 99%"));
    let mut running = sandbox.start(&["calibrate", &file, "--runs", "3"]);
    running.line("the second run", |line| line.starts_with("run 2 of 3"));
    running.line("its load", |line| line.contains("load begins"));
    running.signal(Signal::INT);
    let ended = running.end();
    ended.assert_code(130).assert_stdout(&["0 of 1 run failed"]);
    sandbox.assert_empty();
}

#[test]
fn what_cannot_work_is_refused_before_the_first_run() {
    let sandbox = Sandbox::new();
    let text = losing_it("success >= 99%");
    let (bare, _) = text.split_once("slo:").unwrap();
    let bare = sandbox.write("bare.yaml", bare);
    let file = sandbox.write("quiet.yaml", &text);
    sandbox
        .squall(&["calibrate", &bare])
        .assert_code(2)
        .assert_stderr(&["no gates in `slo`"]);
    sandbox
        .squall(&["calibrate", &file, "--save", "nosuch/c.json"])
        .assert_code(2)
        .assert_stderr(&["no folder nosuch"]);
    sandbox
        .squall(&["calibrate", &file, "--runs", "0"])
        .assert_code(2);
    assert!(sandbox.runs().is_empty());
}
