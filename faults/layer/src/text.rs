//! Plans as text, as an environment variable holds them.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::plan::{Action, Plan};

/// The longest delay that can be written: a day.
const DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A text is no plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// An entry of a list does not name its point.
    #[error("`{entry}` names no point; write `POINT=PLAN`, such as `prices=20% delay(100ms)`")]
    Nameless {
        /// The entry.
        entry: String,
    },
    /// A point is there twice.
    #[error("`{point}` is there twice; a point has one plan")]
    Twice {
        /// The point.
        point: String,
    },
    /// It says nothing that can be done.
    #[error(
        "`{word}` is nothing that a fault does; write `delay(100ms)`, `error(MESSAGE)`, `hang` \
         or `drop`{hint}"
    )]
    Action {
        /// What was there instead.
        word: String,
        /// What to write for what is known elsewhere.
        hint: &'static str,
    },
    /// Not a share.
    #[error("`{word}` is no share; write a number from 0 to 100, such as `20%`")]
    Share {
        /// What was there.
        word: String,
    },
    /// Not a count.
    #[error("`{word}` is no count; write a whole number, such as `3*`")]
    Count {
        /// What was there.
        word: String,
    },
    /// Not a duration.
    #[error(
        "`{word}` is no duration; write a number and `us`, `ms`, `s` or `m`, such as `100ms`, at most a day"
    )]
    Duration {
        /// What was there.
        word: String,
    },
    /// Not a seed.
    #[error("`{word}` is no seed; write a whole number below 2^64")]
    Seed {
        /// What was there.
        word: String,
    },
}

impl FromStr for Plan {
    type Err = PlanError;

    /// Reads `[SHARE%] [COUNT*] [asked] ACTION`, spaces as one likes.
    fn from_str(text: &str) -> Result<Self, PlanError> {
        let (conditions, action) = split_at_action(text);
        let mut plan = Self::new(read_action(action)?);
        for word in conditions {
            if let Some(share) = word.strip_suffix('%') {
                let wrong = || PlanError::Share { word: word.clone() };
                let share: f64 = share.trim().parse().map_err(|_| wrong())?;
                if !(0.0..=100.0).contains(&share) {
                    return Err(wrong());
                }
                plan = plan.share(share / 100.0);
            } else if let Some(count) = word.strip_suffix('*') {
                let count = count.trim().parse();
                plan = plan.at_most(count.map_err(|_| PlanError::Count { word: word.clone() })?);
            } else {
                plan = plan.only_asked();
            }
        }
        Ok(plan)
    }
}

/// What stands before the action, in pieces that end with `%`, `*` or are
/// `asked`; and the action.
fn split_at_action(text: &str) -> (Vec<String>, &str) {
    let (mut conditions, mut rest) = (Vec::new(), text.trim());
    loop {
        let before_arguments = rest.find('(').unwrap_or(rest.len());
        let end = rest[..before_arguments].find(['%', '*']).map(|at| at + 1);
        let asked = rest.strip_prefix("asked").map(|_| "asked".len());
        let Some(end) = asked.or(end) else {
            return (conditions, rest);
        };
        let (condition, action) = rest.split_at(end);
        conditions.push(condition.trim().to_owned());
        rest = action.trim_start();
    }
}

fn read_action(text: &str) -> Result<Action, PlanError> {
    let unknown = |hint| PlanError::Action {
        word: text.to_owned(),
        hint,
    };
    let (name, argument) = match text.split_once('(') {
        Some((name, rest)) => {
            let argument = rest
                .strip_suffix(')')
                .ok_or_else(|| unknown("; a `)` is missing"))?;
            (name.trim_end(), Some(argument))
        }
        None => (text, None),
    };
    match (name, argument) {
        ("delay", Some(times)) => {
            let (by, jitter) = times.split_once(',').unwrap_or((times, "0ms"));
            let (by, jitter) = (read_duration(by)?, read_duration(jitter)?);
            Ok(Action::Delay { by, jitter })
        }
        ("error", message) => Ok(Action::Error(message.unwrap_or("injected").to_owned())),
        ("hang", None) => Ok(Action::Hang),
        ("drop", None) => Ok(Action::Drop),
        ("sleep", _) => Err(unknown("; fail-rs' `sleep(100)` is `delay(100ms)`")),
        ("return", _) => Err(unknown("; fail-rs' `return(x)` is `error(x)`")),
        ("pause", _) => Err(unknown("; fail-rs' `pause` is `hang`")),
        ("off", _) => Err(unknown("; to have no fault, leave the entry out")),
        _ => Err(unknown("")),
    }
}

fn read_duration(text: &str) -> Result<Duration, PlanError> {
    let text = text.trim();
    let wrong = || PlanError::Duration {
        word: text.to_owned(),
    };
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(unit_at.ok_or_else(wrong)?);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit.trim_start() {
        "us" | "\u{b5}s" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        "m" => number * 60.0,
        _ => return Err(wrong()),
    };
    let duration = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    Some(duration)
        .filter(|by| *by <= DELAY_MAX)
        .ok_or_else(wrong)
}

/// Reads `POINT=PLAN; POINT=PLAN…`; a `;` in an error's message does not end it.
#[cfg_attr(
    not(any(test, feature = "active")),
    expect(dead_code, reason = "nothing is set when it is compiled out")
)]
pub(crate) fn read_list(text: &str) -> Result<Vec<(String, Plan)>, PlanError> {
    let mut plans: Vec<(String, Plan)> = Vec::new();
    for entry in split_entries(text) {
        let named = entry
            .split_once('=')
            .map(|(point, plan)| (point.trim(), plan));
        let Some((point, plan)) = named.filter(|(point, _)| !point.is_empty()) else {
            return Err(PlanError::Nameless {
                entry: entry.to_owned(),
            });
        };
        if plans.iter().any(|(known, _)| known == point) {
            return Err(PlanError::Twice {
                point: point.to_owned(),
            });
        }
        plans.push((point.to_owned(), plan.parse()?));
    }
    Ok(plans)
}

fn split_entries(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let entries = text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ';' && depth == 0
    });
    entries.map(str::trim).filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan() -> impl Strategy<Value = Plan> {
        let micros = || (0..1_000_000_000_u64).prop_map(Duration::from_micros);
        let action = prop_oneof![
            (micros(), micros()).prop_map(|(by, jitter)| Action::Delay { by, jitter }),
            "[ a-z;=%*()]{0,20}".prop_map(Action::Error),
            Just(Action::Hang),
            Just(Action::Drop),
        ];
        let share = (0..=100_u32).prop_map(|percent| f64::from(percent) / 100.0);
        (action, share, any::<Option<u64>>(), any::<bool>()).prop_map(
            |(action, share, at_most, asked)| Plan {
                action,
                share,
                at_most,
                asked,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(plan in plan()) {
            prop_assert_eq!(plan.to_string().parse::<Plan>(), Ok(plan));
        }

        #[test]
        fn any_text_is_a_plan_or_told_what_is_wrong(text in "\\PC{0,40}") {
            if let Err(error) = text.parse::<Plan>() {
                prop_assert!(error.to_string().contains("; write"), "{}", error);
            }
            // Lists neither.
            let _ = read_list(&text);
        }
    }

    #[test]
    fn shares_are_written_as_people_write_them() {
        for percent in 1..100_u32 {
            let plan = Plan::hang().share(f64::from(percent) / 100.0);
            assert_eq!(plan.to_string(), format!("{percent}% hang"));
        }
    }

    #[test]
    fn a_list_names_its_points() {
        let read = read_list(" a.b = 20%3*delay( 5ms ) ;; c=error(x;y) ;d=asked drop;").unwrap();
        let read: Vec<_> = read
            .iter()
            .map(|(p, plan)| format!("{p}: {plan}"))
            .collect();
        assert_eq!(
            read,
            ["a.b: 20% 3* delay(5ms)", "c: error(x;y)", "d: asked drop"]
        );
        assert_eq!(read_list("").unwrap(), []);
    }

    #[test]
    fn mistakes_are_told_with_what_to_write() {
        let told = |text: &str| read_list(text).unwrap_err().to_string();
        for (text, says) in [
            ("delay(5ms)", "`delay(5ms)` names no point"),
            ("=hang", "`=hang` names no point"),
            ("a=hang;a=drop", "`a` is there twice"),
            (
                "a=",
                "`` is nothing that a fault does; write `delay(100ms)`",
            ),
            ("a=explode", "`explode` is nothing"),
            ("a=delay", "`delay` is nothing"),
            ("a=delay(5ms", "a `)` is missing"),
            ("a=hang(5s)", "`hang(5s)` is nothing"),
            ("a=sleep(100)", "`sleep(100)` is `delay(100ms)`"),
            ("a=return(x)", "`return(x)` is `error(x)`"),
            ("a=delay(100)", "`100` is no duration"),
            ("a=delay(-5ms)", "`-5ms` is no duration"),
            ("a=delay(5ms, much)", "`much` is no duration"),
            ("a=delay(25h)", "`25h` is no duration"),
            ("a=delay(1e9s)", "`1e9s` is no duration"),
            ("a=delay(86401s)", "`86401s` is no duration"),
            ("a=120% hang", "`120%` is no share"),
            ("a=-1% hang", "`-1%` is no share"),
            ("a=% hang", "`%` is no share"),
            ("a=nan% hang", "`nan%` is no share"),
            ("a=-1* hang", "`-1*` is no count"),
            ("a=1.5* hang", "`1.5*` is no count"),
        ] {
            assert!(told(text).contains(says), "{text}: {}", told(text));
        }
    }
}
