//! What a Chaos Monkey may kill, and when: the file of `squall monkey`.

mod calendar;

use std::path::PathBuf;
use std::time::Duration;

pub use calendar::{Calendar, DayOff, NotOpen, date, minute, time_zone};

use crate::inject::Signal;
use crate::system::Find;

/// A monkey: groups of processes of which it kills one now and then, in working
/// hours, while somebody is there to see what happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Monkey {
    /// Its name, for people and for its log.
    pub name: String,
    /// Why it exists, in prose.
    pub about: Option<String>,
    /// Seed of its schedule: the same seed, the same days and minutes.
    pub seed: u64,
    /// Whether it kills at all. Looked at when a kill is due, so that switching
    /// it off late is early enough.
    pub enabled: bool,
    /// Whether it only says what it would do.
    pub leashed: bool,
    /// When it is awake.
    pub calendar: Calendar,
    /// What is asked before each kill.
    pub outage: Option<OutageCheck>,
    /// Where its decisions are written; beside squall's state when absent.
    pub decisions: Option<PathBuf>,
    /// Whom it may kill, in file order.
    pub groups: Vec<MonkeyGroup>,
}

/// Processes of which at most one is killed a day.
#[derive(Debug, Clone, PartialEq)]
pub struct MonkeyGroup {
    /// Its name.
    pub name: String,
    /// Whether any of it is killed at all.
    pub enabled: bool,
    /// Mean time between two kills, in workdays; at least 1 and at least `min`.
    pub mean: f64,
    /// Minimum time between two kills, in workdays: with 2, no kill on the
    /// workday after one. At most one a day, so 0 and 1 mean the same.
    pub min: u32,
    /// How many eligible instances must be left alive.
    pub survivors: u32,
    /// How they are ended.
    pub signal: Signal,
    /// Its instances and how each is found. Several processes that are found at
    /// once are several instances.
    pub members: Vec<(String, Find)>,
    /// Names of instances that are never killed; `*` stands for any characters.
    pub except: Vec<String>,
}

/// What tells that a kill now would be one trouble too many. Whatever is not a
/// clear "no outage" is taken for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutageCheck {
    /// What is asked.
    pub ask: OutageQuestion,
    /// How long the answer may take.
    pub within: Duration,
}

/// How it is asked whether there is an outage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutageQuestion {
    /// A program and its arguments: it ends with 0 where there is none.
    Command(Vec<String>),
    /// A URL: it answers with a status of 200 to 299 where there is none.
    Http(String),
}

impl Monkey {
    /// The group of that name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&MonkeyGroup> {
        self.groups.iter().find(|group| group.name == name)
    }
}

impl MonkeyGroup {
    /// Workdays after a kill on which there is none.
    #[must_use]
    pub fn quiet_workdays(&self) -> u32 {
        self.min.max(1) - 1
    }

    /// The probability of a kill on a workday on which there may be one.
    ///
    /// Netflix' monkey takes `1 / mean` and drops what comes too soon, so that
    /// kills are `mean + min - 1` workdays apart on average. Here the quiet days
    /// are taken off the mean first: a geometric gap with this probability,
    /// together with them, has the mean that was asked for.
    #[must_use]
    pub fn probability(&self) -> f64 {
        1.0 / (self.mean - f64::from(self.quiet_workdays())).max(1.0)
    }

    /// Whether an instance of that name is never killed.
    #[must_use]
    pub fn excepts(&self, instance: &str) -> bool {
        self.except.iter().any(|pattern| matches(pattern, instance))
    }
}

/// Whether a text is what a pattern says, where `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut left) = text.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    // Each part as early as it can be: what is left for the others is longest.
    for part in parts {
        let Some(at) = left.find(part) else {
            return false;
        };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(mean: f64, min: u32) -> MonkeyGroup {
        MonkeyGroup {
            name: "catalog".to_owned(),
            enabled: true,
            mean,
            min,
            survivors: 1,
            signal: Signal::Kill,
            members: Vec::new(),
            except: vec![
                "*-canary".to_owned(),
                "old-*-a*".to_owned(),
                "one".to_owned(),
            ],
        }
    }

    #[test]
    fn the_quiet_days_are_taken_off_the_mean() {
        let probability = |mean, min| group(mean, min).probability();
        assert_eq!(probability(1.0, 0), 1.0);
        assert_eq!(probability(2.0, 0), 0.5);
        assert_eq!(probability(2.0, 1), 0.5);
        assert_eq!(probability(5.0, 2), 0.25);
        assert_eq!(probability(3.0, 3), 1.0);
        // A mean below the minimum was refused by whoever read the file.
        assert_eq!(probability(1.0, 9), 1.0);
    }

    #[test]
    fn exceptions_hold_wherever_their_stars_reach() {
        let group = group(1.0, 1);
        for never in [
            "catalog-canary",
            "-canary",
            "old-b-a",
            "old--ab",
            "old-a-a-a",
            "one",
        ] {
            assert!(group.excepts(never), "{never}");
        }
        for fair in [
            "catalog-canary-0",
            "canary",
            "old-b",
            "old-a",
            "ones",
            "",
            "on",
        ] {
            assert!(!group.excepts(fair), "{fair}");
        }
        assert!(matches("*", "") && matches("*", "a") && matches("", ""));
        assert!(!matches("a*a", "a"));
        assert!(matches("a**b", "ab"));
    }
}
