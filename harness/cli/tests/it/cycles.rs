//! `repeat`: a fault in cycles with and without it, and what it changed.

use squall_judge::verdict::EffectFinding;

use crate::support::{Sandbox, one_server, verdict};

/// Ten periods of 700 ms, one every second, in five cycles: where the machine stands still
/// for a part of one, half of its answers tell the difference all the same.
fn in_cycles(more: &str) -> String {
    one_server(&format!(
        "load:
  shape: [ {{ hold: {{ rate: 200/s, for: 11s }} }} ]
  requests: [ GET /health ]
  timeout: 2s
  warm_up: 200ms
faults:
  - {{ name: slow, at: 500ms, inject: {{ delay: {{ by: 400ms }} }}, into: api, for: 700ms, every: 1s, repeat: {more} }}
slo:
  - during: without slow
    expect: [ success >= 99% ]
"
    ))
}

#[test]
fn a_fault_comes_in_cycles_whose_order_the_seed_decides() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("cycles.yaml", in_cycles("5"));
    sandbox
        .squall(&["plan", &file])
        .assert_code(0)
        .assert_stdout(&["cycles of slow: 5", "order:", "p can be as small as 0.031"]);
    sandbox
        .squall(&["run", &file])
        .assert_code(0)
        .assert_stdout(&["What the fault changed", "worse with the fault", "0.031"]);
    sandbox.assert_empty();
    let run = &sandbox.runs()[0];
    let verdict = verdict(run);
    let effect = &verdict.effects[0];
    assert_eq!(effect.cycles.len(), 5);
    let p50 = &effect.routes[0].figures[1];
    assert_eq!(
        (p50.metric.as_str(), p50.finding),
        ("p50", EffectFinding::Worse)
    );
    let fault = &verdict.faults[0];
    assert_eq!((fault.active, fault.periods.len()), (5, 10));
    for period in &fault.periods {
        let length_ms = period.range.length_us() / 1_000;
        assert!((1..5_000).contains(&length_ms), "{length_ms} ms");
    }
}

#[test]
fn too_few_cycles_are_said_before_the_run() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("few.yaml", in_cycles("4"));
    sandbox
        .squall(&["check", &file])
        .assert_code(0)
        .assert_stderr(&["S0220", "p is never below 0.0625"]);
}
