//! The days of a monkey, one after the other.

use std::time::Duration;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use squall_scenario::monkey::{Monkey, MonkeyGroup};
use tokio_util::sync::CancellationToken;

use super::checks::{No, choose};
use super::decision::{Decision, Entry, NotMade};
use super::hands::Hands;
use super::history::History;
use super::schedule::{Day, day};

/// A kill that comes so much later than it was due is not made: the machine
/// slept, and whoever expected it then expects it no more.
pub const LATE_AFTER: Duration = Duration::from_secs(5 * 60);

/// Goes through the days until `stop`.
///
/// # Errors
/// A decision could not be put on record, so that the monkey no longer knows what
/// it has done; in words.
pub async fn run(
    monkey: &Monkey,
    mut history: History,
    hands: &impl Hands,
    stop: &CancellationToken,
) -> Result<(), String> {
    let mut date = monkey.calendar.date_of(hands.now());
    loop {
        let due = begin(monkey, &mut history, hands, date)?;
        for (at, group) in due {
            let waiting = hands.sleep_until(at);
            if stop.run_until_cancelled(waiting).await.is_none() {
                return Ok(());
            }
            act(monkey, group, (date, at), &mut history, hands, stop).await?;
        }
        let tomorrow = date.tomorrow().ok();
        let begins = tomorrow.and_then(|next| monkey.calendar.start_of(next));
        let (Some(next), Some(midnight)) = (tomorrow, begins) else {
            return Err("this was the last day that a clock can show".to_owned());
        };
        let waiting = hands.sleep_until(midnight);
        if stop.run_until_cancelled(waiting).await.is_none() {
            return Ok(());
        }
        // Whoever sleeps for days wakes up on another one.
        date = next.max(monkey.calendar.date_of(hands.now()));
    }
}

/// Says what a day has for each group that nothing was decided for so far, and
/// gives the kills that are due, in order.
fn begin<'m>(
    monkey: &'m Monkey,
    history: &mut History,
    hands: &impl Hands,
    date: Date,
) -> Result<Vec<(Timestamp, &'m MonkeyGroup)>, String> {
    let mut due = Vec::new();
    for group in &monkey.groups {
        let last = history.last(&group.name);
        // At most one kill a day, also of a monkey that was started again.
        if last.decided.is_some_and(|decided| decided >= date) {
            continue;
        }
        let (reason, day) = match day(monkey, group, date, last.binding(monkey.leashed)) {
            Day::Kill { at } => {
                due.push((at, group));
                continue;
            }
            day @ Day::NotDrawn { .. } => (NotMade::NotDrawn, day),
            day @ Day::TooSoon { .. } => (NotMade::TooSoon, day),
            day @ (Day::Off(_) | Day::NoHours) => (NotMade::DayOff, day),
        };
        let no = not_made((reason, day.to_string()));
        write(history, hands, entry(hands, group, (date, None), no))?;
    }
    due.sort_by_key(|(at, _)| *at);
    Ok(due)
}

/// Whether a kill that was due at `at` may still be made.
fn in_time(hands: &impl Hands, at: Timestamp) -> Result<(), No> {
    let late = hands.now().duration_since(at);
    if late <= SignedDuration::try_from(LATE_AFTER).unwrap_or_default() {
        return Ok(());
    }
    let minutes = late.as_mins();
    let why = format!("it was due {minutes} minutes ago, when this monkey was not awake");
    Err((NotMade::Missed, why))
}

/// A kill is due: asks what is to be asked, and makes it. Once `stop` is said
/// nothing is begun any more; what is on record is made.
async fn act(
    monkey: &Monkey,
    group: &MonkeyGroup,
    (date, at): (Date, Timestamp),
    history: &mut History,
    hands: &impl Hands,
    stop: &CancellationToken,
) -> Result<(), String> {
    let of = |decision| entry(hands, group, (date, Some(at)), decision);
    let last = history.last(&group.name);
    let chosen = async {
        in_time(hands, at)?;
        let instance = choose(monkey, group, hands.now(), last, hands).await?;
        // Asking may have taken long.
        in_time(hands, at)?;
        match monkey.calendar.closed(hands.now()) {
            Some(asleep) => Err((NotMade::OutsideHours, asleep.to_string())),
            None => Ok(instance),
        }
    };
    let instance = match stop.run_until_cancelled(chosen).await {
        Some(Ok(instance)) => instance,
        Some(Err(no)) => return write(history, hands, of(not_made(no))),
        None => return Ok(()),
    };
    let pid = instance.identity.pid;
    let name = || instance.name.clone();
    if monkey.leashed {
        let instance = name();
        return write(history, hands, of(Decision::WouldKill { instance, pid }));
    }
    // On record first: a kill that nobody remembers could be made twice.
    let about_to = of(Decision::Kill {
        instance: name(),
        pid,
    });
    if let Err(why) = write(history, hands, about_to) {
        let why = format!("it could not be put on record: {why}");
        // Said where it can be; the monkey ends with what it said first.
        let _ = hands.record(&of(not_made((NotMade::NotRecorded, why.clone()))));
        return Err(why);
    }
    let came_of_it = match hands.kill(group, &instance).await {
        Ok(seen) => Decision::Killed {
            instance: name(),
            pid,
            seen,
        },
        Err(why) => Decision::Failed {
            instance: name(),
            why,
        },
    };
    write(history, hands, of(came_of_it))
}

fn not_made((reason, why): (NotMade, String)) -> Decision {
    Decision::NotMade { reason, why }
}

fn entry(
    hands: &impl Hands,
    group: &MonkeyGroup,
    (date, due): (Date, Option<Timestamp>),
    decision: Decision,
) -> Entry {
    Entry {
        at: hands.now(),
        group: group.name.clone(),
        day: date.to_string(),
        due,
        decision,
    }
}

fn write(history: &mut History, hands: &impl Hands, entry: Entry) -> Result<(), String> {
    hands.record(&entry)?;
    history.hear(&entry)
}
