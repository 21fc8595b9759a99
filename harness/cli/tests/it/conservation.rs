//! Scheduled = good + bad + dropped + unfinished: in every interval, over the
//! whole run, and in what the load said at its end; however the run ended.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use squall_judge::verdict::{FailureOrigin, GateState};
use squall_record::{BadKind, Counts, DropCause, Record, RunEvent};

use crate::support::{Running, Sandbox, one_server, skip, verdict};

/// Adds the only run up, from its record alone, and compares every total there
/// is. Returns the sums.
fn assert_conserved(sandbox: &Sandbox) -> Counts {
    let run = sandbox.run();
    let record = Record::read(&run).unwrap();
    assert!(record.damage.is_empty(), "{:?}", record.damage);
    let mut sum = Counts::default();
    let mut end_us = 0;
    for interval in &record.intervals {
        assert_eq!(interval.start_us, end_us, "without a gap or an overlap");
        end_us = interval.end_us;
        for route in &interval.routes {
            let counts = &route.counts;
            assert!(
                counts.is_conserved(),
                "{} us: {counts:?}",
                interval.start_us
            );
            sum.add(counts);
        }
    }
    let parts = sum.good + sum.bad() + sum.dropped + sum.unfinished;
    assert_eq!(sum.scheduled, parts, "{sum:?}");
    let finished: Vec<u64> = record
        .events
        .iter()
        .filter_map(|stamped| match stamped.event {
            RunEvent::LoadFinished { scheduled, .. } => Some(scheduled),
            _ => None,
        })
        .collect();
    assert_eq!(finished, [sum.scheduled], "what the load said at its end");

    let verdict = verdict(&run);
    let told = &verdict.conservation;
    assert!(told.violations.is_empty(), "{told:?}");
    let told = [
        told.scheduled,
        told.good,
        told.bad,
        told.dropped,
        told.unfinished,
    ];
    let counted = [
        sum.scheduled,
        sum.good,
        sum.bad(),
        sum.dropped,
        sum.unfinished,
    ];
    assert_eq!(told, counted, "verdict.json against the intervals");
    let whole = verdict.windows.iter().find(|w| w.name == "whole run");
    assert_eq!(
        whole.unwrap().all.counts,
        sum,
        "the window of the whole run"
    );
    sum
}

fn load(rest: &str) -> String {
    format!(
        "load:
  requests: [ {{ name: health, send: GET /health, weight: 3 }}, GET /nowhere ]
  timeout: 400ms
  warm_up: 100ms
{rest}"
    )
}

#[test]
fn in_a_run_with_every_outcome() {
    let sandbox = Sandbox::new();
    let rest = load(
        "  shape:
    - ramp: { from: 10/s, to: 150/s, over: 2s }
    - hold: { rate: 150/s, for: 6s, arrivals: poisson }
  in_flight_max: 20
faults:
  - { name: silent, at: 2s, inject: cut, into: api, for: 1s }
  - { name: ended, at: 4s, inject: reset, into: api, for: 500ms }
  - { name: dead, at: 5s, inject: kill, into: api, for: 1s }
",
    );
    let file = sandbox.write("full.yaml", one_server(&rest));
    sandbox.squall(&["run", &file]).assert_code(0);
    let sum = assert_conserved(&sandbox);
    assert_eq!(sum.unfinished, 0, "a run that was not cut short: {sum:?}");
    assert!(sum.good > 0 && sum.status > 0, "{sum:?}");
    assert!(sum.timeout > 0, "the cut: {sum:?}");
    assert!(sum.broken + sum.connect > 0, "reset and kill: {sum:?}");
    assert!(sum.dropped > 0, "more than 20 at once: {sum:?}");
}

/// The target is not to blame for sockets that squall's machine does not have.
#[test]
fn when_squall_runs_out_of_descriptors() {
    let sandbox = Sandbox::new();
    // Accepts in its backlog and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let scenario = format!(
        "version: 1
name: small
seed: 5
target: http://127.0.0.1:{port}
load:
  shape: [ {{ hold: {{ rate: 100/s, for: 2s }} }} ]
  requests: [ GET / ]
  timeout: 4s
  warm_up: 100ms
"
    );
    let file = sandbox.write("small.yaml", scenario);
    let caller = ["sh", "-c", "ulimit -n 100; exec \"$0\" \"$@\""].map(OsStr::new);
    let squall = sandbox.command_by(&caller, &["run", &file, "--ui", "plain"]);
    Running::start(squall).end();
    let sum = assert_conserved(&sandbox);
    assert!(sum.dropped > 0 && sum.timeout > 0, "{sum:?}");
    assert_eq!((sum.connect, sum.scheduled), (0, 200), "{sum:?}");
    // The cause has its name, its count and a sample.
    assert_eq!(sum.drops.descriptors, sum.dropped, "{sum:?}");
    let record = Record::read(&sandbox.run()).unwrap();
    let sample = record
        .samples
        .iter()
        .find(|sample| sample.dropped.is_some());
    let sample = sample.unwrap();
    assert_eq!(sample.dropped, Some(DropCause::Descriptors));
    assert_eq!(sample.request, "GET /");
    let told = verdict(&sandbox.run()).generator.summary;
    assert!(told.contains("no file descriptor"), "{told}");
}

/// squall in a network of its own, where connections have no more than sixty ports, with
/// somebody at port 9999 who accepts in its backlog and never answers, and to whom others
/// have taken the first so many ports.
const SIXTY_PORTS: &str = r#"
ip link set lo up && echo 40000 40059 >/proc/sys/net/ipv4/ip_local_port_range &&
exec python3 -c '
import os, socket, sys
silent = socket.create_server(("127.0.0.1", 9999), backlog=256)
others = [socket.create_connection(("127.0.0.1", 9999)) for _ in range(int(sys.argv[1]))]
for one in [silent, *others]:
    one.set_inheritable(True)
os.execv(sys.argv[2], sys.argv[2:])
' "$0" "$@"
"#;

/// What starts squall there, where `taken` ports are taken; `None` where that cannot be had.
fn narrow(taken: u32) -> Option<Vec<String>> {
    let unshare = "unshare --user --map-root-user --net sh -c";
    let caller = unshare.split(' ').chain([SIXTY_PORTS]).map(str::to_owned);
    let caller: Vec<String> = caller.chain([taken.to_string()]).collect();
    let mut probe = Command::new(&caller[0]);
    probe.args(&caller[1..]).arg("/bin/true");
    let output = probe.output();
    output
        .is_ok_and(|output| output.status.success())
        .then_some(caller)
}

/// The target is not to blame for ports that squall's machine does not have.
#[test]
fn when_squall_runs_out_of_ports() {
    let Some(caller) = narrow(0) else {
        return skip("needs network namespaces (unshare), ip and python3");
    };
    let sandbox = Sandbox::new();
    let scenario = "version: 1
name: small
seed: 5
target: http://127.0.0.1:9999
load:
  shape: [ { hold: { rate: 100/s, for: 2s } } ]
  requests: [ GET / ]
  timeout: 4s
  warm_up: 100ms
";
    let file = sandbox.write("ports.yaml", scenario);
    let caller: Vec<&OsStr> = caller.iter().map(OsStr::new).collect();
    let squall = sandbox.command_by(&caller, &["run", &file, "--ui", "plain"]);
    Running::start(squall).end();
    let sum = assert_conserved(&sandbox);
    assert!(sum.dropped > 0 && sum.timeout > 0, "{sum:?}");
    assert_eq!((sum.connect, sum.scheduled), (0, 200), "{sum:?}");
    assert_eq!(sum.drops.ports, sum.dropped, "{sum:?}");
    let record = Record::read(&sandbox.run()).unwrap();
    let mut samples = record.samples.iter();
    let sample = samples.find(|sample| sample.dropped.is_some()).unwrap();
    assert_eq!(sample.dropped, Some(DropCause::Ports));
    let told = verdict(&sandbox.run()).generator.summary;
    assert!(told.contains("no local port"), "{told}");
}

/// The same where it is a link of squall that has too few: it fails its callers, and its
/// target is not to blame for that either.
#[test]
fn when_a_link_runs_out_of_ports() {
    let Some(caller) = narrow(40) else {
        return skip("needs network namespaces (unshare), ip and python3");
    };
    let sandbox = Sandbox::new();
    let scenario = "version: 1
name: small
seed: 5
links: { front: { to: 127.0.0.1:9999 } }
target: http://$links.front
load:
  shape: [ { hold: { rate: 20/s, for: 2s } } ]
  requests: [ GET / ]
  timeout: 4s
  warm_up: 100ms
slo: [ { during: whole run, expect: [ success >= 99% ] } ]
";
    let file = sandbox.write("link.yaml", scenario);
    let caller: Vec<&OsStr> = caller.iter().map(OsStr::new).collect();
    let squall = sandbox.command_by(&caller, &["run", &file, "--ui", "plain"]);
    Running::start(squall).end().assert_code(3);
    let sum = assert_conserved(&sandbox);
    assert!(sum.broken > 0 && sum.dropped == 0, "{sum:?}");
    let record = Record::read(&sandbox.run()).unwrap();
    let mut told = 0;
    for stamped in &record.events {
        if let RunEvent::LinkShort(short) = &stamped.event {
            assert_eq!(
                (short.link.as_str(), short.cause),
                ("front", DropCause::Ports)
            );
            told += short.times;
        }
    }
    // Some of them in the warm-up.
    assert!(told >= sum.broken, "{told}, {sum:?}");
    let verdict = verdict(&sandbox.run());
    let gate = &verdict.gates[0];
    assert_eq!(gate.by_figures, GateState::Fail, "{gate:?}");
    let why = &gate.explanation;
    assert!(why.contains("no local port was left"), "{why}");
    let errors = verdict.errors.iter();
    let broken = errors.filter(|error| error.kind == Some(BadKind::Broken));
    let own = broken.map(|error| (error.origin, error.count));
    assert_eq!(
        own.collect::<Vec<_>>(),
        [(FailureOrigin::Generator, sum.broken)]
    );
}

/// squall is stopped, as in a virtual machine that is suspended: in the load,
/// over a fault, and over the load's end.
#[test]
fn when_squall_stands_still() {
    let stops = [(800, 1_600), (300, 4_000), (2_300, 1_500)];
    std::thread::scope(|scope| {
        for (wait_ms, still_ms) in stops {
            scope.spawn(move || stands_still(wait_ms, still_ms));
        }
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "when it stands still, and for how long, is what is tested"
)]
fn stands_still(wait_ms: u64, still_ms: u64) {
    let sandbox = Sandbox::new();
    let rest = load(
        "  shape: [ { hold: { rate: 100/s, for: 3s } } ]
faults:
  - { name: slow, at: 500ms, inject: { delay: { by: 20ms } }, into: api, for: 1s }
",
    )
    // Less than it stands still, and enough for the answers to all that it then
    // sends at once.
    .replace("timeout: 400ms", "timeout: 1200ms");
    let file = sandbox.write("still.yaml", one_server(&rest));
    let mut running = sandbox.start(&["run", &file, "--ui", "json"]);
    running.phase("load");
    std::thread::sleep(Duration::from_millis(wait_ms));
    running.signal(Signal::STOP);
    std::thread::sleep(Duration::from_millis(still_ms));
    running.signal(Signal::CONT);
    let code = running.end().code;
    assert!(matches!(code, Some(0 | 3)), "{code:?}");
    let sum = assert_conserved(&sandbox);
    assert_eq!((sum.scheduled, sum.unfinished), (300, 0), "{sum:?}");
    assert_eq!(sum.timeout, 0, "no patience runs while it stands: {sum:?}");
    let record = Record::read(&sandbox.run()).unwrap();
    let mut seconds = [0; 3];
    for interval in &record.intervals {
        let second = usize::try_from(interval.start_us / 1_000_000).unwrap();
        let arrivals = interval.routes.iter().map(|r| r.counts.scheduled);
        seconds[second.min(2)] += arrivals.sum::<u64>();
    }
    assert_eq!(seconds, [100; 3], "each in its own second");
}

#[test]
fn when_even_arrivals_are_counted_by_hand() {
    let sandbox = Sandbox::new();
    let rest = load("  shape: [ { hold: { rate: 70/s, for: 3s } } ]\n");
    let file = sandbox.write("even.yaml", one_server(&rest));
    sandbox.squall(&["run", &file]).assert_code(0);
    let sum = assert_conserved(&sandbox);
    assert_eq!(sum.scheduled, 210);
}

/// A minute of load in which nobody answers from the first second on.
fn long() -> String {
    load(
        "  shape: [ { hold: { rate: 100/s, for: 1m } } ]
faults:
  - { name: silent, at: 1s, inject: cut, into: api, for: 50s }
",
    )
    .replace("timeout: 400ms", "timeout: 30s")
}

#[test]
fn when_interrupted() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("long.yaml", one_server(&long()));
    let mut running = sandbox.start(&["run", &file, "--ui", "json"]);
    running.fault("active");
    // An interval in which nobody answers is settled only much later; so wait
    // for the resources of another second.
    for _ in 0..2 {
        running.event("a second", |event| event["resources"].is_object());
    }
    running.signal(Signal::INT);
    running.end().assert_code(130);
    let sum = assert_conserved(&sandbox);
    assert!(sum.scheduled < 3_000, "cut short: {sum:?}");
    assert!(sum.good > 0, "the first second: {sum:?}");
}

#[test]
fn when_interrupted_twice_while_nobody_answers() {
    let sandbox = Sandbox::new();
    let tarpit = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}", tarpit.local_addr().unwrap());
    let text = one_server(&long().replace("into: api", "into: front")).replace(
        "target: api",
        &format!("target: {target}\nlinks: {{ front: {{ to: api }} }}"),
    );
    let file = sandbox.write("silent.yaml", text);
    let mut running = sandbox.start(&["run", &file, "--ui", "json"]);
    running.fault("active");
    running.signal(Signal::INT);
    running.signal(Signal::INT);
    running.end().assert_code(130);
    let sum = assert_conserved(&sandbox);
    assert_eq!(sum.good, 0);
    assert_eq!(sum.unfinished, sum.scheduled, "{sum:?}");
    assert!(sum.scheduled >= 90, "a second of load: {sum:?}");
}
