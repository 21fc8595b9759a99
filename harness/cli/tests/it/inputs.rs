//! What is read beside the arrivals, of a service that is not squall's own:
//! breakers in metrics and output, probes, processes.

use squall_judge::Verdict;
use squall_judge::verdict::GateState;

use crate::support::{Sandbox, verdict};

/// Not a test: the service under test, when squall starts this program.
#[test]
fn stub() {
    if let Ok(port) = std::env::var("STUB_PORT") {
        crate::stub::serve(port.parse().unwrap(), std::env::var("STUB_UPSTREAM").ok());
    }
}

/// A process that is this program.
fn process(name: &str, more: &str) -> String {
    let program = std::env::current_exe().unwrap();
    let program = program.to_str().unwrap();
    format!(
        "  {name}:\n    command: [ {program}, inputs::stub, --exact, --nocapture ]\n    \
         ready: {{ http: /health }}\n    env: {{ STUB_PORT: $self.port{more} }}\n"
    )
}

fn state_of<'v>(verdict: &'v Verdict, gate: &str) -> (&'v GateState, &'v str) {
    let found = verdict.gates.iter().find(|g| g.gate == gate);
    let found = found.unwrap_or_else(|| panic!("no {gate} in {:#?}", verdict.gates));
    (&found.state, &found.explanation)
}

/// A gateway with a breaker before payments, seen in three ways, and a worker
/// behind a shell.
fn shop() -> String {
    let program = std::env::current_exe().unwrap();
    let program = program.to_str().unwrap();
    let api = process("api", ", STUB_UPSTREAM: $links.to-payments");
    let payments = process("payments", "");
    let worker = format!("{}    restart: {{ after: 100ms }}\n", process("worker", ""));
    format!(
        "version: 1\nname: shop\nseed: 3\ntarget: api\nprocesses:\n{api}{payments}{worker}  wrapped:
    command: [ sh, -c, '\"$$0\" inputs::stub --exact --nocapture & wait', {program} ]
    ready: {{ http: /health }}
    env: {{ STUB_PORT: $self.port, STUB_MEMORY_MIB: '64' }}
links:
  to-payments: {{ to: payments }}
breakers:
  resilience:
    metrics: {{ of: api, path: /actuator/prometheus,
               name: resilience4j_circuitbreaker_state, labels: {{ name: payments }} }}
  envoy:
    metrics: {{ of: api, path: /stats/prometheus,
               name: envoy_cluster_circuit_breakers_default_cx_open,
               labels: {{ envoy_cluster_name: payments }} }}
  logged:
    log: {{ of: api, open: 'circuit payments opened', closed: 'circuit payments closed',
           half_open: 'circuit payments half-open' }}
probes:
  - {{ name: queue, every: 200ms, read: {{ http: {{ get: 'http://$processes.api.address/stats', json: /queue/length }} }} }}
  - {{ name: jobs, read: {{ prometheus: {{ at: 'http://$processes.api.address', query: 'sum(jobs{{kind=\"a b\"}})' }} }} }}
  - {{ name: served, read: {{ metrics: {{ of: api, path: /stats/prometheus, name: served_total }} }} }}
  - {{ name: openings, read: {{ log: {{ of: api, pattern: 'circuit \\w+ opened' }} }} }}
  - {{ name: answer, read: {{ command: {{ run: [ sh, -c, 'echo reading; echo 42' ] }} }} }}
load:
  shape: [ hold: {{ rate: 40/s, for: 12s }} ]
  requests: [ GET / ]
faults:
  - {{ name: silent payments, at: 2s, inject: cut, into: to-payments, for: 4s }}
  - {{ name: dead worker, at: 3s, inject: kill, into: worker }}
slo:
  - during: silent payments
    expect:
      - success >= 99%
      - breaker resilience opens within 4s
      - breaker envoy opens within 4s
      - breaker logged opens within 4s
  - after: silent payments
    within: 6s
    hold: 1s
    expect: [ breaker resilience closes, breaker envoy closes, breaker logged closes ]
  - during: whole run
    expect: {}
",
        GATES
    )
}

const GATES: &str = "[ probe queue = 7, probe jobs = 12.5, probe served < 1000000, \
    probe openings < 100, probe answer = 42, restarts of worker = 1, restarts of api = 0, \
    memory of wrapped < 10GiB, fds of wrapped < 1000, cpu of wrapped < 60 ]";

/// The same questions with other answers.
const STRICT: &str = "[ probe queue < 7, probe jobs > 12.5, probe served < 10, \
    probe openings = 0, probe answer = 41, restarts of worker = 0, restarts of api >= 1, \
    memory of wrapped < 64MiB, fds of wrapped < 2, cpu of wrapped < 0 ]";

#[test]
fn a_service_is_seen_through_metrics_output_and_probes() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("shop.yaml", shop());
    let strict = shop().replace(GATES, STRICT);
    let strict = sandbox.write("strict.yaml", strict);
    let ended = sandbox.squall(&["run", &file]);
    ended.assert_code(0).assert_stdout(&["PASS"]);
    sandbox.assert_empty();
    let verdict = verdict(&sandbox.run());
    let (_, why) = state_of(&verdict, "restarts of worker = 1");
    assert!(why.contains("a fault had ended it"), "{why}");

    let judged = sandbox.squall(&["judge", "latest", "--slo", &strict]);
    judged.assert_code(1);
    let report = ["judge", "latest", "--slo", &strict, "--report", "json=-"];
    let report = sandbox.squall(&report);
    let json = &report.stdout[report.stdout.find("{\n").unwrap()..];
    let report: serde_json::Value = serde_json::from_str(json).unwrap();
    let gates = report["verdict"]["gates"].as_array().unwrap();
    let strict = STRICT.trim_matches(['[', ']']).split(',');
    for gate in strict.map(str::trim) {
        let found = gates.iter().find(|found| found["gate"] == gate);
        let found = found.unwrap_or_else(|| panic!("no {gate} in {gates:#?}"));
        assert_eq!(found["state"], "fail", "{found:#}");
    }
}

#[test]
fn a_probe_that_hangs_or_dies_is_no_pass() {
    let sandbox = Sandbox::new();
    let api = process("api", "");
    let file = sandbox.write(
        "probes.yaml",
        format!(
            "version: 1\nname: probes\nseed: 3\ntarget: api\nprocesses:\n{api}\
probes:
  - {{ name: hangs, within: 300ms, read: {{ http: {{ get: 'http://$processes.api.address/hang' }} }} }}
  - {{ name: sleeps, within: 300ms, read: {{ command: {{ run: [ sh, -c, 'sleep 600 & sleep 600' ] }} }} }}
  - {{ name: dies, read: {{ command: {{ run: [ sh, -c, 'echo 1; exit 3' ] }} }} }}
  - {{ name: absent, read: {{ command: {{ run: [ ./no-such-program ] }} }} }}
  - {{ name: words, read: {{ command: {{ run: [ echo, many ] }} }} }}
  - {{ name: refused, read: {{ http: {{ get: 'http://127.0.0.1:1/' , json: /a }} }} }}
  - {{ name: nothing, read: {{ prometheus: {{ at: 'http://$processes.api.address', query: nothing }} }} }}
  - {{ name: unknown, read: {{ metrics: {{ of: api, path: /stats/prometheus, name: no_such_total }} }} }}
  - {{ name: well, read: {{ http: {{ get: 'http://$processes.api.address/health' }} }} }}
load:
  shape: [ hold: {{ rate: 40/s, for: 4s }} ]
  requests: [ GET /health ]
slo:
  - during: whole run
    expect:
      - probe hangs >= 0
      - probe sleeps >= 0
      - probe dies >= 0
      - probe absent >= 0
      - probe words >= 0
      - probe refused >= 0
      - probe nothing >= 0
      - probe unknown >= 0
      - probe well = 1
"
        ),
    );
    let ended = sandbox.squall(&["run", &file]);
    ended.assert_code(3).assert_stdout(&["INCONCLUSIVE"]);
    // Commands that hang are ended with everything they started.
    sandbox.assert_empty();
    let verdict = verdict(&sandbox.run());
    for (name, reason) in [
        ("hangs", "no answer within 300ms"),
        ("sleeps", "no answer within 300ms"),
        ("dies", "exit 3"),
        ("absent", "no-such-program"),
        ("words", "no number"),
        ("refused", "refused"),
        ("nothing", "no sample"),
        ("unknown", "no_such_total"),
    ] {
        let (state, why) = state_of(&verdict, &format!("probe {name} >= 0"));
        assert_eq!(*state, GateState::Inconclusive, "{name}: {why}");
        assert!(why.contains(reason), "{name}: {why}");
    }
    let (state, why) = state_of(&verdict, "probe well = 1");
    assert_eq!(*state, GateState::Pass, "{why}");
}

#[test]
fn breakers_nobody_speaks_of_are_told_and_not_decided() {
    let sandbox = Sandbox::new();
    let api = process("api", "");
    let names = ["typed", "elsewhere", "unlike", "mute"];
    let gates: Vec<String> = names
        .iter()
        .flat_map(|name| {
            [
                format!("breaker {name} is closed"),
                format!("breaker {name} closes"),
            ]
        })
        .collect();
    let file = sandbox.write(
        "unheard.yaml",
        format!(
            "version: 1\nname: unheard\nseed: 3\ntarget: api\nprocesses:\n{api}\
breakers:
  typed:
    metrics: {{ of: api, path: /stats/prometheus, name: envoy_cluster_circuit_breakers_default_cx_opened }}
  elsewhere: {{ hystrix: {{ of: api, command: payments, path: /no.stream }} }}
  unlike: {{ log: {{ of: api, open: 'no such line', closed: 'nor this' }} }}
  mute: {{ log: {{ of: api, open: 'no such line', closed: 'nor this', starts: closed }} }}
load:
  shape: [ hold: {{ rate: 20/s, for: 5s }} ]
  requests: [ GET /health ]
slo:
  - during: whole run
    expect: [ {} ]
",
            gates.join(", ")
        ),
    );
    let ended = sandbox.squall(&["run", &file, "--ui", "plain"]);
    ended.assert_code(3).assert_stdout(&["INCONCLUSIVE"]);
    sandbox.assert_empty();
    let verdict = verdict(&sandbox.run());
    for (name, reason) in [
        (
            "typed",
            "did you mean `envoy_cluster_circuit_breakers_default_cx_open`?",
        ),
        ("elsewhere", "GET /no.stream: the stream ended"),
        (
            "unlike",
            "of its output matches `no such line` or `nor this`",
        ),
    ] {
        for gate in ["is closed", "closes"] {
            let (state, why) = state_of(&verdict, &format!("breaker {name} {gate}"));
            assert_eq!(*state, GateState::Inconclusive, "{name}: {why}");
            assert!(why.contains(reason), "{name}: {why}");
        }
        let note = format!("nobody has reported the breaker `{name}` so far");
        assert!(ended.stderr.contains(&note), "{}", ended.stderr);
    }
    // The scenario's word is taken, and told.
    let (state, why) = state_of(&verdict, "breaker mute is closed");
    assert_eq!(*state, GateState::Pass, "{why}");
    assert!(why.contains("the scenario's word"), "{why}");
    let (state, why) = state_of(&verdict, "breaker mute closes");
    assert_eq!(*state, GateState::Inconclusive, "{why}");
    let note = "no line of output ever spoke of the breaker `mute`";
    assert!(ended.stderr.contains(note), "{}", ended.stderr);
}
