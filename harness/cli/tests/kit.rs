//! The kit around a run: completions, manual pages, references, run folders
//! and verdicts from old data.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed test is a panic"
)]

mod support;

use std::process::Command;

use serde_json::Value;
use support::{Sandbox, entries};

/// Every verb of `squall --help`.
fn verbs(sandbox: &Sandbox) -> Vec<String> {
    let help = sandbox.squall(&["--help"]).stdout;
    let commands = help.split("Commands:\n").nth(1).unwrap();
    let lines = commands.lines().take_while(|line| !line.is_empty());
    let verbs: Vec<String> = lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|verb| verb != "help")
        .collect();
    assert!(verbs.len() > 8, "{help}");
    verbs
}

#[test]
fn completions_know_every_verb_in_every_shell() {
    let sandbox = Sandbox::new();
    let verbs = verbs(&sandbox);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.squall(&["completions", shell]);
        script.assert_code(0);
        for verb in &verbs {
            script.assert_stdout(&[verb]);
        }
        script.assert_stdout(&["allow-remote"]);
    }
    sandbox
        .squall(&["completions", "cmd"])
        .assert_code(2)
        .assert_stderr(&["bash", "fish"]);
}

#[test]
fn bash_takes_its_script() {
    let sandbox = Sandbox::new();
    let script = sandbox.squall(&["completions", "bash"]).stdout;
    let file = sandbox.write("squall.bash", script);
    let ask = format!(
        ". ./{file}; COMP_WORDS=(squall pro); COMP_CWORD=1; _squall squall pro squall; echo \"${{COMPREPLY[*]}}\""
    );
    let bash = Command::new("bash")
        .args(["--norc", "-c", &ask])
        .current_dir(sandbox.work())
        .output();
    let Ok(output) = bash else {
        println!("skipped: needs bash");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "prove");
}

#[test]
fn there_is_a_manual_page_for_every_verb() {
    let sandbox = Sandbox::new();
    sandbox.squall(&["man", "pages/man1"]).assert_code(0);
    let dir = sandbox.work().join("pages/man1");
    for verb in verbs(&sandbox) {
        let page = std::fs::read_to_string(dir.join(format!("squall-{verb}.1")))
            .unwrap_or_else(|error| panic!("{verb}: {error}; {:?}", entries(&dir)));
        assert!(page.contains(".TH"), "{page}");
    }
    let run = std::fs::read_to_string(dir.join("squall-run.1")).unwrap();
    assert!(run.contains("slow\\-recommendations"), "examples: {run}");

    sandbox.write("taken", "");
    let refused = sandbox.squall(&["man", "taken"]);
    refused.assert_code(5).assert_stderr(&["taken"]);
}

#[test]
fn every_fault_is_described_with_its_parameters_and_an_example() {
    let sandbox = Sandbox::new();
    let json = sandbox.squall(&["faults", "--format", "json"]);
    json.assert_code(0);
    let all: Vec<Value> = serde_json::from_str(&json.stdout).unwrap();
    let list = sandbox.squall(&["faults"]);
    for fault in &all {
        let text = |key: &str| fault[key].as_str().unwrap().to_owned();
        let name = text("name");
        list.assert_code(0).assert_stdout(&[&name, &text("about")]);
        let page = sandbox.squall(&["faults", &name]);
        page.assert_code(0)
            .assert_stdout(&[&text("verified"), &text("undone"), "inject: "]);
        for parameter in fault["parameters"].as_array().unwrap() {
            page.assert_stdout(&[parameter["name"].as_str().unwrap()]);
        }
    }
    assert_eq!(all.len(), 6);
    sandbox
        .squall(&["faults", "latency"])
        .assert_code(0)
        .assert_stdout(&[
            "delay: Bytes arrive later.",
            "direction",
            "from when absent",
        ]);
    sandbox
        .squall(&["faults", "magic"])
        .assert_code(2)
        .assert_stderr(&["magic", "bandwidth"]);
}

#[test]
fn init_writes_a_scenario_that_is_sound() {
    let sandbox = Sandbox::new();
    let asked: [&[&str]; 4] = [
        &["init"],
        &["init", "own.yaml", "--target", "http://127.0.0.1:8080/"],
        &["init", "plain.yaml", "--target", "http://localhost"],
        &["init", "six.yaml", "--target", "http://[::1]:8080"],
    ];
    for args in asked {
        sandbox
            .squall(args)
            .assert_code(0)
            .assert_stdout(&["wrote"]);
        let file = args.get(1).unwrap_or(&"scenario.yaml");
        let checked = sandbox.squall(&["check", "--strict", file]);
        checked.assert_code(0);
        assert_eq!(checked.stderr, "", "no finding");
        sandbox.squall(&["plan", file]).assert_code(0);
    }
    let own = std::fs::read_to_string(sandbox.work().join("own.yaml")).unwrap();
    assert!(own.contains("127.0.0.1:8080"), "{own}");
}

#[test]
fn init_overwrites_nothing_and_writes_nothing_wrong() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("mine.yaml", "mine");
    sandbox
        .squall(&["init", &file])
        .assert_code(2)
        .assert_stderr(&["mine.yaml", "left alone"]);
    let kept = std::fs::read_to_string(sandbox.work().join(&file)).unwrap();
    assert_eq!(kept, "mine");
    for wrong in [
        "localhost:8080",
        "https://127.0.0.1",
        "http://a/b",
        "http://a:b",
    ] {
        let refused = sandbox.squall(&["init", "new.yaml", "--target", wrong]);
        refused.assert_code(2);
        assert!(!sandbox.work().join("new.yaml").exists(), "{wrong}");
    }
    sandbox
        .squall(&["init", "no/such/folder.yaml"])
        .assert_code(5);
}
