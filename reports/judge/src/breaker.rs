//! Gates on circuit breakers: what every live instance reported, over time.

mod course;
mod timeline;

use std::time::Duration;

use squall_record::Record;
use squall_scenario::{BreakerChange, BreakerSource, BreakerState, Gate, Scenario};

use crate::case::Case;
use crate::quantity::{Quantity, clock};
use crate::ruling::{Ruling, left, undecided};
use crate::verdict::{Evidence, GateState, TimeRange, WindowKind};
use crate::window::Window;
pub(crate) use course::{Course, Instances, reached_by};
pub(super) use timeline::timelines;

/// When the breaker opened in `range`; `None` when it did not, was open already
/// when the range began, or was open when it was first heard of.
pub(super) fn opened(record: &Record, breaker: &str, range: TimeRange) -> Option<i64> {
    let course = Course::of(record, breaker, BreakerState::Open);
    let from_lines = is_told_by_lines(&record.manifest.scenario, breaker);
    match course.at(range.start_us) {
        Some(true) => None,
        _ if from_lines => course.first(range, true),
        _ => course.begins(range),
    }
}

/// Since when the breaker was closed at the end of `range`.
pub(super) fn closed_for_good(record: &Record, breaker: &str, range: TimeRange) -> Option<i64> {
    Course::of(record, breaker, BreakerState::Closed).last_stretch(range)
}

/// Whether the breaker is read from lines, each of which tells of a change: the
/// first one need not be preceded by another.
pub(crate) fn is_told_by_lines(scenario: &Scenario, breaker: &str) -> bool {
    let mut breakers = scenario.system.breakers.iter();
    breakers.any(|(name, source)| name == breaker && matches!(source, BreakerSource::Log { .. }))
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
    let asked = asked(case, breaker, within);
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
    /// Whether [`is_told_by_lines`].
    pub(crate) from_lines: bool,
}

fn asked<'a>(case: &Case<'_>, breaker: &'a str, within: Option<Duration>) -> Asked<'a> {
    Asked {
        breaker,
        within,
        resolution_us: case.breaker_resolution_us(),
        from_lines: is_told_by_lines(&case.record.manifest.scenario, breaker),
    }
}

/// Of a breaker that no instance ever spoke of.
fn never_heard(course: &Course, breaker: &str) -> Ruling {
    undecided(&format!(
        "no instance reported a breaker `{breaker}`{}",
        because(course)
    ))
}

/// Why nothing is known, where somebody could say.
fn because(course: &Course) -> String {
    let why = course.why.as_ref();
    why.map_or_else(String::new, |why| format!(": {why}"))
}

/// Why nothing was reported of a breaker; empty where nobody could say.
pub(super) fn why_unheard(record: &Record, breaker: &str) -> String {
    because(&Course::of(record, breaker, BreakerState::Closed))
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
    if !course.heard {
        return never_heard(course, asked.breaker);
    }
    match change {
        BreakerChange::Closes => {
            worst(periods(window).map(|range| closes_in(course, asked, range)))
        }
        BreakerChange::Opens => {
            if !course.asked {
                return undecided("no instance counted enough calls for its breaker to be asked");
            }
            // Each period is looked at from where it began.
            let requested_us = requested_us.filter(|_| window.ranges.len() == 1);
            if requested_us.is_some_and(|at_us| course.at(at_us) == Some(true)) {
                return undecided("it was open before the fault was injected");
            }
            let many = window.ranges.len() > 1;
            worst(periods(window).map(|range| {
                if many && course.at(range.start_us) == Some(true) {
                    return undecided(&format!(
                        "it was still open when the period at {} began",
                        clock(range.start_us)
                    ));
                }
                opens_in(course, asked, range, requested_us)
            }))
        }
    }
}

/// `opens` in one stretch. It must be known not to have been open since the
/// fault was asked for, which may be a moment before the stretch began.
fn opens_in(
    course: &Course,
    asked: &Asked<'_>,
    range: TimeRange,
    requested_us: Option<i64>,
) -> Ruling {
    let reached = course.first(range, true);
    let before = TimeRange {
        start_us: requested_us.unwrap_or(range.start_us).min(range.start_us),
        end_us: reached.unwrap_or(range.end_us),
    };
    if let Some(at_us) = reached
        && course.first(before, false).is_none()
        && !asked.from_lines
    {
        return undecided(&format!(
            "{} was open at {} already when it was first heard of: nobody said when it opened{}",
            asked.breaker,
            clock(at_us),
            because(course)
        ));
    }
    let unheard = course.unheard(allowed(asked, range, reached));
    timed(course, asked, "opened", range, reached, unheard)
}

/// `closes` in one stretch: of a breaker that was open in it.
fn closes_in(course: &Course, asked: &Asked<'_>, range: TimeRange) -> Ruling {
    if course.first(range, false).is_none() {
        return never_open(course, asked, "in this window");
    }
    let reached = course.begins(range);
    let unheard = course.unheard(allowed(asked, range, reached));
    timed(course, asked, "closed", range, reached, unheard)
}

fn never_open(course: &Course, asked: &Asked<'_>, when: &str) -> Ruling {
    let why = if course.said {
        String::new()
    } else {
        because(course)
    };
    undecided(&format!(
        "{} was never heard to be open {when}, so it could not close{why}",
        asked.breaker
    ))
}

/// The part of `range` in which the change had to come, as far as it did not.
fn allowed(asked: &Asked<'_>, range: TimeRange, reached: Option<i64>) -> TimeRange {
    let within = asked.within.unwrap_or(Duration::MAX);
    let limit_us = i64::try_from(within.as_micros()).unwrap_or(i64::MAX);
    let end_us = range.start_us.saturating_add(limit_us).min(range.end_us);
    TimeRange {
        start_us: range.start_us,
        end_us: reached.unwrap_or(end_us).min(end_us),
    }
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
    let asked = asked(case, breaker, Some(within));
    let requested_us = case.fault(fault).and_then(|fault| fault.requested_us);
    let range = TimeRange {
        start_us: cleared_us,
        end_us: case.observed_until_us(fault, cleared_us),
    };
    after_on(&course, &asked, range, requested_us)
}

/// What a course says of `breaker X closes` in `range`, which begins when the
/// fault was gone that was asked for at `requested_us`.
pub(crate) fn after_on(
    course: &Course,
    asked: &Asked<'_>,
    range: TimeRange,
    requested_us: Option<i64>,
) -> Ruling {
    if !course.heard {
        return never_heard(course, asked.breaker);
    }
    let since = TimeRange {
        start_us: requested_us.unwrap_or(range.start_us).min(range.start_us),
        end_us: range.end_us,
    };
    if course.first(since, false).is_none() {
        return never_open(course, asked, "since the fault was injected");
    }
    let reached = course.last_stretch(range);
    // One that is open at the end has not closed, whatever was not heard.
    let is_open = course.at(range.end_us) == Some(false);
    let unheard = course.unheard(TimeRange {
        start_us: range.start_us,
        end_us: reached.unwrap_or(range.end_us),
    });
    let unheard = unheard.filter(|_| !is_open);
    timed(course, asked, "closed for good", range, reached, unheard)
}

/// Compares the moment a condition was reached with the time allowed. It may
/// have been reached while nothing was heard of the breaker.
fn timed(
    course: &Course,
    asked: &Asked<'_>,
    verb: &str,
    range: TimeRange,
    reached: Option<i64>,
    unheard: Option<TimeRange>,
) -> Ruling {
    let &Asked {
        breaker,
        within,
        resolution_us,
        ..
    } = asked;
    let limit_us = within.map(|within| u64::try_from(within.as_micros()).unwrap_or(u64::MAX));
    let observed_us = range.length_us();
    let took_us =
        reached.map(|at_us| u64::try_from(at_us.saturating_sub(range.start_us)).unwrap_or(0));
    let read = read_every(resolution_us);
    let (mut state, mut explanation) = match (took_us, limit_us) {
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
    if let Some(unheard) = unheard.filter(|_| state == GateState::Fail) {
        state = GateState::Inconclusive;
        explanation = format!("{}; {explanation}", silence(course, breaker, unheard));
    }
    explanation.push_str(&on_trust(course));
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

fn read_every(resolution_us: Option<u64>) -> String {
    resolution_us.map_or(String::new(), |us| {
        format!(" (read every {})", Quantity::Micros(us))
    })
}

/// `breaker X is closed`: throughout the window.
pub(super) fn rule_is(
    case: &Case<'_>,
    window: &Window,
    breaker: &str,
    state: BreakerState,
) -> Ruling {
    let course = Course::of(case.record, breaker, state);
    let asked = asked(case, breaker, None);
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
    if !course.heard {
        return never_heard(course, breaker);
    }
    let broken = periods(window).find_map(|range| course.first(range, false));
    let unheard = periods(window).find_map(|range| course.unheard(range));
    let (verdict, explanation) = match (broken, unheard) {
        (Some(at_us), _) => (
            GateState::Fail,
            format!("{breaker} was not {state} everywhere at {}", clock(at_us)),
        ),
        (None, Some(unheard)) => (GateState::Inconclusive, silence(course, breaker, unheard)),
        (None, None) => (
            GateState::Pass,
            format!("every live instance of {breaker} was {state} throughout"),
        ),
    };
    Ruling {
        state: verdict,
        explanation: format!("{explanation}{}", on_trust(course)),
        evidence: Evidence {
            ranges: vec![range],
            resolution_us: asked.resolution_us,
            ..Evidence::default()
        },
    }
}

/// That nothing was heard for a stretch, and why.
fn silence(course: &Course, breaker: &str, unheard: TimeRange) -> String {
    format!(
        "nothing is known of {breaker} for {} from {}{}",
        Quantity::Micros(unheard.length_us()),
        clock(unheard.start_us),
        because(course)
    )
}

/// What a ruling rests on where no instance ever spoke of the breaker.
fn on_trust(course: &Course) -> String {
    if course.said {
        String::new()
    } else {
        "; that it starts closed is the scenario's word: no line of output ever spoke of it"
            .to_owned()
    }
}

fn span(window: &Window) -> Option<TimeRange> {
    Some(TimeRange {
        start_us: window.start_us()?,
        end_us: window.end_us()?,
    })
}
