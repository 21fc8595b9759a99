//! What `--metrics` serves while a run goes on.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{HANG, Running, Sandbox, one_server};

const LOAD: &str = "load:
  shape:
    - hold: { rate: 50/s, for: 7s }
  requests:
    - { name: 'the \"health\"', send: GET /health, within: 300ms }
faults:
  - name: slow
    at: 2s
    inject: { delay: { by: 500ms } }
    into: api
    for: 3s
slo:
  - during: slow
    expect: [ success >= 99% ]
";

/// Status and body of a GET.
fn get(address: &str, path: &str, header: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\n{header}\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// Every sample by its name and labels. Strict: each line is a comment or a
/// sample, no series comes twice, every one has a type, and the end is marked.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    let mut types = Vec::new();
    let mut samples = BTreeMap::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            match words.next().unwrap() {
                "TYPE" => types.push(words.next().unwrap().to_owned()),
                "HELP" | "UNIT" => {}
                other => panic!("{other} in {line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        assert!(
            types.iter().any(|known| name.starts_with(known)),
            "{line} has no type"
        );
        assert_eq!(series.contains('{'), series.ends_with('}'), "{line}");
        let before = samples.insert(series.to_owned(), value.parse().unwrap());
        assert!(before.is_none(), "{line} comes twice");
    }
    samples
}

fn address(running: &mut Running) -> String {
    let line = running.line("the address", |line| line.starts_with("metrics at"));
    let address = line.trim().strip_prefix("metrics at http://").unwrap();
    address.strip_suffix("/metrics").unwrap().to_owned()
}

#[test]
fn a_run_can_be_read_while_it_goes_on() {
    let sandbox = Sandbox::new();
    let scenario = sandbox.write("small.yaml", one_server(LOAD));
    let mut running =
        sandbox.start(&["run", &scenario, "--metrics", "127.0.0.1:0", "--ui", "json"]);
    let address = address(&mut running);
    let active = || parse(&get(&address, "/metrics", "").1)["squall_fault_active{fault=\"slow\"}"];
    running.phase("load");
    assert_eq!(active(), 0.0);
    running.fault("active");
    while active() != 1.0 {
        crate::support::pause();
    }
    // Each reader hears of an event in its own time: ask until it is told.
    let route = "route=\"the \\\"health\\\"\"";
    let scheduled = format!("squall_scheduled_total{{{route}}}");
    let (text, samples) = loop {
        let (status, text) = get(&address, "/metrics", "");
        assert_eq!(status, 200);
        let samples = parse(&text);
        if samples[&scheduled] >= 100.0 {
            break (text, samples);
        }
        crate::support::pause();
    };
    let scheduled = samples[&scheduled];
    let of = |series: &str| {
        *samples
            .get(series)
            .unwrap_or_else(|| panic!("{series} in {text}"))
    };
    let phases = samples
        .iter()
        .filter(|(s, _)| s.starts_with("squall_phase{"));
    assert_eq!(phases.map(|(_, value)| value).sum::<f64>(), 1.0);
    assert_eq!(of("squall_phase{phase=\"starting\"}"), 0.0);
    let settled: f64 = samples
        .iter()
        .filter(|(series, _)| series.starts_with("squall_arrivals_total{"))
        .map(|(_, value)| value)
        .sum();
    assert_eq!(settled, scheduled);
    let good = of(&format!(
        "squall_arrivals_total{{{route},outcome=\"good\"}}"
    ));
    assert_eq!(
        of(&format!("squall_response_seconds_count{{{route}}}")),
        good
    );
    assert!(of("squall_lag_seconds_count") > 0.0);
    assert!(samples.contains_key("squall_in_flight"));
    let gates: Vec<_> = samples
        .iter()
        .filter(|(series, _)| series.starts_with("squall_gate_state{"))
        .collect();
    assert_eq!(gates.len(), 3);
    assert_eq!(gates.iter().map(|(_, value)| **value).sum::<f64>(), 1.0);
    assert_eq!(get(&address, "/", "").0, 404);
    running.fault("removed");
    while active() != 0.0 {
        crate::support::pause();
    }
    running.end().assert_code(1);
    assert!(
        TcpStream::connect(&address).is_err(),
        "it ends with the run"
    );
}

#[test]
fn others_need_a_token() {
    let sandbox = Sandbox::new();
    let scenario = sandbox.write("small.yaml", one_server(LOAD));
    sandbox
        .squall(&["run", &scenario, "--metrics", "0.0.0.0:0"])
        .assert_code(2)
        .assert_stderr(&["--metrics-token-file"]);
    let short = sandbox.write("short", "abc\n");
    sandbox
        .squall(&[
            "run",
            &scenario,
            "--metrics",
            "127.0.0.1:0",
            "--metrics-token-file",
            &short,
        ])
        .assert_code(2)
        .assert_stderr(&["at least 16"]);
    assert!(sandbox.runs().is_empty());
    let token = sandbox.write("token", "0123456789abcdef\n");
    let args = [
        "run",
        &scenario,
        "--metrics",
        "127.0.0.1:0",
        "--metrics-token-file",
        &token,
        "--ui",
        "json",
    ];
    let mut running = sandbox.start(&args);
    let address = address(&mut running);
    let status = |header: &str| get(&address, "/metrics", header).0;
    assert_eq!(status(""), 401);
    assert_eq!(status("authorization: Bearer 0123456789abcdeX\r\n"), 401);
    assert_eq!(status("authorization: Bearer 0123456789abcdef0\r\n"), 401);
    assert_eq!(status("authorization: Bearer 0123456789abcdef\r\n"), 200);
    running.phase("load");
    running.signal(rustix::process::Signal::INT);
    running.end().assert_code(130);
}
