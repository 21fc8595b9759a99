//! The guardian as a real process: what it starts, reports and ends.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::support::run::{FIXTURE, Run};
use crate::support::{HANG, skip, soon, until};
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process};
use squall_faults::guardian::{ExitStatus, GroupSignal, GuardianClient, GuardianError};
use squall_faults::{
    Fault, FaultContext, FaultError, Journal, Origin, ProcessFault, ProcessIdentity, ProcessTarget,
    Refusal, members, recover,
};
use squall_scenario::OnProcess;
use squall_scenario::inject::Kill;
use tempfile::TempDir;

#[tokio::test]
async fn it_starts_processes_and_reports_how_they_end() {
    let run = Run::start().await;
    let mut exits = run.guardian.exits();
    let script = "echo $GREETING; pwd; echo oops >&2; exit 7";
    let spawned = run.target("one", script).await;
    let exited = soon(exits.recv()).await.unwrap();
    assert_eq!(exited.key, "one");
    assert_eq!(exited.identity, spawned.identity);
    assert_eq!(exited.status, ExitStatus::Code(7));
    let dir = run.dir.path().canonicalize().unwrap();
    assert_eq!(run.log("one"), format!("hello\n{}\noops\n", dir.display()));

    run.target("one", "kill -9 $$").await;
    let exited = soon(exits.recv()).await.unwrap();
    assert_eq!(exited.status, ExitStatus::Signal(9));
    run.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_in_words() {
    let run = Run::start().await;
    let mut missing = run.request("missing", "");
    missing.argv = vec!["/no/such/program".to_owned()];
    let Err(GuardianError::Refused(why)) = soon(run.guardian.spawn(missing)).await else {
        panic!("not refused");
    };
    assert!(why.contains("missing: `/no/such/program`"), "{why}");
    run.target("taken", "sleep 1000").await;
    let again = run.guardian.spawn(run.request("taken", "sleep 1000"));
    assert!(matches!(soon(again).await, Err(GuardianError::Refused(_))));
    let signal = run.guardian.signal("nobody", GroupSignal::Term);
    assert!(matches!(soon(signal).await, Err(GuardianError::Refused(_))));
    let gone = run.guardian.terminate("nobody", Duration::ZERO);
    soon(gone).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn terminate_ends_a_group_that_ignores_sigterm() {
    let run = Run::start().await;
    let mut exits = run.guardian.exits();
    let script = "trap '' TERM; sleep 1000 & echo $! ; while :; do sleep 1; done";
    let target = run.target("stubborn", script).await;
    until("it is up", || !run.log("stubborn").is_empty()).await;
    let sibling: u32 = run.log("stubborn").trim().parse().unwrap();
    let sibling = squall_faults::ProcessIdentity::of(sibling).unwrap();
    let ending = run
        .guardian
        .terminate("stubborn", Duration::from_millis(50));
    soon(ending).await.unwrap();
    assert!(!target.identity.is_alive());
    assert_eq!(
        soon(exits.recv()).await.unwrap().status,
        ExitStatus::Signal(9)
    );
    until("its group is gone", || !sibling.is_alive()).await;
    run.stop().await;
}

#[tokio::test]
async fn a_kill_is_seen_on_the_pidfd_and_reported_as_an_exit() {
    let run = Run::start().await;
    let mut exits = run.guardian.exits();
    let target = run.target("victim", "sleep 1000").await;
    let context = run.context();
    let fault = |target, inject| Fault::Process(ProcessFault { target, inject });
    let kill = OnProcess::Kill(Kill::default());
    let guard = fault(target, kill.clone()).inject(&context).await.unwrap();
    soon(guard.verify()).await.unwrap();
    assert_eq!(
        soon(exits.recv()).await.unwrap().status,
        ExitStatus::Signal(9)
    );

    let guardian = ProcessTarget {
        name: "guardian".to_owned(),
        identity: run.guardian.identity(),
        mark: None,
    };
    let refusal = |context| {
        let fault = fault(guardian.clone(), kill.clone());
        async move {
            match fault.inject(&context).await {
                Err(FaultError::Refused { refusal, .. }) => refusal,
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(refusal(context.clone()).await, Refusal::Guardian);
    // The guardian leads a session: without knowing it, that protects it.
    let stranger = FaultContext {
        guardian: None,
        ..context
    };
    assert_eq!(refusal(stranger).await, Refusal::ForeignSessionLeader);
    run.stop().await;
}

#[tokio::test]
async fn no_socket_of_squall_reaches_its_children() {
    let _listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let run = Run::start().await;
    let mut exits = run.guardian.exits();
    run.target("curious", "ls -l /proc/self/fd").await;
    soon(exits.recv()).await.unwrap();
    let log = run.log("curious");
    assert!(log.contains("/dev/null"), "{log}");
    assert!(!log.contains("socket:"), "{log}");
    run.stop().await;
}

#[tokio::test]
async fn dropping_the_client_ends_everything() {
    let run = Run::start().await;
    let target = run
        .target("left", "trap '' TERM; while :; do sleep 1; done")
        .await;
    let stopped = run.target("stopped", "sleep 1000").await;
    let stop = run.guardian.signal("stopped", GroupSignal::Stop);
    soon(stop).await.unwrap();
    let guardian = run.guardian.identity();
    drop(run.guardian);
    until("all are gone", || {
        ![target.identity, stopped.identity, guardian]
            .iter()
            .any(squall_faults::ProcessIdentity::is_alive)
    })
    .await;
    assert!(recover::list(run.dir.path()).unwrap().is_empty());
}

#[tokio::test]
async fn a_guardian_that_does_not_start_leaves_nothing_to_undo() {
    for (exe, args) in [
        ("/no/such/program", vec![]),
        ("sh", vec!["-c".into(), "exit 1".into()]),
    ] {
        let dir = TempDir::new().unwrap();
        let journal = Arc::new(Journal::create(dir.path(), "run").unwrap());
        let start = GuardianClient::start(Path::new(exe), &args, &journal);
        let error = soon(start).await.unwrap_err();
        assert!(matches!(error, GuardianError::Start(_)), "{exe}: {error}");
        assert_eq!(journal.close().unwrap(), 0, "{exe}");
    }
}

/// A guardian whose standard error says what it should not.
#[tokio::test]
async fn a_guardian_that_complains_is_heard() {
    let dir = TempDir::new().unwrap();
    let journal = Arc::new(Journal::create(dir.path(), "complains").unwrap());
    let script = "echo ' INFO all is well' >&2; echo 'ERROR out of luck' >&2; exec \"$0\" \"$@\"";
    let args = ["-c", script, FIXTURE, "guardian"].map(Into::into);
    let start = GuardianClient::start(Path::new("sh"), &args, &journal);
    let guardian = soon(start).await.unwrap();
    let mut complaints = guardian.complaints().unwrap();
    assert_eq!(soon(complaints.recv()).await.unwrap(), "out of luck");
    assert!(guardian.complaints().is_none(), "they are taken");
    soon(guardian.shutdown(Duration::ZERO)).await.unwrap();
    assert_eq!(soon(complaints.recv()).await, None, "it is gone");
}

/// SIGKILL ends a guardian, SIGSTOP silences it.
#[tokio::test]
async fn squall_ends_the_run_itself_when_its_guardian_is_gone_or_silent() {
    for signal in [Signal::KILL, Signal::STOP] {
        let run = Run::start().await;
        let stray = "trap '' TERM; (setsid sleep 1000 & echo $!); while :; do sleep 1; done";
        let target = run.target("left", stray).await;
        until("it is up", || run.log("left").ends_with('\n')).await;
        let stray = run.log("left").trim().parse().unwrap();
        let stray = ProcessIdentity::of(stray).unwrap();
        let guardian = run.guardian.identity();
        let pid = Pid::from_raw(guardian.pid.cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
        let shutdown = run.guardian.shutdown(Duration::from_millis(50));
        let report = soon(shutdown).await.unwrap();
        assert!(report.left.is_empty(), "{report:?}");
        // The kernel ends with the guardian what it had started, perhaps before
        // squall counts it; only the stray is left for certain.
        assert!(report.killed >= 1, "{report:?}");
        for who in [target.identity, stray, guardian] {
            assert!(!who.is_alive(), "{signal:?}: {who:?}");
        }
        assert_eq!(run.journal.close().unwrap(), 0);
    }
}

#[tokio::test]
async fn each_process_has_its_own_grace() {
    let run = Run::start().await;
    // One that ignores SIGTERM and has no grace, one that takes its time and has
    // plenty: neither waits for the other's.
    let stubborn = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    let orderly = "trap 'sleep 0.5; echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    let stubborn = run.target("stubborn", stubborn).await;
    let orderly = run.target("orderly", orderly).await;
    for key in ["stubborn", "orderly"] {
        until("it is up", || run.log(key).contains("up")).await;
    }
    let own = [
        ("stubborn".to_owned(), Duration::ZERO),
        ("orderly".to_owned(), HANG),
    ];
    let shutdown = run.guardian.shutdown_each(HANG, &own);
    let report = soon(shutdown).await.unwrap();
    assert!(report.left.is_empty() && report.killed >= 1, "{report:?}");
    assert!(run.log("orderly").contains("bye"), "it was given its time");
    assert!(!stubborn.identity.is_alive() && !orderly.identity.is_alive());
    assert_eq!(run.journal.close().unwrap(), 0);
}

/// A child, one in a session of its own, and one that nobody has any mark of;
/// none of them heeds SIGTERM or SIGHUP.
const FAMILY: &str = "trap '' TERM HUP; (env -i setsid sh -c 'trap \"\" TERM HUP; sleep 1000' &); \
                      setsid sleep 1000 & echo up; sleep 1000; wait";

/// Everything that came of a process, once its family is complete.
async fn family(run: &Run) -> Vec<ProcessIdentity> {
    let target = run.target("family", FAMILY).await;
    let origin = Origin {
        root: target.identity,
        mark: target.mark.unwrap(),
    };
    let found = || members(&origin).unwrap();
    until("the family is complete", || found().len() >= 5).await;
    found().iter().map(|member| member.identity).collect()
}

fn pid_namespace(pid: u32) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap()
}

fn kill(who: ProcessIdentity) {
    let pid = Pid::from_raw(who.pid.cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[tokio::test]
async fn in_a_namespace_the_kernel_ends_everything_with_the_guardian() {
    let run = Run::start_in_namespace().await;
    let family = family(&run).await;
    if pid_namespace(family[0].pid) == pid_namespace(std::process::id()) {
        skip("PID namespaces");
        return run.stop().await;
    }
    kill(run.guardian.identity());
    until("all are gone", || {
        !family.iter().any(ProcessIdentity::is_alive)
    })
    .await;
}

#[tokio::test]
async fn without_a_namespace_the_kernel_ends_what_the_guardian_started_itself() {
    let run = Run::start().await;
    let family = family(&run).await;
    kill(run.guardian.identity());
    until("the first is gone", || !family[0].is_alive()).await;
    let ended = run.guardian.shutdown(Duration::ZERO).await.unwrap();
    assert!(ended.left.is_empty(), "{ended:?}");
    // What nobody has a mark of is found by nobody.
    for who in family.into_iter().filter(ProcessIdentity::is_alive) {
        kill(who);
    }
}

/// Whether it lives in a namespace or not, a process finds itself in `/proc`,
/// and its limits are those of whoever called squall.
#[tokio::test]
async fn a_process_sees_itself_and_its_callers_limits() {
    for run in [Run::start().await, Run::start_in_namespace().await] {
        let mut exits = run.guardian.exits();
        let script = "test /proc/$$/exe -ef /proc/self/exe || readlink /proc/$$/exe; \
                      grep -c . /proc/$$/cmdline; ulimit -Sn; kill -0 $$ && echo alive";
        run.target("curious", script).await;
        soon(exits.recv()).await.unwrap();
        let log = run.log("curious");
        let limit = getrlimit(Resource::Nofile).current.unwrap().to_string();
        let lines: Vec<&str> = log.lines().collect();
        assert!(lines.ends_with(&[limit.as_str(), "alive"]), "{log}");
        assert!(!log.contains("No such file"), "{log}");
        run.stop().await;
    }
}

/// What is asked of a process in a namespace comes about with the numbers that
/// people see.
#[tokio::test]
async fn faults_reach_into_a_namespace() {
    let run = Run::start_in_namespace().await;
    let family = family(&run).await;
    let target = ProcessTarget {
        name: "family".to_owned(),
        identity: family[0],
        mark: None,
    };
    let mark = std::fs::read_to_string(format!("/proc/{}/environ", family[0].pid)).unwrap();
    let mark = mark
        .split('\0')
        .find_map(|v| v.strip_prefix("SQUALL_INSTANCE_MARK="));
    let target = ProcessTarget {
        mark: mark.map(str::to_owned),
        ..target
    };
    let stopped = |who: &ProcessIdentity| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", who.pid)).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    };
    let inject = OnProcess::Pause;
    let fault = Fault::Process(ProcessFault { target, inject });
    let mut guard = fault.inject(&run.context()).await.unwrap();
    soon(guard.verify()).await.unwrap();
    assert!(family.iter().all(stopped));
    soon(guard.remove()).await.unwrap();
    assert!(!family.iter().any(stopped));
    run.stop().await;
    assert!(!family.iter().any(ProcessIdentity::is_alive));
}
