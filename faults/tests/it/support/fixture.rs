//! A guardian, and a squall that dies on cue, for the tests of this crate.
#![expect(
    clippy::expect_used,
    reason = "a test program: a panic is its error message"
)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid, kill_process};
use squall_faults::guardian::{GuardianClient, SpawnRequest};
use squall_faults::{
    Controller, Fault, FaultContext, Filter, Inverse, Journal, LimitKind, Limits, LoweredLimit,
    PacketsFault, Pauses, Pen, ProcessFault, ProcessIdentity, ProcessTarget, ResourceFault,
    Version,
};
use squall_scenario::inject::{
    Cpu, CpuBurn, Disk, Freeze, Kill, Limit, Memory, MemoryPressure, Reject,
};
use squall_scenario::{ByteCount, OnNetwork, OnProcess, OnResource, Share};

/// A family that is hard to get rid of: it ignores SIGTERM, has a child in a
/// session of its own, one that cleared its environment as well, and one that
/// was orphaned on purpose. SIGHUP is what the kernel sends to a stopped group
/// when its last outside parent dies. Each shell says when it is there.
const FAMILY: &str = "trap '' TERM HUP; \
                      (setsid env -i sh -c 'trap \"\" TERM; echo up; while :; do sleep 1; done' \
                       \"$CUED_DIR\" &); \
                      (setsid sh -c 'trap \"\" TERM; echo up; while :; do sleep 1; done' &); \
                      sleep 1000 & echo up; while :; do sleep 1; done";
/// Those of a family that say that they are there.
const FAMILY_SAYS: usize = 3;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next().expect("a role").to_str() {
        Some("guardian") => squall_faults::guardian::main(args),
        Some("squall") => {
            let args: Vec<OsString> = args.collect();
            runtime().block_on(squall(&args));
            ExitCode::SUCCESS
        }
        Some("hit") => {
            let args: Vec<OsString> = args.collect();
            runtime().block_on(hit(&args));
            ExitCode::SUCCESS
        }
        Some("reject") => {
            let args: Vec<OsString> = args.collect();
            runtime().block_on(reject(&args));
            ExitCode::FAILURE
        }
        Some("serve") => {
            serve(args.next().expect("an address").to_str().expect("text"));
            ExitCode::SUCCESS
        }
        role => panic!("no role {role:?}"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().build().expect("a runtime")
}

/// `hit DIR FAULT PID`: injects FAULT into process PID as one that was allowed,
/// says what came of it, and takes it back.
async fn hit(args: &[OsString]) {
    let [dir, fault, pid] = args else {
        panic!("hit DIR FAULT PID");
    };
    let fault = fault.to_str().expect("a fault");
    let journal = Journal::create(Path::new(dir), &format!("hit-{fault}"));
    let journal = journal.expect("a journal");
    let pid = pid.to_str().and_then(|pid| pid.parse().ok());
    let identity = ProcessIdentity::of(pid.expect("a pid")).expect("a process");
    let target = ProcessTarget::allowed("service".to_owned(), identity);
    let (fault, _) = broken(fault, target);
    let context = FaultContext {
        fault: "hit".to_owned(),
        injection: 0,
        journal: Arc::new(journal),
        guardian: None,
        pauses: Pauses::default(),
        limits: Limits::default(),
        deadline: Duration::from_secs(5),
    };
    let said = match fault.inject(&context).await {
        Ok(_guard) => "injected".to_owned(),
        Err(error) => error.to_string(),
    };
    writeln!(std::io::stdout(), "{said}").expect("an output");
}

/// `serve ADDRESS`: listens, says who and where on one line, and answers every
/// connection with one byte, for ever.
fn serve(address: &str) {
    let listener = std::net::TcpListener::bind(address).expect("the address is free");
    let address = listener.local_addr().expect("an address");
    let mut output = std::io::stdout();
    writeln!(output, "{} {address}", std::process::id()).expect("a log");
    for connection in listener.incoming() {
        // A caller that has gone away is not the end.
        let _ = connection.expect("a connection").write_all(b"!");
    }
}

/// `reject DIR PORT STEP alone|together|all`: has packets to a port answered with a
/// reset, sees that it works, takes it back, and is killed at STEP.
async fn reject(args: &[OsString]) {
    let [dir, port, step, company] = args else {
        panic!("reject DIR PORT STEP alone|together|all");
    };
    let port = port.to_str().and_then(|port| port.parse().ok());
    let port: u16 = port.expect("a port");
    let journal = Journal::create(Path::new(dir), "rejecting-run").expect("a journal");
    let journal = Arc::new(journal);
    let exe = std::env::current_exe().expect("an executable");
    let args = ["guardian".into()];
    let guardian = GuardianClient::start(&exe, &args, &journal).await;
    let guardian = guardian.expect("a guardian");
    let pid = Pid::from_raw(guardian.identity().pid.cast_signed()).expect("a pid");
    let die_at = |now: &str| {
        if now != step {
            return;
        }
        if company == "all" {
            kill_process(keeper(pid), Signal::KILL).expect("the keeper killed");
        }
        if company != "alone" {
            kill_process(pid, Signal::KILL).expect("the guardian killed");
        }
        kill_process(getpid(), Signal::KILL).expect("killed");
    };
    let context = FaultContext {
        fault: "firewall".to_owned(),
        injection: 0,
        journal,
        guardian: Some(guardian.clone()),
        pauses: Pauses::default(),
        limits: Limits::default(),
        deadline: Duration::from_secs(5),
    };
    let inject = OnNetwork::Reject(Reject).packets().expect("packets");
    let fault = Fault::Packets(PacketsFault {
        targets: vec!["port".to_owned()],
        filter: Filter::of(&inject, vec![(std::net::Ipv4Addr::LOCALHOST, port).into()]),
        inject,
    });
    let mut guard = fault.inject(&context).await.expect("injected");
    die_at("injected");
    guard.verify().await.expect("verified");
    die_at("verified");
    let refused = std::net::TcpStream::connect(("127.0.0.1", port));
    refused.expect_err("the rules are in force");
    die_at("met");
    guard.remove().await.expect("removed");
    die_at("removed");
}

/// Dies at a step of its life, alone or with its guardian.
#[derive(Clone)]
struct Death {
    step: String,
    with_guardian: bool,
    guardian: Arc<std::sync::OnceLock<Pid>>,
}

impl Death {
    fn at(&self, step: &str) {
        if step != self.step {
            return;
        }
        if let (true, Some(guardian)) = (self.with_guardian, self.guardian.get()) {
            // Its keeper first, or there would be nothing to recover.
            kill_process(keeper(*guardian), Signal::KILL).expect("the keeper killed");
            kill_process(*guardian, Signal::KILL).expect("the guardian killed");
        }
        kill_process(getpid(), Signal::KILL).expect("killed");
    }
}

/// The child of a guardian that outlives it. The kernel's list of children may
/// miss some while others come and go, so it is read until the keeper is in it.
fn keeper(guardian: Pid) -> Pid {
    let guardian = guardian.as_raw_nonzero();
    let children = format!("/proc/{guardian}/task/{guardian}/children");
    let is_keeper = |pid: &&str| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command
            .split(|byte| *byte == 0)
            .any(|word| word == b"--keep")
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let children = std::fs::read_to_string(&children).expect("the guardian lives");
        let pid = children.split_whitespace().find(is_keeper);
        if let Some(pid) = pid.and_then(|pid| Pid::from_raw(pid.parse().ok()?)) {
            return pid;
        }
        assert!(Instant::now() < deadline, "a guardian has a keeper");
        std::thread::yield_now();
    }
}

/// `squall DIR STEP alone|together FAULT PID`: one run that starts a family,
/// injects FAULT into process PID, which is none of its own, and is killed at
/// STEP.
async fn squall(args: &[OsString]) {
    let [dir, step, company, fault, victim] = args else {
        panic!("squall DIR STEP alone|together FAULT PID");
    };
    let death = Death {
        step: step.to_string_lossy().into_owned(),
        with_guardian: company == "together",
        guardian: Arc::default(),
    };
    let dir = PathBuf::from(dir);
    let journal = Journal::create(&dir, "cued-run").expect("a journal");
    let journal = Arc::new(journal);
    death.at("journal created");
    let exe = std::env::current_exe().expect("an executable");
    let args = ["guardian".into()];
    let guardian = GuardianClient::start(&exe, &args, &journal).await;
    let guardian = guardian.expect("a guardian");
    let pid = Pid::from_raw(guardian.identity().pid.cast_signed()).expect("a pid");
    death.guardian.set(pid).expect("set once");
    death.at("guardian started");
    start_family(&guardian, &dir).await;
    death.at("process started");
    let victim = victim.to_str().and_then(|pid| pid.parse().ok());
    let victim = ProcessIdentity::of(victim.expect("a pid")).expect("a process");
    let target = ProcessTarget {
        name: "victim".to_owned(),
        identity: victim,
        mark: None,
    };
    let (fault, inverse) = broken(fault.to_str().expect("a fault"), target);
    break_and_mend(fault, inverse, &journal, &guardian, &death).await;
    let report = guardian.shutdown(Duration::from_millis(100)).await;
    assert!(report.expect("a report").left.is_empty());
    death.at("guardian shut down");
    assert_eq!(journal.close().expect("closed"), 0);
    death.at("journal closed");
}

async fn start_family(guardian: &GuardianClient, dir: &Path) {
    let request = SpawnRequest {
        key: "family".to_owned(),
        argv: ["sh", "-c", FAMILY].map(str::to_owned).into(),
        env: BTreeMap::from([("CUED_DIR".to_owned(), dir.display().to_string())]),
        cwd: None,
        log_path: dir.join("family.log"),
        keep_bytes: 1 << 20,
        laid_over: Vec::new(),
    };
    let log = request.log_path.clone();
    guardian.spawn(request).await.expect("a family");
    // Only a family that is complete is hard to get rid of.
    let complete = async {
        let said = || {
            std::fs::read_to_string(&log)
                .expect("a log")
                .lines()
                .count()
        };
        while said() < FAMILY_SAYS {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let complete = tokio::time::timeout(Duration::from_secs(30), complete).await;
    complete.expect("the family says that it is complete");
}

/// A fault on a process, and what it writes before it acts.
fn broken(fault: &str, target: ProcessTarget) -> (Fault, Inverse) {
    let identity = target.identity;
    match fault {
        "pause" => {
            let inject = OnProcess::Pause;
            let fault = Fault::Process(ProcessFault { target, inject });
            (fault, Inverse::Continue(identity))
        }
        "limit" => {
            let inject = OnResource::Limit(Limit {
                files: Some(64),
                ..Limit::default()
            });
            let fault = Fault::Resource(ResourceFault { target, inject });
            let inverse = Inverse::LiftLimit(LoweredLimit {
                kind: LimitKind::Files,
                leader: identity,
                mark: None,
                to: 64,
                before: Vec::new(),
                others: None,
            });
            (fault, inverse)
        }
        "cpu" => {
            let share = Share::new(0.2).expect("a share");
            let inject = OnResource::Cpu(Cpu { share });
            let fault = Fault::Resource(ResourceFault { target, inject });
            (fault, never_made(Controller::Cpu, identity))
        }
        "cpu_burn" => {
            let inject = OnResource::CpuBurn(CpuBurn { cores: Some(1) });
            let fault = Fault::Resource(ResourceFault { target, inject });
            (fault, Inverse::EndProcess(nobody(identity)))
        }
        "freeze" => {
            let inject = OnResource::Freeze(Freeze {});
            let fault = Fault::Resource(ResourceFault { target, inject });
            (fault, never_made(Controller::Freezer, identity))
        }
        "memory_pressure" => {
            // A little more than is in use, wherever that is.
            let inject = OnResource::MemoryPressure(MemoryPressure {
                up_to: Share::WHOLE,
                leave: ByteCount(free() - (64 << 20)),
            });
            let fault = Fault::Resource(ResourceFault { target, inject });
            (fault, Inverse::EndProcess(nobody(identity)))
        }
        "memory" => {
            let limit = ByteCount(64 << 20);
            let inject = OnResource::Memory(Memory { limit });
            let fault = Fault::Resource(ResourceFault { target, inject });
            (fault, never_made(Controller::Memory, identity))
        }
        "disk" => {
            let inject = OnResource::Disk(Disk {
                fill: ".".to_owned(),
                leave: ByteCount(0),
            });
            let fault = Fault::Resource(ResourceFault { target, inject });
            // It writes nothing: the kernel frees what squall has open.
            (fault, Inverse::RemoveSocket("/none".into()))
        }
        "kill" => {
            let inject = OnProcess::Kill(Kill::default());
            let fault = Fault::Process(ProcessFault { target, inject });
            (fault, Inverse::EndProcess(identity))
        }
        fault => panic!("no fault {fault}"),
    }
}

/// A process that squall did not come to starting.
const fn nobody(of: ProcessIdentity) -> ProcessIdentity {
    ProcessIdentity {
        start_time: of.start_time + 1,
        ..of
    }
}

/// Bytes of memory that can be had on this machine.
fn free() -> u64 {
    let all = std::fs::read_to_string("/proc/meminfo").expect("/proc");
    let line = all
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.expect("a number") * 1024
}

/// The undo of a cgroup that squall did not come to making.
fn never_made(controller: Controller, leader: ProcessIdentity) -> Inverse {
    Inverse::OpenPen(Pen {
        controller,
        version: Version::V1,
        place: "/sys/fs/cgroup/squall-never-made".into(),
        leader,
        mark: None,
        before: Vec::new(),
        others: "/sys/fs/cgroup".into(),
    })
}

async fn break_and_mend(
    fault: Fault,
    inverse: Inverse,
    journal: &Arc<Journal>,
    guardian: &GuardianClient,
    death: &Death,
) {
    if death.step == "undo journaled" {
        // What it writes before it acts, and then no more.
        let undo = journal.record("break victim", inverse);
        undo.expect("an undo on disk");
        death.at("undo journaled");
    }
    let context = FaultContext {
        fault: "broken victim".to_owned(),
        injection: 0,
        journal: Arc::clone(journal),
        guardian: Some(guardian.clone()),
        pauses: Pauses::default(),
        limits: Limits::default(),
        deadline: Duration::from_secs(5),
    };
    let mut guard = fault.inject(&context).await.expect("injected");
    death.at("injected");
    guard.verify().await.expect("verified");
    death.at("verified");
    death.at("removal begins");
    guard.remove().await.expect("removed");
    death.at("removal verified");
}
