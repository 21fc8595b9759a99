//! Gates on circuit breakers: what every live instance reported, over time.

use std::collections::BTreeMap;
use std::time::Duration;

use squall_scenario::{BreakerChange, BreakerState, Gate};

use super::gate::undecided;
use super::recovery::observed_until_us;
use super::{Case, Ruling, Window};
use crate::quantity::{Quantity, clock};
use crate::verdict::{BreakerSegment, BreakerTimeline, Evidence, GateState, TimeRange, WindowKind};
use crate::{ProcessChange, Record, RunEvent};

/// What is known of one instance at one moment.
#[derive(Debug, Clone, Copy, Default)]
struct Instance {
    /// Whether it runs; unknown until a process event or a report says so.
    live: bool,
    /// `None` before its first report and after a restart.
    state: Option<BreakerState>,
    has_volume: bool,
}

type Instances = BTreeMap<String, Instance>;

/// Every instance that counts enough calls to be asked is open. One that is
/// open is asked even when its window has emptied, as nothing fills it then.
fn all_open(instances: &Instances) -> bool {
    let mut asked = instances
        .values()
        .filter(|i| {
            i.live && (i.has_volume || !matches!(i.state, Some(BreakerState::Closed) | None))
        })
        .peekable();
    asked.peek().is_some() && asked.all(|i| i.state == Some(BreakerState::Open))
}

/// Every live instance is closed.
fn all_closed(instances: &Instances) -> bool {
    let mut live = instances.values().filter(|i| i.live).peekable();
    live.peek().is_some() && live.all(|i| i.state == Some(BreakerState::Closed))
}

fn all_half_open(instances: &Instances) -> bool {
    let mut live = instances.values().filter(|i| i.live).peekable();
    live.peek().is_some() && live.all(|i| i.state == Some(BreakerState::HalfOpen))
}

/// A condition over time: true or false from each moment to the next.
struct Course {
    steps: Vec<(i64, bool)>,
    /// Whether any instance ever reported this breaker.
    reported: bool,
    /// Whether one ever counted enough calls to be asked.
    asked: bool,
}

impl Course {
    fn of(record: &Record, breaker: &str, condition: fn(&Instances) -> bool) -> Self {
        let mut instances = holders(record, breaker);
        let mut course = Self {
            steps: Vec::new(),
            reported: !instances.is_empty(),
            asked: false,
        };
        for stamped in &record.events {
            if !hear(&mut instances, breaker, &stamped.event) {
                continue;
            }
            course.asked |= instances.values().any(|instance| instance.has_volume);
            let holds = condition(&instances);
            if course.steps.last().is_none_or(|(_, last)| *last != holds) {
                course.steps.push((stamped.at_us, holds));
            }
        }
        course
    }

    fn at(&self, at_us: i64) -> bool {
        let before = self
            .steps
            .iter()
            .rev()
            .find(|(step_us, _)| *step_us <= at_us);
        before.is_some_and(|(_, holds)| *holds)
    }

    /// First moment in `range` at which the condition is `value`.
    fn first(&self, range: TimeRange, value: bool) -> Option<i64> {
        if self.at(range.start_us) == value {
            return Some(range.start_us);
        }
        let inside = |at_us: i64| at_us > range.start_us && at_us <= range.end_us;
        self.steps
            .iter()
            .find(|(at_us, holds)| inside(*at_us) && *holds == value)
            .map(|(at_us, _)| *at_us)
    }

    /// Start of the stretch that holds at the end of `range`, if one does.
    fn last_stretch(&self, range: TimeRange) -> Option<i64> {
        if !self.at(range.end_us) {
            return None;
        }
        let start = self
            .steps
            .iter()
            .rev()
            .find(|(at_us, holds)| *holds && *at_us <= range.end_us);
        start.map(|(at_us, _)| (*at_us).max(range.start_us))
    }
}

/// The instances that report the breaker at any time.
fn holders(record: &Record, breaker: &str) -> Instances {
    let reports = record
        .events
        .iter()
        .filter_map(|stamped| match &stamped.event {
            RunEvent::Breaker(report) if report.breaker == breaker => Some(report.instance.clone()),
            _ => None,
        });
    reports
        .map(|instance| (instance, Instance::default()))
        .collect()
}

/// Takes one event into account; `false` when it changes nothing here.
fn hear(instances: &mut Instances, breaker: &str, event: &RunEvent) -> bool {
    match event {
        RunEvent::Breaker(report) if report.breaker == breaker => {
            let Some(instance) = instances.get_mut(&report.instance) else {
                return false;
            };
            instance.live |= report.state.is_some();
            instance.state = report.state;
            instance.has_volume = report.has_volume && report.state.is_some();
            true
        }
        RunEvent::Process {
            instance, change, ..
        } => {
            let Some(known) = instances.get_mut(instance) else {
                return false;
            };
            match change {
                ProcessChange::Exited { .. } => *known = Instance::default(),
                ProcessChange::Ready => known.live = true,
                ProcessChange::Started { .. } | ProcessChange::Restarting => return false,
            }
            true
        }
        _ => false,
    }
}

/// When the breaker was first open in `range`; `None` when it never was, or was
/// open already when the range began.
pub(super) fn opened(record: &Record, breaker: &str, range: TimeRange) -> Option<i64> {
    let course = Course::of(record, breaker, all_open);
    if course.at(range.start_us) {
        return None;
    }
    course.first(range, true)
}

/// Since when the breaker was closed at the end of `range`.
pub(super) fn closed_for_good(record: &Record, breaker: &str, range: TimeRange) -> Option<i64> {
    Course::of(record, breaker, all_closed).last_stretch(range)
}

/// `breaker X opens|closes within T` during a window.
pub(super) fn rule_change(
    case: &Case<'_>,
    window: &Window,
    breaker: &str,
    change: BreakerChange,
    within: Option<Duration>,
) -> Ruling {
    if window.ranges.is_empty() {
        return undecided("the window is empty");
    }
    let condition = match change {
        BreakerChange::Opens => all_open,
        BreakerChange::Closes => all_closed,
    };
    let course = Course::of(case.record, breaker, condition);
    if !course.reported {
        return undecided(&format!("no instance reported a breaker `{breaker}`"));
    }
    if change == BreakerChange::Opens {
        if !course.asked {
            return undecided("no instance counted enough calls for its breaker to be asked");
        }
        let fault = case.fault(&window.name);
        // Each period is looked at from where it began.
        let requested_us = match window.ranges.len() {
            1 => fault.and_then(|fault| fault.requested_us),
            _ => None,
        };
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
        let reached = course.first(range, true);
        timed(case, (breaker, verb), range, within, reached)
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
    let course = Course::of(case.record, breaker, all_closed);
    if !course.reported {
        return undecided(&format!("no instance reported a breaker `{breaker}`"));
    }
    let range = TimeRange {
        start_us: cleared_us,
        end_us: observed_until_us(case, fault, cleared_us),
    };
    let reached = course.last_stretch(range);
    timed(
        case,
        (breaker, "closed for good"),
        range,
        Some(within),
        reached,
    )
}

/// Compares the moment a condition was reached with the time allowed.
fn timed(
    case: &Case<'_>,
    (breaker, verb): (&str, &str),
    range: TimeRange,
    within: Option<Duration>,
    reached: Option<i64>,
) -> Ruling {
    let limit_us = within.map(|within| u64::try_from(within.as_micros()).unwrap_or(u64::MAX));
    let observed_us = range.length_us();
    let took_us =
        reached.map(|at_us| u64::try_from(at_us.saturating_sub(range.start_us)).unwrap_or(0));
    let resolution_us = case.breaker_resolution_us();
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
    let Some(range) = span(window) else {
        return undecided("the window is empty");
    };
    let condition = match state {
        BreakerState::Closed => all_closed,
        BreakerState::Open => all_open,
        BreakerState::HalfOpen => all_half_open,
    };
    let course = Course::of(case.record, breaker, condition);
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
            resolution_us: case.breaker_resolution_us(),
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
