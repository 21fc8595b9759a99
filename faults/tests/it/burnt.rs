//! Processes beside which squall burns the processor: by threads of its own that end
//! with it, in the cgroup of the target.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::support::run::Run;
use crate::support::{
    can, cgroups, impostor, inject, rivals, skip, soon, until, until_lost, until_seen,
};
use squall_faults::{
    Fault, FaultContext, FaultError, FaultGuard, ProcessIdentity, ProcessTarget, ResourceFault,
};
use squall_scenario::inject::{Cpu, CpuBurn};
use squall_scenario::{Evidence, EvidenceLevel, Measured, OnResource, Share, Sighting};

/// One that wants all it can get.
const HUNGRY: &str = "echo; while :; do :; done";
/// One that does so once it is told to, and waits for nothing before.
const SOON_HUNGRY: &str = "mkfifo go; echo; read told < go; while :; do :; done";

async fn burn(
    target: &ProcessTarget,
    cores: impl Into<Option<u32>>,
    context: &FaultContext,
) -> Result<FaultGuard, FaultError> {
    let cores = cores.into();
    inject(target, OnResource::CpuBurn(CpuBurn { cores }), context).await
}

/// What squall's work used, what the target waited for it and would have before, in
/// microseconds; how many threads it was capped at, and whether it was in the cgroup.
struct Figures {
    used: u64,
    over: u64,
    waited: Option<u64>,
    as_before: Option<u64>,
    capped: Option<u32>,
    inside: bool,
}

fn figures(evidence: &Evidence) -> Figures {
    match evidence.seen.as_slice() {
        [Sighting::Short(seen) | Sighting::PutBack(seen)] => match seen.measured {
            Some(Measured::Burn {
                used_us,
                over_us,
                waited_us,
                as_before_us,
                capped,
                inside,
            }) => Figures {
                used: used_us,
                over: over_us,
                waited: waited_us,
                as_before: as_before_us,
                capped,
                inside,
            },
            _ => panic!("{evidence}"),
        },
        _ => panic!("{evidence}"),
    }
}

/// A target that may run on one processor only, so that it has to share that one.
async fn on_one_processor(run: &Run, key: &str, script: &str) -> ProcessTarget {
    let target = run.target(key, script).await;
    until("it is up", || !run.log(key).is_empty()).await;
    let pid = Pid::from_raw(target.identity.pid.cast_signed());
    let all = sched_getaffinity(pid).unwrap();
    let first = (0..CpuSet::MAX_CPU).find(|one| all.is_set(*one)).unwrap();
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(pid, &one).unwrap();
    target
}

#[tokio::test]
async fn a_target_waits_for_what_squall_burns_and_no_longer_when_it_is_over() {
    let run = Run::start().await;
    let target = on_one_processor(&run, "web", SOON_HUNGRY).await;
    let pid = target.identity.pid;
    // As many as it may run on.
    let mut guard = burn(&target, None, &run.context()).await.unwrap();
    let go = run.dir.path().join("go");
    let told = tokio::task::spawn_blocking(|| std::fs::write(go, "go\n"));
    soon(told).await.unwrap().unwrap();
    let evidence = until_seen(&guard, |seen| seen.level == EvidenceLevel::Felt).await;
    let seen = figures(&evidence);
    assert!(
        seen.used > 0 && seen.waited.is_none_or(|waited| waited > 0),
        "{evidence}"
    );
    assert_eq!(seen.capped, None, "{evidence}");
    let words = evidence.to_string();
    assert!(
        words.starts_with("cpu_burn is in force on web (pid "),
        "{words}"
    );
    let own = rivals(pid);
    let [rival] = own.as_slice() else {
        panic!("{own:?}");
    };
    let rival = ProcessIdentity::of(*rival).unwrap();
    // It runs where the target may run, and nowhere else.
    let may = |pid: u32| sched_getaffinity(Pid::from_raw(pid.cast_signed())).unwrap();
    assert!(may(rival.pid) == may(pid));

    let removed = soon(guard.remove()).await.unwrap();
    assert_eq!(removed.level, EvidenceLevel::Felt, "{removed}");
    assert!(matches!(removed.seen.as_slice(), [Sighting::PutBack(_)]));
    assert!(!rival.is_alive());
    // Nothing is left to do, and nothing is done.
    assert_eq!(soon(guard.remove()).await.unwrap(), removed);
    run.stop().await;
}

#[tokio::test]
async fn a_burn_that_keeps_nobody_waiting_is_felt_by_nobody() {
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    // Until then it may wait for a processor.
    let stat = format!("/proc/{}/stat", target.identity.pid);
    let sleeps = || {
        std::fs::read_to_string(&stat)
            .unwrap()
            .contains("(sleep) S")
    };
    until("it sleeps", sleeps).await;
    let mut guard = burn(&target, 1, &run.context()).await.unwrap();
    let evidence = soon(guard.verify()).await.unwrap();
    if figures(&evidence).waited.is_none() {
        return skip("a kernel that counts who waits for a processor");
    }
    assert_eq!(evidence.level, EvidenceLevel::Acted, "{evidence}");
    let removed = soon(guard.remove()).await.unwrap();
    assert_eq!(removed.level, EvidenceLevel::Acted, "{removed}");
    run.stop().await;
}

/// Whether the kernel counts who waits for a processor.
fn is_counted() -> bool {
    waited_ms(std::process::id()).is_some() || {
        skip("a kernel that counts who waits for a processor");
        false
    }
}

/// How long a process has waited for a processor in all its life.
fn waited_ms(pid: u32) -> Option<u64> {
    let counted = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    let waited: u64 = counted.split(' ').nth(1)?.parse().ok()?;
    (!counted.starts_with("0 ")).then_some(waited / 1_000_000)
}

fn sleeps(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.contains(") S ")
}

#[tokio::test]
async fn what_a_target_waits_for_anyway_is_said_beside_what_it_waits_for() {
    let run = Run::start().await;
    let target = on_one_processor(&run, "web", HUNGRY).await;
    on_one_processor(&run, "other", HUNGRY).await;
    if !is_counted() {
        return;
    }
    let pid = target.identity.pid;
    until("it waits for the other", || waited_ms(pid) > Some(20)).await;
    let mut guard = burn(&target, 1, &run.context()).await.unwrap();
    let as_before = |seen: &Evidence| figures(seen).as_before;
    let evidence = until_seen(&guard, |seen| as_before(seen) > Some(0)).await;
    let seen = figures(&evidence);
    assert!(seen.waited.is_some(), "{evidence}");
    // It had half of the processor, or less.
    assert!(seen.as_before.unwrap() >= seen.over / 8, "{evidence}");
    soon(guard.remove()).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn what_a_target_waited_for_while_it_started_is_not_asked_of_a_burn() {
    let run = Run::start().await;
    let starts = "echo; while ! [ -e up ]; do :; done; mkfifo go; echo; read told < go";
    let target = on_one_processor(&run, "web", starts).await;
    on_one_processor(&run, "other", HUNGRY).await;
    if !is_counted() {
        return;
    }
    let pid = target.identity.pid;
    until("it waits for the other", || waited_ms(pid) > Some(20)).await;
    std::fs::write(run.dir.path().join("up"), "").unwrap();
    until("it is up", || run.log("web").lines().count() == 2).await;
    until("it is idle", || sleeps(pid)).await;
    let mut guard = burn(&target, 1, &run.context()).await.unwrap();
    let evidence = soon(guard.verify()).await.unwrap();
    assert_eq!(figures(&evidence).as_before, Some(0), "{evidence}");
    let removed = soon(guard.remove()).await.unwrap();
    assert_eq!(figures(&removed).as_before, Some(0), "{removed}");
    run.stop().await;
}

#[tokio::test]
async fn what_the_first_burn_of_several_keeps_waiting_is_not_asked_of_the_others() {
    let run = Run::start().await;
    let context = run.context();
    let target = on_one_processor(&run, "web", SOON_HUNGRY).await;
    if !is_counted() {
        return;
    }
    let pid = target.identity.pid;
    until("it is idle", || sleeps(pid)).await;
    let inject = OnResource::CpuBurn(CpuBurn { cores: Some(1) });
    let fault = Fault::Resource(ResourceFault {
        target: target.clone(),
        inject,
    });
    let before = soon(Fault::look_before(std::slice::from_ref(&fault))).await;
    let mut first = soon(fault.inject_after(&before, &context)).await.unwrap();
    let go = run.dir.path().join("go");
    let told = tokio::task::spawn_blocking(|| std::fs::write(go, "go\n"));
    soon(told).await.unwrap().unwrap();
    until("it waits for the first", || waited_ms(pid) > Some(20)).await;
    let mut second = soon(fault.inject_after(&before, &context)).await.unwrap();
    let evidence = until_seen(&second, |seen| seen.level == EvidenceLevel::Felt).await;
    assert_eq!(figures(&evidence).as_before, Some(0), "{evidence}");
    soon(second.remove()).await.unwrap();
    soon(first.remove()).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn of_more_processors_than_it_may_run_on_as_many_are_taken_as_there_are() {
    let run = Run::start().await;
    let target = on_one_processor(&run, "web", "echo; exec sleep 1000").await;
    let pid = target.identity.pid;
    let mut guard = burn(&target, 2, &run.context()).await.unwrap();
    let evidence = soon(guard.verify()).await.unwrap();
    assert_eq!(figures(&evidence).capped, Some(1), "{evidence}");
    let threads = std::fs::read_dir(format!("/proc/{}/task", rivals(pid)[0]));
    // One that waits for its end, and one that burns.
    assert_eq!(threads.unwrap().count(), 2);
    soon(guard.remove()).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn what_burns_is_in_the_cgroup_of_the_target() {
    if !can("cpu") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", HUNGRY).await;
    let pid = target.identity.pid;
    let context = run.context();
    // In a cgroup of its own, with next to nothing for all that are in it.
    let share = Share::new(0.1).unwrap();
    let starve = OnResource::Cpu(Cpu { share });
    let mut starved = inject(&target, starve, &context).await.unwrap();
    let home = cgroups::of(pid, "cpu");
    let mut guard = burn(&target, 1, &context).await.unwrap();
    let evidence = soon(guard.verify()).await.unwrap();
    assert!(figures(&evidence).inside, "{evidence}");
    assert_eq!(cgroups::of(rivals(pid)[0], "cpu"), home);
    // The cgroup goes, whoever is in it.
    soon(starved.remove()).await.unwrap();
    assert_ne!(cgroups::of(pid, "cpu"), home);
    soon(guard.remove()).await.unwrap();
    assert_eq!(rivals(pid), Vec::<u32>::new());
    run.stop().await;
}

#[tokio::test]
async fn burns_that_meet_end_each_for_itself_and_so_does_one_that_is_dropped() {
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let pid = target.identity.pid;
    let context = run.context();
    let mut first = burn(&target, 1, &context).await.unwrap();
    let mut second = burn(&target, 1, &context).await.unwrap();
    drop(burn(&target, 1, &context).await.unwrap());
    assert_eq!(rivals(pid).len(), 2);
    soon(first.remove()).await.unwrap();
    soon(first.remove()).await.unwrap();
    assert_eq!(rivals(pid).len(), 1);
    soon(second.verify()).await.unwrap();
    soon(second.remove()).await.unwrap();
    assert_eq!(rivals(pid), Vec::<u32>::new());
    run.stop().await;
}

#[tokio::test]
async fn what_burns_no_more_is_told() {
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let pid = target.identity.pid;
    let mut guard = burn(&target, 1, &run.context()).await.unwrap();
    soon(guard.verify()).await.unwrap();
    let rival = Pid::from_raw(rivals(pid)[0].cast_signed()).unwrap();
    kill_process(rival, Signal::KILL).unwrap();
    // The kernel ends one thread after the other.
    let lost = until_lost(&guard).await;
    assert!(matches!(lost, FaultError::Rival { .. }), "{lost}");
    soon(guard.remove()).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn a_target_that_is_gone_is_told_and_nothing_burns_beside_another() {
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let pid = target.identity.pid;
    let error = burn(&impostor(&target), 1, &run.context()).await;
    assert!(matches!(error, Err(FaultError::ProcessGone { .. })));
    assert_eq!(rivals(pid), Vec::<u32>::new());
    let alone = FaultContext {
        guardian: None,
        ..run.context()
    };
    let error = burn(&target, 1, &alone).await.unwrap_err();
    assert!(matches!(error, FaultError::Rival { .. }), "{error}");

    let mut guard = burn(&target, 1, &run.context()).await.unwrap();
    run.end("web").await;
    let lost = soon(guard.verify()).await;
    assert!(matches!(lost, Err(FaultError::ProcessGone { .. })));
    let removed = soon(guard.remove()).await.unwrap();
    let words = format!("web (pid {pid}) ended under cpu_burn 1 core");
    assert_eq!(removed.to_string(), words);
    assert_eq!(rivals(pid), Vec::<u32>::new());
    run.stop().await;
}
