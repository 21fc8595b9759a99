//! What a table of dependencies must not say.

use std::fmt;

use super::{Criticality, Dependency, REQUEST_BUDGET_MS, RetryClass};

/// A row that cannot be right, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// `service→command`.
    pub row: String,
    /// What is wrong with it, and with which numbers.
    pub why: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.row, self.why)
    }
}

/// The flaws of a table, row by row: rows that say something twice or not at all, and times that
/// cannot be kept because somebody below waits longer.
#[must_use]
pub fn lint(table: &[Dependency]) -> Vec<Flaw> {
    let flaws = table.iter().enumerate().flat_map(|(nth, row)| {
        let whys = of_row(row, &table[..nth])
            .into_iter()
            .chain(of_times(row, table));
        whys.map(|why| Flaw {
            row: format!("{}→{}", row.service, row.command),
            why,
        })
    });
    flaws.collect()
}

fn of_row(row: &Dependency, before: &[Dependency]) -> Vec<String> {
    let mut whys = Vec::new();
    let is_twin = |other: &Dependency| (other.service, other.command) == (row.service, row.command);
    if before.iter().any(is_twin) {
        whys.push("it stands here twice".to_owned());
    }
    if row.timeout_ms == 0 {
        whys.push("it has no timeout".to_owned());
    }
    if row.concurrency_max == 0 {
        whys.push("no call may be made".to_owned());
    }
    match (row.fallback, row.criticality) {
        (Some(fallback), _) if fallback.trim().is_empty() => {
            whys.push("its fallback is not said".to_owned());
        }
        (Some(_), Criticality::Fatal) => {
            whys.push("it has a fallback, and yet its failure is fatal".to_owned());
        }
        (None, Criticality::Degrades | Criticality::Background) => {
            whys.push("its failure is not fatal, but nothing stands in".to_owned());
        }
        (Some(_), Criticality::Degrades | Criticality::Background) | (None, Criticality::Fatal) => {
        }
    }
    if row.hedge_after_ms.is_some() && row.retry == RetryClass::Never {
        whys.push("it is asked again by a hedge, but must never be asked twice".to_owned());
    }
    whys
}

/// Timeout inversions: a caller that gives up before the one it calls does.
fn of_times(row: &Dependency, table: &[Dependency]) -> Vec<String> {
    let mut whys = Vec::new();
    let waits_ms = row.timeout_ms;
    if waits_ms >= REQUEST_BUDGET_MS && row.criticality != Criticality::Background {
        whys.push(format!(
            "it may take {waits_ms} ms, and the user's whole request {REQUEST_BUDGET_MS} ms"
        ));
    }
    let below = table.iter().filter(|inner| {
        Some(inner.service) == row.target
            && inner.criticality != Criticality::Background
            && inner
                .only_within
                .is_none_or(|command| command == row.command)
    });
    for inner in below {
        let (called, inner_ms) = (
            format!("{}→{}", inner.service, inner.command),
            inner.timeout_ms,
        );
        if waits_ms <= inner_ms {
            whys.push(format!(
                "it gives up after {waits_ms} ms, before {called} does after {inner_ms} ms"
            ));
        }
        if let Some(after_ms) = row.hedge_after_ms
            && after_ms + inner_ms >= waits_ms
        {
            whys.push(format!(
                "a second instance is asked after {after_ms} ms, and {called} alone may take \
                 {inner_ms} of the {waits_ms} ms"
            ));
        }
    }
    whys
}

#[cfg(test)]
mod tests {
    use super::super::{dependencies, row};
    use super::*;
    use crate::service::ServiceKind::{Catalog, Gateway, Store};

    #[test]
    fn the_table_has_no_flaw() {
        let flaws: Vec<String> = lint(&dependencies()).iter().map(Flaw::to_string).collect();
        assert_eq!(flaws, Vec::<String>::new());
    }

    #[test]
    fn every_flaw_is_found_and_told_by_name() {
        let sound = row(Gateway, "catalog", Some(Catalog), 250, 10);
        let store = row(Catalog, "store", Some(Store), 100, 10);
        let told = |wrong: Dependency| {
            let flaws = lint(&[store, wrong]);
            let [flaw] = &flaws[..] else {
                panic!("one flaw, not {flaws:?}");
            };
            flaw.to_string()
        };
        let never_asked_twice = Dependency {
            hedge_after_ms: Some(50),
            retry: RetryClass::Never,
            ..sound
        };
        let wrong = [
            (
                Dependency {
                    concurrency_max: 0,
                    ..sound
                },
                "no call may be made",
            ),
            (sound.falls_back(" "), "its fallback is not said"),
            (
                Dependency {
                    fallback: Some("the past"),
                    ..sound
                },
                "it has a fallback, and yet its failure is fatal",
            ),
            (
                Dependency {
                    criticality: Criticality::Degrades,
                    ..sound
                },
                "its failure is not fatal, but nothing stands in",
            ),
            (
                never_asked_twice,
                "it is asked again by a hedge, but must never be asked twice",
            ),
            (
                Dependency {
                    timeout_ms: 1000,
                    ..sound
                },
                "it may take 1000 ms, and the user's whole request 1000 ms",
            ),
            (
                Dependency {
                    timeout_ms: 100,
                    ..sound
                },
                "it gives up after 100 ms, before catalog→store does after 100 ms",
            ),
            (
                sound.hedged_after(150),
                "a second instance is asked after 150 ms, and catalog→store alone may take 100 of \
                 the 250 ms",
            ),
        ];
        for (wrong, why) in wrong {
            assert_eq!(told(wrong), format!("gateway→catalog: {why}"));
        }
    }

    #[test]
    fn a_row_stands_once_and_has_a_timeout() {
        let sound = row(Gateway, "catalog", Some(Catalog), 250, 10);
        let store = row(Catalog, "store", Some(Store), 100, 10);
        assert_eq!(lint(&[store, sound]), []);
        assert_eq!(lint(&[sound, sound])[0].why, "it stands here twice");
        let timeless = Dependency {
            timeout_ms: 0,
            ..sound
        };
        assert_eq!(lint(&[timeless])[0].why, "it has no timeout");
    }
}
