//! Every trouble at every moment of a run's life: what is told, in which order,
//! how the run ends, and how soon. Each table is a snapshot; what must hold in
//! every row is checked beside it.

use std::fmt::Write;
use std::time::Duration;

use squall_judge::RunOutcome;
use squall_record::{HandAction, RunEvent, Stamped};
use tokio::time::sleep;

use super::stage::{MOMENTS, Moment, Played, Stage, Strings, paused};
use crate::hub::Disk;
use crate::world::simulated::{Answer, Call, Traffic};

/// A run that is told to stop, or has to, ends within this time.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// What happens to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    AbortTrips,
    CtrlC,
    CtrlCTwice,
    GuardianLost,
    SystemDies,
    CannotKeepUp,
    DiskFull,
}

impl Trouble {
    async fn happen(self, strings: &Strings) {
        let world = &strings.world;
        match self {
            Self::AbortTrips => world.read_trouble(),
            Self::CtrlC => strings.interrupt(1).await,
            Self::CtrlCTwice => strings.interrupt(2).await,
            Self::GuardianLost => world.lose_guardian(),
            Self::SystemDies => world.kill_system(),
            Self::CannotKeepUp => drop(world.traffic.send_replace(Traffic::Lagging)),
            Self::DiskFull => drop(world.disk.send_replace(Disk::Full)),
        }
    }
}

fn at(moment: Moment) -> Stage {
    match moment {
        Moment::BeforeZero => Stage::new().with_zero(),
        _ => Stage::new(),
    }
}

async fn play(stage: Stage, moment: Moment, trouble: Option<Trouble>) -> Played {
    let played = stage.play(move |mut strings| async move {
        strings.until(moment).await;
        if let Some(trouble) = trouble {
            trouble.happen(&strings).await;
        }
    });
    let played = played.await;
    played.check();
    played
}

/// One row of a table.
fn row(table: &mut String, moment: Moment, played: &Played) {
    let outcome = match played.outcome {
        Some(outcome) => format!("exit {}", outcome.exit_code()),
        None => "no record".to_owned(),
    };
    let after = played.after.as_millis();
    let counts = played.counts();
    let arrivals = format!(
        "{} = {} good + {} bad + {} dropped + {} unfinished",
        counts.scheduled,
        counts.good,
        counts.bad(),
        counts.dropped,
        counts.unfinished
    );
    let words = played.words().join(", ");
    writeln!(table, "{moment:?}: {outcome}, {after} ms after it").unwrap();
    writeln!(table, "    {words}\n    {arrivals}").unwrap();
}

/// Plays a trouble at every moment; the table, and what each row proves.
fn table(trouble: Trouble, mut check: impl FnMut(Moment, &Played)) -> String {
    let mut table = String::new();
    for moment in MOMENTS {
        let played = paused(play(at(moment), moment, Some(trouble)));
        row(&mut table, moment, &played);
        check(moment, &played);
    }
    table
}

fn ends_soon(moment: Moment, played: &Played) {
    assert!(
        played.after <= ENDS_WITHIN,
        "{moment:?}: {:?}",
        played.after
    );
}

#[test]
fn nothing_happens() {
    let played = paused(play(Stage::new(), Moment::Baseline, None));
    assert_eq!(
        played.outcome,
        Some(RunOutcome::Pass),
        "{:?}",
        played.reasons
    );
    insta::assert_snapshot!(played.words().join("\n"));
}

#[test]
fn a_guard_trips() {
    let table = table(Trouble::AbortTrips, |moment, played| {
        // Guards hear what happens under the measured load.
        let hears = (Moment::Baseline..=Moment::Draining).contains(&moment);
        let outcome = if hears {
            RunOutcome::Aborted
        } else {
            RunOutcome::Pass
        };
        assert_eq!(played.outcome, Some(outcome), "{moment:?}");
        if hears {
            ends_soon(moment, played);
        }
    });
    insta::assert_snapshot!(table);
}

/// A rule on answers ends the run as soon as it holds, and no rule ends another.
#[test]
fn a_rule_on_answers_trips() {
    for (rule, trips) in [
        ("error_rate > 10% for 2s", true),
        ("error_rate > 10% for 1m", false),
    ] {
        let pull = |mut strings: Strings| async move {
            strings.until(Moment::FaultActive).await;
            strings.world.traffic.send_replace(Traffic::Refused);
        };
        let played = paused(Stage::with("pause", rule).play(pull));
        played.check();
        assert_eq!(played.told(&format!("ABORT ({rule})")), trips);
        let outcome = if trips {
            RunOutcome::Aborted
        } else {
            RunOutcome::Fail
        };
        assert_eq!(played.outcome, Some(outcome), "{rule}");
        assert_eq!(
            played.after <= Duration::from_secs(5),
            trips,
            "{:?}",
            played.after
        );
    }
}

/// One fault is ended by hand; the load goes on.
#[test]
fn a_fault_is_stopped_by_hand() {
    let pull = |mut strings: Strings| async move {
        strings.until(Moment::FaultActive).await;
        for fault in ["another", "frozen"] {
            let fault = fault.to_owned();
            strings.by_hand(HandAction::StopFault { fault }).await;
        }
    };
    let played = paused(Stage::new().play(pull));
    played.check();
    assert_eq!(played.counts().scheduled, 240, "the load goes on");
    insta::assert_snapshot!(played.words().join("\n"));
}

#[test]
fn ctrl_c() {
    let table = table(Trouble::CtrlC, |moment, played| {
        ends_soon(moment, played);
        assert_eq!(played.outcome, Some(interrupted(moment)), "{moment:?}");
        // Processes keep the time that they have to end by themselves.
        let hurried = usize::from(moment == Moment::Stopping);
        assert_eq!(
            played.world.script.count(Call::Hurry),
            hurried,
            "{moment:?}"
        );
    });
    insta::assert_snapshot!(table);
}

#[test]
fn ctrl_c_twice() {
    let table = table(Trouble::CtrlCTwice, |moment, played| {
        ends_soon(moment, played);
        assert_eq!(played.outcome, Some(interrupted(moment)), "{moment:?}");
        assert!(played.world.script.count(Call::Hurry) > 0, "{moment:?}");
    });
    insta::assert_snapshot!(table);
}

/// Nobody answers: the first Ctrl-C leaves what is under way a little time, the
/// second one none. Both times it is counted as unfinished.
#[test]
fn a_second_ctrl_c_takes_the_grace_of_open_requests() {
    let ended = [1, 2].map(|times| {
        let pull = move |mut strings: Strings| async move {
            strings.until(Moment::FaultActive).await;
            strings.world.traffic.send_replace(Traffic::Unanswered);
            sleep(Duration::from_secs(1)).await;
            strings.interrupt(times).await;
        };
        let played = paused(Stage::new().play(pull));
        played.check();
        assert_eq!(played.outcome, Some(RunOutcome::Interrupted));
        let counts = played.counts();
        assert!(counts.unfinished >= 20, "{counts:?} after {times} times");
        let finished = |e: &&Stamped| matches!(e.event, RunEvent::LoadFinished { .. });
        played.events.iter().find(finished).unwrap().at_us
    });
    assert!(ended[1] < ended[0], "{ended:?}");
}

/// What was asked for when the load was over changes nothing.
fn interrupted(moment: Moment) -> RunOutcome {
    match moment {
        Moment::Stopping => RunOutcome::Pass,
        _ => RunOutcome::Interrupted,
    }
}

#[test]
fn the_guardian_is_lost() {
    let table = table(Trouble::GuardianLost, |moment, played| {
        ends_soon(moment, played);
        let outcome = match moment {
            Moment::Starting => RunOutcome::NotReady,
            Moment::Stopping => RunOutcome::Pass,
            _ => RunOutcome::Aborted,
        };
        assert_eq!(played.outcome, Some(outcome), "{moment:?}");
    });
    insta::assert_snapshot!(table);
}

#[test]
fn the_system_dies() {
    let table = table(Trouble::SystemDies, |moment, played| {
        let passes = matches!(
            moment,
            Moment::Recovery | Moment::Draining | Moment::Stopping
        );
        if !passes {
            assert_ne!(played.outcome, Some(RunOutcome::Pass), "{moment:?}");
        }
    });
    insta::assert_snapshot!(table);
}

#[test]
fn the_load_cannot_keep_up() {
    let table = table(Trouble::CannotKeepUp, |moment, played| {
        let counts = played.counts();
        // Whatever the lag did, nobody passes or fails for it.
        let lagged = counts.late_by_lag + counts.dropped > 20;
        let outcome = if lagged {
            RunOutcome::Inconclusive
        } else {
            RunOutcome::Pass
        };
        assert_eq!(played.outcome, Some(outcome), "{moment:?}: {counts:?}");
        assert_eq!(counts.unfinished, 0, "{moment:?}");
    });
    insta::assert_snapshot!(table);
}

/// What a late generator had not sent when the run was stopped is not forgotten.
#[test]
fn a_late_load_is_interrupted() {
    let loaded = Moment::Baseline..=Moment::Recovery;
    for moment in MOMENTS.into_iter().filter(|m| loaded.contains(m)) {
        let pull = move |mut strings: Strings| async move {
            strings.until(moment).await;
            strings.world.traffic.send_replace(Traffic::Lagging);
            sleep(Duration::from_millis(1_500)).await;
            strings.note_the_time();
            strings.interrupt(1).await;
        };
        let played = paused(Stage::new().play(pull));
        played.check();
        ends_soon(moment, &played);
        let counts = played.counts();
        assert!(counts.unfinished > 0, "{moment:?}: {counts:?}");
        assert_eq!(played.outcome, Some(RunOutcome::Interrupted), "{moment:?}");
    }
}

#[test]
fn the_disk_is_full() {
    let table = table(Trouble::DiskFull, |moment, played| {
        ends_soon(moment, played);
        // Nobody waits for a system that can prove nothing.
        let begun = played.world.script.count(Call::StartLoad) > 0;
        assert_eq!(begun, moment > Moment::Starting, "{moment:?}");
        let end = played.end.as_ref().unwrap();
        assert!(end.record.is_err(), "{moment:?}");
        assert!(end.undo_failures.is_empty(), "{moment:?}");
    });
    insta::assert_snapshot!(table);
}

/// The fault is asked for and nothing is seen of it; alone, and with Ctrl-C at
/// every moment.
#[test]
fn a_fault_fails_to_verify() {
    let stage = |stage: Stage| {
        let fails = Answer::Fails(230, "shop-0 is in state R, not stopped");
        stage.world.script.on(Call::Verify, [fails]);
        stage
    };
    let played = paused(play(stage(Stage::new()), Moment::Baseline, None));
    assert_eq!(played.outcome, Some(RunOutcome::Inconclusive));
    let mut table = String::new();
    row(&mut table, Moment::Baseline, &played);
    for moment in MOMENTS {
        // It never becomes active, and is never removed by plan.
        if matches!(moment, Moment::FaultActive | Moment::Recovery) {
            continue;
        }
        let played = paused(play(stage(at(moment)), moment, Some(Trouble::CtrlC)));
        ends_soon(moment, &played);
        row(&mut table, moment, &played);
    }
    insta::assert_snapshot!(table);
}

/// The fault cannot be taken back: again and again, then at the end of the
/// system, then it is said.
#[test]
fn a_fault_fails_to_undo() {
    let stage = |stage: Stage| {
        let fails = Answer::Fails(410, "shop-0 is still stopped");
        stage.world.script.on(Call::Remove, [fails]);
        stage
    };
    let played = paused(play(stage(Stage::new()), Moment::Baseline, None));
    assert_eq!(played.outcome, Some(RunOutcome::UndoFailed));
    assert!(played.world.script.count(Call::Remove) > 3);
    let mut table = String::new();
    row(&mut table, Moment::Baseline, &played);
    for moment in MOMENTS {
        if moment == Moment::Recovery {
            continue;
        }
        let played = paused(play(stage(at(moment)), moment, Some(Trouble::CtrlC)));
        ends_soon(moment, &played);
        let injected = !played.world.injected.lock().unwrap().is_empty();
        let outcome = if injected {
            RunOutcome::UndoFailed
        } else {
            RunOutcome::Interrupted
        };
        assert_eq!(played.outcome, Some(outcome), "{moment:?}");
        row(&mut table, moment, &played);
    }
    insta::assert_snapshot!(table);
}

/// One that cannot be taken back at first is told as failed and then as removed.
#[test]
fn a_fault_is_undone_in_the_end() {
    let stage = Stage::new();
    let fails = Answer::Fails(410, "shop-0 is still stopped");
    let script = &stage.world.script;
    script.on(Call::Remove, [fails, fails, Answer::After(410)]);
    let played = paused(play(stage, Moment::Baseline, None));
    assert!(played.told("undone") && played.told("removed"));
    assert_eq!(played.world.script.count(Call::Remove), 3);
    // Only when the system has ended: the last try of all.
    let stage = Stage::new();
    let script = &stage.world.script;
    script.on(Call::Remove, [fails, Answer::After(410)]);
    let played = paused(play(stage, Moment::FaultActive, Some(Trouble::CtrlC)));
    assert!(played.told("undone"), "{:?}", played.words());
    let calls = played.world.script.calls();
    let stopped = calls.iter().position(|call| *call == Call::StopSystem);
    let removed = calls.iter().rposition(|call| *call == Call::Remove);
    assert!(stopped < removed, "{calls:?}");
}

/// A look at who serves may take longer than the fault should last. It lengthens
/// the fault by itself, and no second one does.
#[test]
fn a_look_that_takes_longer_than_its_fault_is_the_only_one() {
    for (takes_ms, looks) in [(110, 2), (5_000, 1)] {
        let played = paused(async {
            let stage = Stage::new();
            let slow = [Answer::After(takes_ms)];
            stage.world.script.on(Call::LookWhoServes, slow);
            play(stage, Moment::Baseline, None).await
        });
        played.check();
        assert_eq!(
            played.outcome,
            Some(RunOutcome::Pass),
            "{:?}",
            played.reasons
        );
        assert_eq!(played.world.script.count(Call::LookWhoServes), looks);
    }
}
