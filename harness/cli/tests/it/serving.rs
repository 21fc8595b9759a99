//! Evidence is about what serves, never about a stand-in: servers that left the
//! process squall started, strangers on its port, and paused processes that
//! end.

use std::net::TcpListener;

use crate::support::{Sandbox, one_server, wait_until};

/// A run of four seconds whose only fault is `inject` for a second and a half.
fn scenario(inject: &str) -> String {
    one_server(&format!(
        "load:
  shape: [ {{ hold: {{ rate: 50/s, for: 4s }} }} ]
  requests: [ GET /health ]
  timeout: 300ms
  warm_up: 500ms
faults:
  - {{ name: broken, at: 1s, inject: {inject}, into: api, for: 1500ms }}
slo:
  - during: broken
    expect: [ error_rate > 50% ]
"
    ))
}

/// The same with a server that left the session, was orphaned and has nothing
/// in its environment but what finds it again for the test.
fn daemon(text: &str) -> String {
    let server = "(sleep 600 &); exec \"$$0\" \"$$@\"";
    assert!(text.contains(server));
    let daemon = "(env -i XDG_STATE_HOME=\"$$XDG_STATE_HOME\" setsid \"$$0\" \"$$@\" &); \
                  exec sleep 600";
    text.replace(server, daemon)
}

#[test]
fn faults_on_a_process_hold_the_daemon_that_it_started() {
    let runs = [
        ("pause", "so is what listens on 127.0.0.1:"),
        ("kill", "ended on SIGKILL"),
    ]
    .map(|(inject, evidence)| {
        let sandbox = Sandbox::new();
        let file = sandbox.write("daemon.yaml", daemon(&scenario(inject)));
        let running = sandbox.start(&["run", &file]);
        (sandbox, running, evidence)
    });
    for (sandbox, running, evidence) in runs {
        running.end().assert_code(0).assert_stderr(&[evidence]);
        sandbox.assert_empty();
    }
}

#[test]
fn a_stranger_on_the_port_does_not_make_an_instance_ready() {
    let sandbox = Sandbox::new();
    let text = scenario("kill").replace("exec \"$$0\" \"$$@\"", "echo $self.port >port; sleep 600");
    let text = text.replace("{ http: /health }", "{ tcp: { within: 4s } }");
    let file = sandbox.write("stranger.yaml", text);
    let running = sandbox.start(&["run", &file]);
    let port = sandbox.work().join("port");
    let read = || std::fs::read_to_string(&port).unwrap_or_default();
    wait_until("the port is known", || read().ends_with('\n'));
    let port: u16 = read().trim().parse().unwrap();
    let _stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let named = format!(
        "(pid {}) listens on 127.0.0.1:{port} and is not one of its processes",
        std::process::id()
    );
    let ended = running.end();
    ended
        .assert_code(5)
        .assert_stderr(&["api-0 was not ready", &named]);
    sandbox.assert_empty();
}

#[test]
fn a_paused_process_that_ends_is_said_to_have_ended() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("ends.yaml", scenario("pause"));
    let mut running = sandbox.start(&["run", &file, "--ui", "json"]);
    running.fault("active");
    let stopped = sandbox.processes();
    let stopped = stopped.iter().filter(|process| process.is_stopped());
    let server = stopped
        .clone()
        .find(|process| process.command.contains("reference"));
    server.expect("the server is stopped").kill();
    let ended = running.end();
    ended.assert_code(3);
    ended.assert_stdout(&[
        "was not in force to its end",
        "ended (signal 9) while it was paused",
    ]);
    assert!(
        !ended.stdout.contains("no traffic felt it"),
        "{}",
        ended.stdout
    );
    sandbox.assert_empty();
}

/// Callers of a process that is down see what they would see without the link.
#[test]
fn callers_of_a_dead_process_are_refused() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("dead.yaml", scenario("kill"));
    let ended = sandbox.squall(&["run", &file]);
    ended.assert_code(0).assert_stdout(&["onnection refused"]);
    sandbox.assert_empty();
}
