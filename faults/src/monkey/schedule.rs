//! What the seed draws for a group and a day: whether there is a kill, and when.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use squall_scenario::monkey::{DayOff, Monkey, MonkeyGroup};
use squall_scenario::seed::{nth, sub_seed, unit_interval};

/// Before the first day there is.
const DAY_ZERO: Date = Date::constant(1970, 1, 1);

/// What a day has for a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Day {
    /// A kill is due.
    Kill {
        /// When.
        at: Timestamp,
    },
    /// The coin fell on the other side.
    NotDrawn {
        /// What was drawn, from 0 to below 1.
        drew: f64,
        /// Below this there would have been a kill.
        below: f64,
    },
    /// The last kill is too near.
    TooSoon {
        /// When that was.
        last: Date,
        /// How many workdays there must be from one to the next.
        min: u32,
    },
    /// Nobody works.
    Off(DayOff),
    /// None of the hours of this day ever comes: clocks are changed in them.
    NoHours,
}

/// What `date` has for a group whose last kill was on `last`. A function of
/// these alone: the same today and tomorrow, here and there.
#[must_use]
pub fn day(monkey: &Monkey, group: &MonkeyGroup, date: Date, last: Option<Date>) -> Day {
    let calendar = &monkey.calendar;
    if let Some(off) = calendar.day_off(date) {
        return Day::Off(off);
    }
    let min = group.quiet_workdays() + 1;
    if let Some(last) = last
        && calendar.workdays_after(date, last, min) < min
    {
        return Day::TooSoon { last, min };
    }
    let stream = stream(monkey.seed, &group.name, date);
    let (drew, below) = (unit_interval(nth(stream, 0)), group.probability());
    if drew >= below {
        return Day::NotDrawn { drew, below };
    }
    match calendar.minute(date, unit_interval(nth(stream, 1))) {
        Some(at) => Day::Kill { at },
        None => Day::NoHours,
    }
}

/// Which of `count` instances is hit on a day: 0 to `count` - 1.
pub(super) fn pick(monkey: &Monkey, group: &MonkeyGroup, date: Date, count: usize) -> usize {
    let draw = unit_interval(nth(stream(monkey.seed, &group.name, date), 2));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "instances are few, and a share of them is not negative"
    )]
    let at = (draw * count as f64) as usize;
    at.min(count.saturating_sub(1))
}

/// The random stream of a group and a day.
fn stream(seed: u64, group: &str, date: Date) -> u64 {
    let days = date.duration_since(DAY_ZERO).as_hours() / 24;
    nth(
        sub_seed(seed, &format!("monkey/{group}")),
        days.cast_unsigned(),
    )
}

/// A day of a group, as it is foreseen.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewedDay {
    /// Which.
    pub date: Date,
    /// The group.
    pub group: String,
    /// What it has.
    pub day: Day,
}

/// What the days from `from` on have for all groups, if every kill that is due is
/// made. `last` is the last kill of each group so far.
#[must_use]
pub fn preview(
    monkey: &Monkey,
    from: Date,
    days: u32,
    last: impl Fn(&str) -> Option<Date>,
) -> Vec<PreviewedDay> {
    let mut lasts: Vec<Option<Date>> = monkey.groups.iter().map(|g| last(&g.name)).collect();
    let mut all = Vec::new();
    let dates = std::iter::successors(Some(from), |date| date.tomorrow().ok());
    for date in dates.take(usize::try_from(days).unwrap_or(usize::MAX)) {
        for (group, last) in monkey.groups.iter().zip(&mut lasts) {
            let day = day(monkey, group, date, *last);
            if matches!(day, Day::Kill { .. }) {
                *last = Some(date);
            }
            all.push(PreviewedDay {
                date,
                group: group.name.clone(),
                day,
            });
        }
    }
    all
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { at } => write!(f, "a kill at {at}"),
            Self::NotDrawn { drew, below } => {
                write!(f, "not drawn: {drew:.3}, and it kills below {below:.3}")
            }
            Self::TooSoon { last, min: 1 } => write!(f, "the last kill was on {last}"),
            Self::TooSoon { last, min } => write!(
                f,
                "the last kill was on {last}, and the next may be {min} workdays later"
            ),
            Self::Off(off) => write!(f, "{off}"),
            Self::NoHours => f.write_str("clocks skip its hours"),
        }
    }
}

impl Serialize for PreviewedDay {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let at = match self.day {
            Day::Kill { at } => Some(at.to_string()),
            Day::NotDrawn { .. } | Day::TooSoon { .. } | Day::Off(_) | Day::NoHours => None,
        };
        let why_not = at.is_none().then(|| self.day.to_string());
        let mut row = to.serialize_struct("PreviewedDay", 4)?;
        row.serialize_field("date", &self.date.to_string())?;
        row.serialize_field("group", &self.group)?;
        row.serialize_field("kill_at", &at)?;
        row.serialize_field("why_not", &why_not)?;
        row.end()
    }
}
