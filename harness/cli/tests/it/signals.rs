//! Ctrl-C and SIGTERM: everything is put back, the record is whole, the
//! verdict is printed.

use std::net::TcpListener;

use rustix::process::Signal;
use squall_judge::RunOutcome;
use squall_record::Record;

use crate::support::{Ended, Running, Sandbox, one_server, verdict};

/// A fault of a minute in a load of two.
fn long_fault(inject: &str) -> String {
    one_server(&format!(
        "load:
  shape: [ {{ hold: {{ rate: 50/s, for: 2m }} }} ]
  requests: [ GET /health ]
  timeout: 2s
  warm_up: 500ms
faults:
  - {{ name: long, at: 1s, inject: {inject}, into: api-0, for: 1m }}
slo:
  - during: long
    expect: [ success >= 0% ]
"
    ))
}

/// Runs into the fault and sends the signals, one after the other.
fn signal_in_fault(sandbox: &Sandbox, inject: &str, signals: &[Signal]) -> Ended {
    let file = sandbox.write("long.yaml", long_fault(inject));
    let mut running = sandbox.start(&["run", &file, "--ui", "json"]);
    running.fault("active");
    for signal in signals {
        running.signal(*signal);
    }
    running.end()
}

/// Nothing is left, the fault is gone, the record is whole and judged.
fn assert_put_back(sandbox: &Sandbox, outcome: RunOutcome) {
    sandbox.assert_empty();
    assert!(sandbox.journals().is_empty(), "{:?}", sandbox.journals());
    let run = sandbox.run();
    let record = Record::read(&run).unwrap();
    assert!(record.complete, "the record must come to its end");
    assert!(record.damage.is_empty(), "{:?}", record.damage);
    let verdict = verdict(&run);
    assert_eq!(verdict.outcome, outcome);
    assert_eq!(verdict.conservation.violations, [""; 0]);
    for fault in &verdict.faults {
        assert_eq!(fault.removed, fault.active, "{fault:#?}");
        assert!(fault.removal_problems.is_empty(), "{fault:#?}");
    }
    assert!(run.join("report.html").is_file());
}

#[test]
fn ctrl_c_in_a_pause_continues_the_process() {
    let sandbox = Sandbox::new();
    let ended = signal_in_fault(&sandbox, "pause", &[Signal::INT]);
    ended
        .assert_code(130)
        .assert_stdout(&[r#""outcome":"interrupted""#, "SIGINT"]);
    assert_put_back(&sandbox, RunOutcome::Interrupted);
}

/// A server that is killed soon, far within its load.
fn killed_soon() -> String {
    one_server(
        "load:
  shape: [ { hold: { rate: 20/s, for: 2h } } ]
  requests: [ GET /health ]
faults:
  - { name: killed, at: 100ms, inject: kill, into: api-0 }
",
    )
}

/// Nobody wants a process of a run that is over.
#[test]
fn ctrl_c_waits_for_no_restart() {
    let sandbox = Sandbox::new();
    // Far beyond any time that a test waits for.
    let text = killed_soon().replace("after: 100ms", "after: 1h");
    assert!(text.contains("1h"));
    let file = sandbox.write("late.yaml", text);
    let mut running = sandbox.start(&["run", &file, "--ui", "json"]);
    running.fault("active");
    running.signal(Signal::INT);
    running.end().assert_code(130);
    assert_put_back(&sandbox, RunOutcome::Interrupted);
    let fault = verdict(&sandbox.run()).faults.remove(0);
    let seen = fault.seen.join("\n");
    assert!(seen.contains("is not waited for"), "{seen}");
}

/// A process may take its time to end, until somebody has none.
#[test]
fn a_second_ctrl_c_takes_away_the_grace() {
    let sandbox = Sandbox::new();
    let text = long_fault("cut")
        .replace("grace: 1s", "grace: 30m")
        .replace("(sleep 600 &)", r#"( (trap "" TERM; exec sleep 600) & )"#);
    let file = sandbox.write("stubborn.yaml", text);
    let mut running = sandbox.start(&["run", &file, "--ui", "json"]);
    running.fault("active");
    running.signal(Signal::INT);
    running.phase("stopping");
    running.signal(Signal::INT);
    running.end().assert_code(130);
    assert_put_back(&sandbox, RunOutcome::Interrupted);
}

#[test]
fn sigterm_has_its_own_exit_code() {
    let sandbox = Sandbox::new();
    let ended = signal_in_fault(&sandbox, "cut", &[Signal::TERM]);
    ended
        .assert_code(143)
        .assert_stdout(&[r#""outcome":"terminated""#, "SIGTERM"]);
    assert_put_back(&sandbox, RunOutcome::Terminated);
}

/// Interrupts when `wait` returns.
fn interrupt(sandbox: &Sandbox, text: &str, wait: impl FnOnce(&mut Running)) -> Ended {
    let file = sandbox.write("long.yaml", text);
    let mut running = sandbox.start(&["run", &file, "--ui", "json"]);
    wait(&mut running);
    running.signal(Signal::INT);
    let ended = running.end();
    ended.assert_code(130);
    assert_put_back(sandbox, RunOutcome::Interrupted);
    ended
}

#[test]
fn ctrl_c_while_the_system_starts() {
    let sandbox = Sandbox::new();
    let slow = long_fault("cut").replace("ready: { http: /health }", "ready: { http: /nowhere }");
    interrupt(&sandbox, &slow, |running| {
        running.event("a process", |event| {
            event["process"]["change"].get("started").is_some()
        });
    });
}

#[test]
fn ctrl_c_in_the_drain_stops_the_waiting() {
    let sandbox = Sandbox::new();
    // Nobody answers, and clients are patient.
    let tarpit = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tarpit.local_addr().unwrap();
    let text = format!(
        "version: 1
name: nobody answers
target: http://{address}
load:
  shape: [ {{ hold: {{ rate: 20/s, for: 1s }} }} ]
  requests: [ GET / ]
  timeout: 1m
  warm_up: 0s
"
    );
    let file = sandbox.write("drain.yaml", text);
    let mut running = sandbox.start(&["run", &file, "--ui", "json"]);
    running.phase("drain");
    running.signal(Signal::INT);
    running.end().assert_code(130);
    assert_put_back(&sandbox, RunOutcome::Interrupted);
    let conservation = verdict(&sandbox.run()).conservation;
    assert_eq!(conservation.scheduled, 20);
    assert_eq!(
        conservation.unfinished, 20,
        "what nobody answered is unfinished: {conservation:?}"
    );
}
