//! Faults on processes that squall did not start and was allowed to hit.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use squall_faults::{
    Fault, FaultContext, FaultError, Journal, Limits, Pauses, ProcessFault, ProcessIdentity,
    ProcessTarget, Refusal, ResourceFault, recover,
};
use squall_scenario::inject::{Kill, Limit, Signal};
use squall_scenario::{OnProcess, OnResource};
use tempfile::TempDir;

use crate::support::run::FIXTURE;
use crate::support::{HANG, skip, until};

/// A daemon: it leads a session of its own, without a terminal, and has a child.
struct Daemon {
    root: Child,
    child: ProcessIdentity,
}

impl Daemon {
    fn start() -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", "sleep 1000 >/dev/null & echo $!; wait"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        #[expect(unsafe_code, reason = "a session is made between fork and exec")]
        // SAFETY: one system call and nothing else.
        unsafe {
            command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into));
        }
        let mut root = command.spawn().unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(root.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let child = ProcessIdentity::of(line.trim().parse().unwrap()).unwrap();
        Self { root, child }
    }

    fn identity(&self) -> ProcessIdentity {
        ProcessIdentity::of(self.root.id()).unwrap()
    }

    fn allowed(&self) -> ProcessTarget {
        ProcessTarget::allowed("daemon".to_owned(), self.identity())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Killed ones are only waited for.
        let _ = self.root.kill();
        let _ = self.root.wait();
        let pid = rustix::process::Pid::from_raw(self.child.pid.cast_signed()).unwrap();
        if self.child.is_alive() {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
    }
}

fn state(of: ProcessIdentity) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", of.pid)).unwrap_or_default();
    let behind = stat.rsplit(')').next().unwrap_or_default();
    behind.trim().chars().next().unwrap_or('-')
}

/// Whether it lives and is not stopped.
fn runs(who: ProcessIdentity) -> bool {
    who.is_alive() && state(who) != 'T'
}

fn context(dir: &TempDir) -> FaultContext {
    FaultContext {
        fault: "foreign".to_owned(),
        injection: 0,
        journal: Arc::new(Journal::create(dir.path(), "foreign").unwrap()),
        guardian: None,
        pauses: Pauses::default(),
        limits: Limits::default(),
        deadline: HANG,
    }
}

fn fault(target: ProcessTarget, inject: OnProcess) -> Fault {
    Fault::Process(ProcessFault { target, inject })
}

#[tokio::test]
async fn a_pause_reaches_what_a_daemon_started_and_is_put_back() {
    let (dir, daemon) = (tempfile::tempdir().unwrap(), Daemon::start());
    let context = context(&dir);
    let pause = fault(daemon.allowed(), OnProcess::Pause);
    let mut guard = pause.inject(&context).await.unwrap();
    guard.verify().await.unwrap();
    assert_eq!([state(daemon.identity()), state(daemon.child)], ['T', 'T']);
    guard.remove().await.unwrap();
    assert!(runs(daemon.identity()) && runs(daemon.child));
    // Once more says the same.
    guard.remove().await.unwrap();
    assert_eq!(context.journal.close().unwrap(), 0);
}

#[tokio::test]
async fn what_a_daemon_started_is_continued_when_the_daemon_is_gone() {
    let (dir, mut daemon) = (tempfile::tempdir().unwrap(), Daemon::start());
    let context = context(&dir);
    let pause = fault(daemon.allowed(), OnProcess::Pause);
    let mut guard = pause.inject(&context).await.unwrap();
    guard.verify().await.unwrap();
    daemon.root.kill().unwrap();
    daemon.root.wait().unwrap();
    assert_eq!(state(daemon.child), 'T');
    guard.remove().await.unwrap();
    assert!(runs(daemon.child));
}

/// As after a squall that died: only the journal knows.
#[tokio::test]
async fn the_journal_alone_continues_everybody() {
    let (dir, daemon) = (tempfile::tempdir().unwrap(), Daemon::start());
    let context = context(&dir);
    let pause = fault(daemon.allowed(), OnProcess::Pause);
    let guard = pause.inject(&context).await.unwrap();
    guard.verify().await.unwrap();
    // Written by a process that lives, it would be left alone. What was started in
    // the same tick keeps its own time.
    let text = std::fs::read_to_string(context.journal.path()).unwrap();
    let own = ProcessIdentity::own().unwrap();
    let dead = text.replace(
        &format!("\"pid\":{},\"start_time\":{}", own.pid, own.start_time),
        &format!("\"pid\":{},\"start_time\":1", own.pid),
    );
    assert_ne!(dead, text);
    std::fs::write(context.journal.path(), dead).unwrap();
    let report = recover::run(dir.path()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let both = || runs(daemon.identity()) && runs(daemon.child);
    until("everybody runs", both).await;
    std::mem::forget(guard);
}

fn to_files(most: u32, target: ProcessTarget) -> Fault {
    let limit = Limit {
        files: Some(most),
        ..Limit::default()
    };
    let inject = OnResource::Limit(limit);
    Fault::Resource(ResourceFault { target, inject })
}

fn files(who: ProcessIdentity) -> String {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", who.pid)).unwrap();
    let mut lines = limits.lines();
    let line = lines.find(|line| line.starts_with("Max open files"));
    line.unwrap().split_whitespace().nth(3).unwrap().to_owned()
}

#[tokio::test]
async fn limits_on_a_daemon_and_on_what_it_started_do_not_meet() {
    let (dir, daemon) = (tempfile::tempdir().unwrap(), Daemon::start());
    let context = context(&dir);
    let before = files(daemon.child);
    let child = ProcessTarget::allowed("child".to_owned(), daemon.child);
    for (first, second) in [(daemon.allowed(), child.clone()), (child, daemon.allowed())] {
        let by = first.identity.pid;
        let mut guard = to_files(64, first).inject(&context).await.unwrap();
        let second = to_files(32, second);
        let refused = second.inject(&context).await.unwrap_err();
        let expected = (daemon.child.pid, by);
        assert!(
            matches!(refused, FaultError::LimitsOverlap { pid, by } if (pid, by) == expected),
            "{refused}"
        );
        guard.verify().await.unwrap();
        guard.remove().await.unwrap();
        // The first is over, though its guard is still there.
        let mut later = second.inject(&context).await.unwrap();
        later.verify().await.unwrap();
        assert_eq!(files(daemon.child), "32");
        later.remove().await.unwrap();
        assert_eq!(files(daemon.child), before);
    }
}

/// It is born with the low limit, in a session of its own, and its parent ends.
#[tokio::test]
async fn a_limit_is_given_back_to_whoever_left_the_daemon_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Command::new("sh");
    daemon.arg("-c").arg(
        "wait_for() { while ! [ -e $1 ]; do sleep 0.02; done; }; wait_for go; \
         (setsid sh -c 'echo $$ > born; exec sleep 1000' & wait_for leave); sleep 1000; :",
    );
    daemon.current_dir(dir.path()).process_group(0);
    daemon.stdin(Stdio::null()).stdout(Stdio::null());
    let daemon = Ended(daemon.stderr(Stdio::null()).spawn().unwrap());
    let identity = ProcessIdentity::of(daemon.0.id()).unwrap();
    let before = files(identity);
    let limit = to_files(64, ProcessTarget::allowed("daemon".to_owned(), identity));
    let mut guard = limit.inject(&context(&dir)).await.unwrap();
    std::fs::write(dir.path().join("go"), "").unwrap();
    let born = || std::fs::read_to_string(dir.path().join("born")).unwrap_or_default();
    until("it is born", || born().ends_with('\n')).await;
    let born = ProcessIdentity::of(born().trim().parse().unwrap()).unwrap();
    guard.verify().await.unwrap();
    assert_eq!(files(born), "64");
    let parent = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", born.pid)).unwrap();
        let behind = stat.rsplit(')').next().unwrap().to_owned();
        behind.split_whitespace().nth(1).unwrap().to_owned()
    };
    let first = parent();
    std::fs::write(dir.path().join("leave"), "").unwrap();
    until("its parent is gone", || parent() != first).await;
    guard.remove().await.unwrap();
    let has = files(born);
    let pid = rustix::process::Pid::from_raw(born.pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_eq!(has, before);
    let group = rustix::process::Pid::from_child(&daemon.0);
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
}

/// The journal names each of them, as nothing else leads to the child then.
#[tokio::test]
async fn a_limit_is_given_back_when_the_daemon_and_squall_are_gone() {
    let (dir, mut daemon) = (tempfile::tempdir().unwrap(), Daemon::start());
    let context = context(&dir);
    let before = files(daemon.child);
    let limit = to_files(64, daemon.allowed());
    let guard = limit.inject(&context).await.unwrap();
    guard.verify().await.unwrap();
    assert_eq!([daemon.identity(), daemon.child].map(files), ["64", "64"]);
    daemon.root.kill().unwrap();
    daemon.root.wait().unwrap();
    let text = std::fs::read_to_string(context.journal.path()).unwrap();
    let own = ProcessIdentity::own().unwrap();
    let own = format!("\"start_time\":{}", own.start_time);
    std::fs::write(
        context.journal.path(),
        text.replacen(&own, "\"start_time\":1", 1),
    )
    .unwrap();
    let report = recover::run(dir.path()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(files(daemon.child), before);
    std::mem::forget(guard);
}

#[tokio::test]
async fn a_kill_reaches_what_a_daemon_started() {
    let (dir, daemon) = (tempfile::tempdir().unwrap(), Daemon::start());
    let context = context(&dir);
    let kill = OnProcess::Kill(Kill {
        signal: Signal::Kill,
    });
    let guard = fault(daemon.allowed(), kill)
        .inject(&context)
        .await
        .unwrap();
    guard.verify().await.unwrap();
    assert!(!daemon.child.is_alive());
    let gone = fault(daemon.allowed(), OnProcess::Pause);
    let gone = gone.inject(&context).await.unwrap_err();
    assert!(matches!(gone, FaultError::ProcessGone { .. }), "{gone}");
}

#[tokio::test]
async fn a_daemon_that_nobody_allowed_is_refused() {
    let (dir, daemon) = (tempfile::tempdir().unwrap(), Daemon::start());
    let target = ProcessTarget {
        mark: None,
        ..daemon.allowed()
    };
    let refused = fault(target, OnProcess::Pause).inject(&context(&dir)).await;
    assert!(matches!(
        refused.unwrap_err(),
        FaultError::Refused {
            refusal: Refusal::ForeignSessionLeader,
            ..
        }
    ));
    assert!(runs(daemon.child));
}

/// What was allowed by name may still be somebody whom nothing may hit.
#[tokio::test]
async fn who_must_live_is_refused_whatever_was_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let context = context(&dir);
    for (pid, expected) in [
        (1, Refusal::Init),
        (std::process::id(), Refusal::Itself),
        (std::os::unix::process::parent_id(), Refusal::Ancestor),
    ] {
        let identity = ProcessIdentity::of(pid).unwrap();
        let target = ProcessTarget::allowed("x".to_owned(), identity);
        let error = fault(target, OnProcess::Pause).inject(&context).await;
        match error.unwrap_err() {
            FaultError::Refused { refusal, .. } => assert_eq!(refusal, expected),
            error => panic!("{error}"),
        }
    }
}

/// What a shell makes of `service | squall …`: both are in one process group, and
/// the service leads it.
#[tokio::test]
async fn a_service_with_squall_in_its_process_group_is_refused() {
    for fault in ["kill", "pause", "limit"] {
        let dir = tempfile::tempdir().unwrap();
        let mut service = Command::new("sleep");
        let service = service.arg("1000").process_group(0);
        let service = Ended(service.stderr(Stdio::null()).spawn().unwrap());
        let mut squall = Command::new(FIXTURE);
        squall.arg("hit").arg(dir.path());
        squall.args([fault, &service.0.id().to_string()]);
        squall.process_group(service.0.id().cast_signed());
        let mut squall = squall.stdout(Stdio::piped()).spawn().unwrap();
        let stopped = format!("{fault}: squall was stopped");
        until(&stopped, || squall.try_wait().unwrap().is_some()).await;
        let mut said = String::new();
        let mut output = squall.stdout.take().unwrap();
        output.read_to_string(&mut said).unwrap();
        let (root, own) = (service.0.id(), squall.id());
        assert_eq!(
            said.trim_end(),
            format!(
                "refused to hit process {root} with all that is below it or in its group: \
                 process {own} is there, and it is squall itself"
            ),
            "{fault}"
        );
        assert!(runs(ProcessIdentity::of(root).unwrap()), "{fault}");
    }
}

/// Somebody's shell below a daemon that was allowed.
#[tokio::test]
async fn a_daemon_with_a_terminal_below_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    // `script` starts it as the leader of a session at a terminal of its own.
    let typed = format!("echo $$ > {}/shell; exec sleep 1000", dir.path().display());
    let mut daemon = Command::new("script");
    daemon.args(["-q", "-c", &typed, "/dev/null"]);
    daemon.stdin(Stdio::null()).stdout(Stdio::null());
    let Ok(daemon) = daemon.stderr(Stdio::null()).spawn() else {
        return skip("script, of util-linux");
    };
    let daemon = Ended(daemon);
    let shell = dir.path().join("shell");
    let said = || std::fs::read_to_string(&shell).is_ok_and(|said| said.ends_with('\n'));
    until("the shell is up", said).await;
    let shell = std::fs::read_to_string(&shell).unwrap();
    let shell = ProcessIdentity::of(shell.trim().parse().unwrap()).unwrap();
    let root = ProcessIdentity::of(daemon.0.id()).unwrap();
    let target = ProcessTarget::allowed("daemon".to_owned(), root);
    let refused = fault(target, OnProcess::Pause).inject(&context(&dir)).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(
            refused,
            FaultError::RefusedBelow { pid, refusal: Refusal::AtATerminal, .. } if pid == shell.pid
        ),
        "{refused}"
    );
    assert!(runs(root) && runs(shell));
    drop(daemon);
    // The end of its terminal ends it, unless whoever started the tests ignores hangups.
    let pid = rustix::process::Pid::from_raw(i32::try_from(shell.pid).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    until("the shell is gone", || !shell.is_alive()).await;
}

/// A process that ends with its handle.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // One that was killed is only waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
