//! Faults on a service that runs behind a start script: the script leads the
//! process group, its child holds the listening socket, in that group or far
//! away from it.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::support::run::{FIXTURE, Run};
use crate::support::{soon, until};
use rustix::process::{Pid, Signal, kill_process};
use squall_faults::INSTANCE_MARK;
use squall_faults::guardian::{ExitStatus, Exited, GroupSignal};
use squall_faults::{
    Fault, FaultError, FaultGuard, Inverse, Journal, Origin, ProcessFault, ProcessIdentity,
    ProcessTarget, members, recover,
};
use squall_scenario::inject::Kill;
use squall_scenario::{EvidenceLevel, OnProcess, Sighting};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::broadcast::Receiver;

/// A script and the service it started.
struct Wrapped {
    target: ProcessTarget,
    service: ProcessIdentity,
    address: SocketAddr,
}

impl Wrapped {
    /// What follows the service keeps the shell from becoming it.
    async fn start(run: &Run, key: &str, address: &str) -> Self {
        let script = format!("{FIXTURE} serve {address}; true");
        Self::start_script(run, key, &script).await
    }

    async fn start_script(run: &Run, key: &str, script: &str) -> Self {
        let lines = run.log(key).lines().count();
        let target = run.target(key, script).await;
        until("the service is up", || {
            run.log(key).ends_with('\n') && run.log(key).lines().count() > lines
        })
        .await;
        let log = run.log(key);
        let (pid, address) = log.lines().last().unwrap().split_once(' ').unwrap();
        let service = ProcessIdentity::of(pid.parse().unwrap()).unwrap();
        assert_ne!(service, target.identity, "the script is the service");
        Self {
            target,
            service,
            address: address.parse().unwrap(),
        }
    }

    async fn inject(&self, run: &Run, inject: OnProcess) -> FaultGuard {
        let target = self.target.clone();
        let fault = Fault::Process(ProcessFault { target, inject });
        fault.inject(&run.context()).await.unwrap()
    }

    async fn serves(&self) -> bool {
        let mut connection = soon(TcpStream::connect(self.address)).await.unwrap();
        soon(connection.read_u8()).await.is_ok()
    }

    fn states(&self) -> [char; 2] {
        [self.target.identity, self.service].map(|who| state(who.pid))
    }
}

/// State letter, `X` when there is no such process.
fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.unwrap_or('X')
}

fn signal(who: ProcessIdentity, signal: Signal) {
    let pid = Pid::from_raw(who.pid.cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

async fn exit_of(exits: &mut Receiver<Exited>) -> Exited {
    soon(exits.recv()).await.unwrap()
}

#[tokio::test]
async fn a_kill_ends_the_service_behind_the_script_and_frees_its_port() {
    let run = Run::start().await;
    let mut exits = run.guardian.exits();
    let first = Wrapped::start(&run, "web", "127.0.0.1:0").await;
    assert!(first.serves().await);
    let guard = first.inject(&run, OnProcess::Kill(Kill::default())).await;
    let evidence = soon(guard.verify()).await.unwrap();
    assert!(
        !first.service.is_alive(),
        "verified while the service lives"
    );
    assert_eq!(evidence.level, EvidenceLevel::Felt);
    let pid = first.target.identity.pid;
    let text = format!("web (pid {pid}, 2 processes) ended on SIGKILL");
    assert_eq!(evidence.to_string(), text);
    let [Sighting::Ended { process, .. }] = evidence.seen.as_slice() else {
        panic!("{evidence:?}");
    };
    assert_eq!(process.processes, 2);
    assert_eq!(exit_of(&mut exits).await.status, ExitStatus::Signal(9));

    let again = Wrapped::start(&run, "web", &first.address.to_string()).await;
    assert_eq!(again.address, first.address);
    assert!(again.serves().await);
    run.stop().await;
}

#[tokio::test]
async fn what_a_script_leaves_is_ended_before_its_exit_is_reported() {
    let run = Run::start().await;
    let mut exits = run.guardian.exits();
    let first = Wrapped::start(&run, "web", "127.0.0.1:0").await;
    signal(first.target.identity, Signal::KILL);
    let exited = exit_of(&mut exits).await;
    assert_eq!(exited.identity, first.target.identity);
    assert_eq!(exited.status, ExitStatus::Signal(9));
    assert!(
        !first.service.is_alive(),
        "reported while the service lives"
    );
    Wrapped::start(&run, "web", &first.address.to_string()).await;

    // One that ignores SIGTERM does not get away with it either.
    let script = "trap '' TERM; sleep 1000 & echo $!; exit 3";
    run.target("leaver", script).await;
    let exited = exit_of(&mut exits).await;
    assert_eq!(exited.status, ExitStatus::Code(3));
    let left: u32 = run.log("leaver").trim().parse().unwrap();
    assert!("XZ".contains(state(left)), "{left} is still there");
    run.stop().await;
}

#[tokio::test]
async fn a_pause_stops_and_continues_everyone() {
    let run = Run::start().await;
    let web = Wrapped::start(&run, "web", "127.0.0.1:0").await;
    let mut guard = web.inject(&run, OnProcess::Pause).await;
    let evidence = soon(guard.verify()).await.unwrap();
    assert_eq!(web.states(), ['T', 'T']);
    let pid = web.target.identity.pid;
    let text = format!("web (pid {pid}, 2 processes) are stopped, state T");
    assert_eq!(evidence.to_string(), text);
    let removal = soon(guard.remove()).await.unwrap();
    assert!(!web.states().contains(&'T'));
    let text = format!("web (pid {pid}, 2 processes) runs again");
    assert_eq!(removal.to_string(), text);
    assert!(web.serves().await);

    let guard = web.inject(&run, OnProcess::Pause).await;
    soon(guard.verify()).await.unwrap();
    drop(guard);
    until("all run after a drop", || !web.states().contains(&'T')).await;
    run.stop().await;
}

/// How a server gets away from the process that squall started; `{}` is the
/// server. All but the first leave the group and the session.
const ESCAPES: [(&str, &str); 5] = [
    ("a child", "{}; true"),
    ("a session of its own", "setsid {} & wait"),
    ("orphaned", "(setsid {} &); sleep 1000"),
    ("a cleared environment", "env -i setsid -w {}; true"),
    (
        "orphaned with a cleared environment",
        "(env -i setsid {} &); sleep 1000",
    ),
];

#[tokio::test]
async fn a_pause_reaches_what_serves_wherever_it_went() {
    let run = Run::start().await;
    for (at, (how, script)) in ESCAPES.into_iter().enumerate() {
        let script = script.replace("{}", &format!("{FIXTURE} serve 127.0.0.1:0"));
        let web = Wrapped::start_script(&run, &format!("web-{at}"), &script).await;
        assert!(web.serves().await, "{how}");
        let mut guard = web.inject(&run, OnProcess::Pause).await;
        soon(guard.verify()).await.unwrap();
        assert_eq!(web.states(), ['T', 'T'], "{how}");
        soon(guard.remove()).await.unwrap();
        assert!(!web.states().contains(&'T'), "{how}");
        assert!(web.serves().await, "{how}");
    }
    run.stop().await;
}

#[tokio::test]
async fn a_kill_reaches_what_serves_wherever_it_went() {
    let run = Run::start().await;
    let mut exits = run.guardian.exits();
    for (at, (how, script)) in ESCAPES.into_iter().enumerate() {
        let script = script.replace("{}", &format!("{FIXTURE} serve 127.0.0.1:0"));
        let web = Wrapped::start_script(&run, &format!("web-{at}"), &script).await;
        let guard = web.inject(&run, OnProcess::Kill(Kill::default())).await;
        soon(guard.verify()).await.unwrap();
        assert!(!web.service.is_alive(), "{how}");
        assert_eq!(exit_of(&mut exits).await.identity, web.target.identity);
    }
    run.stop().await;
}

#[tokio::test]
async fn what_went_away_from_a_process_that_ends_is_ended_before_its_exit_is_reported() {
    let run = Run::start().await;
    let mut exits = run.guardian.exits();
    for (at, (how, script)) in ESCAPES.into_iter().enumerate() {
        let script = script.replace("{}", &format!("{FIXTURE} serve 127.0.0.1:0"));
        let web = Wrapped::start_script(&run, &format!("web-{at}"), &script).await;
        signal(web.target.identity, Signal::KILL);
        assert_eq!(exit_of(&mut exits).await.identity, web.target.identity);
        assert!(!web.service.is_alive(), "{how}");
    }
    run.stop().await;
}

/// Two instances of one run, and two starts of one instance, are told apart.
#[tokio::test]
async fn an_instance_is_made_of_what_it_started_and_nothing_else() {
    let run = Run::start().await;
    let mut exits = run.guardian.exits();
    let script = format!("(env -i setsid {FIXTURE} serve 127.0.0.1:0 &); sleep 1000");
    let first = Wrapped::start_script(&run, "web", &script).await;
    let other = Wrapped::start_script(&run, "other", &script).await;
    let pids = |web: &Wrapped| -> Vec<u32> {
        let origin = Origin {
            root: web.target.identity,
            mark: web.target.mark.clone().unwrap(),
        };
        let members = members(&origin).unwrap();
        members.iter().map(|member| member.identity.pid).collect()
    };
    let of_first = pids(&first);
    assert_eq!(of_first[0], first.target.identity.pid, "the root is first");
    assert!(of_first.contains(&first.service.pid), "{of_first:?}");
    assert!(of_first.iter().all(|pid| !pids(&other).contains(pid)));
    signal(first.target.identity, Signal::KILL);
    exit_of(&mut exits).await;
    let again = Wrapped::start_script(&run, "web", &script).await;
    assert_eq!(pids(&first), Vec::<u32>::new());
    assert_eq!(pids(&again).len(), of_first.len());
    run.stop().await;
}

#[tokio::test]
async fn a_pause_that_somebody_else_ended_is_no_evidence() {
    let run = Run::start().await;
    let web = Wrapped::start(&run, "web", "127.0.0.1:0").await;
    let mut guard = web.inject(&run, OnProcess::Pause).await;
    soon(guard.verify()).await.unwrap();
    soon(guard.verify()).await.unwrap();
    signal(web.service, Signal::CONT);
    until("one runs", || state(web.service.pid) != 'T').await;
    match soon(guard.verify()).await {
        Err(FaultError::NoLongerEffective { pid, .. }) => assert_eq!(pid, web.service.pid),
        other => panic!("{other:?}"),
    }
    soon(guard.remove()).await.unwrap();
    run.stop().await;
}

/// Replays the undo of a paused group as `recover` does for a dead run.
fn replay(run: &Run, leader: ProcessIdentity, mark: &str) -> recover::RecoverReport {
    let dir = tempfile::TempDir::new().unwrap();
    let journal = Journal::create(dir.path(), "dead").unwrap();
    let inverse = Inverse::ContinueGroup {
        leader,
        mark: mark.to_owned(),
    };
    journal.record("pause web", inverse).unwrap();
    let own = serde_json::to_string(&ProcessIdentity::own().unwrap()).unwrap();
    let gone = own.replace(&std::process::id().to_string(), "4000000");
    let text = std::fs::read_to_string(journal.path()).unwrap();
    std::fs::write(journal.path(), text.replacen(&own, &gone, 1)).unwrap();
    assert!(run.guardian.identity().is_alive());
    recover::run(dir.path()).unwrap()
}

#[tokio::test]
async fn recover_continues_a_group_with_and_without_its_leader() {
    let run = Run::start().await;
    let web = Wrapped::start(&run, "web", "127.0.0.1:0").await;
    let leader = web.target.identity;
    soon(run.guardian.signal("web", GroupSignal::Stop))
        .await
        .unwrap();
    until("all are stopped", || web.states() == ['T', 'T']).await;
    let mark = web.target.mark.as_deref().unwrap();
    let report = replay(&run, leader, mark);
    assert!(report.is_clean() && report.undone.len() == 1, "{report:?}");
    assert!(!web.states().contains(&'T'));

    // Nobody reaps the leader: the guardian is stopped meanwhile.
    signal(run.guardian.identity(), Signal::STOP);
    signal(web.service, Signal::STOP);
    signal(leader, Signal::KILL);
    until("the script is dead", || !leader.is_alive()).await;
    until("the service is stopped", || state(web.service.pid) == 'T').await;
    let report = replay(&run, leader, mark);
    assert!(report.is_clean(), "{report:?}");
    assert_ne!(state(web.service.pid), 'T');
    signal(run.guardian.identity(), Signal::CONT);
    run.stop().await;
}

/// A process no guardian knows of; ended even if the test fails.
struct Stray(ProcessIdentity);

impl Drop for Stray {
    fn drop(&mut self) {
        signal(self.0, Signal::KILL);
    }
}

#[tokio::test]
async fn a_group_whose_leader_is_gone_is_known_by_its_mark() {
    let run = Run::start().await;
    let log = run.dir.path().join("orphan.log");
    let mut script = Command::new("sh")
        .args(["-c", &format!("{FIXTURE} serve 127.0.0.1:0; true")])
        .env(INSTANCE_MARK, "this-start")
        .stdin(Stdio::null())
        .stdout(File::create(&log).unwrap())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    until("the service is up", || run.log("orphan").ends_with('\n')).await;
    let leader = ProcessIdentity::of(script.id()).unwrap();
    let log = run.log("orphan");
    let service = log.split_once(' ').unwrap().0.parse().unwrap();
    let service = ProcessIdentity::of(service).unwrap();
    let _stray = Stray(service);
    script.kill().unwrap();
    script.wait().unwrap();
    signal(service, Signal::STOP);
    until("the service is stopped", || state(service.pid) == 'T').await;
    replay(&run, leader, "another-start");
    assert_eq!(state(service.pid), 'T', "a stranger was continued");
    let report = replay(&run, leader, "this-start");
    assert!(report.is_clean(), "{report:?}");
    assert_ne!(state(service.pid), 'T');
    run.stop().await;
}
