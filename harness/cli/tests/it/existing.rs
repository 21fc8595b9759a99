//! Faults on processes that squall did not start.

use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use tokio::net::TcpSocket;

use crate::support::{Sandbox, wait_until};

/// A server with a session of its own, as a daemon has, that squall does not
/// start. It belongs to the sandbox and ends with its handle.
struct Daemon {
    process: Child,
    port: u16,
    /// Bound to the port, so that nobody else is ever given it.
    _held: TcpSocket,
}

impl Daemon {
    fn start(sandbox: &Sandbox) -> Self {
        // Two may be bound to one port where both say so and only one listens.
        let held = TcpSocket::new_v4().unwrap();
        held.set_reuseaddr(true).unwrap();
        held.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let port = held.local_addr().unwrap().port();
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
        let mut process = command.spawn().unwrap();
        wait_until("server listens", || TcpStream::connect(&address).is_ok());
        assert!(process.try_wait().unwrap().is_none());
        Self {
            process,
            port,
            _held: held,
        }
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

    /// Its port stays its own.
    fn end(&mut self) {
        // One that was killed is only waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
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

    let host = "elsewhere.test";
    let allowed = ["--allow-process", "there", "--allow-remote", host];
    let ended = sandbox.squall(&[&["run", &file], &allowed[..]].concat());
    ended.assert_code(0);
    let allowed = allowed.join(" ");
    // Whoever repeats it has to allow it again.
    let again = format!(r#""rerun": "squall run {file} --seed "#);
    let manifest = std::fs::read_to_string(sandbox.run().join("run.json")).unwrap();
    let line = manifest.lines().find(|line| line.contains(&again));
    assert!(
        line.is_some_and(|line| line.contains(&allowed)),
        "{manifest}"
    );
    ended.assert_stdout(&["again: squall run", &allowed]);
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
    let mut daemon = Daemon::start(&sandbox);
    let file = daemon.scenario(&sandbox, "inject: pause, for: 1s", "success < 50%");
    let port = daemon.port;
    daemon.end();
    sandbox
        .squall(&["run", &file, "--allow-process", "there"])
        .assert_code(5)
        .assert_stderr(&[&format!("nobody that can be seen listens on port {port}")]);
}
