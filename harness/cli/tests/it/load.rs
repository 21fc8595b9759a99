//! `squall load URL`: what is asked arrives, and one line is worth a file.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use squall_judge::RunOutcome;
use squall_record::{Counts, Record};

use crate::support::{Ended, Sandbox, entries, verdict};

/// A request as it came over the wire.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

/// A server that notes what it is asked and answers with one status. It ends
/// with the test's process.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let notes = Arc::clone(&notes);
                std::thread::spawn(move || converse(&stream, status, &notes));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// Answers the requests of one connection until it is closed.
fn converse(stream: &TcpStream, status: &str, notes: &Mutex<Vec<Seen>>) -> Option<()> {
    let mut answers = stream.try_clone().ok()?;
    let mut input = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if input.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                text => head.push(text.to_owned()),
            }
        }
        let mut headers = head.split_off(1);
        headers.sort();
        let length = headers
            .iter()
            .find_map(|header| header.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        input.read_exact(&mut body).ok()?;
        notes.lock().unwrap().push(Seen {
            line: head.remove(0),
            headers,
            body: String::from_utf8(body).unwrap(),
        });
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
        answers.write_all(answer.as_bytes()).ok()?;
    }
}

/// Runs a short load without a warm-up.
fn load(sandbox: &Sandbox, url: &str, more: &[&str]) -> Ended {
    let mut words = vec!["load", url, "-r", "100/s", "-d", "1s", "--warm-up", "0s"];
    words.extend(more);
    sandbox.squall(&words)
}

#[test]
fn a_limit_is_searched_from_rate_to_rate() {
    let sandbox = Sandbox::new();
    let server = Server::start("200 OK");
    let search = |more: &[&str]| {
        let gate = ["--find-limit", "success >= 50%", "--up-to", "200/s"];
        load(&sandbox, &server.url("/"), &[&gate, more].concat())
    };
    search(&["--ui", "none"]).assert_code(0).assert_stdout(&[
        "100/s ",
        "200/s ",
        "holds at every rate up to 200/s",
    ]);
    assert_eq!(sandbox.runs().len(), 2, "a run for each rate");
    search(&["--report", "junit"])
        .assert_code(2)
        .assert_stderr(&["--find-limit takes neither --report nor --shard"]);
    let few = load(&sandbox, &server.url("/"), &["--find-limit", "p99 < 1s"]);
    few.assert_code(2)
        .assert_stderr(&["too few arrivals at 100/s to judge"]);
    search(&["--find-limit", "nonsense"])
        .assert_code(2)
        .assert_stderr(&["--find-limit nonsense"]);
    let most = load(
        &sandbox,
        &server.url("/"),
        &["--find-limit", "success >= 50%", "--up-to", "0/s"],
    );
    most.assert_code(2)
        .assert_stderr(&["--up-to: 0/s is below --rate", "write at least 100/s"]);
    assert_eq!(sandbox.runs().len(), 2, "nothing else was run");
    // Where nobody listens no rate is tried but the first.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", gone.local_addr().unwrap());
    drop(gone);
    load(&sandbox, &url, &["--find-limit", "success >= 50%"])
        .assert_code(5)
        .assert_stderr(&["100/s: ", "nothing listens"]);
    assert_eq!(sandbox.runs().len(), 3);
}

/// An answer in time, with a good status, that is wrong is no good answer; a
/// right one is. The server answers `ok` to everybody.
#[test]
fn answers_are_looked_into() {
    let sandbox = Sandbox::new();
    let server = Server::start("200 OK");
    let text = format!(
        "version: 1
name: answers are looked into
target: http://{}
load:
  shape: [ {{ hold: {{ rate: 100/s, for: 1s }} }} ]
  warm_up: 0s
  requests:
    - name: right
      send: GET /right
      expect: {{ header: {{ content-length: 2, x-fallback: absent }}, body: {{ contains: o$last, at_most: 2B }} }}
    - {{ name: wrong, send: GET /wrong, expect: {{ body: {{ contains: rows }} }} }}
  data: {{ last: {{ pick: [ k ] }} }}
slo:
  - during: whole run
    expect: [ success of right >= 95%, success of wrong < 5% ]
",
        server.address
    );
    let file = sandbox.write("answers.yaml", text);
    let ended = sandbox.squall(&["run", &file]);
    ended.assert_code(0).assert_stdout(&["wrong answer"]);
    let record = Record::read(&sandbox.run()).unwrap();
    let mut counts = [Counts::default(); 2];
    for interval in &record.intervals {
        for route in &interval.routes {
            counts[usize::from(route.route == "wrong")].add(&route.counts);
        }
    }
    let [right, wrong] = counts;
    assert_eq!((right.good, right.check), (right.scheduled, 0), "{right:?}");
    assert_eq!((wrong.good, wrong.check), (0, wrong.scheduled), "{wrong:?}");
    assert!(right.scheduled > 0 && wrong.scheduled > 0);
    let samples = std::fs::read_to_string(sandbox.run().join("samples.ndjson")).unwrap();
    assert!(
        samples.contains(r#"the body does not contain \"rows\""#),
        "{samples}"
    );
}

#[test]
fn what_is_asked_arrives_and_is_counted() {
    let sandbox = Sandbox::new();
    let server = Server::start("200 OK");
    let url = server.url("/items?q=a%20b&price=5$x");
    // The rise begins with nothing, so nothing is sent before time zero.
    let ended = sandbox.squall(&[
        "load",
        &url,
        "-r",
        "100/s",
        "-d",
        "1s",
        "--ramp",
        "1s",
        "-m",
        "put",
        "-H",
        "X-Token: ${SQUALL_TEST_TOKEN:-none}",
        "-b",
        "{\"a\": \"$b\"}\n",
    ]);
    ended.assert_code(0);
    let asked = server.asked();
    assert_eq!(asked.len(), 150, "one request for each arrival {ended}");
    let host = format!("host: {}", server.address);
    let expected = Seen {
        line: "PUT /items?q=a%20b&price=5$x HTTP/1.1".to_owned(),
        headers: vec![
            "content-length: 12".to_owned(),
            host,
            "x-token: none".to_owned(),
        ],
        body: "{\"a\": \"$b\"}\n".to_owned(),
    };
    assert!(asked.iter().all(|seen| *seen == expected), "{:?}", asked[0]);

    let run = sandbox.run();
    let verdict = verdict(&run);
    assert_eq!(verdict.outcome, RunOutcome::Measured);
    assert_eq!(verdict.conservation.scheduled, 150);
    assert_eq!(verdict.conservation.good, 150);
    let parent = run.parent().unwrap().file_name().unwrap();
    let port = server.address.port();
    assert_eq!(
        parent.to_str().unwrap(),
        format!("load-127-0-0-1-{port}-items")
    );
    ended.assert_stdout(&[
        "MEASURED",
        "no verdict",
        "p99.9",
        "while the rate stayed",
        "asked 150 requests in 2s",
    ]);
    assert!(!ended.stdout.contains("PASS"), "{ended}");
}

#[test]
fn gates_decide_the_exit_code() {
    let sandbox = Sandbox::new();
    let good = Server::start("200 OK");
    let gates = ["-e", "success >= 99%", "-e", "p50 < 30s"];
    load(&sandbox, &good.url("/"), &gates)
        .assert_code(0)
        .assert_stdout(&["PASS", "during whole run", "p50 < 30s"]);

    let bad = Server::start("503 Service Unavailable");
    let ended = load(&sandbox, &bad.url("/"), &gates);
    ended
        .assert_code(1)
        .assert_stdout(&["FAIL", "success >= 99%", "100  wrong status"]);
    // The same answers are what was asked for here.
    load(
        &sandbox,
        &bad.url("/"),
        &["-e", "success >= 99%", "--status", "404,5xx"],
    )
    .assert_code(0);
    // 100 arrivals cannot tell, and say so before and after.
    load(&sandbox, &good.url("/"), &["-e", "p99.9 < 30s"])
        .assert_code(3)
        .assert_stderr(&["S0310", "--expect p99.9 < 30s"])
        .assert_stdout(&["INCONCLUSIVE"]);
}

#[test]
fn mistakes_are_told_at_the_argument_and_nothing_is_sent() {
    let sandbox = Sandbox::new();
    let server = Server::start("200 OK");
    let url = server.url("/");
    let ended = sandbox.squall(&["load", &url, "-r", "200", "-e", "p99 < 300"]);
    ended.assert_code(2).assert_stderr(&[
        "--rate 200",
        "write `200/s`",
        "--expect p99 < 300",
        "write `p99 < 300ms`",
        "2 mistakes; nothing was run",
    ]);
    sandbox
        .squall(&["load", "localhost:1/x"])
        .assert_code(2)
        .assert_stderr(&["write `http://localhost:1/x`"]);
    sandbox
        .squall(&["load", "http://192.0.2.1/x"])
        .assert_code(2)
        .assert_stderr(&["--allow-remote 192.0.2.1"]);
    sandbox.squall(&["load"]).assert_code(2);
    assert!(server.asked().is_empty(), "{:?}", server.asked());
    assert!(entries(&sandbox.out()).is_empty());
}

#[test]
fn a_server_that_is_not_there_is_not_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let sandbox = Sandbox::new();
    load(&sandbox, &format!("http://{address}/"), &[])
        .assert_code(5)
        .assert_stdout(&["NOT READY", "nothing listens"]);
}

/// Scheduled arrivals of every interval.
fn arrivals(record: &Record) -> Vec<(i64, i64, u64)> {
    let intervals = record.intervals.iter();
    intervals
        .map(|i| (i.start_us, i.end_us, i.routes[0].counts.scheduled))
        .collect()
}

#[test]
fn the_printed_scenario_is_what_the_line_runs() {
    let sandbox = Sandbox::new();
    let server = Server::start("200 OK");
    let url = server.url("/items");
    let more = [
        "--ramp",
        "1s",
        "-d",
        "2s",
        "--arrivals",
        "poisson",
        "--seed",
        "7",
        "-e",
        "success >= 9%",
    ];
    let line = sandbox.squall(&[&["load", url.as_str()][..], &more].concat());
    line.assert_code(0).assert_stdout(&[&format!(
        "again: squall load {url} -r 50/s -d 2s --arrivals poisson"
    )]);

    let print = [&["load", url.as_str(), "--print-scenario"][..], &more].concat();
    let before = server.asked().len();
    let printed = sandbox.squall(&print);
    printed.assert_code(0);
    assert_eq!(server.asked().len(), before, "printing sends nothing");
    let file = sandbox.write("printed.yaml", &printed.stdout);
    sandbox.squall(&["check", &file]).assert_code(0);
    sandbox.squall(&["run", &file]).assert_code(0);

    let runs = sandbox.runs();
    let records: Vec<Record> = runs.iter().map(|run| Record::read(run).unwrap()).collect();
    let [line, file] = records.as_slice() else {
        panic!("{runs:?}");
    };
    assert_eq!(line.manifest.scenario, file.manifest.scenario);
    assert_eq!(line.manifest.seed, 7);
    assert_eq!(arrivals(line), arrivals(file));
    let sum: u64 = arrivals(line).iter().map(|(.., count)| count).sum();
    assert!(sum > 60, "{sum} of about 125");
    // They are records like any other, of one load.
    let dirs: Vec<_> = runs.iter().map(|run| run.to_str().unwrap()).collect();
    sandbox
        .squall(&["compare", dirs[0], dirs[1]])
        .assert_stdout(&["p99"]);
    let slo = ["judge", dirs[0], "--slo", &file_of(&sandbox, "p50 < 1ns")];
    sandbox.squall(&slo).assert_code(1);
}

/// A file with one gate of the whole run.
fn file_of(sandbox: &Sandbox, gate: &str) -> String {
    let text = format!(
        "version: 1\nname: other\ntarget: http://127.0.0.1:1\nload:\n  shape: [ {{ hold: {{ rate: \
         1/s, for: 1s }} }} ]\n  requests: [ GET / ]\nslo: [ {{ during: whole run, expect: [ {gate} ] }} ]\n"
    );
    sandbox.write("other.yaml", text)
}

#[test]
fn secrets_of_the_environment_stay_there() {
    let sandbox = Sandbox::new();
    let server = Server::start("401 Unauthorized");
    let words = [
        "load",
        &server.url("/me"),
        "-r",
        "20/s",
        "-d",
        "1s",
        "-H",
        "authorization: Bearer ${SQUALL_TEST_TOKEN}",
        "--print-scenario",
    ];
    sandbox
        .squall(&words)
        .assert_code(2)
        .assert_stderr(&["S0401", "--header authorization"]);
    let mut command = sandbox.command(&words[..words.len() - 1]);
    command.env("SQUALL_TEST_TOKEN", "hunter2hunter2");
    let ended = crate::support::Running::start(command).end();
    ended.assert_code(0);
    let asked = server.asked();
    let sent = "authorization: Bearer hunter2hunter2".to_owned();
    assert!(asked[0].headers.contains(&sent), "{:?}", asked[0]);
    let again = "-H 'authorization: Bearer ${SQUALL_TEST_TOKEN}'";
    ended.assert_stdout(&[again]);
    assert!(!format!("{ended}").contains("hunter2"), "{ended}");
    let files = entries(&sandbox.run());
    for file in files.iter().filter(|file| file.is_file()) {
        let text = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
        assert!(!text.contains("hunter2"), "{}", file.display());
    }
    // Typed out, it is warned about.
    let typed = [
        "load",
        &server.url("/"),
        "-H",
        "Cookie: a=b",
        "--print-scenario",
    ];
    sandbox
        .squall(&typed)
        .assert_code(0)
        .assert_stderr(&["`cookie` will stand in the record"]);
}

#[test]
fn where_nothing_can_be_left_behind_no_home_is_needed() {
    let sandbox = Sandbox::new();
    let server = Server::start("200 OK");
    let url = server.url("/");
    let line = ["load", &url, "-r", "50/s", "-d", "1s", "--warm-up", "0s"];
    let mut command = sandbox.command(&line);
    let homeless = command.env_remove("HOME").env_remove("XDG_STATE_HOME");
    let output = homeless.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!entries(&sandbox.run()).iter().any(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.ends_with(".ndjson")
            && !["events", "samples", "run"].contains(&name.split('.').next().unwrap())
    }));
}
