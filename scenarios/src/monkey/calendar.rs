//! When a monkey is awake: workdays, holidays, hours, a time zone.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan};

/// The rules of all time zones as they came with squall: the same on every
/// machine, whatever its system knows.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The time zone of that name in the IANA database, such as `Europe/Berlin`;
/// `None` where there is none.
#[must_use]
pub fn time_zone(name: &str) -> Option<TimeZone> {
    ZONES.get(name).ok()
}

/// The day that a text such as `2026-12-25` names.
#[must_use]
pub fn date(text: &str) -> Option<Date> {
    text.parse().ok()
}

/// The minute of the day that a text such as `9:00` names, up to `24:00`.
#[must_use]
pub fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if minute.len() != 2 || hour.is_empty() || hour.len() > 2 || !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let of_day = hour * 60 + minute;
    (minute < 60 && of_day <= 24 * 60).then_some(of_day)
}

/// Workdays and their hours, as the clock on the wall shows them.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    /// The zone of that clock.
    pub time_zone: TimeZone,
    /// The first minute, counted from midnight.
    pub opens: u16,
    /// The first minute after, counted from midnight; above `opens` and at most
    /// 1440.
    pub closes: u16,
    /// Monday to Sunday.
    pub workdays: [bool; 7],
    /// Days off that would be workdays.
    pub holidays: BTreeSet<Date>,
}

/// Why a day is none to work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayOff {
    /// It never is: a weekend.
    NoWorkday,
    /// It would be, but it is a holiday.
    Holiday,
}

/// Why a monkey is asleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOpen {
    /// All day.
    Day(DayOff),
    /// At this time of the day.
    Hour(Time),
}

impl Calendar {
    /// The day on the wall at a moment.
    #[must_use]
    pub fn date_of(&self, at: Timestamp) -> Date {
        self.time_zone.to_datetime(at).date()
    }

    /// The first moment of a day.
    #[must_use]
    pub fn start_of(&self, date: Date) -> Option<Timestamp> {
        self.time_zone.to_timestamp(date.at(0, 0, 0, 0)).ok()
    }

    /// Why nobody works on a day, if so.
    #[must_use]
    pub fn day_off(&self, date: Date) -> Option<DayOff> {
        let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
        if !self.workdays[weekday] {
            Some(DayOff::NoWorkday)
        } else if self.holidays.contains(&date) {
            Some(DayOff::Holiday)
        } else {
            None
        }
    }

    /// Why the monkey is asleep at a moment, if so.
    #[must_use]
    pub fn closed(&self, at: Timestamp) -> Option<NotOpen> {
        let wall = self.time_zone.to_datetime(at);
        if let Some(off) = self.day_off(wall.date()) {
            return Some(NotOpen::Day(off));
        }
        let open = (self.opens..self.closes).contains(&minute_of(wall.time()));
        (!open).then(|| NotOpen::Hour(wall.time()))
    }

    /// The minute of a workday that `share`, from 0 to below 1, falls on when its
    /// open minutes are laid end to end: every minute has the same chance,
    /// however clocks are changed that day. `None` on a day without any.
    #[must_use]
    pub fn minute(&self, date: Date, share: f64) -> Option<Timestamp> {
        let first = self.moment(date, self.opens)?;
        let end = self.moment(date, self.closes)?;
        let minutes = end.duration_since(first).as_mins();
        let plain = i64::from(self.closes - self.opens);
        if minutes == plain {
            return first
                .checked_add(SignedDuration::from_mins(nth(share, plain)?))
                .ok();
        }
        // Clocks are changed meanwhile. What was 1:30 may come twice.
        let all = (0..minutes).filter_map(|minute| {
            let at = first.checked_add(SignedDuration::from_mins(minute)).ok()?;
            self.closed(at).is_none().then_some(at)
        });
        let open: Vec<Timestamp> = all.collect();
        let at = nth(share, i64::try_from(open.len()).ok()?)?;
        open.get(usize::try_from(at).ok()?).copied()
    }

    /// How many workdays a day comes after another, counted up to `most`.
    #[must_use]
    pub fn workdays_after(&self, date: Date, earlier: Date, most: u32) -> u32 {
        let mut count = 0;
        let mut day = date;
        while day > earlier && count < most {
            count += u32::from(self.day_off(day).is_none());
            let Ok(before) = day.yesterday() else {
                break;
            };
            day = before;
        }
        count
    }

    /// The moment the clock on the wall shows a minute of a day; where it is
    /// skipped, when it would have, where it comes twice, the first time.
    fn moment(&self, date: Date, minute: u16) -> Option<Timestamp> {
        let midnight = date.at(0, 0, 0, 0);
        let wall = midnight.checked_add(i64::from(minute).minutes()).ok()?;
        self.time_zone.to_timestamp(wall).ok()
    }
}

fn minute_of(time: Time) -> u16 {
    let minute = i32::from(time.hour()) * 60 + i32::from(time.minute());
    u16::try_from(minute).unwrap_or(u16::MAX)
}

/// Which of `count` a share falls on; `None` of none.
fn nth(share: f64, count: i64) -> Option<i64> {
    if count <= 0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "there are at most 1500 minutes in a day"
    )]
    let at = (share * count as f64) as i64;
    Some(at.clamp(0, count - 1))
}

impl fmt::Display for DayOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoWorkday => "no workday",
            Self::Holiday => "a holiday",
        })
    }
}

impl fmt::Display for NotOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(off) => write!(f, "today is {off}"),
            Self::Hour(time) => {
                let (hour, minute) = (time.hour(), time.minute());
                write!(f, "at {hour:02}:{minute:02} it is asleep")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn calendar(zone: &str, opens: u16, closes: u16) -> Calendar {
        Calendar {
            time_zone: time_zone(zone).unwrap(),
            opens,
            closes,
            workdays: [true, true, true, true, true, false, false],
            holidays: BTreeSet::from([date(2026, 12, 25)]),
        }
    }

    /// Every minute of a day that a share may fall on, on the wall.
    fn minutes(calendar: &Calendar, day: Date) -> Vec<String> {
        let shares = (0..3_000).map(|n| f64::from(n) / 3_000.0);
        let mut all: Vec<Timestamp> = shares.filter_map(|s| calendar.minute(day, s)).collect();
        all.dedup();
        let wall = |at: Timestamp| at.to_zoned(calendar.time_zone.clone());
        all.iter()
            .map(|at| wall(*at).strftime("%H:%M%z").to_string())
            .collect()
    }

    #[test]
    fn only_zones_that_exist_have_a_name() {
        assert!(time_zone("America/Los_Angeles").is_some());
        assert!(time_zone("UTC").is_some());
        assert!(time_zone("Europe/Atlantis").is_none());
        assert!(time_zone("").is_none());
    }

    #[test]
    fn times_of_day_are_hours_and_minutes() {
        for (text, of_day) in [("0:00", 0), ("9:00", 540), ("09:05", 545), ("24:00", 1440)] {
            assert_eq!(minute(text), Some(of_day), "{text}");
        }
        for text in [
            "9", "9:0", "24:01", "9:60", "-1:00", "+9:00", "009:00", "9:000", ":00", "",
        ] {
            assert_eq!(minute(text), None, "{text}");
        }
    }

    #[test]
    fn an_ordinary_day_has_every_minute_of_its_hours() {
        let calendar = calendar("Europe/Berlin", 9 * 60, 15 * 60);
        let all = minutes(&calendar, date(2026, 11, 30));
        assert_eq!(all.len(), 360);
        assert_eq!(
            (all[0].as_str(), all[359].as_str()),
            ("09:00+0100", "14:59+0100")
        );
    }

    #[test]
    fn minutes_that_are_skipped_are_nobodys() {
        // Berlin: on 29 March 2026 the clock goes from 2:00 to 3:00; a Sunday.
        let mut calendar = calendar("Europe/Berlin", 60, 4 * 60);
        calendar.workdays = [true; 7];
        let all = minutes(&calendar, date(2026, 3, 29));
        assert_eq!(all.len(), 120);
        assert!(
            !all.iter().any(|minute| minute.starts_with("02")),
            "{all:?}"
        );
        // Hours that are skipped as a whole leave none.
        (calendar.opens, calendar.closes) = (2 * 60, 3 * 60);
        assert_eq!(minutes(&calendar, date(2026, 3, 29)), Vec::<String>::new());
    }

    #[test]
    fn minutes_that_come_twice_count_twice() {
        // Berlin: on 25 October 2026 the clock goes from 3:00 back to 2:00.
        let mut calendar = calendar("Europe/Berlin", 2 * 60, 3 * 60);
        calendar.workdays = [true; 7];
        let all = minutes(&calendar, date(2026, 10, 25));
        assert_eq!(all.len(), 120);
        assert_eq!(
            (all[0].as_str(), all[119].as_str()),
            ("02:00+0200", "02:59+0100")
        );
        // From 2:30 to 3:30, what is 2:10 the second time is not inside.
        (calendar.opens, calendar.closes) = (150, 210);
        let all = minutes(&calendar, date(2026, 10, 25));
        assert_eq!(all.len(), 90);
        assert!(
            !all.iter().any(|minute| minute.starts_with("02:1")),
            "{all:?}"
        );
    }

    #[test]
    fn it_is_open_in_its_hours_on_workdays() {
        let calendar = calendar("America/New_York", 9 * 60, 15 * 60);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let closed = |text: &str| calendar.closed(at(text));
        assert_eq!(closed("2026-11-30T14:00:00Z"), None);
        assert_eq!(closed("2026-11-30T19:59:59Z"), None);
        let hour = |text: &str| matches!(closed(text), Some(NotOpen::Hour(_)));
        assert!(hour("2026-11-30T13:59:59Z") && hour("2026-11-30T20:00:00Z"));
        // Sunday in New York, Monday in Greenwich.
        let weekend = Some(NotOpen::Day(DayOff::NoWorkday));
        assert_eq!(closed("2026-11-30T02:00:00Z"), weekend);
        let holiday = Some(NotOpen::Day(DayOff::Holiday));
        assert_eq!(closed("2026-12-25T15:00:00Z"), holiday);
        // In summer the same hours are others in Greenwich.
        assert_eq!(closed("2026-07-01T13:00:00Z"), None);
    }

    #[test]
    fn a_day_may_end_at_midnight() {
        let calendar = calendar("UTC", 23 * 60, 24 * 60);
        let all = minutes(&calendar, date(2026, 11, 30));
        assert_eq!((all.len(), all[59].as_str()), (60, "23:59+0000"));
    }

    #[test]
    fn workdays_are_counted_over_weekends_and_holidays() {
        let calendar = calendar("UTC", 0, 60);
        let count = |later, earlier| calendar.workdays_after(later, earlier, 9);
        let friday = date(2026, 12, 18);
        assert_eq!(count(friday, friday), 0);
        assert_eq!(count(date(2026, 12, 20), friday), 0);
        assert_eq!(count(date(2026, 12, 21), friday), 1);
        // 25 December is a Friday and a holiday.
        assert_eq!(count(date(2026, 12, 28), friday), 5);
        assert_eq!(calendar.workdays_after(date(2036, 1, 1), friday, 3), 3);
    }
}
