//! Gates on breakers while the run goes on.

use std::time::Duration;

use squall_record::{RunEvent, Stamped};
use squall_scenario::{BreakerChange, BreakerState, Gate, Scenario, When};

use crate::breaker::{
    Asked, Course, Instances, after_on, change_on, is_told_by_lines, reached_by, state_on,
};
use crate::ruling::Ruling;
use crate::verdict::TimeRange;
use crate::window::Window;

/// Turns of a breaker that are followed: one that flaps more often than that is
/// left to the judge, so that memory stays bounded.
const TURNS_MAX: usize = 10_000;

/// What a gate expects of a breaker.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Change(BreakerChange, Option<Duration>),
    State(BreakerState),
    /// After a fault.
    ClosedFor(Duration),
}

/// One gate on a breaker, followed through the events of a run.
#[derive(Debug)]
pub(super) struct BreakerGate {
    breaker: String,
    expected: Expected,
    course: Course,
    resolution_us: Option<u64>,
    from_lines: bool,
}

impl BreakerGate {
    /// Follows a gate on a breaker; `None` for any other gate.
    pub(super) fn of(scenario: &Scenario, when: &When, gate: &Gate) -> Option<Self> {
        let (breaker, expected) = match (when, gate) {
            (
                When::During(_),
                Gate::Breaker {
                    name,
                    change,
                    within,
                },
            ) => (name, Expected::Change(*change, *within)),
            (When::During(_), Gate::BreakerIs { name, state }) => (name, Expected::State(*state)),
            (
                When::After { within, .. },
                Gate::Breaker {
                    name,
                    change: BreakerChange::Closes,
                    ..
                },
            ) => (name, Expected::ClosedFor(*within)),
            _ => return None,
        };
        let state = match expected {
            Expected::Change(change, _) => reached_by(change),
            Expected::State(state) => state,
            Expected::ClosedFor(_) => BreakerState::Closed,
        };
        Some(Self {
            course: Course::new(breaker, state, Instances::new()),
            breaker: breaker.clone(),
            expected,
            resolution_us: None,
            from_lines: is_told_by_lines(scenario, breaker),
        })
    }

    pub(super) fn hear(&mut self, stamped: &Stamped) {
        if let RunEvent::BreakersRead { every_us } = stamped.event {
            self.resolution_us = Some(every_us);
        }
        if self.is_followed() {
            self.course.hear(stamped.at_us, &stamped.event);
        }
    }

    const fn is_followed(&self) -> bool {
        self.course.turns() < TURNS_MAX
    }

    /// What the judge would say of a window that ended now; `None` while only
    /// the end of the window can tell.
    pub(super) fn during(
        &self,
        window: &Window,
        is_open: bool,
        requested_us: Option<i64>,
    ) -> Option<Ruling> {
        if !self.is_followed() {
            return None;
        }
        match self.expected {
            Expected::Change(change, within) => {
                let asked = self.asked(within);
                let ruling = change_on(&self.course, &asked, change, window, requested_us);
                // Without a limit the whole window is allowed.
                let waits = is_open && within.is_none() && ruling.evidence.observed.is_none();
                (!waits).then_some(ruling)
            }
            Expected::State(state) => {
                let asked = self.asked(None);
                Some(state_on(&self.course, &asked, state, window))
            }
            Expected::ClosedFor(_) => None,
        }
    }

    /// What the judge would say of the time since a fault was gone that was
    /// asked for at `requested_us`, if it ended now.
    pub(super) fn after(&self, range: TimeRange, requested_us: Option<i64>) -> Option<Ruling> {
        let Expected::ClosedFor(within) = self.expected else {
            return None;
        };
        let asked = self.asked(Some(within));
        self.is_followed()
            .then(|| after_on(&self.course, &asked, range, requested_us))
    }

    fn asked(&self, within: Option<Duration>) -> Asked<'_> {
        Asked {
            breaker: &self.breaker,
            within,
            resolution_us: self.resolution_us,
            from_lines: self.from_lines,
        }
    }
}
