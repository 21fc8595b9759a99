//! Faults on processes that squall did not start.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Sandbox;

/// Longer than anything may hang.
const HANG: Duration = Duration::from_secs(60);

/// A server with a session of its own, as a daemon has, that squall does not
/// start. It belongs to the sandbox and ends with its handle.
struct Daemon {
    process: Child,
    port: u16,
}

impl Daemon {
    fn start(sandbox: &Sandbox) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .unwrap()
            .port();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
        command
            .args(["reference", "serve", "discovery", "--instance", "there"])
            .args(["--listen", &address, "--data-dir", "there"])
            .current_dir(sandbox.work())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        #[expect(unsafe_code, reason = "a session is made between fork and exec")]
        // SAFETY: one system call and nothing else.
        unsafe {
            command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into));
        }
        let process = command.spawn().unwrap();
        let start = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(start.elapsed() < HANG, "it never listens");
            std::thread::yield_now();
        }
        Self { process, port }
    }

    /// A scenario with a fault on it.
    fn scenario(&self, sandbox: &Sandbox, fault: &str, gate: &str) -> String {
        let port = self.port;
        let text = format!(
            "version: 1
name: there already
target: http://127.0.0.1:{port}
existing:
  there: {{ port: {port} }}
load:
  shape: [ {{ hold: {{ rate: 50/s, for: 5s }} }} ]
  requests: [ {{ name: health, send: GET /health, within: 300ms }} ]
  warm_up: 0s
faults:
  - {{ name: broken, at: 3s, into: there, {fault} }}
slo: [ {{ during: broken, expect: [ {gate} ] }} ]
"
        );
        sandbox.write("there.yaml", text)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that was killed is only waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_pause_of_what_squall_did_not_start_is_allowed_by_name_and_put_back() {
    let sandbox = Sandbox::new();
    let mut daemon = Daemon::start(&sandbox);
    let file = daemon.scenario(&sandbox, "inject: pause, for: 1s", "success < 50%");
    sandbox
        .squall(&["run", &file])
        .assert_code(2)
        .assert_stderr(&["S0411", "pass `--allow-process there`"]);
    assert!(sandbox.runs().is_empty());

    let ended = sandbox.squall(&["run", &file, "--allow-process", "there"]);
    ended.assert_code(0);
    let events = std::fs::read_to_string(sandbox.run().join("events.ndjson")).unwrap();
    let pid = daemon.process.id();
    assert!(
        events.contains(&format!("existing `there` is pid {pid} ")),
        "{events}"
    );
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let state = stat.rsplit(')').next().unwrap().trim().chars().next();
    assert_ne!(state, Some('T'), "it runs again");
    assert!(daemon.process.try_wait().unwrap().is_none());
    sandbox
        .squall(&["recover", "--list"])
        .assert_stdout(&["nothing to recover"]);
}

#[test]
fn what_is_not_there_ends_the_run_before_it_begins() {
    let sandbox = Sandbox::new();
    let daemon = Daemon::start(&sandbox);
    let file = daemon.scenario(&sandbox, "inject: pause, for: 1s", "success < 50%");
    let port = daemon.port;
    drop(daemon);
    sandbox
        .squall(&["run", &file, "--allow-process", "there"])
        .assert_code(5)
        .assert_stderr(&[&format!("nobody that can be seen listens on port {port}")]);
}
