//! Gates on circuit breakers: what every live instance reported, over time.

mod course;

use std::collections::BTreeMap;
use std::time::Duration;

use squall_scenario::{BreakerChange, BreakerState, Gate};

use super::gate::undecided;
use super::recovery::observed_until_us;
use super::{Case, Ruling, Window};
use crate::quantity::{Quantity, clock};
use crate::verdict::{BreakerSegment, BreakerTimeline, Evidence, GateState, TimeRange, WindowKind};
use crate::{ProcessChange, Record, RunEvent};
pub(crate) use course::{Course, Instances, reached_by};

/// When the breaker was first open in `range`; `None` when it never was, or was
/// open already when the range began.
pub(super) fn opened(record: &Record, breaker: &str, range: TimeRange) -> Option<i64> {
    let course = Course::of(record, breaker, BreakerState::Open);
    if course.at(range.start_us) {
        return None;
    }
    course.first(range, true)
}

/// Since when the breaker was closed at the end of `range`.
pub(super) fn closed_for_good(record: &Record, breaker: &str, range: TimeRange) -> Option<i64> {
    Course::of(record, breaker, BreakerState::Closed).last_stretch(range)
}

/// `breaker X opens|closes within T` during a window.
pub(super) fn rule_change(
    case: &Case<'_>,
    window: &Window,
    breaker: &str,
    change: BreakerChange,
    within: Option<Duration>,
) -> Ruling {
    let course = Course::of(case.record, breaker, reached_by(change));
    let fault = case.fault(&window.name);
    let asked = Asked {
        breaker,
        within,
        resolution_us: case.breaker_resolution_us(),
    };
    let requested_us = fault.and_then(|fault| fault.requested_us);
    change_on(&course, &asked, change, window, requested_us)
}

/// What is asked of a breaker, and how exactly it can be told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Its name.
    pub(crate) breaker: &'a str,
    /// The time allowed.
    pub(crate) within: Option<Duration>,
    /// How often it is read.
    pub(crate) resolution_us: Option<u64>,
}

/// What a course says of `breaker X opens|closes within T` during a window whose
/// fault was asked for at `requested_us`.
pub(crate) fn change_on(
    course: &Course,
    asked: &Asked<'_>,
    change: BreakerChange,
    window: &Window,
    requested_us: Option<i64>,
) -> Ruling {
    if window.ranges.is_empty() {
        return undecided("the window is empty");
    }
    if !course.reported {
        return undecided(&format!(
            "no instance reported a breaker `{}`",
            asked.breaker
        ));
    }
    if change == BreakerChange::Opens {
        if !course.asked {
            return undecided("no instance counted enough calls for its breaker to be asked");
        }
        // Each period is looked at from where it began.
        let requested_us = requested_us.filter(|_| window.ranges.len() == 1);
        if requested_us.is_some_and(|at_us| course.at(at_us)) {
            return undecided("it was open before the fault was injected");
        }
    }
    let verb = match change {
        BreakerChange::Opens => "opened",
        BreakerChange::Closes => "closed",
    };
    let periods = periods(window).map(|range| {
        if change == BreakerChange::Opens && window.ranges.len() > 1 && course.at(range.start_us) {
            return undecided(&format!(
                "it was still open when the period at {} began",
                clock(range.start_us)
            ));
        }
        timed(asked, verb, range, course.first(range, true))
    });
    worst(periods)
}

/// The stretches of a window that are looked at one by one: the periods of a
/// fault that came in cycles. Any other is looked at as a whole.
fn periods(window: &Window) -> impl Iterator<Item = TimeRange> {
    let each = matches!(window.kind, WindowKind::Fault | WindowKind::Control);
    let ranges = if each {
        window.ranges.clone()
    } else {
        Vec::new()
    };
    let whole = span(window).filter(|_| !each);
    ranges.into_iter().chain(whole)
}

/// The ruling that decides over all of them: the worst, and of equals the one
/// that took longest.
fn worst(rulings: impl Iterator<Item = Ruling>) -> Ruling {
    let badness = |ruling: &Ruling| match ruling.state {
        GateState::Fail => 2,
        GateState::Inconclusive | GateState::NotReached => 1,
        GateState::Pass => 0,
    };
    let took = |ruling: &Ruling| match ruling.evidence.observed {
        Some(Quantity::Micros(us)) => us,
        _ => 0,
    };
    rulings
        .max_by_key(|ruling| (badness(ruling), took(ruling)))
        .unwrap_or_else(|| undecided("the window is empty"))
}

/// `breaker X closes` after a fault: closed for good, within the time allowed.
pub(super) fn rule_after(
    case: &Case<'_>,
    fault: &str,
    within: Duration,
    breaker: &str,
    gate: &Gate,
) -> Ruling {
    let Gate::Breaker {
        change: BreakerChange::Closes,
        ..
    } = gate
    else {
        return undecided("only `breaker … closes` can follow `after`");
    };
    let Some(cleared_us) = case.fault(fault).and_then(|fault| fault.removed_us) else {
        return undecided("the fault was not seen to be gone");
    };
    let course = Course::of(case.record, breaker, BreakerState::Closed);
    let asked = Asked {
        breaker,
        within: Some(within),
        resolution_us: case.breaker_resolution_us(),
    };
    let range = TimeRange {
        start_us: cleared_us,
        end_us: observed_until_us(case, fault, cleared_us),
    };
    after_on(&course, &asked, range)
}

/// What a course says of `breaker X closes` in `range`, which begins when the
/// fault was gone.
pub(crate) fn after_on(course: &Course, asked: &Asked<'_>, range: TimeRange) -> Ruling {
    if !course.reported {
        return undecided(&format!(
            "no instance reported a breaker `{}`",
            asked.breaker
        ));
    }
    timed(asked, "closed for good", range, course.last_stretch(range))
}

/// Compares the moment a condition was reached with the time allowed.
fn timed(asked: &Asked<'_>, verb: &str, range: TimeRange, reached: Option<i64>) -> Ruling {
    let &Asked {
        breaker,
        within,
        resolution_us,
    } = asked;
    let limit_us = within.map(|within| u64::try_from(within.as_micros()).unwrap_or(u64::MAX));
    let observed_us = range.length_us();
    let took_us =
        reached.map(|at_us| u64::try_from(at_us.saturating_sub(range.start_us)).unwrap_or(0));
    let read = resolution_us.map_or(String::new(), |us| {
        format!(" (read every {})", Quantity::Micros(us))
    });
    let (state, explanation) = match (took_us, limit_us) {
        (Some(took), limit) if limit.is_none_or(|limit| took <= limit) => (
            GateState::Pass,
            format!(
                "every live instance of {breaker} had {verb} after {}{read}",
                Quantity::Micros(took)
            ),
        ),
        (Some(took), _) => (
            GateState::Fail,
            format!(
                "it took {} until every live instance of {breaker} had {verb}{read}",
                Quantity::Micros(took)
            ),
        ),
        (None, limit) if limit.is_some_and(|limit| observed_us < limit) => (
            GateState::Inconclusive,
            format!(
                "{breaker} had not {verb} when the observation ended after {}, before the time was up",
                Quantity::Micros(observed_us)
            ),
        ),
        (None, _) => (
            GateState::Fail,
            format!(
                "{breaker} had not {verb} in {}{read}",
                Quantity::Micros(observed_us)
            ),
        ),
    };
    Ruling {
        state,
        explanation,
        evidence: Evidence {
            observed: took_us.map(Quantity::Micros),
            threshold: limit_us.map(Quantity::Micros),
            margin: took_us
                .zip(limit_us)
                .and_then(|(took, limit)| left(took, limit)),
            ranges: vec![range],
            resolution_us,
            ..Evidence::default()
        },
    }
}

/// Share of the time allowed that was left over.
#[expect(clippy::cast_precision_loss, reason = "shown as a percentage")]
pub(super) fn left(took_us: u64, limit_us: u64) -> Option<f64> {
    (limit_us > 0).then(|| 1.0 - took_us as f64 / limit_us as f64)
}

/// `breaker X is closed`: throughout the window.
pub(super) fn rule_is(
    case: &Case<'_>,
    window: &Window,
    breaker: &str,
    state: BreakerState,
) -> Ruling {
    let course = Course::of(case.record, breaker, state);
    let asked = Asked {
        breaker,
        within: None,
        resolution_us: case.breaker_resolution_us(),
    };
    state_on(&course, &asked, state, window)
}

/// What a course says of `breaker X is closed` throughout a window.
pub(crate) fn state_on(
    course: &Course,
    asked: &Asked<'_>,
    state: BreakerState,
    window: &Window,
) -> Ruling {
    let breaker = asked.breaker;
    let Some(range) = span(window) else {
        return undecided("the window is empty");
    };
    if !course
        .steps
        .iter()
        .any(|(at_us, _)| *at_us <= range.start_us)
    {
        return undecided(&format!(
            "no instance had reported `{breaker}` when the window began"
        ));
    }
    let broken = periods(window).find_map(|range| course.first(range, false));
    let (verdict, explanation) = match broken {
        None => (
            GateState::Pass,
            format!("every live instance of {breaker} was {state} throughout"),
        ),
        Some(at_us) => (
            GateState::Fail,
            format!("{breaker} was not {state} everywhere at {}", clock(at_us)),
        ),
    };
    Ruling {
        state: verdict,
        explanation,
        evidence: Evidence {
            ranges: vec![range],
            resolution_us: asked.resolution_us,
            ..Evidence::default()
        },
    }
}

fn span(window: &Window) -> Option<TimeRange> {
    Some(TimeRange {
        start_us: window.start_us()?,
        end_us: window.end_us()?,
    })
}

/// States and when they began.
type States = Vec<(i64, Option<BreakerState>)>;

/// States of every breaker of every instance, for the reports.
pub(super) fn timelines(record: &Record, load_end_us: i64) -> Vec<BreakerTimeline> {
    // By breaker and instance.
    let mut found: BTreeMap<(String, String), States> = BTreeMap::new();
    for stamped in &record.events {
        match &stamped.event {
            RunEvent::Breaker(report) => {
                let key = (report.breaker.clone(), report.instance.clone());
                found
                    .entry(key)
                    .or_default()
                    .push((stamped.at_us, report.state));
            }
            RunEvent::Process {
                instance,
                change: ProcessChange::Exited { .. },
                ..
            } => {
                for ((_, holder), states) in &mut found {
                    if holder == instance {
                        states.push((stamped.at_us, None));
                    }
                }
            }
            _ => {}
        }
    }
    found
        .into_iter()
        .map(|((breaker, instance), states)| BreakerTimeline {
            breaker,
            instance,
            segments: segments(&states, load_end_us),
        })
        .collect()
}

/// Joins equal neighbours; the last state lasts to the end of the load.
fn segments(states: &[(i64, Option<BreakerState>)], load_end_us: i64) -> Vec<BreakerSegment> {
    let mut segments: Vec<BreakerSegment> = Vec::new();
    for (at_us, state) in states {
        match segments.last_mut() {
            Some(last) if last.state == *state => continue,
            Some(last) => last.range.end_us = *at_us,
            None => {}
        }
        segments.push(BreakerSegment {
            range: TimeRange {
                start_us: *at_us,
                end_us: load_end_us.max(*at_us),
            },
            state: *state,
        });
    }
    segments
}
