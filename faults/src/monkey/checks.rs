//! The checks before a kill, in their order. Each that fails, or that nobody can
//! answer, means no kill.

use std::collections::HashSet;

use jiff::Timestamp;
use squall_scenario::monkey::{Monkey, MonkeyGroup};

use super::decision::NotMade;
use super::hands::{Hands, Instance};
use super::history::Last;
use super::schedule::pick;

/// Why there is no kill: the reason, and the same in words.
pub(super) type No = (NotMade, String);

/// Asks everything that is to be asked before a kill of `group` at `now`, except
/// whether it can be put on record. Netflix' order, but that survivors come
/// before the choice.
///
/// # Errors
/// Why there is no kill.
pub(super) async fn choose(
    monkey: &Monkey,
    group: &MonkeyGroup,
    now: Timestamp,
    last: Last,
    hands: &impl Hands,
) -> Result<Instance, No> {
    enabled(group, hands).await?;
    no_outage(hands).await?;
    if let Some(asleep) = monkey.calendar.closed(now) {
        return Err((NotMade::OutsideHours, asleep.to_string()));
    }
    long_enough(monkey, group, now, last)?;
    let alive = match hands.instances(group).await {
        Ok(alive) => alive,
        Err(why) => {
            let why = format!("nobody knows who is alive: {why}");
            return Err((NotMade::NobodyEligible, why));
        }
    };
    let mut alive = eligible(group, alive);
    enough(group, alive.len())?;
    let date = monkey.calendar.date_of(now);
    let picked = pick(monkey, group, date, alive.len());
    Ok(alive.swap_remove(picked))
}

/// Those of a group who may be killed, each once, by their names. Two ways to
/// find one process are one instance, and an exception from one of them is an
/// exception from both.
#[must_use]
pub fn eligible(group: &MonkeyGroup, mut alive: Vec<Instance>) -> Vec<Instance> {
    let excepted: HashSet<_> = alive
        .iter()
        .filter(|instance| group.excepts(&instance.name))
        .map(|instance| instance.identity)
        .collect();
    alive.retain(|instance| !excepted.contains(&instance.identity));
    alive.sort_by(|one, other| one.name.cmp(&other.name));
    let mut seen = HashSet::new();
    alive.retain(|instance| seen.insert(instance.identity));
    alive
}

/// The file is read again: it may have been switched off since.
async fn enabled(group: &MonkeyGroup, hands: &impl Hands) -> Result<(), No> {
    match hands.enabled(group).await {
        Ok(true) => Ok(()),
        Ok(false) => Err((NotMade::Disabled, "it is switched off".to_owned())),
        Err(why) => {
            let why = format!("nobody knows whether it is switched on: {why}");
            Err((NotMade::Disabled, why))
        }
    }
}

async fn no_outage(hands: &impl Hands) -> Result<(), No> {
    match hands.outage().await {
        Ok(None) => Ok(()),
        Ok(Some(what)) => Err((NotMade::Outage, format!("there is an outage: {what}"))),
        Err(why) => {
            let why = format!("nobody knows whether there is an outage: {why}");
            Err((NotMade::Outage, why))
        }
    }
}

fn long_enough(monkey: &Monkey, group: &MonkeyGroup, now: Timestamp, last: Last) -> Result<(), No> {
    let Some(last) = last.binding(monkey.leashed) else {
        return Ok(());
    };
    let (date, min) = (monkey.calendar.date_of(now), group.quiet_workdays() + 1);
    if monkey.calendar.workdays_after(date, last, min) < min {
        let why = format!("the last kill was on {last}, and the next is {min} workdays later");
        return Err((NotMade::TooSoon, why));
    }
    Ok(())
}

fn enough(group: &MonkeyGroup, alive: usize) -> Result<(), No> {
    if alive == 0 {
        let why = "no instance is alive that it may kill".to_owned();
        return Err((NotMade::NobodyEligible, why));
    }
    let survivors = group.survivors;
    let left = alive - 1;
    if left < usize::try_from(survivors).unwrap_or(usize::MAX) {
        let why = format!("{left} would be left alive, and {survivors} must be");
        return Err((NotMade::TooFewSurvivors, why));
    }
    Ok(())
}
