//! Standard output and error that are full, closed, or read by nobody: no panic,
//! nobody is waited for, and the exit code is the documented one.

use std::fs::File;
use std::process::{Command, Stdio};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;

use crate::support::{Ended, Running, Sandbox, entries, one_server};

/// A run of two seconds whose gate fails.
fn failing(sandbox: &Sandbox, seconds: u32) -> String {
    let text = one_server(&format!(
        "load:
  shape: [ {{ hold: {{ rate: 50/s, for: {seconds}s }} }} ]
  requests: [ GET /no/such/page ]
  warm_up: 0s
slo:
  - during: whole run
    expect: [ success >= 99% ]
"
    ));
    sandbox.write("fails.yaml", text)
}

fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A pipe that takes nothing more, and its other end, which is never read.
fn stalled() -> (Stdio, OwnedFd) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    loop {
        match rustix::io::write(&writer, &[b'x'; 4096]) {
            Ok(_) => {}
            Err(Errno::AGAIN) => break,
            Err(error) => panic!("{error}"),
        }
    }
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (writer.into(), reader)
}

fn assert_no_panic(ended: &Ended) {
    assert!(!ended.stderr.contains("panicked"), "{ended}");
    assert!(!matches!(ended.code, None | Some(101)), "{ended}");
}

fn end(mut command: Command, change: impl FnOnce(&mut Command)) -> Ended {
    change(&mut command);
    let ended = Running::start(command).end();
    assert_no_panic(&ended);
    ended
}

/// Commands whose result is what they print, and the code they end with.
fn printing(sandbox: &Sandbox) -> Vec<(Vec<String>, i32)> {
    let file = failing(sandbox, 2);
    let bad = sandbox.write("bad.yaml", "version: 1\nname: x\nlaod: 1\n");
    let record = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../reports/fixtures/records/v1-0.1.0"
    );
    [
        (vec!["check", &file], 0),
        (vec!["check", &bad, "--format", "github"], 2),
        (vec!["plan", &file], 0),
        (vec!["plan", &file, "--format", "json"], 0),
        (vec!["scenarios"], 0),
        (vec!["explain", "exit"], 0),
        (vec!["schema", "scenario"], 0),
        (vec!["faults"], 0),
        (vec!["completions", "bash"], 0),
        (vec!["runs"], 0),
        (vec!["recover", "--list"], 0),
        (vec!["reference", "settings"], 0),
        (vec!["reference", "lint"], 0),
        (
            vec![
                "load",
                "http://127.0.0.1:9/",
                "-r",
                "1/s",
                "-d",
                "1s",
                "--print-scenario",
            ],
            0,
        ),
        (vec!["report", record, "--report", "json=-"], 0),
        (vec!["compare", record, record], 0),
        (vec!["--help"], 0),
        (vec!["--version"], 0),
        (vec!["no-such-command"], 2),
    ]
    .map(|(args, code)| (args.into_iter().map(ToOwned::to_owned).collect(), code))
    .into()
}

#[test]
fn a_result_that_cannot_be_printed_is_an_error_and_a_reader_that_leaves_is_none() {
    let sandbox = Sandbox::new();
    for (args, code) in printing(&sandbox) {
        let usual = end(sandbox.command(&args), |_| {});
        assert_eq!(usual.code, Some(code), "{args:?} {usual}");
        let unprinted = end(sandbox.command(&args), |command| {
            command.stdout(full());
        });
        let wanted = if usual.stdout.is_empty() {
            code
        } else {
            code.max(5 * i32::from(code == 0))
        };
        assert_eq!(unprinted.code, Some(wanted), "{args:?} {unprinted}");
        if wanted == 5 {
            unprinted.assert_stderr(&["standard output: No space left on device"]);
        }
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let left = end(sandbox.command(&args), |command| {
            command.stdout(writer);
        });
        assert_eq!(left.code, Some(code), "{args:?} {left}");
        for stderr in [full(), Stdio::null()] {
            let silent = end(sandbox.command(&args), |command| {
                command.stderr(stderr);
            });
            assert_eq!(silent.code, Some(code), "{args:?} {silent}");
        }
    }
}

#[test]
fn a_run_ends_as_it_must_whoever_reads() {
    let sandbox = Sandbox::new();
    let file = failing(&sandbox, 1);
    for ui in ["plain", "json", "none"] {
        let args = ["run", &file, "--ui", ui, "--report", "json=-"];
        let mut unprinted = sandbox.command(&args);
        unprinted.stdout(full()).stderr(full());
        let closed = sandbox.command_by(
            &["sh", "-c", "exec \"$@\" >&- 2>&- <&-", "sh"].map(std::ffi::OsStr::new),
            &args,
        );
        let (out, err) = (stalled(), stalled());
        let mut waits = sandbox.command(&args);
        waits.stdout(out.0).stderr(err.0);
        for running in [unprinted, closed, waits].map(Running::start) {
            let ended = running.end();
            assert_no_panic(&ended);
            ended.assert_code(1);
        }
    }
    let runs = entries(&sandbox.out().join("small"));
    assert_eq!(runs.len(), 9);
    assert!(runs.iter().all(|run| run.join("verdict.json").is_file()));
    sandbox.assert_empty();
}

#[test]
fn signals_are_heard_while_nobody_reads() {
    let signals = [(Signal::TERM, 143), (Signal::HUP, 143), (Signal::INT, 130)];
    let runs = signals.map(|(signal, code)| {
        let sandbox = Sandbox::new();
        let file = failing(&sandbox, 60);
        let (out, err) = (stalled(), stalled());
        let mut command = sandbox.command(&["run", &file, "--ui", "json"]);
        command.stdout(out.0).stderr(err.0);
        // Neither end of what it writes to is read, nor closed, meanwhile.
        let kept = (out.1, err.1);
        (Running::start(command), sandbox, signal, code, kept)
    });
    for (running, sandbox, signal, code, _kept) in runs {
        crate::support::wait_until("a run under way", || {
            sandbox.runs().first().is_some_and(|run| {
                let events = std::fs::read_to_string(run.join("events.ndjson"));
                events.is_ok_and(|text| text.contains("\"phase\":\"load\""))
            })
        });
        running.signal(signal);
        running.end().assert_code(code);
        sandbox.assert_empty();
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_and_kills_nobody() {
    let sandbox = Sandbox::new();
    let file = failing(&sandbox, 2);
    // The manifest is larger than this.
    let limited = ["sh", "-c", "ulimit -f 1; exec \"$@\"", "sh"].map(std::ffi::OsStr::new);
    let ended = end(sandbox.command_by(&limited, &["run", &file]), |_| {});
    ended.assert_code(5).assert_stderr(&["File too large"]);
    let record = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../reports/fixtures/records/v1-0.1.0"
    );
    let page = format!("html={}", sandbox.work().join("page.html").display());
    let report = ["report", record, "--report", &page];
    let ended = end(sandbox.command_by(&limited, &report), |_| {});
    ended.assert_code(5).assert_stderr(&["File too large"]);
    sandbox.assert_empty();
}
