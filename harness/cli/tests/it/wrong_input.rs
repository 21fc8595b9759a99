//! What a person gets wrong: every mistake ends at once with its exit code, a
//! message that names the place and says what to do, and nothing left behind.

use std::net::TcpListener;

use crate::support::{Ended, Sandbox, entries, one_server};

/// A sound scenario against `target`; tests break it in one place.
fn against(target: &str) -> String {
    format!(
        "version: 1
name: small
target: {target}
load:
  shape: [ {{ hold: {{ rate: 20/s, for: 1s }} }} ]
  requests: [ GET / ]
  warm_up: 100ms
"
    )
}

/// A scenario without a mistake.
fn sound() -> String {
    one_server(
        "load:
  shape: [ { hold: { rate: 20/s, for: 1s } } ]
  requests: [ GET /health ]
  warm_up: 100ms
",
    )
}

/// Adds a fault and a gate to a scenario with a server.
fn with_fault(fault: &str, gate: &str) -> String {
    let rest = format!(
        "load:
  shape: [ {{ hold: {{ rate: 20/s, for: 4s }} }} ]
  requests: [ GET /health ]
  warm_up: 100ms
faults:
  - {fault}
slo:
  - during: broken
    expect: [ {gate} ]
"
    );
    one_server(&rest)
}

/// Runs a file that is wrong: exit 2, everything in `parts` is said, nothing
/// was started. `check` says the same.
fn assert_refused(contents: impl AsRef<[u8]>, parts: &[&str]) {
    let sandbox = Sandbox::new();
    let file = sandbox.write("wrong.yaml", contents);
    for command in ["check", "run"] {
        let ended = sandbox.squall(&[command, &file]);
        ended.assert_code(2).assert_stderr(parts);
        ended.assert_stderr(&["wrong.yaml"]);
        assert_nothing_ran(&sandbox, &ended);
    }
}

fn assert_nothing_ran(sandbox: &Sandbox, ended: &Ended) {
    assert!(
        entries(&sandbox.out()).is_empty(),
        "no run directory {ended}"
    );
    assert!(sandbox.journals().is_empty(), "no journal {ended}");
    sandbox.assert_empty();
    assert!(!ended.stderr.contains("panicked"), "{ended}");
}

/// Runs a system that cannot be there: exit 5, everything in `parts` is said,
/// and nothing is left.
fn assert_not_ready(contents: &str, parts: &[&str]) -> Ended {
    let sandbox = Sandbox::new();
    let file = sandbox.write("absent.yaml", contents);
    let ended = sandbox.squall(&["run", &file]);
    ended.assert_code(5).assert_stderr(parts);
    ended.assert_stdout(&["NOT READY"]);
    sandbox.assert_empty();
    assert!(sandbox.journals().is_empty(), "{:?}", sandbox.journals());
    ended
}

#[test]
fn a_misspelt_key() {
    let text = against("http://127.0.0.1:1").replace("requests:", "reqests:");
    assert_refused(
        text,
        &["S0101", "wrong.yaml:6:3", "did you mean `requests`?"],
    );
}

#[test]
fn a_missing_unit() {
    let text = against("http://127.0.0.1:1").replace("20/s", "20");
    assert_refused(text, &["S0110", "wrong.yaml:5:28", "write `20/s`"]);
}

#[test]
fn an_unknown_link() {
    let text = with_fault(
        "{ name: broken, at: 1s, inject: cut, into: apo, for: 1s }",
        "success >= 1%",
    );
    assert_refused(text, &["S0120", "wrong.yaml:", "did you mean `api`?"]);
}

#[test]
fn a_fault_that_outlives_the_load() {
    let text = with_fault(
        "{ name: broken, at: 1s, inject: cut, into: api, for: 1m }",
        "success >= 1%",
    );
    assert_refused(
        text,
        &["S0204", "would end after the load does", "= help: "],
    );
}

#[test]
fn a_broken_gate() {
    let fault = "{ name: broken, at: 1s, inject: cut, into: api, for: 1s }";
    assert_refused(
        with_fault(fault, "p99 < 400"),
        &["S0301", "write `p99 < 400ms`"],
    );
    assert_refused(with_fault(fault, "latency < 1s"), &["S0303", "= help: "]);
    assert_refused(with_fault(fault, "p99 <"), &["S0304", "= help: "]);
}

#[test]
fn all_mistakes_come_at_once() {
    let text = against("http://127.0.0.1:1")
        .replace("requests:", "reqests:")
        .replace("20/s", "20")
        .replace("warm_up: 100ms", "warm_up: 100");
    assert_refused(text, &["S0101", "write `20/s`", "write `100s`"]);
}

#[test]
fn files_that_are_no_scenarios() {
    assert_refused("", &["error[S"]);
    assert_refused("# nothing but a remark\n", &["error[S"]);
    assert_refused([0_u8, 159, 146, 150, 255, 0], &["error[S"]);
    assert_refused("just a word\n", &["error[S"]);
    assert_refused("a: [1, 2\n", &["error[S"]);
    assert_refused("- 1\n- 2\n", &["error[S"]);
}

#[test]
fn a_file_of_many_lines() {
    let mut text = against("http://127.0.0.1:1");
    for line in 0..100_000 {
        text.push_str(&format!("key{line}: value\n"));
    }
    let sandbox = Sandbox::new();
    let file = sandbox.write("long.yaml", text);
    let ended = sandbox.squall(&["run", &file]);
    ended
        .assert_code(2)
        .assert_stderr(&["error[S", "long.yaml"]);
    assert!(
        ended.stderr.lines().count() < 10_000,
        "a hundred thousand messages help nobody: {} lines",
        ended.stderr.lines().count()
    );
    assert_nothing_ran(&sandbox, &ended);
}

#[test]
fn a_yaml_bomb() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert_refused(bomb, &["error[S"]);
    assert_refused("[".repeat(100_000), &["error[S"]);
}

#[test]
fn a_file_or_name_that_does_not_exist() {
    let sandbox = Sandbox::new();
    for command in ["run", "check", "plan", "prove"] {
        let ended = sandbox.squall(&[command, "nosuch.yaml"]);
        ended.assert_code(2).assert_stderr(&["nosuch.yaml"]);
        let ended = sandbox.squall(&[command, "nosuch"]);
        ended
            .assert_code(2)
            .assert_stderr(&["nosuch", "slow-recommendations"]);
        assert_nothing_ran(&sandbox, &ended);
    }
    std::fs::create_dir(sandbox.work().join("folder.yaml")).unwrap();
    sandbox
        .squall(&["run", "folder.yaml"])
        .assert_code(2)
        .assert_stderr(&["folder.yaml"]);
    sandbox
        .squall(&["report", "nosuch"])
        .assert_code(2)
        .assert_stderr(&["nosuch", "`latest`", "squall runs"]);
}

#[test]
fn one_wrong_file_among_several_runs_none() {
    let sandbox = Sandbox::new();
    let good = sandbox.write(
        "good.yaml",
        with_fault(
            "{ name: broken, at: 1s, inject: cut, into: api, for: 1s }",
            "success >= 0%",
        ),
    );
    let bad = sandbox.write("bad.yaml", "version: 1\n");
    let ended = sandbox.squall(&["run", &good, &bad]);
    ended.assert_code(2).assert_stderr(&["bad.yaml"]);
    assert_nothing_ran(&sandbox, &ended);
}

#[test]
fn a_wrong_command_line() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("good.yaml", sound());
    let cases: [(&[&str], &[&str]); 9] = [
        (&["run", &file, "--variant", "weak"], &["weak"]),
        (
            &["run", &file, "--set", "breakers"],
            &["NAME=VALUE", "breakers"],
        ),
        (&["run", &file, "--set", "nosuch=1"], &["nosuch"]),
        (
            &["run", &file, "--report", "pdf"],
            &["pdf", "html", "junit"],
        ),
        (&["run", &file, "--seed", "x"], &["--seed", "x"]),
        (&["run", &file, "--ui", "loud"], &["loud", "plain"]),
        (&["run"], &["SCENARIO"]),
        (&["prove", &file, "--seeds", "5-1"], &["1-5"]),
        (&["runn", &file], &["runn", "run"]),
    ];
    for (args, parts) in cases {
        let ended = sandbox.squall(args);
        ended.assert_code(2).assert_stderr(parts);
        assert_nothing_ran(&sandbox, &ended);
    }
}

#[test]
fn an_output_folder_that_cannot_be_written() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("good.yaml", sound());
    let blocked = sandbox.write("blocked", "a file");
    let ended = sandbox.squall(&["run", &file, "--out", &blocked]);
    ended.assert_code(5).assert_stderr(&["blocked"]);
    sandbox.assert_empty();
    let nowhere = sandbox.squall(&["run", &file, "--report", "junit=no/such/folder.xml"]);
    nowhere
        .assert_code(2)
        .assert_stderr(&["no/such/folder.xml", "there is no folder"]);
    sandbox.assert_empty();
    let twice = [
        "run",
        &file,
        "--report",
        "junit=one",
        "--report",
        "json=./one",
    ];
    let lost = sandbox.squall(&twice);
    lost.assert_code(2).assert_stderr(&["another report"]);
    let misspelt = sandbox.squall(&["run", "slow-recomendations"]);
    misspelt
        .assert_code(2)
        .assert_stderr(&["did you mean `slow-recommendations`?"]);
    sandbox.assert_empty();
    // Two scenarios would overwrite each other's report.
    let overwriting = sandbox.squall(&["run", &file, &file, "--report", "junit=one.xml"]);
    overwriting.assert_code(2).assert_stderr(&["overwrite"]);
    sandbox.assert_empty();
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let holder = format!("(pid {}) listens there", std::process::id());
    let rest = format!(
        "links:
  front: {{ listen: \"{address}\", to: api }}
load:
  shape: [ {{ hold: {{ rate: 20/s, for: 1s }} }} ]
  requests: [ GET /health ]
"
    );
    assert_not_ready(
        &one_server(&rest),
        &["NOT READY", "front", &address, "in use", &holder],
    );
}

/// A scenario whose process is `command`, ready within a second.
fn process(command: &str, ready: &str) -> String {
    format!(
        "version: 1
name: absent
target: api
processes:
  api:
    command: {command}
    ready: {ready}
load:
  shape: [ {{ hold: {{ rate: 20/s, for: 1s }} }} ]
  requests: [ GET / ]
"
    )
}

#[test]
fn a_process_that_never_gets_ready() {
    let text = process(
        "[sh, -c, 'echo waiting for a database; exec sleep 1000']",
        "{ tcp: { within: 1s } }",
    );
    let ended = assert_not_ready(
        &text,
        &[
            "api-0 was not ready within 1s: Connection refused",
            "its last output: waiting for a database",
        ],
    );
    ended.assert_stdout(&["waiting for a database"]);
}

#[test]
fn a_process_that_ends_at_once() {
    let text = process(
        "[sh, -c, 'echo no licence >&2; exit 3']",
        "{ tcp: { within: 1h } }",
    );
    let expected = "api-0 ended before it was ready: exit 3; its last output: no licence";
    assert_not_ready(&text, &[expected]);
    // Even the shortest life is noticed.
    for _ in 0..5 {
        let text = process("['true']", "{ tcp: { within: 1h } }");
        assert_not_ready(&text, &["api-0 ended before it was ready: exit 0"]);
    }
}

#[test]
fn a_program_that_does_not_exist() {
    let text = process("[no-such-program, --fast]", "tcp");
    assert_not_ready(&text, &["api-0", "no-such-program"]);
}

#[test]
fn a_process_that_answers_with_the_wrong_status() {
    let text = one_server(
        "load:
  shape: [ { hold: { rate: 20/s, for: 1s } } ]
  requests: [ GET /health ]
",
    )
    .replace(
        "ready: { http: /health }",
        "ready: { http: { path: /nowhere, within: 500ms } }",
    );
    assert_not_ready(&text, &["api-0", "/nowhere", "404"]);
}

#[test]
fn a_target_that_is_not_there() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let text = against(&format!("http://{address}"));
    let expected = format!("nothing listens on the target {address}");
    let ended = assert_not_ready(&text, &[&expected, "start it first"]);
    ended.assert_stdout(&[&expected]);
}

#[test]
fn a_target_that_is_not_there_behind_a_link() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let links = format!("links: {{ api: {{ to: {address} }} }}\n");
    let text = against("http://$links.api") + &links;
    let expected = format!("nothing listens on the target {address} behind the link api");
    assert_not_ready(&text, &[&expected]);
}

#[test]
fn a_target_that_answers_with_errors_is_not_the_steady_state() {
    let text = one_server(
        "load:
  shape: [ { hold: { rate: 50/s, for: 2s } } ]
  requests: [ GET /nowhere ]
  warm_up: 100ms
steady_state: { for: 1s, expect: [ success >= 99% ] }
",
    );
    let sandbox = Sandbox::new();
    let file = sandbox.write("broken.yaml", text);
    let ended = sandbox.squall(&["run", &file]);
    ended
        .assert_code(3)
        .assert_stdout(&["INCONCLUSIVE", "steady state was never reached"])
        .assert_stderr(&["steady state NOT reached", "success"]);
    sandbox.assert_empty();
}

#[test]
fn a_target_off_this_machine() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("far.yaml", against("http://192.0.2.1:8080"));
    let ended = sandbox.squall(&["run", &file]);
    ended
        .assert_code(2)
        .assert_stderr(&["S0410", "far.yaml:3", "--allow-remote 192.0.2.1"]);
    assert_nothing_ran(&sandbox, &ended);
    let other = sandbox.squall(&["run", &file, "--allow-remote", "192.0.2.2"]);
    other.assert_code(2).assert_stderr(&["S0410"]);
}

#[test]
fn a_state_folder_that_cannot_be_used() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("good.yaml", sound());
    let mut command = sandbox.command(&["run", &file]);
    let blocked = sandbox.work().join("good.yaml");
    command.env("XDG_STATE_HOME", &blocked);
    let ended = crate::support::Running::start(command).end();
    ended
        .assert_code(5)
        .assert_stderr(&["good.yaml/squall/undo"]);
    assert!(!ended.stderr.contains("panicked"), "{ended}");
    sandbox.assert_empty();
}
