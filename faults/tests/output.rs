//! Where the output of processes goes, with a guardian as a real process.

mod support;

use std::time::Duration;

use squall_faults::guardian::GroupSignal;
use support::run::Run;
use support::soon;

/// Starts `script` and returns once the guardian has told of its end.
async fn run_to_its_end(run: &Run, key: &str, script: &str) {
    let mut exits = run.guardian.exits();
    soon(run.guardian.spawn(run.request(key, script)))
        .await
        .unwrap();
    while soon(exits.recv()).await.unwrap().key != key {}
}

#[tokio::test]
async fn last_words_are_in_the_file_when_an_end_is_told() {
    let run = Run::start().await;
    for round in 0..50 {
        let key = format!("talker-{round}");
        run_to_its_end(&run, &key, "echo one; echo two >&2; exit 3").await;
        assert_eq!(run.log(&key), "one\ntwo\n");
    }
    run.stop().await;
}

#[tokio::test]
async fn what_was_written_is_in_the_file_after_a_drain() {
    let run = Run::start().await;
    let script = "head -c 3000000 /dev/zero; touch written; sleep 1000";
    soon(run.guardian.spawn(run.request("big", script)))
        .await
        .unwrap();
    let flag = run.dir.path().join("written");
    support::until("it has written", || flag.exists()).await;
    soon(run.guardian.drain_output()).await.unwrap();
    assert_eq!(run.log("big").len(), 3_000_000);
    run.stop().await;
}

#[tokio::test]
async fn a_process_that_writes_for_ever_is_drained_and_not_held_up() {
    let run = Run::start().await;
    soon(run.guardian.spawn(run.request("loud", "exec yes")))
        .await
        .unwrap();
    let long = || run.log_length("loud") > 64 << 20;
    support::until("64 MiB were written", long).await;
    for _ in 0..20 {
        soon(run.guardian.drain_output()).await.unwrap();
    }
    let report = soon(run.guardian.shutdown(Duration::from_millis(50)))
        .await
        .unwrap();
    assert_eq!(report.left_out.len(), 1, "{report:?}");
    assert!(report.left_out[0].bytes > 63 << 20, "{report:?}");
    // The bound, and the line that says what is missing.
    let kept = run.log_length("loud");
    assert!((1 << 20..(1 << 20) + 200).contains(&kept), "{kept}");
}

#[tokio::test]
async fn who_outlives_its_parent_is_heard_until_the_end() {
    let run = Run::start().await;
    let script =
        "(trap '' TERM; setsid sh -c 'while [ ! -e go ]; do sleep 0.05; done; echo late' &)";
    run_to_its_end(&run, "parent", script).await;
    assert_eq!(run.log("parent"), "");
    std::fs::write(run.dir.path().join("go"), "").unwrap();
    support::until("it was heard", || run.log("parent") == "late\n").await;
    run.stop().await;
}

#[tokio::test]
async fn output_goes_on_while_the_guardian_waits_for_an_end() {
    let run = Run::start().await;
    // More than a pipe holds, at the very end, with the guardian in a grace.
    let script = "trap 'head -c 8000000 /dev/zero > /dev/stderr; exit' TERM; echo up; \
                  while :; do sleep 0.05; done";
    let mut request = run.request("talker", script);
    request.keep_bytes = 64 << 20;
    soon(run.guardian.spawn(request)).await.unwrap();
    support::until("it is up", || run.log("talker") == "up\n").await;
    let report = soon(run.guardian.shutdown(Duration::from_secs(60)))
        .await
        .unwrap();
    assert_eq!((report.killed, report.left.len()), (0, 0), "{report:?}");
    // The shell may say that a child of its own was ended.
    assert!(run.log_length("talker") >= 8_000_003);
}

#[tokio::test]
async fn a_stopped_process_and_one_without_output_do_not_hold_up_others() {
    let run = Run::start().await;
    soon(run.guardian.spawn(run.request("stopped", "exec yes")))
        .await
        .unwrap();
    soon(run.guardian.spawn(run.request("quiet", "exec sleep 1000")))
        .await
        .unwrap();
    soon(run.guardian.signal("stopped", GroupSignal::Stop))
        .await
        .unwrap();
    run_to_its_end(&run, "talker", "echo here").await;
    assert_eq!(run.log("talker"), "here\n");
    run.stop().await;
}
