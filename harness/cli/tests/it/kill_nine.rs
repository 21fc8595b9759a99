//! `kill -9` at every point of a run: soon no process, no stopped process and
//! no listening port of it is left, and what was recorded can be read.
//!
//! The points are events, not times: squall is killed as soon as it told of
//! one. How long the cleaning took is printed (see it with `--nocapture`); the
//! tests fail only when it takes longer than anybody would wait.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Listener, Process, Running, Sandbox};

/// Far beyond the second it takes, for a machine that does much else.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// A fault that lasts long enough to be killed in.
fn lasting(inject: &str) -> String {
    format!("  - {{ name: broken, at: 300ms, inject: {inject}, into: api-0, for: 3s }}")
}

/// One whose removal is awaited, or the end of its load.
fn brief(inject: &str) -> String {
    lasting(inject).replace("for: 3s", "for: 500ms")
}

/// A server, a daemon of it that ignores SIGTERM and SIGHUP, and a link. (The
/// kernel hangs up a stopped process group that becomes an orphan; that must
/// not do squall's work.)
fn scenario(faults: &str) -> String {
    let rest = format!(
        "links:
  front: {{ to: api }}
load:
  shape: [ {{ hold: {{ rate: 50/s, for: 4s }} }} ]
  requests: [ GET /health ]
  timeout: 4s
  warm_up: 300ms
steady_state: {{ for: 500ms, expect: [ success >= 1% ] }}
faults:
{faults}
"
    );
    let text = crate::support::one_server(&rest);
    let stubborn = text.replace(
        "(sleep 600 &)",
        r#"( (trap "" TERM HUP; exec sleep 600) & )"#,
    );
    assert_ne!(text, stubborn, "the daemon must be stubborn");
    stubborn
}

/// Runs with a fault, waits for the point, kills, and looks at what is left.
fn die_at(point: &str, fault: &str, wait: impl FnOnce(&mut Running, &Sandbox)) {
    die_in(&scenario(fault), point, wait);
}

fn die_in(text: &str, point: &str, wait: impl FnOnce(&mut Running, &Sandbox)) {
    let sandbox = Sandbox::new();
    let file = sandbox.write("dies.yaml", text);
    let mut running = sandbox.start(&["run", &file, "--ui", "json"]);
    wait(&mut running, &sandbox);
    let listeners = sandbox.listeners();
    let alive = sandbox.processes();
    assert!(
        alive.len() >= 2,
        "squall and its guardian at least: {alive:#?}"
    );
    running.signal(Signal::KILL);
    let took = sandbox.wait_until_empty(&listeners, GONE_WITHIN);
    println!(
        "killed {point}: {} processes and {} ports gone after {} ms",
        alive.len(),
        listeners.len(),
        took.as_millis()
    );
    assert_eq!(running.end().code, None, "it was killed");
    let recovered = sandbox.squall(&["recover"]);
    recovered.assert_code(0).assert_stdout(&["clean"]);
    assert!(sandbox.journals().is_empty(), "{:?}", sandbox.journals());
    report_is_partial(&sandbox);
}

/// A half-written run can be rendered, and never as a pass.
fn report_is_partial(sandbox: &Sandbox) {
    let run = sandbox.run();
    let run = run.to_str().unwrap();
    let reported = sandbox.squall(&["report", run, "--report", "json=-"]);
    reported
        .assert_code(0)
        .assert_stderr(&["this run did not come to its end; the report is partial"]);
    let json: serde_json::Value = serde_json::from_str(&reported.stdout).unwrap();
    let outcome = json.pointer("/verdict/outcome").expect("an outcome");
    assert_eq!(outcome, "inconclusive", "{outcome}");
}

fn guardian(sandbox: &Sandbox) -> Process {
    let mut processes = sandbox.processes().into_iter();
    processes
        .find(|process| process.command.contains(" guardian --journal"))
        .expect("there is a guardian")
}

/// The child of a guardian that outlives it.
fn keeper(guardian: &Process) -> Process {
    let pid = guardian.pid;
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children = children.split_whitespace().filter_map(|pid| {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        Some(Process {
            pid: pid.parse().ok()?,
            state: 'S',
            command: command.replace('\0', " "),
        })
    });
    let mut keepers = children.filter(|child| child.command.contains(" --keep "));
    keepers.next().expect("a guardian has a keeper")
}

/// Waits for a change of the fault.
fn fault(change: &'static str) -> impl FnOnce(&mut Running, &Sandbox) {
    move |running, _| running.fault(change)
}

/// Waits for a phase.
fn phase(name: &'static str) -> impl FnOnce(&mut Running, &Sandbox) {
    move |running, _| running.phase(name)
}

/// Waits for a change of a process.
fn process(running: &mut Running, change: &str) {
    running.event(change, |event| {
        let seen = &event["process"]["change"];
        seen == change || seen.get(change).is_some()
    });
}

#[test]
fn while_starting() {
    die_at("while starting", &lasting("cut"), |running, _| {
        process(running, "started");
    });
}

#[test]
fn when_ready() {
    die_at("when ready", &lasting("cut"), |running, sandbox| {
        process(running, "ready");
        let ports = sandbox.listeners().len();
        assert!(ports >= 3, "server, link, inbound link; seen: {ports}");
    });
}

#[test]
fn in_the_warm_up() {
    die_at("in the warm-up", &lasting("cut"), phase("warm-up"));
}

#[test]
fn in_the_steady_state() {
    die_at(
        "in the steady state",
        &lasting("cut"),
        phase("steady-state"),
    );
}

#[test]
fn under_load_before_the_fault() {
    die_at("under load", &lasting("cut"), phase("load"));
}

#[test]
fn right_at_the_injection() {
    die_at("at the injection", &lasting("pause"), fault("requested"));
}

#[test]
fn while_a_process_is_paused() {
    die_at("during a pause", &lasting("pause"), |running, sandbox| {
        running.fault("active");
        let processes = sandbox.processes();
        assert!(
            processes.iter().any(|p| p.is_stopped()),
            "something must be stopped: {processes:#?}"
        );
    });
}

#[test]
fn while_a_process_is_held_down() {
    die_at("during a kill", &lasting("kill"), fault("active"));
}

#[test]
fn at_the_removal_of_a_kill() {
    die_at("at the removal", &brief("kill"), fault("removal-requested"));
}

#[test]
fn at_the_removal_of_a_pause() {
    die_at(
        "at the removal",
        &brief("pause"),
        fault("removal-requested"),
    );
}

#[test]
fn in_the_drain() {
    // Nobody answers at the other end of the link, so that answers are awaited.
    let tarpit = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tarpit.local_addr().unwrap().to_string();
    let text = scenario(&brief("pause"))
        .replace("for: 4s", "for: 1s")
        .replace("target: api", "target: http://$links.front")
        .replace("front: { to: api }", &format!("front: {{ to: {address} }}"))
        .replace("steady_state:", "# steady_state:");
    assert!(text.contains(&address) && text.contains("$links.front"));
    die_in(&text, "in the drain", |running, sandbox| {
        running.phase("drain");
        let processes = sandbox.processes().len();
        assert_eq!(processes, 4, "nothing has been stopped yet");
    });
}

#[test]
fn while_stopping() {
    // A dead squall has no time for graces.
    let text = scenario(&brief("kill"))
        .replace("for: 4s", "for: 1s")
        .replace("grace: 1s", "grace: 10m");
    assert!(text.contains("10m"));
    die_in(&text, "while stopping", phase("stopping"));
}

/// Kills squall and its guardian at once, under a fault.
fn kill_together(
    sandbox: &Sandbox,
    namespace: &str,
    before: impl FnOnce(&Process),
) -> Vec<Listener> {
    // A paused process would not do: when its guardian dies its group becomes
    // an orphan, and the kernel hangs up stopped orphans.
    let file = sandbox.write("dies.yaml", scenario(&lasting("{ delay: { by: 50ms } }")));
    let mut command = sandbox.command(&["run", &file, "--ui", "json"]);
    command.env("SQUALL_NAMESPACE", namespace);
    let mut running = Running::start(command);
    running.fault("active");
    let listeners = sandbox.listeners();
    // Stopped first, so that neither can react to the end of the other.
    running.signal(Signal::STOP);
    let guardian = guardian(sandbox);
    before(&guardian);
    guardian.kill();
    running.signal(Signal::KILL);
    assert_eq!(running.end().code, None, "it was killed");
    listeners
}

/// The kernel ends what lived in the namespace; the next command forgets it.
#[test]
fn together_with_its_guardian() {
    let sandbox = Sandbox::new();
    if !namespaces() {
        std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs PID namespaces\n")
            .unwrap();
        return;
    }
    let listeners = kill_together(&sandbox, "on", |guardian| keeper(guardian).kill());
    sandbox.wait_until_empty(&listeners, GONE_WITHIN);
    let socket = sandbox.run().join("attach.sock");
    assert!(sandbox.journals().len() == 1 && socket.exists());
    let pruned = sandbox.squall(&["runs", "prune", "--keep", "9"]);
    pruned.assert_code(0);
    assert!(sandbox.journals().is_empty() && !socket.exists());
    let recovered = sandbox.squall(&["recover"]);
    recovered.assert_code(0).assert_stdout(&["clean"]);
}

/// Whether this machine lets us have them.
fn namespaces() -> bool {
    let mut unshare = std::process::Command::new("unshare");
    unshare.args(["--pid", "--fork", "--mount-proc"]);
    if !rustix::process::geteuid().is_root() {
        unshare.arg("--map-current-user");
    }
    unshare
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
}

/// The keeper ends and undoes what both left.
#[test]
fn together_with_its_guardian_but_not_its_keeper() {
    let sandbox = Sandbox::new();
    let listeners = kill_together(&sandbox, "off", |_| {});
    sandbox.wait_until_empty(&listeners, GONE_WITHIN);
    crate::support::wait_until("no journal", || sandbox.journals().is_empty());
    assert!(!sandbox.run().join("attach.sock").exists());
    let recovered = sandbox.squall(&["recover"]);
    recovered.assert_code(0).assert_stdout(&["clean"]);
}

/// Nobody is left to clean up but `squall recover`.
#[test]
fn together_with_its_guardian_and_its_keeper() {
    let sandbox = Sandbox::new();
    let listeners = kill_together(&sandbox, "off", |guardian| keeper(guardian).kill());
    // The server was the guardian's own child, and ends with it.
    let left = || sandbox.processes();
    crate::support::wait_until("the daemon alone", || left().len() == 1);
    let daemon = left().remove(0).pid;
    let listed = sandbox.squall(&["recover", "--list"]);
    listed
        .assert_code(0)
        .assert_stdout(&["its run is dead", "processes left: 1"]);
    assert_eq!(left()[0].pid, daemon, "listing changes nothing");
    let recovered = sandbox.squall(&["recover"]);
    recovered
        .assert_code(0)
        .assert_stdout(&["undone: ", "clean"]);
    sandbox.wait_until_empty(&listeners, Duration::ZERO);
    sandbox
        .squall(&["recover"])
        .assert_code(0)
        .assert_stdout(&["clean"]);
}

/// squall lives but nobody owns the processes any more: the run ends at once,
/// and squall itself finds and ends what the guardian had started.
#[test]
fn its_guardian_alone() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("dies.yaml", scenario(&lasting("{ delay: { by: 50ms } }")));
    let mut running = sandbox.start(&["run", &file]);
    running.line("the fault", |line| line.contains("FAULT broken: active"));
    let listeners = sandbox.listeners();
    guardian(&sandbox).kill();
    let ended = running.end();
    ended
        .assert_code(4)
        .assert_stdout(&["ABORTED", "the guardian is alive"])
        .assert_stderr(&["FAULT broken: removed", "put back: "]);
    sandbox.wait_until_empty(&listeners, Duration::ZERO);
    assert!(sandbox.journals().is_empty(), "{:?}", sandbox.journals());
}

/// The guardian would have started it again; without one nobody can.
#[test]
fn its_guardian_while_a_killed_process_is_awaited() {
    let sandbox = Sandbox::new();
    let killed = "  - { name: broken, at: 300ms, inject: kill, into: api-0 }";
    let text = scenario(killed)
        .replace("restart: { after: 100ms }", "restart: { after: 30m }")
        .replace("rate: 50/s, for: 4s", "rate: 50/s, for: 1h");
    assert!(text.contains("30m") && text.contains("1h"));
    let file = sandbox.write("dies.yaml", text);
    let mut running = sandbox.start(&["run", &file]);
    running.line("the fault", |line| line.contains("FAULT broken: active"));
    let listeners = sandbox.listeners();
    guardian(&sandbox).kill();
    let ended = running.end();
    ended
        .assert_code(4)
        .assert_stdout(&["ABORTED", "the guardian is alive"])
        .assert_stderr(&["put back: "]);
    let waited = ended.stderr.contains("was not ready within");
    assert!(!waited, "waited for nobody: {}", ended.stderr);
    sandbox.wait_until_empty(&listeners, Duration::ZERO);
    assert!(sandbox.journals().is_empty(), "{:?}", sandbox.journals());
}
