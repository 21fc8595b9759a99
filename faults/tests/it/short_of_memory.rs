//! Processes that may have only so much memory, by cgroups: the kernel ends whoever
//! takes more, and the others go back where they came from.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::path::PathBuf;

use crate::support::run::Run;
use crate::support::{can, cgroups, impostor, inject, soon, until, until_seen};
use squall_faults::{FaultContext, FaultError, FaultGuard, ProcessTarget};
use squall_scenario::inject::Memory;
use squall_scenario::{ByteCount, Evidence, EvidenceLevel, Measured, OnResource, Sighting};

const MIB: u64 = 1 << 20;
/// A shell whose child takes 96 MiB when the file `go` is there, and that says what
/// became of it.
const CHILD_TAKES: &str = "(while ! [ -e go ]; do sleep 0.02; done; \
    head -c 96M /dev/zero | tail > /dev/null; echo ended $?) & wait; exec sleep 1000";
/// A shell that says when it has 8 MiB, and takes 96 MiB when the file `go` is there.
const TAKES: &str = "few=$(head -c 8M /dev/zero | tr '\\0' x); echo up; \
    while ! [ -e go ]; do sleep 0.02; done; \
    many=$(head -c 96M /dev/zero | tr '\\0' x); exec sleep 1000";

fn cgroup(pid: u32) -> String {
    cgroups::of(pid, "memory")
}

fn folder(pid: u32) -> PathBuf {
    cgroups::folder(pid, "memory")
}

fn is_penned(pid: u32) -> bool {
    cgroup(pid).contains("/squall-memory-")
}

/// Where the limit stands, by the version of cgroups.
const FILES: [&str; 2] = ["memory.limit_in_bytes", "memory.max"];

/// Bytes that a process may take in its cgroup.
fn left(pid: u32) -> u64 {
    let text = cgroups::setting(pid, "memory", FILES);
    text.trim().parse().unwrap()
}

async fn limit(
    target: &ProcessTarget,
    bytes: u64,
    context: &FaultContext,
) -> Result<FaultGuard, FaultError> {
    let limit = ByteCount(bytes);
    inject(target, OnResource::Memory(Memory { limit }), context).await
}

/// Looks until the kernel has ended somebody.
async fn felt(guard: &FaultGuard) -> Evidence {
    until_seen(guard, |evidence| killed(evidence) > 0).await
}

fn figures(evidence: &Evidence) -> Measured {
    match evidence.seen.as_slice() {
        [Sighting::Short(seen) | Sighting::PutBack(seen) | Sighting::StaysShort(seen)] => {
            seen.measured.unwrap()
        }
        _ => panic!("{evidence}"),
    }
}

fn killed(evidence: &Evidence) -> u64 {
    match figures(evidence) {
        Measured::Memory { killed, .. } => killed,
        _ => panic!("{evidence}"),
    }
}

#[tokio::test]
async fn whoever_takes_more_is_ended_and_the_others_go_back() {
    if !can("memory") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", CHILD_TAKES).await;
    let pid = target.identity.pid;
    let home = cgroup(pid);
    let mut guard = limit(&target, 48 * MIB, &run.context()).await.unwrap();
    assert!(is_penned(pid));
    let pen = folder(pid);
    let evidence = soon(guard.verify()).await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Acted, "{evidence}");
    let Measured::Memory { before, .. } = figures(&evidence) else {
        panic!("{evidence}");
    };
    assert!(before > 0 && before < 16 * MIB, "{evidence}");
    let page = procfs::page_size();
    assert_eq!(left(pid), (48 * MIB - before) / page * page);

    std::fs::write(run.dir.path().join("go"), "").unwrap();
    until("it was ended", || run.log("web").contains("ended 137")).await;
    let evidence = felt(&guard).await;
    assert_eq!(evidence.level, EvidenceLevel::Felt);
    let removed = soon(guard.remove()).await.unwrap();
    let Measured::Memory {
        taken,
        reached,
        killed,
        ..
    } = figures(&removed)
    else {
        panic!("{removed}");
    };
    assert!(reached > 0 && killed == 1, "{removed}");
    assert!(taken <= 48 * MIB, "{removed}");
    assert!(
        matches!(removed.seen.as_slice(), [Sighting::PutBack(_)]),
        "{removed}"
    );
    assert_eq!(cgroup(pid), home);
    assert!(!pen.exists());
    // Nothing is left to do, and nothing is done.
    assert_eq!(soon(guard.remove()).await.unwrap(), removed);
    run.stop().await;
}

#[tokio::test]
async fn a_target_that_the_kernel_ends_shows_the_fault_and_is_not_lost() {
    if !can("memory") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", TAKES).await;
    let pid = target.identity.pid;
    until("it is up", || run.log("web").contains("up")).await;
    let mut guard = limit(&target, 64 * MIB, &run.context()).await.unwrap();
    let pen = folder(pid);
    let mut exits = run.guardian.exits();
    std::fs::write(run.dir.path().join("go"), "").unwrap();
    soon(exits.recv()).await.unwrap();
    let evidence = felt(&guard).await;
    let words = evidence.to_string();
    let ended = format!("web (pid {pid}) ended under memory to 64MiB; ");
    assert!(words.starts_with(&ended), "{words}");
    assert_eq!(evidence.level, EvidenceLevel::Felt);
    let removed = soon(guard.remove()).await.unwrap();
    assert!(removed.to_string().starts_with(&ended), "{removed}");
    assert_eq!(removed.level, EvidenceLevel::Felt);
    assert!(!pen.exists());
    run.stop().await;
}

#[tokio::test]
async fn a_limit_below_what_is_in_use_is_refused() {
    if !can("memory") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", TAKES).await;
    let pid = target.identity.pid;
    until("it is up", || run.log("web").contains("up")).await;
    let context = run.context();
    let refused = limit(&target, 4 * MIB, &context).await.unwrap_err();
    assert!(
        matches!(refused, FaultError::MoreInUse { has, .. } if has > 8 * MIB),
        "{refused}"
    );
    assert!(!is_penned(pid));
    // Beside another as well, which stays as it is.
    let mut other = limit(&target, 64 * MIB, &context).await.unwrap();
    let stands = left(pid);
    let refused = limit(&target, 4 * MIB, &context).await.unwrap_err();
    assert!(matches!(refused, FaultError::MoreInUse { .. }), "{refused}");
    assert_eq!(left(pid), stands);
    soon(other.verify()).await.unwrap();
    soon(other.remove()).await.unwrap();
    assert!(!is_penned(pid));
    assert_eq!(run.log("web"), "up\n");
    assert!(target.identity.is_alive());
    run.stop().await;
}

#[tokio::test]
async fn limits_that_meet_share_a_cgroup_and_the_lowest_holds() {
    if !can("memory") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let pid = target.identity.pid;
    let context = run.context();
    let mut earlier = limit(&target, 64 * MIB, &context).await.unwrap();
    let high = left(pid);
    let mut later = limit(&target, 48 * MIB, &context).await.unwrap();
    let low = left(pid);
    assert_eq!(high - low, 16 * MIB);
    soon(earlier.verify()).await.unwrap();
    let removed = soon(later.remove()).await.unwrap();
    assert!(matches!(removed.seen.as_slice(), [Sighting::StaysShort(_)]));
    assert_eq!(left(pid), high);
    drop(limit(&target, 32 * MIB, &context).await.unwrap());
    assert_eq!(left(pid), high, "after one that was dropped");
    soon(later.remove()).await.unwrap();
    assert!(is_penned(pid));
    let file = FILES.map(|name| folder(pid).join(name));
    let file = file.iter().find(|file| file.is_file()).unwrap();
    std::fs::write(file, (90 * MIB).to_string()).unwrap();
    let changed = soon(earlier.verify()).await.unwrap_err();
    assert!(
        matches!(changed, FaultError::LimitChanged { .. }),
        "{changed}"
    );
    soon(earlier.remove()).await.unwrap();
    assert!(!is_penned(pid));
    run.stop().await;
}

#[tokio::test]
async fn a_target_that_is_gone_by_itself_is_lost_and_no_other_is_hit() {
    if !can("memory") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let pid = target.identity.pid;
    let error = limit(&impostor(&target), 64 * MIB, &run.context()).await;
    assert!(matches!(error, Err(FaultError::ProcessGone { .. })));
    assert!(!is_penned(pid));

    let mut guard = limit(&target, 64 * MIB, &run.context()).await.unwrap();
    let pen = folder(pid);
    run.end("web").await;
    let lost = soon(guard.verify()).await;
    assert!(matches!(lost, Err(FaultError::ProcessGone { .. })));
    let removed = soon(guard.remove()).await.unwrap();
    assert_eq!(killed(&removed), 0, "{removed}");
    assert!(!pen.exists());
    run.stop().await;
}
