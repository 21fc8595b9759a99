//! What all instances of a breaker reported, over time.

use std::collections::BTreeMap;

use squall_scenario::{BreakerChange, BreakerState};

use crate::verdict::TimeRange;
use crate::{ProcessChange, Record, RunEvent};

/// What is known of one instance at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Instance {
    /// Whether it runs; unknown until a process event or a report says so.
    live: bool,
    /// `None` before its first report and after a restart.
    state: Option<BreakerState>,
    has_volume: bool,
}

/// What is known of each.
pub(crate) type Instances = BTreeMap<String, Instance>;

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

/// Whether all instances together are in a state.
fn everywhere(state: BreakerState, instances: &Instances) -> bool {
    match state {
        BreakerState::Closed => all_closed(instances),
        BreakerState::Open => all_open(instances),
        BreakerState::HalfOpen => all_half_open(instances),
    }
}

/// The state that a change leads to.
pub(crate) const fn reached_by(change: BreakerChange) -> BreakerState {
    match change {
        BreakerChange::Opens => BreakerState::Open,
        BreakerChange::Closes => BreakerState::Closed,
    }
}

/// Whether a breaker is everywhere in one state: true or false from each moment
/// to the next.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    breaker: String,
    state: BreakerState,
    instances: Instances,
    pub(super) steps: Vec<(i64, bool)>,
    /// Whether any instance ever reported this breaker.
    pub(super) reported: bool,
    /// Whether one ever counted enough calls to be asked.
    pub(super) asked: bool,
}

impl Course {
    /// A course of which nothing is known but that `holders` will report.
    pub(crate) fn new(breaker: &str, state: BreakerState, holders: Instances) -> Self {
        Self {
            breaker: breaker.to_owned(),
            state,
            steps: Vec::new(),
            reported: !holders.is_empty(),
            asked: false,
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
        self.reported = true;
        self.asked |= self.instances.values().any(|instance| instance.has_volume);
        let holds = everywhere(self.state, &self.instances);
        if self.steps.last().is_none_or(|(_, last)| *last != holds) {
            self.steps.push((at_us, holds));
        }
    }

    /// How often it turned from true to false or back.
    pub(crate) const fn turns(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn at(&self, at_us: i64) -> bool {
        let before = self
            .steps
            .iter()
            .rev()
            .find(|(step_us, _)| *step_us <= at_us);
        before.is_some_and(|(_, holds)| *holds)
    }

    /// First moment in `range` at which the condition is `value`.
    pub(super) fn first(&self, range: TimeRange, value: bool) -> Option<i64> {
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
    pub(super) fn last_stretch(&self, range: TimeRange) -> Option<i64> {
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
            let instance = instances.entry(report.instance.clone()).or_default();
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
