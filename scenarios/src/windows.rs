//! The windows of a scenario: the stretches of time that gates speak of.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{FaultSpec, FaultTarget};
use crate::load::{Load, Stage};
use crate::system::{Restart, System};

/// Time zero to the first injection.
pub const BASELINE: &str = "baseline";
/// End of the last fault to the end of the load.
pub const RECOVERY: &str = "recovery";
/// All hold stages of the load.
pub const HOLD: &str = "hold";
/// The whole measured load.
pub const WHOLE_RUN: &str = "whole run";

/// Names that no fault may have.
pub const BUILT_IN: [&str; 4] = [BASELINE, RECOVERY, HOLD, WHOLE_RUN];

/// A set of stretches of time with a name, counted from time zero. In a run
/// the edges of faults are where they were verified; these are the planned
/// ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWindow {
    /// The fault's name or one of the built-in names.
    pub name: String,
    /// First moments and first moments after, in order, none of them empty.
    pub ranges: Vec<(Duration, Duration)>,
}

impl PlannedWindow {
    fn new(name: &str, ranges: impl IntoIterator<Item = (Duration, Duration)>) -> Self {
        Self {
            name: name.to_owned(),
            ranges: ranges.into_iter().filter(|(from, to)| from < to).collect(),
        }
    }

    /// First moment, or time zero for a window of no length.
    #[must_use]
    pub fn start(&self) -> Duration {
        self.ranges.first().map_or(Duration::ZERO, |range| range.0)
    }

    /// First moment after it, or time zero for a window of no length.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.ranges.last().map_or(Duration::ZERO, |range| range.1)
    }

    /// Length of all its stretches.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.ranges.iter().map(|(from, to)| *to - *from).sum()
    }

    /// The window without its first `settle`. Every period of a fault that
    /// comes in cycles settles anew.
    #[must_use]
    pub fn settled(&self, settle: Duration) -> Self {
        let mut rest = settle;
        let anew = self.name != HOLD;
        let ranges = self.ranges.iter().map(|(from, to)| {
            let cut = rest.min(*to - *from);
            if !anew {
                rest -= cut;
            }
            (*from + cut, *to)
        });
        Self::new(&self.name, ranges)
    }

    /// Expected number of requests in it on a route, on all for `None`.
    #[must_use]
    pub fn expected_on(&self, load: &Load, route: Option<&str>) -> f64 {
        let ranges = self.ranges.iter();
        ranges
            .map(|(from, to)| load.expected_on(route, *from, *to))
            .sum()
    }
}

/// The window of the control periods of a fault that comes in cycles.
#[must_use]
pub fn control_window(fault: &str) -> String {
    format!("without {fault}")
}

/// The windows that exist: `baseline`, each fault in order of its start (and
/// `without` it, where it comes in cycles), `recovery` when there are faults, `hold` when the load has one, and
/// `whole run`.
///
/// Without a `seed` the fault is taken to come first in every cycle.
#[must_use]
pub fn planned_windows(
    load: &Load,
    faults: &[FaultSpec],
    system: &System,
    seed: Option<u64>,
) -> Vec<PlannedWindow> {
    let end_of_load = load.duration();
    let window = |name: &str, start: Duration, end: Duration| {
        PlannedWindow::new(name, [(start, end.min(end_of_load))])
    };
    let first = faults.iter().map(|fault| fault.at).min();
    let mut all = vec![window(
        BASELINE,
        Duration::ZERO,
        first.unwrap_or(end_of_load),
    )];
    let mut ordered: Vec<&FaultSpec> = faults.iter().collect();
    ordered.sort_by_key(|fault| fault.at);
    for fault in ordered {
        let name = &fault.name.value;
        if fault.cycles().is_none() {
            all.push(window(name, fault.at, system.end_of(fault)));
            continue;
        }
        for (name, control) in [(name.clone(), false), (control_window(name), true)] {
            let ranges = periods(fault, seed)
                .filter(|(_, is_control)| *is_control == control)
                .map(|((from, to), _)| (from, to.min(end_of_load)));
            all.push(PlannedWindow::new(&name, ranges));
        }
    }
    if let Some(last) = faults.iter().map(|fault| system.end_of(fault)).max() {
        all.push(window(RECOVERY, last, end_of_load));
    }
    let holds = holds(&load.shape);
    if !holds.is_empty() {
        all.push(PlannedWindow::new(HOLD, holds));
    }
    all.push(window(WHOLE_RUN, Duration::ZERO, end_of_load));
    all
}

/// The periods of a fault that comes in cycles, and whether each is a control
/// period.
pub(crate) fn periods(
    fault: &FaultSpec,
    seed: Option<u64>,
) -> impl Iterator<Item = ((Duration, Duration), bool)> {
    let length = fault.duration.unwrap_or_default();
    (0..).zip(fault.repeats()).map(move |(number, at)| {
        let control = seed.map_or(number % 2 == 1, |seed| fault.is_control(number, seed));
        ((at, at + length), control)
    })
}

impl System {
    /// When a fault is expected to be over. A kill without a length is over when
    /// the restart policy has brought the process back.
    #[must_use]
    pub fn end_of(&self, fault: &FaultSpec) -> Duration {
        let restart = match fault.each_lasts() {
            Some(_) => Duration::ZERO,
            None => restart_delay(&fault.into.value, self),
        };
        fault.end() + restart
    }

    /// How long one injection of a fault is expected to last.
    #[must_use]
    pub fn length_of(&self, fault: &FaultSpec) -> Duration {
        let restart = || restart_delay(&fault.into.value, self);
        fault.each_lasts().unwrap_or_else(restart)
    }
}

fn restart_delay(target: &FaultTarget, system: &System) -> Duration {
    let processes = system.processes_of(target).into_iter();
    processes
        .filter_map(|name| system.process(name))
        .filter_map(|process| match process.restart {
            Restart::After(delay) => Some(delay),
            Restart::Never => None,
        })
        .max()
        .unwrap_or_default()
}

fn holds(shape: &[Stage]) -> Vec<(Duration, Duration)> {
    let mut start = Duration::ZERO;
    let mut holds = Vec::new();
    for stage in shape {
        let end = start + stage.duration();
        if matches!(stage, Stage::Hold { .. }) {
            holds.push((start, end));
        }
        start = end;
    }
    holds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settling_cuts_across_stretches() {
        let s = Duration::from_secs;
        let window = PlannedWindow::new(HOLD, [(s(0), s(5)), (s(10), s(20)), (s(30), s(30))]);
        assert_eq!((window.start(), window.end()), (s(0), s(20)));
        assert_eq!(window.length(), s(15));
        assert_eq!(window.settled(s(7)).ranges, [(s(12), s(20))]);
        assert!(window.settled(s(15)).ranges.is_empty());
    }
}
