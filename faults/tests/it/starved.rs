//! Processes that are left less of the processor, by cgroups: everybody of an
//! instance is put in, and goes back where it came from.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::run::{FIXTURE, Run};
use crate::support::{can, cgroups, impostor, inject, skip, soon, until, until_seen};
use squall_faults::{
    FaultContext, FaultError, FaultGuard, ProcessIdentity, ProcessTarget, recover,
};
use squall_scenario::inject::Cpu;
use squall_scenario::{Evidence, EvidenceLevel, Measured, OnResource, Share, Sighting};

/// A shell with a child, both of which want all they can get. Each says its
/// number; another one is started when the file `go` is there.
const HUNGRY: &str = "(sh -c 'echo $$; while :; do :; done') & echo $$; \
    (while ! [ -e go ]; do sleep 0.02; done; exec sh -c 'echo $$; while :; do :; done') & \
    while :; do :; done";

fn cgroup(pid: u32) -> String {
    cgroups::of(pid, "cpu")
}

fn folder(pid: u32) -> PathBuf {
    cgroups::folder(pid, "cpu")
}

/// Microseconds of each period that a process is left.
fn quota(pid: u32) -> String {
    let text = cgroups::setting(pid, "cpu", ["cpu.cfs_quota_us", "cpu.max"]);
    text.split_whitespace().next().unwrap().to_owned()
}

fn is_penned(pid: u32) -> bool {
    cgroup(pid).contains("/squall-")
}

async fn starve(
    target: &ProcessTarget,
    percent: f64,
    context: &FaultContext,
) -> Result<FaultGuard, FaultError> {
    let share = Share::new(percent / 100.0).unwrap();
    inject(target, OnResource::Cpu(Cpu { share }), context).await
}

/// Looks until somebody was held back.
async fn felt(guard: &FaultGuard) -> Evidence {
    until_seen(guard, |evidence| evidence.level == EvidenceLevel::Felt).await
}

async fn numbers(run: &Run, count: usize) -> Vec<u32> {
    until("all said their numbers", || {
        run.log("web").ends_with('\n') && run.log("web").lines().count() == count
    })
    .await;
    let log = run.log("web");
    log.lines().map(|line| line.parse().unwrap()).collect()
}

#[tokio::test]
async fn everybody_is_starved_and_goes_back_where_he_came_from() {
    if !can("cpu") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", HUNGRY).await;
    let pids = numbers(&run, 2).await;
    let home = cgroup(target.identity.pid);

    let mut guard = starve(&target, 20.0, &run.context()).await.unwrap();
    assert!(pids.iter().all(|pid| is_penned(*pid)), "{pids:?}");
    assert_eq!(quota(pids[0]), "20000");
    let pen = folder(pids[0]);
    let evidence = felt(&guard).await;
    let words = evidence.to_string();
    assert!(
        words.starts_with("cpu 20% is in force on web (pid "),
        "{words}"
    );
    std::fs::write(run.dir.path().join("go"), "").unwrap();
    let pids = numbers(&run, 3).await;
    assert!(is_penned(pids[2]), "started meanwhile");

    let removed = soon(guard.remove()).await.unwrap();
    assert_eq!(removed.level, EvidenceLevel::Felt);
    let [Sighting::PutBack(seen)] = removed.seen.as_slice() else {
        panic!("{removed}");
    };
    // What it used depends on the machine; that it was held back does not.
    let Some(Measured::Processor { held, .. }) = seen.measured else {
        panic!("{removed}");
    };
    assert!(held > 0, "{removed}");
    assert!(pids.iter().all(|pid| cgroup(*pid) == home), "all are back");
    assert!(!pen.exists());
    // Nothing is left to do, and nothing is done.
    assert_eq!(soon(guard.remove()).await.unwrap(), removed);
    run.stop().await;
}

#[tokio::test]
async fn a_quota_that_nobody_came_to_is_felt_by_nobody() {
    if !can("cpu") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let mut guard = starve(&target, 50.0, &run.context()).await.unwrap();
    let evidence = soon(guard.verify()).await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Acted, "{evidence}");
    let removed = soon(guard.remove()).await.unwrap();
    assert_eq!(removed.level, EvidenceLevel::Acted, "{removed}");
    assert!(!is_penned(target.identity.pid));
    run.stop().await;
}

#[tokio::test]
async fn quotas_that_meet_share_a_cgroup_and_the_lowest_holds() {
    if !can("cpu") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let pid = target.identity.pid;
    let context = run.context();
    for (first, second, between) in [(40.0, 20.0, "20000"), (20.0, 40.0, "40000")] {
        let mut earlier = starve(&target, first, &context).await.unwrap();
        let mut later = starve(&target, second, &context).await.unwrap();
        assert_eq!(quota(pid), "20000");
        soon(earlier.verify()).await.unwrap();
        let removed = soon(earlier.remove()).await.unwrap();
        assert!(matches!(removed.seen.as_slice(), [Sighting::StaysShort(_)]));
        assert_eq!(quota(pid), between);
        drop(starve(&target, 10.0, &context).await.unwrap());
        assert_eq!(quota(pid), between, "after one that was dropped");
        soon(later.verify()).await.unwrap();
        // The first has nothing to do any more, and does nothing.
        soon(earlier.remove()).await.unwrap();
        assert!(is_penned(pid));
        soon(later.remove()).await.unwrap();
        assert!(!is_penned(pid));
    }
    run.stop().await;
}

#[tokio::test]
async fn a_quota_is_not_felt_by_what_a_lower_one_did() {
    if !can("cpu") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", HUNGRY).await;
    let context = run.context();
    let mut low = starve(&target, 5.0, &context).await.unwrap();
    let mut high = starve(&target, 15.0, &context).await.unwrap();
    let mut never = starve(&target, 10.0, &context).await.unwrap();
    felt(&low).await;
    let evidence = soon(high.verify()).await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Acted, "{evidence}");
    assert!(matches!(evidence.seen.as_slice(), [Sighting::Outdone(_)]));
    felt(&low).await;
    let removed = soon(never.remove()).await.unwrap();
    assert_eq!(removed.level, EvidenceLevel::Requested, "{removed}");
    let removed = soon(low.remove()).await.unwrap();
    assert_eq!(removed.level, EvidenceLevel::Felt, "{removed}");
    // What the lower one did is not counted, what it does itself is.
    let evidence = soon(high.verify()).await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Acted, "{evidence}");
    felt(&high).await;
    soon(high.remove()).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn whoever_is_in_a_cgroup_of_another_target_is_left_there() {
    if !can("cpu") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", HUNGRY).await;
    let leader = target.identity.pid;
    let pids = numbers(&run, 2).await;
    let child = pids.into_iter().find(|pid| *pid != leader).unwrap();
    let context = run.context();
    let mut guard = starve(&target, 30.0, &context).await.unwrap();
    let alone = ProcessTarget {
        name: "child".to_owned(),
        identity: ProcessIdentity::of(child).unwrap(),
        mark: None,
    };
    let refused = starve(&alone, 20.0, &context).await.unwrap_err();
    assert!(
        matches!(refused, FaultError::PenOverlaps { .. }),
        "{refused}"
    );
    assert_eq!(quota(child), "30000");
    soon(guard.remove()).await.unwrap();
    // Now it can be had.
    let mut guard = starve(&alone, 20.0, &context).await.unwrap();
    assert!(is_penned(child) && !is_penned(leader));
    soon(guard.remove()).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn somebody_who_is_taken_out_is_told_and_left_where_he_is() {
    if !can("cpu") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let pid = target.identity.pid;
    let (home, came_from) = (cgroup(pid), folder(pid));
    let mut guard = starve(&target, 20.0, &run.context()).await.unwrap();
    soon(guard.verify()).await.unwrap();
    std::fs::write(came_from.join("cgroup.procs"), pid.to_string()).unwrap();
    let taken = soon(guard.verify()).await.unwrap_err();
    assert!(matches!(taken, FaultError::TakenOut { .. }), "{taken}");
    soon(guard.remove()).await.unwrap();
    assert_eq!(cgroup(pid), home);
    run.stop().await;
}

#[tokio::test]
async fn quotas_that_meet_in_a_cgroup_that_is_taken_away_are_all_lifted() {
    if !can("cpu") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let pid = target.identity.pid;
    let context = run.context();
    let mut earlier = starve(&target, 40.0, &context).await.unwrap();
    let mut later = starve(&target, 20.0, &context).await.unwrap();
    // As a keeper does, whose guardian is gone.
    let pen = folder(pid);
    let came_from = pen.parent().unwrap().join("cgroup.procs");
    std::fs::write(came_from, pid.to_string()).unwrap();
    let taken = || std::fs::remove_dir(&pen).is_ok();
    until("the kernel knows that nobody is in it", taken).await;
    soon(earlier.remove()).await.unwrap();
    soon(later.remove()).await.unwrap();
    let left = recover::list(run.dir.path()).unwrap().remove(0).pending;
    assert!(
        left.iter().all(|(intent, _)| !intent.contains("cgroup")),
        "{left:?}"
    );
    run.stop().await;
}

#[tokio::test]
async fn a_target_that_is_gone_is_told_and_no_other_is_hit() {
    if !can("cpu") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let pid = target.identity.pid;
    let error = starve(&impostor(&target), 20.0, &run.context()).await;
    assert!(matches!(error, Err(FaultError::ProcessGone { .. })));
    assert!(!is_penned(pid));

    let mut guard = starve(&target, 20.0, &run.context()).await.unwrap();
    let pen = folder(pid);
    run.end("web").await;
    let lost = soon(guard.verify()).await;
    assert!(matches!(lost, Err(FaultError::ProcessGone { .. })));
    let removed = soon(guard.remove()).await.unwrap().to_string();
    let words = format!("web (pid {pid}) ended under cpu 20%");
    assert_eq!(removed, words);
    assert!(!pen.exists());
    run.stop().await;
}

/// Ends a process with the test, also with one that fails.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Nobody may make cgroups; nothing is done to who was to be starved.
#[tokio::test]
async fn without_the_privilege_it_is_refused_and_nothing_is_left() {
    const NOBODY: u32 = 65534;
    if !can("cpu") {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        skip("root, to become nobody");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let open = |path: &Path| {
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, all).unwrap();
    };
    open(dir.path());
    let fixture = dir.path().join("fixture");
    // By another process: whatever a test starts meanwhile would keep a file that is
    // written here open, and it could not be run.
    let copied = Command::new("cp").arg(FIXTURE).arg(&fixture).status();
    assert!(copied.unwrap().success());
    open(&fixture);
    let journals = dir.path().join("journals");
    std::fs::create_dir(&journals).unwrap();
    std::os::unix::fs::chown(&journals, Some(NOBODY), Some(NOBODY)).unwrap();
    let as_nobody = |program: &Path| {
        let mut command = Command::new(program);
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
        command.process_group(0).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let victim = as_nobody(Path::new("sleep")).arg("1000").spawn();
    let victim = Victim(victim.unwrap());
    for fault in ["cpu", "memory"] {
        let hit = as_nobody(&fixture)
            .arg("hit")
            .arg(&journals)
            .args([fault, &victim.0.id().to_string()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&hit.stdout).into_owned();
        assert!(said.starts_with("making /"), "{fault}: {said} {hit:?}");
        assert!(said.contains("Permission denied"), "{fault}: {said}");
        assert!(!is_penned(victim.0.id()));
    }
}
