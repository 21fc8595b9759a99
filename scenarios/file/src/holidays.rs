//! Files of holidays: dates, one a line, or a calendar that other programs write.

use std::collections::BTreeSet;

use jiff::civil::Date;
use squall_scenario::monkey::date;
use squall_scenario::quoted;

use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::source::Source;

/// Longest holiday of a calendar, in days: what is longer is no holiday.
const DAYS_MAX: i32 = 366;

/// Reads the holidays of `source`, whose number is `number`. A line that starts
/// with `BEGIN:VCALENDAR` makes it iCalendar (RFC 5545): each event is a holiday
/// from the day of its `DTSTART` to the one before its `DTEND`. Otherwise each line
/// is a date, with whatever one likes behind a space; `#` begins a remark.
pub(crate) fn read(
    source: &Source,
    number: usize,
    findings: &mut Vec<Diagnostic>,
) -> BTreeSet<Date> {
    let lines = Lines { source, number };
    let is_calendar = |(_, line): (usize, &str)| line.starts_with("BEGIN:VCALENDAR");
    let before = findings.len();
    let holidays = match lines.each().any(is_calendar) {
        true => lines.calendar(findings),
        false => lines.dates(findings),
    };
    if holidays.is_empty() && findings.len() == before {
        findings.push(
            Diagnostic::error(codes::NOTHING_IN_IT, "this file has no holidays")
                .at(lines.place(0, 0), "nothing in it")
                .help("write a date on each line, for instance `2026-12-25`"),
        );
    }
    holidays
}

/// The lines of a source.
struct Lines<'s> {
    source: &'s Source,
    number: usize,
}

impl<'s> Lines<'s> {
    /// Each line, trimmed at its end, with where it begins.
    fn each(&self) -> impl Iterator<Item = (usize, &'s str)> + use<'s> {
        let mut start = 0;
        self.source.text.split_inclusive('\n').map(move |line| {
            let at = start;
            start += line.len();
            (at, line.trim_end())
        })
    }

    fn place(&self, start: usize, length: usize) -> Place {
        Place {
            source: self.number,
            span: self.source.span(start, start + length),
        }
    }

    fn no_date(&self, (at, text): (usize, &str), help: &str) -> Diagnostic {
        let title = format!("{} is not a date", quoted(text));
        Diagnostic::error(codes::OUT_OF_RANGE, title)
            .at(self.place(at, text.len()), "which day?")
            .help(help)
    }

    fn dates(&self, findings: &mut Vec<Diagnostic>) -> BTreeSet<Date> {
        let mut holidays = BTreeSet::new();
        for (at, line) in self.each() {
            let text = line.split('#').next().unwrap_or_default();
            let Some(word) = text.split_whitespace().next() else {
                continue;
            };
            let at = at + (text.len() - text.trim_start().len());
            match date(word) {
                Some(day) => drop(holidays.insert(day)),
                None => {
                    let help = "write for instance `2026-12-25 Christmas`, or `# a remark`";
                    findings.push(self.no_date((at, word), help));
                }
            }
        }
        holidays
    }

    /// The days of a calendar's events. A line that goes on in the next one begins
    /// with what is looked for all the same.
    fn calendar(&self, findings: &mut Vec<Diagnostic>) -> BTreeSet<Date> {
        let mut holidays = BTreeSet::new();
        let mut event = Event::default();
        for (at, line) in self.each() {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let property = name.split(';').next().unwrap_or_default();
            let is_day = matches!(property, "DTSTART" | "DTEND");
            let day = is_day.then(|| calendar_day(value)).flatten();
            if is_day && day.is_none() {
                let at = at + (line.len() - value.len());
                let help = "a day of a calendar reads `DTSTART;VALUE=DATE:20261225`";
                findings.push(self.no_date((at, value), help));
            }
            match property {
                "BEGIN" if value == "VEVENT" => event = Event::default(),
                "DTSTART" => event.first = day,
                "DTEND" => event.end = day,
                "RRULE" | "RDATE" => findings.push(
                    Diagnostic::error(codes::OUT_OF_RANGE, "this holiday repeats by a rule")
                        .at(self.place(at, line.len()), "not read")
                        .help("export a calendar in which each day stands for itself, or write the dates one a line"),
                ),
                "END" if value == "VEVENT" => match event.days() {
                    Some(days) => holidays.extend(days),
                    None => findings.push(
                        Diagnostic::error(codes::OUT_OF_RANGE, "these are not the days of a holiday")
                            .at(self.place(at, line.len()), "ends here")
                            .help(format!("an event has a `DTSTART` and at most {DAYS_MAX} days up to its `DTEND`")),
                    ),
                },
                _other => {}
            }
        }
        holidays
    }
}

/// An event of a calendar.
#[derive(Default)]
struct Event {
    first: Option<Date>,
    /// The first day after it.
    end: Option<Date>,
}

impl Event {
    fn days(&self) -> Option<impl Iterator<Item = Date> + use<>> {
        let first = self.first?;
        let length = match self.end {
            Some(end) => first.until(end).ok()?.get_days().max(1),
            None => 1,
        };
        let all = std::iter::successors(Some(first), |day| day.tomorrow().ok());
        let count = usize::try_from(length).ok()?;
        (length <= DAYS_MAX).then(|| all.take(count))
    }
}

/// `20261225`, or the day of `20261225T090000Z`.
fn calendar_day(value: &str) -> Option<Date> {
    let digits = value.split('T').next().filter(|day| day.len() == 8)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let parts = is_number.then(|| (&digits[..4], &digits[4..6], &digits[6..]));
    let (year, month, day) = parts?;
    date(&format!("{year}-{month}-{day}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Vec<String>, String) {
        let source = Source::new("days", text);
        let mut findings = Vec::new();
        let days = read(&source, 0, &mut findings);
        let said = findings
            .iter()
            .map(|finding| finding.render(std::slice::from_ref(&source), false));
        (
            days.iter().map(ToString::to_string).collect(),
            said.collect(),
        )
    }

    #[test]
    fn each_line_is_a_day() {
        let text = "# of 2026\n\n2026-12-25 Christmas\n  2026-12-26\t# as well\r\n2027-01-01";
        let (days, said) = of(text);
        assert_eq!(days, ["2026-12-25", "2026-12-26", "2027-01-01"]);
        assert_eq!(said, "");
    }

    #[test]
    fn a_line_that_is_no_day_is_pointed_at() {
        let (days, said) = of("2026-12-25\n  25.12.2026 Christmas\n2026-02-30\n");
        assert_eq!(days, ["2026-12-25"]);
        assert!(said.contains("`25.12.2026` is not a date"), "{said}");
        assert!(
            said.contains("days:2:3") && said.contains("days:3:1"),
            "{said}"
        );
        assert!(of("# nobody has a day off\n").1.contains("no holidays"));
    }

    #[test]
    fn events_of_a_calendar_are_days() {
        let event = |lines: &str| format!("BEGIN:VEVENT\r\n{lines}\r\nEND:VEVENT\r\n");
        let calendar = |events: &[String]| {
            let events = events.concat();
            format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n")
        };
        let two =
            "DTSTART;VALUE=DATE:20261225\r\nDTEND;VALUE=DATE:20261227\r\nSUMMARY:Chri\r\n stmas";
        let one = "DTSTART:20270101T000000Z";
        let (days, said) = of(&calendar(&[event(two), event(one)]));
        assert_eq!(days, ["2026-12-25", "2026-12-26", "2027-01-01"], "{said}");
        for (lines, says) in [
            (
                "DTSTART;VALUE=DATE:2026-12-25",
                "`2026-12-25` is not a date",
            ),
            (
                "DTSTART;VALUE=DATE:20261225\r\nRRULE:FREQ=YEARLY",
                "repeats by a rule",
            ),
            ("SUMMARY:a day", "not the days of a holiday"),
            (
                "DTSTART:20261225\r\nDTEND:20281225",
                "not the days of a holiday",
            ),
        ] {
            let said = of(&calendar(&[event(lines)])).1;
            assert!(said.contains(says), "{lines}: {said}");
        }
    }
}
