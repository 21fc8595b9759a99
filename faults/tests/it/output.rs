//! Where the output of processes goes, with a guardian as a real process.

use std::time::Duration;

use crate::support::run::Run;
use crate::support::soon;
use squall_faults::guardian::GroupSignal;
use squall_scenario::Secrets;

#[tokio::test]
async fn last_words_are_in_the_file_when_an_end_is_told() {
    let run = Run::start().await;
    for round in 0..50 {
        let key = format!("talker-{round}");
        run.to_its_end(&key, "echo one; echo two >&2; exit 3").await;
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
    crate::support::until("it has written", || flag.exists()).await;
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
    crate::support::until("64 MiB were written", long).await;
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
async fn who_left_for_a_session_of_its_own_is_heard() {
    let run = Run::start().await;
    let daemon = "while [ ! -e go ]; do sleep 0.05; done; echo late; exec sleep 1000";
    let script = format!("(setsid sh -c '{daemon}' &); exec sleep 1000");
    soon(run.guardian.spawn(run.request("parent", &script)))
        .await
        .unwrap();
    std::fs::write(run.dir.path().join("go"), "").unwrap();
    crate::support::until("it was heard", || run.log("parent") == "late\n").await;
    run.stop().await;
}

#[tokio::test]
async fn secrets_do_not_reach_the_file() {
    let run = Run::start().await;
    let mut secrets = Secrets::default();
    secrets.add("KEY", "line one of it\nXYZZY, \"two\"\n");
    soon(run.guardian.keep_secrets(&secrets)).await.unwrap();
    // In one piece, with something between the lines, escaped, and in pieces.
    let script = r#"printf 'a line one of it\nXYZZY, "two"\n b\n'
        printf '1: line one of it\n2: XYZZY, "two"\n'
        printf '%s\n' 'c line one of it\nXYZZY, \"two\" d'
        printf 'e line one'; sleep 0.01; printf ' of it\nXYZ'; printf 'ZY, "two" f\n'"#;
    run.to_its_end("talker", script).await;
    let expected = "a ${KEY}\"\n b\n1: ${KEY}\n2: ${KEY}\"\nc ${KEY}\\\" d\ne ${KEY}\" f\n";
    assert_eq!(run.log("talker"), expected);
    run.stop().await;
}

/// Its writer may be paused in the middle, by a fault.
#[tokio::test]
async fn a_secret_does_not_reach_the_file_in_two_parts() {
    let run = Run::start().await;
    let mut secrets = Secrets::default();
    secrets.add("KEY", "s3cret-and-long");
    soon(run.guardian.keep_secrets(&secrets)).await.unwrap();
    let script = "printf 'up\\nkey s3cret-'; while [ ! -e go ]; do sleep 0.05; done; \
                  printf 'and-long\\n'; exec sleep 1000";
    soon(run.guardian.spawn(run.request("halting", script)))
        .await
        .unwrap();
    // What is before the beginning is given out by then.
    crate::support::until("it halts", || run.log("halting") == "up\nkey ").await;
    std::fs::write(run.dir.path().join("go"), "").unwrap();
    let whole = || run.log("halting") == "up\nkey ${KEY}\n";
    crate::support::until("it goes on", whole).await;
    run.stop().await;
}

#[tokio::test]
async fn a_line_is_there_although_a_secret_could_begin_with_it() {
    let run = Run::start().await;
    let mut secrets = Secrets::default();
    secrets.add("KEY", "s3cret-and-long");
    soon(run.guardian.keep_secrets(&secrets)).await.unwrap();
    let script = "echo s3cret-; exec sleep 1000";
    soon(run.guardian.spawn(run.request("quiet", script)))
        .await
        .unwrap();
    crate::support::until("the line is there", || run.log("quiet") == "s3cret-\n").await;
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
    crate::support::until("it is up", || run.log("talker") == "up\n").await;
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
    run.to_its_end("talker", "echo here").await;
    assert_eq!(run.log("talker"), "here\n");
    run.stop().await;
}
