//! What squall prints and writes: events as JSON, reports, listings, plans.

use serde_json::Value;

use crate::support::{Ended, Running, Sandbox, entries, one_server};

/// A run of two seconds with a fault and a gate that fails.
fn failing() -> String {
    one_server(
        "load:
  shape: [ { hold: { rate: 50/s, for: 2s } } ]
  requests: [ GET /health ]
  timeout: 300ms
  warm_up: 200ms
faults:
  - { name: silence, at: 500ms, inject: cut, into: api, for: 1s }
slo:
  - during: silence
    expect: [ success >= 99% ]
",
    )
}

#[test]
fn json_events_are_lines_of_json_on_standard_output() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("fails.yaml", failing());
    let ended = sandbox.squall(&["run", &file, "--ui", "json"]);
    ended.assert_code(1);
    let lines: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} {ended}")))
        .collect();
    let (last, events) = lines.split_last().unwrap();
    assert_eq!(last.pointer("/verdict/outcome").unwrap(), "fail");
    let run = last["run"].as_str().unwrap();
    assert_eq!(sandbox.run(), std::path::Path::new(run));
    assert!(events.len() > 20, "{ended}");
    assert!(
        events
            .iter()
            .all(|line| line["event"].is_object() && line["at_us"].is_i64())
    );
    assert_eq!(events.last().unwrap()["event"]["phase"], "finished");
}

#[test]
fn a_run_is_rendered_again_byte_for_byte() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("fails.yaml", failing());
    let junit = sandbox.work().join("junit.xml");
    let asked = format!("junit={}", junit.display());
    let ended = sandbox.squall(&["run", &file, "--report", &asked, "--report", "text=-"]);
    ended.assert_code(1);
    let run = sandbox.run();
    let reports = ["report.html", "report.md", "report.txt", "junit.xml"];
    let first: Vec<_> = reports
        .map(|name| std::fs::read(run.join(name)).expect(name))
        .to_vec();
    let text = String::from_utf8(first[2].clone()).unwrap();
    assert!(ended.stdout.contains(text.trim()), "{ended}");
    let junit = std::fs::read_to_string(junit).unwrap();
    assert_eq!(junit.as_bytes(), first[3]);
    assert!(junit.contains("<failure"), "{junit}");

    for name in reports {
        std::fs::remove_file(run.join(name)).unwrap();
    }
    let journal = std::fs::read(run.join("events.ndjson")).unwrap();
    let again = sandbox.squall(&["report", run.to_str().unwrap()]);
    again.assert_code(0).assert_stdout(&reports);
    for (name, first) in reports.iter().zip(&first) {
        let second = std::fs::read(run.join(name)).expect(name);
        assert!(*first == second, "{name} was rendered differently");
    }
    let untouched = std::fs::read(run.join("events.ndjson")).unwrap();
    assert_eq!(journal, untouched, "the record is never written again");

    assert!(!run.join("report.json").exists(), "it repeats the record");
    let everything = sandbox.squall(&["report", run.to_str().unwrap(), "--report", "json"]);
    everything.assert_code(0).assert_stdout(&["report.json"]);
    assert!(run.join("report.json").exists());

    let outside = sandbox.work().join("elsewhere.md");
    let asked = format!("markdown={}", outside.display());
    let moved = sandbox.squall(&["report", run.to_str().unwrap(), "--report", &asked]);
    moved.assert_code(0);
    assert_eq!(std::fs::read(outside).unwrap(), first[1]);

    let outside = sandbox.work().join("elsewhere.html");
    let asked = format!("html={}", outside.display());
    let moved = sandbox.squall(&["report", run.to_str().unwrap(), "--report", &asked]);
    moved.assert_code(0);
    let page = std::fs::read_to_string(&outside).unwrap();
    let found = links(&page);
    assert_eq!(found.len(), 5);
    for link in found {
        assert!(sandbox.work().join(&link).is_file(), "{link} leads nowhere");
    }
    let printed = sandbox.squall(&["report", run.to_str().unwrap(), "--report", "html=-"]);
    printed.assert_code(0);
    assert!(printed.stdout.contains("<h1") && links(&printed.stdout).is_empty());
}

/// The links of a page that lead out of it.
fn links(page: &str) -> Vec<String> {
    let links = page.split("<a href=\"").skip(1);
    let links = links.filter_map(|link| link.split_once('"'));
    let links = links.map(|(link, _)| link.replace("&#x2f;", "/"));
    links.filter(|link| !link.starts_with('#')).collect()
}

#[test]
fn a_reader_that_leaves_does_not_end_the_run() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("fails.yaml", failing());
    let mut command = sandbox.command(&["run", &file, "--ui", "json"]);
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    drop(reader);
    let ended = Running::start(command).end();
    ended.assert_code(1);
    assert!(!ended.stderr.contains("panicked"), "{ended}");
    assert!(sandbox.run().join("verdict.json").is_file());
    sandbox.assert_empty();
}

/// Nothing between ESC and a letter, on either stream.
fn assert_plain(ended: &Ended) {
    assert!(!ended.stdout.contains('\u{1b}'), "{ended}");
    assert!(!ended.stderr.contains('\u{1b}'), "{ended}");
}

#[test]
fn colours_come_only_when_asked_for() {
    let sandbox = Sandbox::new();
    let good = sandbox.write("fails.yaml", failing());
    let bad = sandbox.write("bad.yaml", "version: 1\nname: x\nlaod: 1\n");
    for args in [
        vec!["run", &good],
        vec!["check", &bad],
        vec!["run", "nosuch"],
    ] {
        // Forced first, to show that there is something to suppress.
        let mut forced = vec!["--color", "always"];
        forced.extend(&args);
        let mut never = vec!["--color", "never"];
        never.extend(&args);
        let mut command = sandbox.command(&args);
        command.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1");
        // A run takes its time; these have nothing to do with each other.
        let colourful = sandbox.start(&forced);
        let plain = [sandbox.start(&never), Running::start(command)];
        let colourful = colourful.end();
        assert!(
            colourful.stdout.contains('\u{1b}') || colourful.stderr.contains('\u{1b}'),
            "{forced:?} {colourful}"
        );
        for plain in plain {
            assert_plain(&plain.end());
        }
    }
}

#[test]
fn checking_and_planning_touch_nothing() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("fails.yaml", failing());
    let checked = sandbox.squall(&["check", &file]);
    checked.assert_code(0).assert_stdout(&["fails.yaml: sound"]);
    let strict = sandbox.squall(&["check", "--strict", &file]);
    strict.assert_code(2).assert_stderr(&["S0206"]);

    let plan = sandbox.squall(&["plan", &file]);
    plan.assert_code(0)
        .assert_stdout(&["small", "silence", "success >= 99%", "1s"]);
    let json = sandbox.squall(&["plan", &file, "--format", "json"]);
    let plan: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(plan["arrivals"], 100.0);
    assert_eq!(plan["duration_s"], 2.0);

    assert!(entries(&sandbox.out()).is_empty(), "no run directory");
    assert!(sandbox.journals().is_empty());
    sandbox.assert_empty();
}

#[test]
fn mistakes_are_told_to_machines_too() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("bad.yaml", failing().replace("rate: 50/s", "rate: 50"));
    let json = sandbox.squall(&["check", &file, "--format", "json"]);
    json.assert_code(2);
    let found: Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(
        found
            .as_array()
            .unwrap()
            .iter()
            .any(|d| d["code"] == "S0110"),
        "{found}"
    );
    let github = sandbox.squall(&["check", &file, "--format", "github"]);
    github
        .assert_code(2)
        .assert_stdout(&["::error file=bad.yaml,line="]);
}

#[test]
fn the_library_lists_and_plans() {
    let sandbox = Sandbox::new();
    let listed = sandbox.squall(&["scenarios", "--format", "json"]);
    listed.assert_code(0);
    let rows: Value = serde_json::from_str(&listed.stdout).unwrap();
    let names: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"slow-recommendations"), "{names:?}");
    let text = sandbox.squall(&["scenarios"]);
    text.assert_code(0).assert_stdout(&names);
    for name in names {
        let about = rows.as_array().unwrap().iter().find(|r| r["name"] == name);
        assert_ne!(about.unwrap()["about"], "", "{name} says what it is about");
        sandbox.squall(&["plan", name]).assert_code(0);
        sandbox.squall(&["check", "--strict", name]).assert_code(0);
    }
}

#[test]
fn every_code_and_exit_code_is_explained() {
    let sandbox = Sandbox::new();
    let exit = sandbox.squall(&["explain", "exit"]);
    exit.assert_code(0);
    for code in ["0", "1", "2", "3", "4", "5", "6", "70", "130", "143"] {
        assert!(
            exit.stdout
                .lines()
                .any(|line| line.trim_start().starts_with(&format!("{code} "))),
            "{code} is missing {exit}"
        );
    }
    sandbox
        .squall(&["explain", "S0110"])
        .assert_code(0)
        .assert_stdout(&["S0110", "unit"]);
    sandbox
        .squall(&["explain", "S9999"])
        .assert_code(2)
        .assert_stderr(&["S9999", "exit"]);
}

#[test]
fn schemas_are_json() {
    let sandbox = Sandbox::new();
    for of in ["scenario", "system"] {
        let schema = sandbox.squall(&["schema", of]);
        schema.assert_code(0);
        let schema: Value = serde_json::from_str(&schema.stdout).unwrap();
        assert!(schema["properties"]["processes"].is_object(), "{of}");
    }
}

#[test]
fn recover_has_nothing_to_do_in_a_fresh_world() {
    let sandbox = Sandbox::new();
    sandbox
        .squall(&["recover"])
        .assert_code(0)
        .assert_stdout(&["clean"]);
    sandbox
        .squall(&["recover", "--list"])
        .assert_code(0)
        .assert_stdout(&["nothing to recover"]);
}
