//! Processes that stand still by the freezer of cgroups: all at once, without a signal.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use crate::support::run::Run;
use crate::support::{can, cgroups, impostor, inject, soon, until};
use squall_faults::{FaultContext, FaultError, FaultGuard, ProcessTarget};
use squall_scenario::inject::Freeze;
use squall_scenario::{EvidenceLevel, Measured, OnResource, Sighting};

/// A shell with a child; each says a word all the time.
const FAMILY: &str = "(while :; do echo child; sleep 0.01; done) & \
                      while :; do echo parent; sleep 0.01; done";

async fn freeze(target: &ProcessTarget, context: &FaultContext) -> Result<FaultGuard, FaultError> {
    inject(target, OnResource::Freeze(Freeze {}), context).await
}

fn is_penned(pid: u32) -> bool {
    cgroups::of(pid, "freezer").contains("/squall-freezer-")
}

/// State letter of a process.
fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().chars().next().unwrap()
}

async fn speaks(run: &Run) {
    let said = run.log("web").len();
    until("all speak", || {
        let log = run.log("web");
        let news = log.get(said..).unwrap_or_default();
        news.contains("parent") && news.contains("child")
    })
    .await;
}

#[tokio::test]
async fn everybody_stands_still_in_no_state_of_its_own_and_goes_on() {
    if !can("freeze") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", FAMILY).await;
    let pid = target.identity.pid;
    let home = cgroups::of(pid, "freezer");
    speaks(&run).await;
    let mut guard = freeze(&target, &run.context()).await.unwrap();
    let evidence = soon(guard.verify()).await.unwrap();
    assert_eq!(evidence.level, EvidenceLevel::Felt, "{evidence}");
    assert!(is_penned(pid));
    assert_ne!(state(pid), 'T', "nobody was signalled");
    let words = evidence.to_string();
    assert!(
        words.starts_with("freeze is in force on web (pid "),
        "{words}"
    );
    // What was said before is written by then, and nothing comes after it.
    soon(run.guardian.drain_output()).await.unwrap();
    let said = run.log("web");
    soon(guard.verify()).await.unwrap();
    soon(run.guardian.drain_output()).await.unwrap();
    assert_eq!(run.log("web"), said);

    let removed = soon(guard.remove()).await.unwrap();
    let [Sighting::PutBack(seen)] = removed.seen.as_slice() else {
        panic!("{removed}");
    };
    assert!(matches!(seen.measured, Some(Measured::Frozen { .. })));
    assert_eq!(cgroups::of(pid, "freezer"), home);
    speaks(&run).await;
    // Nothing is left to do, and nothing is done.
    assert_eq!(soon(guard.remove()).await.unwrap(), removed);
    run.stop().await;
}

#[tokio::test]
async fn freezes_that_meet_end_with_the_last_and_so_does_one_that_is_dropped() {
    if !can("freeze") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", FAMILY).await;
    let pid = target.identity.pid;
    let context = run.context();
    let mut first = freeze(&target, &context).await.unwrap();
    let mut second = freeze(&target, &context).await.unwrap();
    let removed = soon(first.remove()).await.unwrap();
    assert!(matches!(removed.seen.as_slice(), [Sighting::StaysShort(_)]));
    drop(freeze(&target, &context).await.unwrap());
    soon(second.verify()).await.unwrap();
    assert!(is_penned(pid));
    soon(second.remove()).await.unwrap();
    assert!(!is_penned(pid));
    drop(freeze(&target, &context).await.unwrap());
    assert!(!is_penned(pid));
    speaks(&run).await;
    run.stop().await;
}

#[tokio::test]
async fn what_stands_still_is_ended_with_the_run_all_the_same() {
    if !can("freeze") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", FAMILY).await;
    let guard = freeze(&target, &run.context()).await.unwrap();
    soon(guard.verify()).await.unwrap();
    let ended = run.guardian.shutdown(std::time::Duration::from_millis(50));
    assert_eq!(soon(ended).await.unwrap().left, Vec::<u32>::new());
    assert!(!target.identity.is_alive());
    drop(guard);
    assert_eq!(run.journal.close().unwrap(), 0);
}

#[tokio::test]
async fn somebody_who_is_thawed_by_others_is_told() {
    if !can("freeze") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", FAMILY).await;
    let mut guard = freeze(&target, &run.context()).await.unwrap();
    soon(guard.verify()).await.unwrap();
    let folder = cgroups::folder(target.identity.pid, "freezer");
    let files = [("freezer.state", "THAWED"), ("cgroup.freeze", "0")];
    let file = files.iter().find(|(file, _)| folder.join(file).is_file());
    let (file, thawed) = file.unwrap();
    std::fs::write(folder.join(file), thawed).unwrap();
    let changed = soon(guard.verify()).await.unwrap_err();
    assert!(matches!(changed, FaultError::NotStill { .. }), "{changed}");
    soon(guard.remove()).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn a_target_that_is_gone_is_told_and_no_other_is_hit() {
    if !can("freeze") {
        return;
    }
    let run = Run::start().await;
    let target = run.target("web", "exec sleep 1000").await;
    let pid = target.identity.pid;
    let error = freeze(&impostor(&target), &run.context()).await;
    assert!(matches!(error, Err(FaultError::ProcessGone { .. })));
    assert!(!is_penned(pid));
    run.stop().await;
}
