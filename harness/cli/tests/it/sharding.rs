//! One load from two squalls, put together.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use jiff::{SignedDuration, Timestamp};

use crate::support::{Sandbox, entries, one_server, verdict};

/// Answers every request on its connections until they close.
fn serve(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    let mut request = Vec::new();
    while let Ok(read @ 1..) = stream.read(&mut bytes) {
        request.extend_from_slice(&bytes[..read]);
        while let Some(end) = request.windows(4).position(|part| part == b"\r\n\r\n") {
            request.drain(..end + 4);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    }
}

/// A server that lives as long as the test program; its address.
fn tiny_server() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

#[test]
fn two_shards_make_one_verdict() {
    let sandbox = Sandbox::new();
    let address = tiny_server();
    let scenario = sandbox.write(
        "shared.yaml",
        format!(
            "version: 1\nname: shared\nseed: 3\ntarget: http://{address}\n\
             load:\n  shape:\n    - hold: {{ rate: 200/s, for: 2s, arrivals: poisson }}\n  \
             requests:\n    - {{ name: page, send: GET / }}\n\
             slo:\n  - during: whole run\n    expect: [ success >= 99% ]\n"
        ),
    );
    let start = Timestamp::now() + SignedDuration::from_secs(6);
    let start = start.to_string();
    let shard = |number: u32| {
        let out = format!("out-{number}");
        let part = format!("{number}/2");
        let args = [
            "run",
            &scenario,
            "--shard",
            &part,
            "--start-at",
            &start,
            "--out",
            &out,
        ];
        sandbox.start(&args)
    };
    let shards = [shard(1), shard(2)];
    for ended in shards.map(crate::support::Running::end) {
        ended
            .assert_code(3)
            .assert_stdout(&["alone", "squall merge"]);
    }
    let runs: Vec<_> = [1, 2]
        .iter()
        .map(|number| entries(&sandbox.work().join(format!("out-{number}/shared"))).remove(0))
        .collect();
    let runs: Vec<_> = runs.iter().map(|run| run.to_str().unwrap()).collect();
    let merged = sandbox.squall(&["merge", runs[0], runs[1], "--out", "merged"]);
    merged.assert_code(0).assert_stdout(&["PASS"]);
    let dir = sandbox.work().join("merged");
    let whole = verdict(&dir);
    let parts: u64 = runs
        .iter()
        .map(|run| verdict(run.as_ref()).conservation.scheduled)
        .sum();
    assert_eq!(whole.conservation.scheduled, parts);
    assert!(whole.conservation.violations.is_empty());
    // The merged directory is a record like any other.
    sandbox.squall(&["report", "merged"]).assert_code(0);
    sandbox
        .squall(&["merge", runs[1], "--out", "half"])
        .assert_code(3)
        .assert_stderr(&["shard 2 of 2 alone"]);
    sandbox
        .squall(&["merge", runs[0], "--out", "merged"])
        .assert_code(2)
        .assert_stderr(&["merged holds a run already"]);
}

#[test]
fn what_cannot_be_shared_is_refused_before_anything_runs() {
    let sandbox = Sandbox::new();
    let load = "load:\n  shape:\n    - hold: { rate: 10/s, for: 1s }\n  \
                requests:\n    - { name: health, send: GET /health }\n";
    let own = sandbox.write("own.yaml", one_server(load));
    let later = "2126-11-22T12:00:00Z";
    let refused = |args: &[&str], word: &str| {
        let mut all = vec!["run", own.as_str()];
        all.extend(args);
        sandbox.squall(&all).assert_code(2).assert_stderr(&[word]);
    };
    refused(
        &["--shard", "1/2", "--start-at", later],
        "a `api` of its own",
    );
    refused(&["--shard", "1/2"], "--start-at");
    refused(&["--shard", "3/2", "--start-at", later], "no shard 3 of 2");
    refused(&["--start-at", later], "--shard");
    assert!(sandbox.runs().is_empty());
}
