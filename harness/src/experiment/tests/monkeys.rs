//! A monkey in a run: it kills when its seed says, and what it does not do is on
//! record.

use std::time::Duration;

use squall_judge::RunOutcome;
use squall_record::{FaultChange, RunEvent};

use super::stage::{Played, Stage, paused};

const MONKEY: &str = "{ monkey: { mean: 800ms, min: 200ms, survivors: 0 } }";

fn live(spares: Option<&str>) -> Played {
    let stage = Stage::with(MONKEY, "probe trouble > 0");
    *stage.world.spares.lock().unwrap() = spares.map(str::to_owned);
    paused(stage.play(|_strings| async {}))
}

/// Injections with a change, and when, in milliseconds.
fn changes(played: &Played, is_it: fn(&FaultChange) -> bool) -> Vec<(u32, i64)> {
    let of = |stamped: &squall_record::Stamped| match &stamped.event {
        RunEvent::Fault {
            injection, change, ..
        } if is_it(change) => Some((*injection, stamped.at_us / 1_000)),
        _ => None,
    };
    played.events.iter().filter_map(of).collect()
}

/// The kills of the seed of these runs, counted from time zero.
fn drawn() -> Vec<(u32, i64)> {
    let monkey = squall_scenario::inject::Monkey {
        mean: Duration::from_millis(800),
        min: Duration::from_millis(200),
        survivors: 0,
        signal: squall_scenario::inject::Signal::Kill,
    };
    let kills = monkey.kills(7, "frozen", Duration::from_secs(3));
    let ms = |at: Duration| 4_000 + i64::try_from(at.as_millis()).unwrap();
    (0..).zip(kills.into_iter().map(ms)).collect()
}

#[test]
fn it_kills_when_its_seed_says() {
    let played = live(None);
    played.check();
    let drawn = drawn();
    assert!(drawn.len() > 1, "{drawn:?}");
    let requested = changes(&played, |c| matches!(c, FaultChange::Requested));
    assert_eq!(requested, drawn);
    let removed = changes(&played, |c| matches!(c, FaultChange::Removed { .. }));
    assert_eq!(removed.len(), drawn.len());
    assert_eq!(
        played.outcome,
        Some(RunOutcome::Pass),
        "{:?}",
        played.reasons
    );
}

#[test]
fn a_run_in_which_it_spared_everybody_proves_nothing() {
    let played = live(Some("too few would be left"));
    played.check();
    let spared = changes(&played, |c| matches!(c, FaultChange::Spared { .. }));
    assert_eq!(spared, drawn());
    assert!(changes(&played, |c| matches!(c, FaultChange::Requested)).is_empty());
    assert_eq!(played.outcome, Some(RunOutcome::Inconclusive));
    let said = played.reasons.join("; ");
    assert!(
        said.contains("killed nobody: too few would be left"),
        "{said}"
    );
}
