//! What all instances of a breaker reported, over time.

use std::collections::BTreeMap;

use squall_record::{BreakerReport, ProcessChange, Record, RunEvent};
use squall_scenario::{BreakerChange, BreakerState};

use crate::verdict::TimeRange;

/// How long a breaker is taken to stay as it was last heard. A stream that
/// breaks and is opened again, or an instance that was started anew, needs a
/// moment; what is not heard for longer is not known.
const UNHEARD_MAX_US: i64 = 3_000_000;

/// What is known of one instance at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Instance {
    /// Whether it runs; unknown until a process event or a report says so.
    live: bool,
    /// `None` before its first report, after a restart and while it cannot be
    /// read.
    state: Option<BreakerState>,
    /// Whether it has reported a state since it was started.
    heard: bool,
    has_volume: bool,
}

/// What is known of each.
pub(crate) type Instances = BTreeMap<String, Instance>;

impl Instance {
    /// Whether `opens` is asked of it: it counts enough calls. One that is open
    /// is asked even when its window has emptied, as nothing fills it then.
    fn is_asked(self) -> bool {
        self.state
            .is_some_and(|state| self.has_volume || state != BreakerState::Closed)
    }
}

/// Every instance that is asked is open. One that was never heard may hold no
/// such breaker and is not asked; one that was and is not any more is not known.
fn all_open(live: &[Instance]) -> Option<bool> {
    let mut asked = live.iter().filter(|i| i.is_asked()).peekable();
    let is_asked = asked.peek().is_some();
    if !asked.all(|i| i.state == Some(BreakerState::Open)) {
        return Some(false);
    }
    if live.iter().any(|i| i.heard && i.state.is_none()) {
        return None;
    }
    (is_asked || live.iter().any(|i| i.state.is_some())).then_some(is_asked)
}

/// Every live instance is in this state.
fn all_in(state: BreakerState, live: &[Instance]) -> Option<bool> {
    if live.iter().any(|i| i.state.is_some_and(|s| s != state)) {
        return Some(false);
    }
    let known = !live.is_empty() && live.iter().all(|i| i.state.is_some());
    known.then_some(true)
}

/// Whether all instances together are in a state; `None` where that is not
/// known.
fn everywhere(state: BreakerState, instances: &Instances) -> Option<bool> {
    let live: Vec<Instance> = instances.values().filter(|i| i.live).copied().collect();
    match state {
        BreakerState::Open => all_open(&live),
        BreakerState::Closed | BreakerState::HalfOpen => all_in(state, &live),
    }
}

/// The state that a change leads to.
pub(crate) const fn reached_by(change: BreakerChange) -> BreakerState {
    match change {
        BreakerChange::Opens => BreakerState::Open,
        BreakerChange::Closes => BreakerState::Closed,
    }
}

/// Whether a breaker is everywhere in one state: true, false or not known from
/// each moment to the next.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    breaker: String,
    state: BreakerState,
    instances: Instances,
    /// Not known before the first of them.
    steps: Vec<(i64, Option<bool>)>,
    /// Whether any instance ever had a state.
    pub(super) heard: bool,
    /// Whether one ever said so itself.
    pub(super) said: bool,
    /// Whether one ever counted enough calls to be asked.
    pub(super) asked: bool,
    /// The last reason why nothing was known of an instance that runs.
    pub(super) why: Option<String>,
}

impl Course {
    /// A course of which nothing is known but that `holders` will report.
    pub(crate) fn new(breaker: &str, state: BreakerState, holders: Instances) -> Self {
        Self {
            breaker: breaker.to_owned(),
            state,
            steps: Vec::new(),
            heard: false,
            said: false,
            asked: false,
            why: None,
            instances: holders,
        }
    }

    /// The course of a whole record.
    pub(super) fn of(record: &Record, breaker: &str, state: BreakerState) -> Self {
        let mut course = Self::new(breaker, state, holders(record, breaker));
        for stamped in &record.events {
            course.hear(stamped.at_us, &stamped.event);
        }
        course
    }

    /// Takes one event into account. An instance that was not known to hold the
    /// breaker is from its first report on.
    pub(crate) fn hear(&mut self, at_us: i64, event: &RunEvent) {
        if !hear(&mut self.instances, &self.breaker, event) {
            return;
        }
        if let RunEvent::Breaker(report) = event {
            self.heard |= report.state.is_some();
            self.said |= report.state.is_some() && !report.assumed;
            if let Some(why) = &report.why {
                self.why = Some(format!("{}: {why}", report.instance));
            }
        }
        self.asked |= self.instances.values().any(|instance| instance.has_volume);
        self.step(at_us, everywhere(self.state, &self.instances));
    }

    /// What is not known counts as unchanged for a while: the step to it lies
    /// that far ahead, and is taken back when something is known before.
    fn step(&mut self, at_us: i64, holds: Option<bool>) {
        let last = self.steps.last().copied();
        let Some(known) = holds else {
            if last.is_some_and(|(_, last)| last.is_some()) {
                self.steps
                    .push((at_us.saturating_add(UNHEARD_MAX_US), None));
            }
            return;
        };
        if last.is_some_and(|(from_us, last)| last.is_none() && at_us <= from_us) {
            self.steps.pop();
        }
        let last = self.steps.last().and_then(|(_, last)| *last);
        if last != Some(known) {
            self.steps.push((at_us, Some(known)));
        }
    }

    /// How often it turned from one to another.
    pub(crate) const fn turns(&self) -> usize {
        self.steps.len()
    }

    /// Whether it held at that moment; `None` where that is not known.
    pub(super) fn at(&self, at_us: i64) -> Option<bool> {
        let mut before = self.steps.iter().rev();
        before.find(|(step_us, _)| *step_us <= at_us)?.1
    }

    /// First moment in `range` at which the condition is known to be `value`.
    pub(super) fn first(&self, range: TimeRange, value: bool) -> Option<i64> {
        self.first_of(range, Some(value))
    }

    fn first_of(&self, range: TimeRange, value: Option<bool>) -> Option<i64> {
        if self.at(range.start_us) == value {
            return Some(range.start_us);
        }
        let inside = |at_us: i64| at_us > range.start_us && at_us <= range.end_us;
        self.steps
            .iter()
            .find(|(at_us, holds)| inside(*at_us) && *holds == value)
            .map(|(at_us, _)| *at_us)
    }

    /// The first stretch of `range` in which nothing is known.
    pub(super) fn unheard(&self, range: TimeRange) -> Option<TimeRange> {
        let start_us = self.first_of(range, None).filter(|at| *at < range.end_us)?;
        let mut later = self.steps.iter();
        let next = later.find(|(at_us, holds)| *at_us > start_us && holds.is_some());
        let end_us = next.map_or(range.end_us, |(at_us, _)| (*at_us).min(range.end_us));
        Some(TimeRange { start_us, end_us })
    }

    /// First moment in `range` at which the condition began to hold, as far as
    /// it is known not to have held before in the range.
    pub(super) fn begins(&self, range: TimeRange) -> Option<i64> {
        let not_yet_us = self.first(range, false)?;
        let rest = TimeRange {
            start_us: not_yet_us,
            end_us: range.end_us,
        };
        self.first(rest, true)
    }

    /// Start of the stretch that holds at the end of `range`, if one does.
    pub(super) fn last_stretch(&self, range: TimeRange) -> Option<i64> {
        if self.at(range.end_us) != Some(true) {
            return None;
        }
        let start = self
            .steps
            .iter()
            .rev()
            .find(|(at_us, holds)| *holds == Some(true) && *at_us <= range.end_us);
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
            let instance = instances.entry(report.instance.clone()).or_default();
            instance.hear(report);
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

impl Instance {
    fn hear(&mut self, report: &BreakerReport) {
        // One that runs and says nothing is live; one that is down is not.
        self.live |= report.state.is_some() || report.why.is_some();
        self.heard |= report.state.is_some();
        self.state = report.state;
        self.has_volume = report.has_volume && report.state.is_some();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(steps: &[(i64, Option<bool>)]) -> Course {
        let mut course = Course::new("x", BreakerState::Open, Instances::new());
        for (s, holds) in steps {
            course.step(s * 1_000_000, *holds);
        }
        course
    }

    fn range(from_s: i64, to_s: i64) -> TimeRange {
        TimeRange {
            start_us: from_s * 1_000_000,
            end_us: to_s * 1_000_000,
        }
    }

    #[test]
    fn a_short_silence_changes_nothing_and_a_long_one_is_not_known() {
        let short = course(&[(1, Some(true)), (5, None), (6, None), (7, Some(true))]);
        assert_eq!(short.turns(), 1);
        assert_eq!(short.unheard(range(1, 20)), None);
        let long = course(&[(1, Some(true)), (5, None), (20, Some(false))]);
        assert_eq!(long.at(7_999_999), Some(true));
        assert_eq!(long.at(8_000_000), None);
        assert_eq!(long.unheard(range(1, 30)), Some(range(8, 20)));
        assert_eq!(long.unheard(range(1, 15)), Some(range(8, 15)));
        assert_eq!(long.unheard(range(20, 30)), None);
        // Silence that never ends, and silence before the first word.
        let lost = course(&[(2, Some(true)), (5, None)]);
        assert_eq!(lost.unheard(range(2, 30)), Some(range(8, 30)));
        assert_eq!(lost.last_stretch(range(2, 30)), None);
        assert_eq!(lost.last_stretch(range(2, 7)), Some(2_000_000));
        let late = course(&[(0, None), (9, Some(false))]);
        assert_eq!(late.unheard(range(0, 30)), Some(range(0, 9)));
    }

    #[test]
    fn what_was_never_known_not_to_hold_did_not_begin() {
        let at_first = course(&[(3, Some(true))]);
        assert_eq!(at_first.begins(range(0, 10)), None);
        let turned = course(&[(0, Some(false)), (3, Some(true))]);
        assert_eq!(turned.begins(range(0, 10)), Some(3_000_000));
        assert_eq!(turned.begins(range(3, 10)), None);
    }
}
