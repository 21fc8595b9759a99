//! Processes whose memory is nearly all in use, by a process of squall's that ends with
//! squall, in the cgroup of the target.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::path::{Path, PathBuf};

use crate::support::run::Run;
use crate::support::{can, cgroups, impostor, inject, rivals, soon, until, until_lost, until_seen};
use squall_faults::{FaultContext, FaultError, FaultGuard, ProcessTarget};
use squall_scenario::inject::{Memory, MemoryPressure};
use squall_scenario::{ByteCount, Evidence, EvidenceLevel, Measured, OnResource, Share, Sighting};

const MIB: u64 = 1 << 20;
/// The limit of those that have one.
const LIMIT: u64 = 64 * MIB;
/// What is in use, by the version of cgroups.
const USED: [&str; 2] = ["memory.usage_in_bytes", "memory.current"];

fn pressure(up_to: f64, leave: u64) -> OnResource {
    OnResource::MemoryPressure(MemoryPressure {
        up_to: Share::new(up_to).unwrap(),
        leave: ByteCount(leave),
    })
}

/// A target with a limit of its own, and what sets it.
async fn limited(run: &Run) -> (ProcessTarget, FaultGuard) {
    let target = run.target("web", "echo; exec sleep 1000").await;
    until("it is up", || !run.log("web").is_empty()).await;
    let limit = ByteCount(LIMIT);
    let limit = OnResource::Memory(Memory { limit });
    let limit = inject(&target, limit, &run.context()).await.unwrap();
    (target, limit)
}

fn used(folder: &Path) -> u64 {
    let files = USED.map(|name| folder.join(name));
    let file = files.iter().find(|file| file.is_file()).unwrap();
    std::fs::read_to_string(file)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

/// Bytes that a process of squall's holds, whenever that is asked.
fn held_by(rival: u32) -> impl Fn() -> u64 {
    let open = std::fs::read_dir(format!("/proc/{rival}/fd")).unwrap();
    let mut open = open.map(|entry| entry.unwrap().path());
    let is_held = |path: &PathBuf| {
        let link = std::fs::read_link(path).unwrap_or_default();
        link.to_string_lossy().contains("memfd:squall-held")
    };
    let file = open.find(is_held).unwrap();
    move || std::fs::metadata(&file).unwrap().len()
}

/// What squall holds, what is in use, what was wanted, and the limit.
fn figures(evidence: &Evidence) -> [u64; 4] {
    match evidence.seen.as_slice() {
        [Sighting::Short(seen) | Sighting::PutBack(seen)] => match seen.measured {
            Some(Measured::Pressure {
                held,
                used,
                wanted,
                limit,
                ..
            }) => [held, used, wanted, limit],
            _ => panic!("{evidence}"),
        },
        _ => panic!("{evidence}"),
    }
}

#[tokio::test]
async fn most_of_a_limit_is_in_use_and_given_back() {
    if !can("memory") {
        return;
    }
    let run = Run::start().await;
    let (target, mut limit) = limited(&run).await;
    let pid = target.identity.pid;
    let folder = cgroups::folder(pid, "memory");
    let before = used(&folder);
    let mut guard = inject(&target, pressure(0.8, MIB), &run.context())
        .await
        .unwrap();
    let evidence = soon(guard.verify()).await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Felt, "{evidence}");
    let words = evidence.to_string();
    let begins = "memory_pressure up to 80% but 1MiB is in force on web (pid ";
    assert!(words.starts_with(begins), "{words}");
    let [held, _, wanted, most] = figures(&evidence);
    // What it had before is no part of what its cgroup counts.
    assert!(most <= LIMIT && wanted <= most * 8 / 10, "{evidence}");
    assert!(held > 0 && held <= wanted, "{evidence}");
    let own = rivals(pid);
    assert_eq!(own.len(), 1, "{own:?}");
    assert_eq!(
        cgroups::of(own[0], "memory"),
        cgroups::of(pid, "memory"),
        "where the target is"
    );
    let adj = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", own[0])).unwrap();
    assert_eq!(adj.trim(), "1000", "it goes first");

    let removed = soon(guard.remove()).await.unwrap();
    assert_eq!(removed.level, EvidenceLevel::Felt, "{removed}");
    assert_eq!(rivals(pid), Vec::<u32>::new());
    // Others may still give back what they took meanwhile.
    until("it is given back", || used(&folder) < before + held / 2).await;
    assert_eq!(soon(guard.remove()).await.unwrap(), removed);
    soon(limit.remove()).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn what_would_cross_the_floor_is_not_held_and_proves_nothing() {
    if !can("memory") {
        return;
    }
    let run = Run::start().await;
    let (target, mut limit) = limited(&run).await;
    let context = FaultContext {
        deadline: std::time::Duration::from_millis(300),
        ..run.context()
    };
    let most = inject(&target, pressure(1.0, 32 * MIB), &context).await;
    let mut guard = most.unwrap();
    let evidence = until_seen(&guard, |seen| figures(seen)[0] > 0).await;
    assert_eq!(evidence.level, EvidenceLevel::Acted, "{evidence}");
    for _ in 0..20 {
        let [_, used, _, limit] = figures(&soon(guard.verify()).await.unwrap());
        assert!(used + 31 * MIB <= limit, "{used} of {limit}");
    }
    let removed = soon(guard.remove()).await.unwrap();
    assert_eq!(removed.level, EvidenceLevel::Acted, "{removed}");
    soon(limit.remove()).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn where_nothing_is_to_be_taken_it_is_not_waited_for() {
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    // The context lets it take longer than `soon` does.
    let nothing = pressure(1.0, u64::MAX / 2);
    let mut guard = inject(&target, nothing, &run.context()).await.unwrap();
    let evidence = soon(guard.verify()).await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Acted, "{evidence}");
    assert_eq!(figures(&evidence)[0], 0, "{evidence}");
    soon(guard.remove()).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn where_the_limit_ends_first_nothing_is_held_of_what_the_machine_has() {
    if !can("memory") {
        return;
    }
    let run = Run::start().await;
    let (target, mut limit) = limited(&run).await;
    let pid = target.identity.pid;
    let mut guard = inject(&target, pressure(0.8, MIB), &run.context())
        .await
        .unwrap();
    until_seen(&guard, |seen| figures(seen)[0] > 0).await;
    let held = held_by(rivals(pid)[0]);
    assert!(held() > 0);
    soon(limit.remove()).await.unwrap();
    let lost = until_lost(&guard).await;
    assert!(matches!(lost, FaultError::LimitChanged { .. }), "{lost}");
    until("it is given back", || held() == 0).await;
    let removed = soon(guard.remove()).await.unwrap();
    let [Sighting::PutBack(seen)] = removed.seen.as_slice() else {
        panic!("{removed}");
    };
    assert_eq!(seen.measured, None, "nothing more is counted");
    assert_eq!(rivals(pid), Vec::<u32>::new());
    run.stop().await;
}

#[tokio::test]
async fn two_share_what_is_wanted_and_one_that_is_dropped_gives_it_back() {
    if !can("memory") {
        return;
    }
    let run = Run::start().await;
    let (target, mut limit) = limited(&run).await;
    let pid = target.identity.pid;
    let context = run.context();
    let mut first = inject(&target, pressure(0.5, MIB), &context).await.unwrap();
    soon(first.verify()).await.unwrap();
    let mut second = inject(&target, pressure(0.8, MIB), &context).await.unwrap();
    soon(second.verify()).await.unwrap();
    soon(first.remove()).await.unwrap();
    soon(first.remove()).await.unwrap();
    assert_eq!(rivals(pid).len(), 1);
    // What the first had held the second holds now.
    until_seen(&second, |seen| {
        let [held, used, wanted, limit] = figures(seen);
        held > limit / 2 && used + limit / 50 >= wanted
    })
    .await;
    soon(second.remove()).await.unwrap();
    drop(inject(&target, pressure(0.5, MIB), &context).await.unwrap());
    assert_eq!(rivals(pid), Vec::<u32>::new());
    soon(limit.remove()).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn a_target_that_is_gone_is_told_and_nothing_is_held_beside_another() {
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let pid = target.identity.pid;
    // Less than is in use of the machine in any case: nothing is taken.
    let little = || pressure(0.0001, MIB);
    let error = inject(&impostor(&target), little(), &run.context()).await;
    assert!(matches!(error, Err(FaultError::ProcessGone { .. })));
    assert_eq!(rivals(pid), Vec::<u32>::new());

    let mut guard = inject(&target, little(), &run.context()).await.unwrap();
    run.end("web").await;
    let lost = soon(guard.verify()).await;
    assert!(matches!(lost, Err(FaultError::ProcessGone { .. })));
    let removed = soon(guard.remove()).await.unwrap();
    let words = format!("web (pid {pid}) ended under memory_pressure up to 0.01% but 1MiB");
    assert_eq!(removed.to_string(), words);
    assert_eq!(rivals(pid), Vec::<u32>::new());
    run.stop().await;
}
