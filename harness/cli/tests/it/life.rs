//! Lives of runs, from the file to the exit code: passing, failing, aborted,
//! undecided; every fault; every output.

use squall_judge::RunOutcome;
use squall_judge::quantity::Quantity;

use crate::support::{Sandbox, one_server, verdict};

/// 100 requests per second for `seconds`, with a patience of 300 ms.
fn load(seconds: u32) -> String {
    format!(
        "load:
  shape: [ {{ hold: {{ rate: 100/s, for: {seconds}s }} }}]
  requests: [ GET /health ]
  timeout: 300ms
  warm_up: 500ms
"
    )
}

#[test]
fn a_sound_system_passes_and_leaves_a_record() {
    let sandbox = Sandbox::new();
    let rest = load(3)
        + "steady_state: { for: 1s, expect: [ success >= 50% ] }
faults:
  - { name: a little late, at: 1s, inject: { delay: { by: 20ms } }, into: api, for: 1s }
slo:
  - during: a little late
    expect: [ success >= 50% ]
  - during: whole run
    expect: [ p90 < 5s, success >= 50% ]
";
    let scenario = sandbox.write("passes.yaml", one_server(&rest));
    let ended = sandbox.squall(&["run", &scenario]);
    ended.assert_code(0).assert_stdout(&["PASS"]);
    ended.assert_stderr(&[
        "steady state reached",
        "FAULT a little late: active",
        "FAULT a little late: removed",
        "put back: every fault removed, every process ended",
    ]);
    sandbox.assert_empty();
    assert!(
        sandbox.journals().is_empty(),
        "the undo journal is closed: {:?}",
        sandbox.journals()
    );
    let run = sandbox.run();
    for file in [
        "run.json",
        "events.ndjson",
        "intervals.times",
        "samples.ndjson",
        "decisions.ndjson",
        "verdict.json",
        "report.html",
        "logs/api-0.log",
    ] {
        assert!(run.join(file).is_file(), "{file} is missing");
    }
    let verdict = verdict(&run);
    assert_eq!(verdict.outcome, RunOutcome::Pass);
    assert_eq!(verdict.conservation.scheduled, 300);
    let late = verdict.windows.iter().find(|w| w.name == "a little late");
    let median = late.unwrap().all.p50;
    assert!(
        matches!(median, Some(Quantity::Micros(us)) if us >= 20_000),
        "a delay of 20 ms must be seen: {median:?}"
    );
}

#[test]
fn a_guard_ends_the_run_and_puts_everything_back() {
    let sandbox = Sandbox::new();
    let rest = load(60)
        + "faults:
  - { name: silence, at: 1s, inject: cut, into: api, for: 50s }
abort_when: [ error_rate > 50% for 1s ]
";
    let scenario = sandbox.write("aborts.yaml", one_server(&rest));
    let ended = sandbox.squall(&["run", &scenario]);
    ended
        .assert_code(4)
        .assert_stdout(&["ABORTED", "error_rate > 50% for 1s"])
        .assert_stderr(&["FAULT silence: removed", "put back"]);
    sandbox.assert_empty();
    let verdict = verdict(&sandbox.run());
    assert!(
        verdict.conservation.scheduled < 3_000,
        "the rest of the load was not sent"
    );
}

#[test]
fn every_fault_is_seen_to_begin_and_seen_to_end() {
    let sandbox = Sandbox::new();
    // Each is over before the next begins, where the machine is late for both.
    let rest = load(28)
        + "faults:
  - { name: late, at: 1s, inject: { delay: { by: 100ms } }, into: api, for: 1s }
  - { name: narrow, at: 4s, inject: { bandwidth: { rate: 2KiB/s } }, into: api, for: 1s }
  - { name: silent, at: 7s, inject: cut, into: api, for: 1s }
  - { name: ended, at: 10s, inject: reset, into: api, for: 1s }
  - { name: frozen, at: 13s, inject: pause, into: api, for: 1s }
  - { name: dead, at: 17s, inject: kill, into: api-0, for: 1s }
  - { name: dead at once, at: 20s, inject: kill, into: any 1 of api }
  - { name: again, at: 23s, inject: { delay: { by: 50ms } }, into: api, for: 500ms, every: 1500ms, times: 3 }
";
    let scenario = sandbox.write("faults.yaml", one_server(&rest));
    let ended = sandbox.squall(&["run", &scenario]);
    ended.assert_code(0);
    sandbox.assert_empty();
    let verdict = verdict(&sandbox.run());
    let names: Vec<_> = verdict.faults.iter().map(|f| f.fault.as_str()).collect();
    assert_eq!(
        names,
        [
            "late",
            "narrow",
            "silent",
            "ended",
            "frozen",
            "dead",
            "dead at once",
            "again"
        ]
    );
    for fault in &verdict.faults {
        let times = if fault.fault == "again" { 3 } else { 1 };
        let counts = (fault.planned, fault.active, fault.removed);
        assert_eq!(counts, (times, times, times), "{fault:#?}");
        assert_eq!(fault.targets, ["api-0"], "{fault:#?}");
        assert!(fault.problems.is_empty(), "{fault:#?}");
        assert!(fault.removal_problems.is_empty(), "{fault:#?}");
        assert_eq!(fault.effective, Some(true), "{fault:#?}");
    }
    let failed = |name: &str| {
        let window = verdict.windows.iter().find(|w| w.name == name).unwrap();
        window.all.counts.failed()
    };
    for deadly in ["silent", "ended", "frozen", "dead"] {
        assert!(failed(deadly) > 0, "nobody felt `{deadly}`");
    }
    let api = &verdict.processes[0];
    assert_eq!(api.unexpected_exits, 0, "{api:#?}");
    assert!(api.down.len() >= 2, "killed twice: {api:#?}");
    // The time until it served again belongs to the window of the fault.
    for deadly in ["dead", "dead at once"] {
        let fault = verdict.faults.iter().find(|f| f.fault == deadly).unwrap();
        let (from_us, to_us) = (
            fault.active_us.unwrap(),
            fault.removal_requested_us.unwrap(),
        );
        let mut down = api.down.iter();
        let down = down.find(|range| range.end_us > from_us).unwrap();
        assert!(down.end_us <= to_us, "{deadly}: {down:?} in {fault:#?}");
    }
}
