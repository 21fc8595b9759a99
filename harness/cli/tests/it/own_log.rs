//! squall's own log in the directory of every run.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Sandbox, one_server};

/// A run with a short pause and a secret in its requests.
fn scenario() -> String {
    one_server(
        "load:
  shape: [ { hold: { rate: 50/s, for: 2s } } ]
  requests:
    - name: page
      send: GET /health?token=${OWN_LOG_TOKEN}
  warm_up: 200ms
faults:
  - { name: still, at: 500ms, inject: pause, into: api-0, for: 300ms }
",
    )
}

#[test]
fn a_run_leaves_a_log_of_squall_and_its_guardian() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("logged.yaml", scenario());
    let mut command = sandbox.command(&["run", &file]);
    command.env("OWN_LOG_TOKEN", "s3cret-value");
    crate::support::Running::start(command).end();
    let path = sandbox.run().join("squall.log");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let log = std::fs::read_to_string(&path).unwrap();
    for words in [
        "the guardian started pid=",
        "squall::guardian: it guards",
        r#"{"phase":"starting"}"#,
        r#""change":{"started":{"pid":"#,
        "the load's thread started",
        r#""fault":"still","#,
        r#""change":"requested""#,
        r#""change":{"active":{"#,
        r#""change":{"removed":{"#,
        "the load's thread ended",
        "the system was ended",
        r#"{"phase":"finished"}"#,
    ] {
        assert!(log.contains(words), "no {words:?} in\n{log}");
    }
    assert!(!log.contains("s3cret-value"), "{log}");
    assert!(
        !log.contains("interval"),
        "figures are in the record\n{log}"
    );
}

#[test]
fn what_is_logged_can_be_chosen() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("quiet.yaml", scenario());
    let run = |filter: &str| {
        let mut command = sandbox.command(&["run", &file]);
        command.env("OWN_LOG_TOKEN", "s3cret-value");
        command.env("SQUALL_LOG", filter);
        crate::support::Running::start(command).end()
    };
    run("error");
    let log = std::fs::read_to_string(sandbox.run().join("squall.log")).unwrap();
    assert_eq!(log, "", "nothing went wrong");
    let refused = run("squall=loud");
    refused.assert_stderr(&["SQUALL_LOG", "squall=loud"]);
    assert_eq!(sandbox.runs().len(), 1, "nothing was run");
}

/// The guardian is no command for people; it logs where squall listens.
#[test]
fn a_guardian_says_what_went_wrong() {
    let sandbox = Sandbox::new();
    let ended = sandbox.squall(&["guardian", "--nonsense"]);
    ended.assert_code(1);
    ended.assert_stderr(&["ERROR the guardian failed", "started by squall"]);
}
