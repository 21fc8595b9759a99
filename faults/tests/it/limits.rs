//! Limits of running processes: lowered on everything an instance is made of,
//! and given back to each as it was.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use crate::support::run::Run;
use crate::support::{skip, soon, until};
use squall_faults::{
    Fault, FaultContext, FaultError, FaultGuard, ProcessIdentity, ProcessTarget, ResourceFault,
};
use squall_scenario::inject::Limit;
use squall_scenario::{ByteCount, EvidenceLevel, OnResource, Sighting};

/// Soft and hard limit as the kernel tells them.
fn limit(pid: u32, row: &str) -> (String, String) {
    let all = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = all.lines().find(|line| line.starts_with(row)).unwrap();
    let mut words = line[row.len()..].split_whitespace();
    let mut next = || words.next().unwrap().to_owned();
    (next(), next())
}

fn files(pid: u32) -> String {
    limit(pid, "Max open files").0
}

fn to_files(most: u32) -> Limit {
    Limit {
        files: Some(most),
        ..Limit::default()
    }
}

async fn inject(
    target: &ProcessTarget,
    limit: Limit,
    context: &FaultContext,
) -> Result<FaultGuard, FaultError> {
    let target = target.clone();
    let inject = OnResource::Limit(limit);
    let fault = Fault::Resource(ResourceFault { target, inject });
    soon(fault.inject(context)).await
}

/// A shell with a limit of 300 descriptors whose child has one of 200, and which
/// starts another child when the file `go` is there. Each says its number.
const FAMILY: &str = "ulimit -S -n 300; \
    (ulimit -S -n 200; exec sh -c 'echo $$; while :; do sleep 1; done') & \
    echo $$; while ! [ -e go ]; do sleep 0.02; done; \
    sh -c 'echo $$; while :; do sleep 1; done' & wait";

async fn numbers(run: &Run, key: &str, count: usize) -> Vec<u32> {
    until("all said their numbers", || {
        run.log(key).ends_with('\n') && run.log(key).lines().count() == count
    })
    .await;
    let log = run.log(key);
    log.lines().map(|line| line.parse().unwrap()).collect()
}

#[tokio::test]
async fn everybody_gets_his_own_limit_back_whoever_was_started_meanwhile_too() {
    let run = Run::start().await;
    let family = run.target("family", FAMILY).await;
    let leader = family.identity.pid;
    let pids = numbers(&run, "family", 2).await;
    let child = *pids.iter().find(|pid| **pid != leader).unwrap();
    let hard = limit(leader, "Max open files").1;
    let marks = [leader, child].map(|pid| limit(pid, "Max file locks"));

    let mut guard = inject(&family, to_files(64), &run.context()).await.unwrap();
    let evidence = soon(guard.verify()).await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Felt);
    let words = evidence.to_string();
    assert!(words.starts_with("limit files to 64 is in force on family (pid "));
    assert_eq!([files(leader), files(child)], ["64", "64"]);
    assert_eq!(limit(leader, "Max open files").1, hard, "the hard one");

    std::fs::write(run.dir.path().join("go"), "").unwrap();
    let pids = numbers(&run, "family", 3).await;
    let late = *pids.last().unwrap();
    assert_eq!(files(late), "64", "inherited");
    soon(guard.verify()).await.unwrap();

    let removed = soon(guard.remove()).await.unwrap();
    assert!(
        matches!(removed.seen.as_slice(), [Sighting::PutBack(_)]),
        "{removed}"
    );
    assert_eq!([leader, child, late].map(files), ["300", "200", "300"]);
    assert_eq!(limit(leader, "Max open files").1, hard);
    assert_eq!(
        [leader, child].map(|pid| limit(pid, "Max file locks")),
        marks,
        "what marks the run"
    );
    // Nothing is left to do, and nothing is done.
    soon(guard.remove()).await.unwrap();
    assert_eq!([leader, child, late].map(files), ["300", "200", "300"]);
    run.stop().await;
}

#[tokio::test]
async fn limits_that_meet_end_with_the_last_whichever_is_lower() {
    let run = Run::start().await;
    let target = run
        .target("web", "ulimit -S -n 300; echo; exec sleep 1000")
        .await;
    until("it is up", || !run.log("web").is_empty()).await;
    let pid = target.identity.pid;
    let context = run.context();
    for (first, second, between) in [(64, 32, "32"), (32, 64, "64"), (64, 64, "64")] {
        let mut earlier = inject(&target, to_files(first), &context).await.unwrap();
        let mut later = inject(&target, to_files(second), &context).await.unwrap();
        assert_eq!(files(pid), first.min(second).to_string());
        soon(earlier.verify()).await.unwrap();
        let removed = soon(earlier.remove()).await.unwrap();
        assert!(
            matches!(removed.seen.as_slice(), [Sighting::StaysShort(_)]),
            "{removed}"
        );
        assert_eq!(files(pid), between);
        soon(later.verify()).await.unwrap();
        drop(inject(&target, to_files(16), &context).await.unwrap());
        assert_eq!(files(pid), between, "after one that was dropped");
        soon(later.remove()).await.unwrap();
        assert_eq!(files(pid), "300");
    }
    run.stop().await;
}

#[tokio::test]
async fn several_limits_of_one_fault_come_and_go_together() {
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let pid = target.identity.pid;
    let before = limit(pid, "Max file size");
    let both = Limit {
        file_size: Some(ByteCount(1 << 20)),
        ..to_files(64)
    };
    let mut guard = inject(&target, both, &run.context()).await.unwrap();
    soon(guard.verify()).await.unwrap();
    assert_eq!(limit(pid, "Max file size").0, (1 << 20).to_string());
    assert_eq!(files(pid), "64");
    soon(guard.remove()).await.unwrap();
    assert_eq!(limit(pid, "Max file size"), before);
    assert_ne!(files(pid), "64");
    run.stop().await;
}

#[tokio::test]
async fn a_limit_that_would_lower_nobody_is_refused_and_leaves_nothing() {
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let before = files(target.identity.pid);
    let high = inject(&target, to_files(1_000_000_000), &run.context()).await;
    let error = high.unwrap_err();
    assert!(
        matches!(error, FaultError::NothingToLower { .. }),
        "{error}"
    );
    assert_eq!(files(target.identity.pid), before);
    run.stop().await;
}

#[tokio::test]
async fn processes_that_nobody_counts_are_not_said_to_be_limited() {
    if !rustix::process::geteuid().is_root() {
        return skip("root");
    }
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let processes = Limit {
        processes: Some(5),
        ..Limit::default()
    };
    let error = inject(&target, processes, &run.context())
        .await
        .unwrap_err();
    assert!(matches!(error, FaultError::NotCounted { .. }), "{error}");
    run.stop().await;
}

#[tokio::test]
async fn a_target_that_is_gone_is_told_and_no_other_is_hit() {
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let pid = target.identity.pid;
    let before = files(pid);
    let impostor = ProcessTarget {
        identity: ProcessIdentity {
            start_time: target.identity.start_time + 1,
            ..target.identity
        },
        ..target.clone()
    };
    let error = inject(&impostor, to_files(64), &run.context()).await;
    assert!(matches!(error, Err(FaultError::ProcessGone { .. })));
    assert_eq!(files(pid), before);

    let mut guard = inject(&target, to_files(64), &run.context()).await.unwrap();
    soon(guard.verify()).await.unwrap();
    let mut exits = run.guardian.exits();
    let ended = run.guardian.terminate("web", std::time::Duration::ZERO);
    soon(ended).await.unwrap();
    soon(exits.recv()).await.unwrap();
    let lost = soon(guard.verify()).await;
    assert!(matches!(lost, Err(FaultError::ProcessGone { .. })));
    let removed = soon(guard.remove()).await.unwrap();
    let words = format!("web (pid {pid}) ended under limit files to 64");
    assert_eq!(removed.to_string(), words);
    run.stop().await;
}

#[tokio::test]
async fn somebody_who_raises_his_limit_again_is_told() {
    let run = Run::start().await;
    let script = "echo; while ! [ -e go ]; do sleep 0.02; done; ulimit -S -n 99; \
                  echo; exec sleep 1000";
    let target = run.target("web", script).await;
    until("it is up", || !run.log("web").is_empty()).await;
    let mut guard = inject(&target, to_files(64), &run.context()).await.unwrap();
    soon(guard.verify()).await.unwrap();
    std::fs::write(run.dir.path().join("go"), "").unwrap();
    until("it did", || run.log("web").lines().count() == 2).await;
    let changed = soon(guard.verify()).await.unwrap_err();
    assert!(
        matches!(changed, FaultError::LimitChanged { .. }),
        "{changed}"
    );
    // What it gave to itself is its own.
    soon(guard.remove()).await.unwrap();
    assert_eq!(files(target.identity.pid), "99");
    run.stop().await;
}
