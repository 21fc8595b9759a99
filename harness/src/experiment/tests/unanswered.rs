//! A world that does not answer: every wait of the engine ends, with the run
//! when it was told to stop, by a deadline otherwise.

use std::time::Duration;

use squall_judge::RunOutcome;

use super::stage::{Moment, Played, Stage, Strings, paused};
use crate::hub::Disk;
use crate::world::simulated::{Answer, Call, Traffic};

/// A run ends this soon after it was told to stop, whoever does not answer.
const TOLD_TO_STOP: Duration = Duration::from_secs(3);
/// The same where something would be left broken if nobody waited.
const STILL_UNDOING: Duration = Duration::from_secs(25);

/// Plays a run in which a call is never answered; with Ctrl-C once it was made.
fn unanswered(fault: &str, call: Call, ctrl_c: bool) -> Played {
    paused(async {
        let stage = Stage::with(fault, "probe trouble > 0");
        stage.world.script.on(call, [Answer::Never]);
        stage
            .play(move |strings| async move {
                strings.world.script.begun(call).await;
                tokio::time::sleep(Duration::from_millis(170)).await;
                strings.note_the_time();
                if ctrl_c {
                    strings.interrupt(1).await;
                }
            })
            .await
    })
}

#[test]
fn a_run_told_to_stop_waits_for_no_look() {
    let looks = [
        Call::StartSystem,
        Call::StartLoad,
        Call::Verify,
        Call::LookWhoServes,
    ];
    for call in looks {
        let played = unanswered("pause", call, true);
        played.check();
        assert!(played.after <= TOLD_TO_STOP, "{call:?}: {:?}", played.after);
        assert_eq!(played.outcome, Some(RunOutcome::Interrupted), "{call:?}");
        assert!(played.told("undone"), "{call:?}: {:?}", played.words());
    }
}

#[test]
fn a_run_told_to_stop_waits_for_no_process_to_serve_again() {
    let played = unanswered("kill", Call::ServeAgain, true);
    played.check();
    assert!(played.after <= TOLD_TO_STOP, "{:?}", played.after);
    assert!(
        played.told("removed") && played.told("undone"),
        "{:?}",
        played.words()
    );
}

/// The load is over and has been answered; only the fault is waited for.
#[test]
fn a_run_told_to_stop_after_its_load_waits_for_no_process_either() {
    let played = paused(async {
        let stage = Stage::with("kill", "probe trouble > 0");
        stage.world.script.on(Call::ServeAgain, [Answer::Never]);
        let pull = |mut strings: Strings| async move {
            strings.until_the_load_is_over().await;
            strings.interrupt(1).await;
        };
        stage.play(pull).await
    });
    played.check();
    assert!(played.after <= TOLD_TO_STOP, "{:?}", played.after);
    assert_eq!(played.outcome, Some(RunOutcome::Interrupted));
    assert!(played.told("removed"), "{:?}", played.words());
}

#[test]
fn a_run_told_to_stop_waits_for_no_reading_and_no_thread() {
    // What ends with the run is asked for when it ends.
    for call in [Call::LastReadings, Call::JoinLoad] {
        let played = paused(async {
            let stage = Stage::new();
            stage.world.script.on(call, [Answer::Never]);
            let pull = |mut strings: Strings| async move {
                strings.until(Moment::FaultActive).await;
                strings.interrupt(1).await;
            };
            stage.play(pull).await
        });
        played.check();
        assert!(played.after <= TOLD_TO_STOP, "{call:?}: {:?}", played.after);
    }
}

/// Injections, removals and the end of the system are given up only late: that
/// nothing is left broken is worth the wait. What is left then is told.
#[test]
fn what_is_undone_gets_its_time_and_no_more() {
    for call in [Call::Inject, Call::Remove] {
        let played = unanswered("pause", call, true);
        played.check();
        assert!(
            played.after <= STILL_UNDOING,
            "{call:?}: {:?}",
            played.after
        );
        assert_eq!(played.outcome, Some(RunOutcome::UndoFailed), "{call:?}");
    }
    for call in [Call::StopSystem, Call::EndGuardian] {
        let played = paused(async {
            let stage = Stage::new();
            stage.world.script.on(call, [Answer::Never]);
            let pull = move |mut strings: Strings| async move {
                strings
                    .until(if call == Call::EndGuardian {
                        Moment::Starting
                    } else {
                        Moment::FaultActive
                    })
                    .await;
                strings.interrupt(1).await;
            };
            stage.play(pull).await
        });
        played.check();
        assert_eq!(played.outcome, Some(RunOutcome::UndoFailed), "{call:?}");
        assert!(
            played.after <= Duration::from_secs(70),
            "{call:?}: {:?}",
            played.after
        );
    }
}

/// Nobody tells the run to stop: deadlines do.
#[test]
fn no_answer_is_awaited_for_ever() {
    let expected = [
        (Call::StartGuardian, RunOutcome::NotReady),
        (Call::StartSystem, RunOutcome::NotReady),
        (Call::StartLoad, RunOutcome::NotReady),
        (Call::Inject, RunOutcome::UndoFailed),
        (Call::Verify, RunOutcome::Inconclusive),
        (Call::LookWhoServes, RunOutcome::Inconclusive),
        (Call::Remove, RunOutcome::UndoFailed),
        (Call::LastReadings, RunOutcome::Pass),
        (Call::JoinLoad, RunOutcome::Pass),
        (Call::StopSystem, RunOutcome::UndoFailed),
    ];
    for (call, outcome) in expected {
        let played = unanswered("pause", call, false);
        if call != Call::StartGuardian {
            played.check();
        }
        assert_eq!(
            played.outcome,
            Some(outcome),
            "{call:?}: {:?}",
            played.words()
        );
    }
    let played = unanswered("kill", Call::ServeAgain, false);
    played.check();
    let played = unanswered("pause", Call::OpenUndo, false);
    assert!(played.end.is_err(), "a run without an undo journal");
}

/// The load's thread hangs or ends at every moment that it lives.
#[test]
fn a_load_that_shows_nothing_is_given_up() {
    let moments = [
        Moment::WarmUp,
        Moment::SteadyState,
        Moment::BeforeZero,
        Moment::Baseline,
        Moment::FaultActive,
        Moment::Removing,
        Moment::Draining,
    ];
    for moment in moments {
        for (traffic, ctrl_c) in [
            (Traffic::Hung, true),
            (Traffic::Hung, false),
            (Traffic::Dead, false),
        ] {
            let played = paused(async {
                let stage = match moment {
                    Moment::BeforeZero => Stage::new().with_zero(),
                    _ => Stage::new(),
                };
                let pull = move |mut strings: Strings| async move {
                    strings.until(moment).await;
                    strings.world.traffic.send_replace(traffic);
                    if ctrl_c {
                        strings.interrupt(1).await;
                    }
                };
                stage.play(pull).await
            });
            played.check();
            let case = format!("{moment:?} {traffic:?} {ctrl_c}: {:?}", played.words());
            let within = if ctrl_c {
                TOLD_TO_STOP
            } else {
                Duration::from_secs(40)
            };
            assert!(played.after <= within, "{:?} {case}", played.after);
            let outcome = match ctrl_c {
                true if moment < Moment::Baseline => RunOutcome::Interrupted,
                // It is squall's own, and nobody knows what became of the arrivals.
                _ => RunOutcome::Internal,
            };
            assert_eq!(played.outcome, Some(outcome), "{case}");
            let lost = "SQUALL FAILED (the load's thread";
            let told = played.words().iter().any(|word| word.starts_with(lost));
            assert_eq!(told, outcome == RunOutcome::Internal, "{case}");
            assert!(played.told("undone"), "{case}");
        }
    }
}

/// A disk that does not come back: events find no room, and the run ends.
#[test]
fn a_disk_that_stalls_ends_the_run() {
    let played = paused(async {
        let pull = |mut strings: Strings| async move {
            strings.until(Moment::FaultActive).await;
            strings.world.disk.send_replace(Disk::Stalls);
            for _ in 0..2_000 {
                strings.world.read_trouble();
            }
        };
        Stage::new().play(pull).await
    });
    let end = played.end.as_ref().unwrap();
    assert!(end.record.is_err() && end.undo_failures.is_empty());
    assert!(played.world.broken.lock().unwrap().is_empty());
    assert_eq!(played.world.script.count(Call::StopSystem), 1);
    assert!(
        played.after <= Duration::from_secs(60),
        "{:?}",
        played.after
    );
}
