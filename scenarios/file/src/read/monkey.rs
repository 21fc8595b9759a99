//! A file for `squall monkey`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use squall_scenario::inject::Signal;
use squall_scenario::monkey::{
    Calendar, Monkey, MonkeyGroup, OutageCheck, OutageQuestion, date, minute, time_zone,
};
use squall_scenario::quoted;

use super::{Fields, Reader, SystemDraft};
use crate::diagnostic::Diagnostic;
use crate::yaml::Node;
use crate::{codes, keys};

/// Longest time between kills that anybody asks for, in workdays.
const WORKDAYS_MAX: f64 = 10_000.0;
const OUTAGE_WITHIN: Duration = Duration::from_secs(10);

impl Reader {
    /// Reads a monkey, with the system that its groups are parts of; `None` where
    /// it cannot be one.
    pub(crate) fn monkey(&mut self, root: &Node, system: Option<&SystemDraft>) -> Option<Monkey> {
        let fields = self.fields(root, &keys::MONKEY)?;
        let version = fields
            .get("version")
            .and_then(|node| self.whole(node, 1, 1));
        let name = fields.get("name").and_then(|node| self.title(node));
        let about = fields.get("about").and_then(|node| self.text(node));
        let seed = fields
            .get("seed")
            .and_then(|node| self.whole(node, 0, u64::MAX));
        let enabled = self.switch(fields, "enabled");
        let leashed = self.switch(fields, "leashed");
        let calendar = self.calendar(fields);
        let outage = match fields.get("outage_check") {
            Some(node) => Some(self.outage(node)?),
            None => None,
        };
        let decisions = fields.get("decisions").and_then(|node| self.text(node));
        let groups = fields.get("groups").map_or(&[][..], |node| {
            let entries = self.names(node, "groups");
            if entries.is_empty() {
                self.nobody(node.place, "the monkey has no group");
            }
            entries
        });
        let mut read = Vec::new();
        for entry in groups {
            let named = self.name(&entry.key, entry.key_place, false);
            let group = self.monkey_group(&entry.key, &entry.value, system);
            read.extend(group.filter(|_| named));
        }
        version?;
        Some(Monkey {
            name: name?,
            about,
            seed: seed?,
            enabled: enabled?,
            leashed: leashed?,
            calendar: calendar?,
            outage,
            decisions: decisions.map(PathBuf::from),
            groups: read,
        })
    }

    /// A flag that is true when absent.
    fn switch(&mut self, fields: Fields<'_>, name: &str) -> Option<bool> {
        fields.get(name).map_or(Some(true), |node| self.flag(node))
    }

    fn calendar(&mut self, fields: Fields<'_>) -> Option<Calendar> {
        let zone = fields.get("time_zone").and_then(|node| {
            let name = self.text(node)?;
            let zone = time_zone(&name);
            if zone.is_none() {
                let title = format!("there is no time zone called {}", quoted(&name));
                let diagnostic = Diagnostic::error(codes::UNKNOWN_WORD, title)
                    .at(node.place, "not in the IANA database")
                    .help("write for instance `Europe/Berlin` or `UTC`");
                self.report_value(node, diagnostic);
            }
            zone
        });
        let hours = match fields.get("hours") {
            Some(node) => self.hours(node),
            None => Some((9 * 60, 15 * 60)),
        };
        let workdays = match fields.get("workdays") {
            Some(node) => self.workdays(node),
            None => Some([true, true, true, true, true, false, false]),
        };
        let mut holidays = BTreeSet::new();
        for node in fields
            .get("holidays")
            .map_or(&[][..], |n| self.list(n, "dates"))
        {
            let Some(text) = self.text(node) else {
                continue;
            };
            let Some(day) = date(&text) else {
                let title = format!("{} is not a date", quoted(&text));
                let diagnostic = Diagnostic::error(codes::OUT_OF_RANGE, title)
                    .at(node.place, "which day?")
                    .help("write for instance `2026-12-25`");
                self.report_value(node, diagnostic);
                continue;
            };
            holidays.insert(day);
        }
        let (opens, closes) = hours?;
        Some(Calendar {
            time_zone: zone?,
            opens,
            closes,
            workdays: workdays?,
            holidays,
        })
    }

    fn hours(&mut self, node: &Node) -> Option<(u16, u16)> {
        let fields = self.fields(node, &keys::MONKEY_HOURS)?;
        let from = fields.get("from").and_then(|node| self.time_of_day(node));
        let to = fields.get("to").and_then(|node| self.time_of_day(node));
        let (from, to) = (from?, to?);
        if from < to {
            return Some((from, to));
        }
        self.report(
            Diagnostic::error(codes::OUT_OF_RANGE, "these hours end before they begin")
                .at(fields.place("to"), "no later than `from`")
                .also(fields.place("from"), "begins here")
                .help("write for instance `{ from: 9:00, to: 15:00 }`; a day ends at 24:00"),
        );
        None
    }

    fn time_of_day(&mut self, node: &Node) -> Option<u16> {
        let text = self.text(node)?;
        let minute = minute(&text);
        if minute.is_none() {
            let title = format!("{} is not a time of day", quoted(&text));
            let diagnostic = Diagnostic::error(codes::OUT_OF_RANGE, title)
                .at(node.place, "hours and minutes")
                .help("write for instance `9:00`");
            self.report_value(node, diagnostic);
        }
        minute
    }

    fn workdays(&mut self, node: &Node) -> Option<[bool; 7]> {
        let mut days = [false; 7];
        for item in self.list(node, "weekdays") {
            let word = self.word(item, keys::WEEKDAYS)?;
            for (day, (name, _)) in days.iter_mut().zip(keys::WEEKDAYS) {
                *day |= *name == word;
            }
        }
        if days.contains(&true) {
            return Some(days);
        }
        self.report(
            Diagnostic::error(codes::NOTHING_IN_IT, "nobody works on any day")
                .at(node.place, "no workday")
                .help("write for instance `[ mon, tue, wed, thu, fri ]`"),
        );
        None
    }

    fn outage(&mut self, node: &Node) -> Option<OutageCheck> {
        let fields = self.fields(node, &keys::MONKEY_OUTAGE)?;
        let within = match fields.get("within") {
            Some(node) => self.some_time(node, "an answer takes some time")?,
            None => OUTAGE_WITHIN,
        };
        let ask = match (fields.get("command"), fields.get("http")) {
            (Some(node), None) => self.outage_command(node)?,
            (None, Some(node)) => self.outage_url(node)?,
            (command, http) => {
                let (title, label) = match command.and(http) {
                    Some(_) => ("an outage check asks one thing", "and a second one"),
                    None => ("an outage check asks something", "asks nothing"),
                };
                self.report(
                    Diagnostic::error(codes::KEYS_CONFLICT, title)
                        .at(fields.place("http"), label)
                        .help("write either `command: [ … ]` or `http: http://…`"),
                );
                return None;
            }
        };
        Some(OutageCheck { ask, within })
    }

    fn outage_command(&mut self, node: &Node) -> Option<OutageQuestion> {
        let mut words = Vec::new();
        for item in self.list(node, "words") {
            let text = self.text(item)?;
            if self.refuse_nul(&text, item.place) {
                return None;
            }
            words.push(text);
        }
        if words.is_empty() {
            self.report(
                Diagnostic::error(codes::NOTHING_IN_IT, "there is no program to ask")
                    .at(node.place, "nothing in it")
                    .help("write for instance `[ ./no-outage, --quiet ]`"),
            );
            return None;
        }
        Some(OutageQuestion::Command(words))
    }

    fn outage_url(&mut self, node: &Node) -> Option<OutageQuestion> {
        let url = self.text(node)?;
        let host = url.strip_prefix("http://").unwrap_or_default();
        if !host.is_empty() && !host.starts_with('/') {
            return Some(OutageQuestion::Http(url));
        }
        let title = format!("{} is not a URL to ask", quoted(&url));
        let diagnostic = Diagnostic::error(codes::BAD_ADDRESS, title)
            .at(node.place, "not http://…")
            .help("write for instance `http://127.0.0.1:9090/outage`; for HTTPS, a command");
        self.report_value(node, diagnostic);
        None
    }

    fn monkey_group(
        &mut self,
        name: &str,
        node: &Node,
        system: Option<&SystemDraft>,
    ) -> Option<MonkeyGroup> {
        let fields = self.fields(node, &keys::MONKEY_GROUP)?;
        let enabled = self.switch(fields, "enabled");
        let mean = fields
            .get("mean")
            .and_then(|node| self.number_of_workdays(node, 1.0));
        let min = match fields.get("min") {
            Some(node) => self.whole_workdays(node),
            None => Some(1),
        };
        let survivors = match fields.get("survivors") {
            Some(node) => self.whole_u32(node, 0, 1_000),
            None => Some(1),
        };
        let signal = match fields.get("signal") {
            Some(node) => self.word(node, keys::SIGNALS),
            None => Some("kill"),
        };
        let members = self.members(fields, system);
        let mut except = Vec::new();
        for item in fields
            .get("except")
            .map_or(&[][..], |n| self.list(n, "names"))
        {
            except.extend(self.text(item));
        }
        let (mean, min) = (mean?, min?);
        if f64::from(min) > mean {
            self.report(
                Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    "the least time between kills is above their mean",
                )
                .at(fields.place("min"), format!("above {mean} workdays"))
                .also(fields.place("mean"), "the mean")
                .help("lengthen `mean` or shorten `min`"),
            );
            return None;
        }
        Some(MonkeyGroup {
            name: name.to_owned(),
            enabled: enabled?,
            mean,
            min,
            survivors: survivors?,
            signal: match signal? {
                "term" => Signal::Term,
                "int" => Signal::Int,
                _kill => Signal::Kill,
            },
            members,
            except,
        })
    }

    fn whole_workdays(&mut self, node: &Node) -> Option<u32> {
        let days = self.number_of_workdays(node, 0.0)?;
        if days.fract() > 0.0 {
            let diagnostic =
                Diagnostic::error(codes::OUT_OF_RANGE, "the least time is whole workdays")
                    .at(node.place, "part of a day")
                    .help("write for instance `2 workdays`");
            self.report_value(node, diagnostic);
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to ten thousand"
        )]
        Some(days as u32)
    }

    /// `2 workdays`
    fn number_of_workdays(&mut self, node: &Node, least: f64) -> Option<f64> {
        let text = self.text(node)?;
        let digits = |c: char| !(c.is_ascii_digit() || c == '.' || c == '-');
        let end = text.find(digits).unwrap_or(text.len());
        let (number, unit) = (&text[..end], text[end..].trim());
        let diagnostic = match (number.parse::<f64>(), unit) {
            (Ok(days), "workday" | "workdays") if (least..=WORKDAYS_MAX).contains(&days) => {
                return Some(days);
            }
            (Ok(_), "workday" | "workdays") => Diagnostic::error(
                codes::OUT_OF_RANGE,
                format!("{} is out of range", quoted(&text)),
            )
            .at(
                node.place,
                format!("from {least} to {WORKDAYS_MAX} workdays"),
            )
            .help("a monkey kills at most once a day; write for instance `2 workdays`"),
            (Ok(_), "") => {
                Diagnostic::error(codes::BARE_NUMBER, format!("{} has no unit", quoted(&text)))
                    .at(node.place, "workdays?")
                    .help(format!("write `{number} workdays`"))
            }
            (Ok(_), _) => Diagnostic::error(
                codes::UNKNOWN_UNIT,
                format!("{} has a unit that does not fit", quoted(&text)),
            )
            .at(node.place, "counted in workdays")
            .help(format!(
                "write `{number} workdays`; in a scenario, `inject: monkey` counts in seconds"
            )),
            (Err(_), _) => Diagnostic::error(
                codes::NOT_A_NUMBER,
                format!("{} is no number of workdays", quoted(&text)),
            )
            .at(node.place, "a number of workdays")
            .help("write for instance `2 workdays`"),
        };
        self.report_value(node, diagnostic);
        None
    }
}
