//! What the processes of the system used, and how often they were started
//! again.

use std::collections::BTreeMap;

use squall_record::{ProcessChange, RESOURCES_EVERY_US, Record, ResourceUse, RunEvent};
use squall_scenario::{ProcessFigure, ReadingGate};

use super::limit::{limit, margin};
use super::series::{Point, Series, within};
use crate::case::Case;
use crate::quantity::Quantity;
use crate::ruling::{Ruling, undecided};
use crate::verdict::{Evidence, GateState, TimeRange};
use crate::window::Window;

/// Readings that may be missing in a row.
const MISSING_MAX: i64 = 5;

/// What readings call squall itself.
const SQUALL: &str = "squall";

/// A start or an end of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Started,
    Ended { expected: bool },
}

/// Starts and ends by instance, for the instances of a process or for one.
fn lives(record: &Record, of: &str) -> BTreeMap<String, Vec<(i64, Life)>> {
    let mut lives: BTreeMap<String, Vec<(i64, Life)>> = BTreeMap::new();
    for stamped in &record.events {
        let RunEvent::Process {
            process,
            instance,
            change,
        } = &stamped.event
        else {
            continue;
        };
        if process != of && instance != of {
            continue;
        }
        let life = lives.entry(instance.clone()).or_default();
        match change {
            ProcessChange::Started { .. } => life.push((stamped.at_us, Life::Started)),
            ProcessChange::Exited { expected, .. } => {
                let expected = *expected;
                life.push((stamped.at_us, Life::Ended { expected }));
            }
            ProcessChange::Ready | ProcessChange::Restarting => {}
        }
    }
    lives
}

/// When an instance did not run.
fn down(life: &[(i64, Life)]) -> Vec<TimeRange> {
    let mut down = Vec::new();
    let mut since = None;
    for (at_us, change) in life {
        match change {
            Life::Ended { .. } => since = since.or(Some(*at_us)),
            Life::Started => {
                if let Some(start_us) = since.take() {
                    down.push(TimeRange {
                        start_us,
                        end_us: *at_us,
                    });
                }
            }
        }
    }
    down.extend(since.map(|start_us| TimeRange {
        start_us,
        end_us: i64::MAX,
    }));
    down
}

/// The readings of a figure, one series for each instance.
pub(super) fn series(record: &Record, figure: ProcessFigure, of: &str) -> Vec<Series> {
    let mut lives = lives(record, of);
    if of == SQUALL {
        lives.insert(SQUALL.to_owned(), Vec::new());
    }
    let one = |(who, life): (String, Vec<(i64, Life)>)| {
        let mut series = Series {
            who: who.clone(),
            points: Vec::new(),
            failed: Vec::new(),
            absent: down(&life),
            every_us: RESOURCES_EVERY_US,
            gap_max_us: i64::try_from(RESOURCES_EVERY_US)
                .unwrap_or(i64::MAX)
                .saturating_mul(MISSING_MAX),
        };
        let mut last: Option<(i64, ResourceUse)> = None;
        for stamped in &record.events {
            let RunEvent::Resources { usage } = &stamped.event else {
                continue;
            };
            let now = usage.get(&who).map(|used| (stamped.at_us, *used));
            series.points.extend(point(figure, last, now, &life));
            last = now;
        }
        series
    };
    lives.into_iter().map(one).collect()
}

/// A figure now, while the run goes on; CPU is the slope from the reading before.
pub(crate) fn live_value(
    figure: ProcessFigure,
    last: Option<(i64, ResourceUse)>,
    now: (i64, ResourceUse),
) -> Option<f64> {
    point(figure, last, Some(now), &[]).map(|point| point.value)
}

#[expect(clippy::cast_precision_loss, reason = "figures are far below 2^52")]
fn point(
    figure: ProcessFigure,
    last: Option<(i64, ResourceUse)>,
    now: Option<(i64, ResourceUse)>,
    life: &[(i64, Life)],
) -> Option<Point> {
    let (at_us, used) = now?;
    let (from_us, value) = match figure {
        ProcessFigure::Memory => (at_us, used.rss_bytes as f64),
        ProcessFigure::Fds => (at_us, used.fds? as f64),
        ProcessFigure::Cpu => {
            let (from_us, before) = last?;
            let range = TimeRange {
                start_us: from_us,
                end_us: at_us,
            };
            // The counter of another process is no slope.
            let other = life.iter().any(|(change_us, _)| within(range, *change_us));
            if other || at_us <= from_us {
                return None;
            }
            let used_ms = used.cpu_ms.checked_sub(before.cpu_ms)?;
            (from_us, used_ms as f64 * 1e3 / (at_us - from_us) as f64)
        }
        ProcessFigure::Restarts => return None,
    };
    Some(Point {
        from_us,
        at_us,
        value,
        looked_us: None,
    })
}

/// `restarts of catalog <= 1`: how often its instances were started again in
/// the window, all of them together.
pub(super) fn rule_restarts(
    case: &Case<'_>,
    window: &Window,
    gate: &ReadingGate,
    of: &str,
) -> Ruling {
    let lives = lives(case.record, of);
    if lives.is_empty() {
        return undecided(&format!("this run started no process called `{of}`"));
    }
    let (mut count, mut asked) = (0_u32, 0_u32);
    let mut who = Vec::new();
    for (instance, life) in &lives {
        let before = count;
        for (index, (at_us, change)) in life.iter().enumerate() {
            let inside = window.ranges.iter().any(|range| within(*range, *at_us));
            let ends = life.get(..index).unwrap_or_default().iter().rev();
            let mut ends = ends.filter_map(|(_, change)| match change {
                Life::Ended { expected } => Some(*expected),
                Life::Started => None,
            });
            // The first start has no end before it.
            let Some(expected) = ends.next() else {
                continue;
            };
            if inside && *change == Life::Started {
                count += 1;
                asked += u32::from(expected);
            }
        }
        if count > before {
            who.push(instance.as_str());
        }
    }
    let (limit, threshold) = limit(gate);
    let holds = gate.comparison.holds(f64::from(count), limit);
    let mut explanation = match count {
        0 => format!("nothing of `{of}` was started again in this window"),
        1 => format!("{} was started again once", who.join(", ")),
        _ => format!("{} were started again {count} times in all", who.join(", ")),
    };
    if asked > 0 {
        explanation.push_str(&format!(", {asked} of them because a fault had ended it"));
    }
    Ruling {
        state: if holds {
            GateState::Pass
        } else {
            GateState::Fail
        },
        explanation,
        evidence: Evidence {
            observed: Some(Quantity::Count(count.into())),
            threshold,
            margin: margin(gate.comparison, f64::from(count), limit),
            ranges: window.ranges.clone(),
            ..Evidence::default()
        },
    }
}
