//! `squall compare`, and the names by which runs are found.

use crate::support::{Sandbox, one_server};

/// Four seconds of load; with `faults` something is done to it.
fn load(rate: u32, faults: &str) -> String {
    one_server(&format!(
        "load:
  shape: [ {{ hold: {{ rate: {rate}/s, for: 4s }} }} ]
  requests: [ GET /health ]
  timeout: 2s
  warm_up: 200ms
{faults}"
    ))
}

const SLOW: &str = "faults:
  - { name: slow, at: 100ms, inject: { delay: { by: 200ms } }, into: api, for: 3800ms }
";

#[test]
fn what_a_fault_did_is_worse_than_the_run_before() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("small.yaml", load(50, ""));
    sandbox.squall(&["run", &file]).assert_code(0);
    sandbox.write("small.yaml", load(50, SLOW));
    sandbox
        .squall(&["run", &file, "--seed", "6"])
        .assert_code(0);
    sandbox.assert_empty();

    let compare = |rest: &[&str]| {
        let mut args = vec!["compare"];
        args.extend(rest);
        sandbox.squall(&args)
    };
    compare(&["small~1", "small"])
        .assert_code(0)
        .assert_stdout(&[
            "seed 5",
            "seed 6",
            "note: only B has the fault `slow`",
            "WORSE",
            "CPU-seconds of squall",
            "instance-seconds",
        ]);
    let fail_on_worse = ["--fail-on", "worse"];
    let args = [["latest~1", "latest"], fail_on_worse].concat();
    compare(&args).assert_code(1);
    let args = [["latest", "latest~1"], fail_on_worse].concat();
    compare(&args).assert_code(0).assert_stdout(&["better"]);
    let args = [["latest", "latest"], fail_on_worse].concat();
    compare(&args)
        .assert_code(0)
        .assert_stdout(&["0 worse, 0 better"]);
    // 200 arrivals are too few for a p99.
    let args = [["latest", "latest"], ["--fail-on", "cannot-tell"]].concat();
    compare(&args).assert_code(1);
    // Nobody minds a difference below a second here.
    compare(&["small~1", "small", "--margin", "1s", "--fail-on", "worse"]).assert_code(0);
    let json = compare(&["small~1", "small", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["windows"][0]["window"], "baseline");
    compare(&["small~1", "small", "--format", "markdown"])
        .assert_code(0)
        .assert_stdout(&["| p50 |", "What each run took"]);

    compare(&["small~2", "small"])
        .assert_code(2)
        .assert_stderr(&["small has only 2 runs"]);
    compare(&["nosuch", "small"])
        .assert_code(2)
        .assert_stderr(&["there is no run \"nosuch\"", "`squall runs`"]);
    compare(&["small", "small", "--margin", "1.25"])
        .assert_code(2)
        .assert_stderr(&["1.25x"]);
}

#[test]
fn another_load_cannot_be_compared_and_runs_have_names() {
    let sandbox = Sandbox::new();
    let text = load(20, "").replace("for: 4s", "for: 1s");
    let file = sandbox.write("small.yaml", &text);
    sandbox.squall(&["run", &file]).assert_code(0);
    sandbox.write("small.yaml", text.replace("20/s", "30/s"));
    sandbox.squall(&["run", &file]).assert_code(0);
    sandbox
        .squall(&["compare", "latest~1", "latest"])
        .assert_code(3)
        .assert_stderr(&["cannot be compared", "`load: shape:`", "20/s", "30/s"]);

    // A scenario's folder is its newest run, for every command.
    let folder = sandbox.out().join("small");
    let folder = folder.to_str().unwrap();
    let newest = sandbox.runs()[1].join("report.md");
    for name in ["latest", "small", folder] {
        std::fs::remove_file(&newest).unwrap();
        sandbox
            .squall(&["report", name, "--report", "markdown"])
            .assert_code(0)
            .assert_stdout(&["report.md"]);
        assert!(newest.is_file(), "{name} is the newest run");
    }
    let slo = "slo: [ { during: whole run, expect: [ success >= 50% ] } ]\n";
    let judged = sandbox.write(
        "judged.yaml",
        format!("{}{slo}", text.replace("20/s", "30/s")),
    );
    sandbox
        .squall(&["judge", "latest", "--slo", &judged])
        .assert_code(0)
        .assert_stdout(&["PASS"]);
    sandbox
        .squall(&["report", "latest~7"])
        .assert_code(2)
        .assert_stderr(&["latest has only 2 runs"]);
}
