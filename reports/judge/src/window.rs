//! Windows: named sets of intervals, cut from what happened.

use std::time::Duration;

use squall_record::{Interval, Record};
use squall_scenario::{Load, Stage, control_window};

use crate::fault;
use crate::verdict::{FaultEvidence, TimeRange, WindowKind};

/// A named set of stretches of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its name: `baseline`, a fault's name, `recovery`, `hold`, `whole run`.
    pub name: String,
    /// What it is.
    pub kind: WindowKind,
    /// In order, not overlapping, none of them empty.
    pub ranges: Vec<TimeRange>,
}

impl Window {
    /// A window of the stretches that are not empty.
    #[must_use]
    pub fn new(name: &str, kind: WindowKind, ranges: Vec<TimeRange>) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            ranges: ranges
                .into_iter()
                .filter(|range| range.length_us() > 0)
                .collect(),
        }
    }

    /// Whether the interval lies in the window. Engines cut at the edges, so
    /// an interval is wholly inside or outside; one that was cut elsewhere
    /// belongs to where its middle lies, and never to two windows.
    pub fn contains(&self, interval: &Interval) -> bool {
        self.holds(i64::midpoint(interval.start_us, interval.end_us))
    }

    /// Whether a moment lies in the window.
    pub(crate) fn holds(&self, at_us: i64) -> bool {
        self.ranges
            .iter()
            .any(|range| (range.start_us..range.end_us).contains(&at_us))
    }

    /// The window without its first `settle`. Every period of a fault that came
    /// in cycles settles anew.
    pub(crate) fn settled(&self, settle: Duration) -> Self {
        let mut rest_us = i64::try_from(settle.as_micros()).unwrap_or(i64::MAX);
        let mut ranges = Vec::new();
        for range in &self.ranges {
            let length_us = range.end_us.saturating_sub(range.start_us);
            let cut_us = rest_us.min(length_us);
            if !matches!(self.kind, WindowKind::Fault | WindowKind::Control) {
                rest_us -= cut_us;
            }
            ranges.push(TimeRange {
                start_us: range.start_us.saturating_add(cut_us),
                end_us: range.end_us,
            });
        }
        Self::new(&self.name, self.kind, ranges)
    }

    /// The window as far as it lies before `end_us`.
    pub(crate) fn until(&self, end_us: i64) -> Self {
        let cut = |range: &TimeRange| TimeRange {
            start_us: range.start_us,
            end_us: range.end_us.min(end_us),
        };
        Self::new(&self.name, self.kind, self.ranges.iter().map(cut).collect())
    }

    pub(crate) fn start_us(&self) -> Option<i64> {
        self.ranges.first().map(|range| range.start_us)
    }

    pub(crate) fn end_us(&self) -> Option<i64> {
        self.ranges.last().map(|range| range.end_us)
    }
}

/// The windows that a run is cut into.
#[must_use]
pub fn windows(record: &Record) -> Vec<Window> {
    let faults = fault::evidence(record);
    cut(record, &faults, load_end_us(record))
}

/// End of the measured load: the end of its last interval, 0 without any.
pub(super) fn load_end_us(record: &Record) -> i64 {
    let ends = record.intervals.iter().map(|interval| interval.end_us);
    ends.max().unwrap_or(0).max(0)
}

/// Cuts every window that the run has.
pub(super) fn cut(record: &Record, faults: &[FaultEvidence], load_end_us: i64) -> Vec<Window> {
    let first_injection_us = faults.iter().filter_map(began_us).min();
    let baseline = TimeRange {
        start_us: 0,
        end_us: first_injection_us.unwrap_or(load_end_us).min(load_end_us),
    };
    let mut windows = vec![Window::new(
        "baseline",
        WindowKind::Baseline,
        vec![baseline],
    )];
    for fault in faults {
        windows.push(Window::new(
            &fault.fault,
            WindowKind::Fault,
            fault_ranges(fault, load_end_us),
        ));
        if !fault.periods.is_empty() {
            windows.push(Window::new(
                &control_window(&fault.fault),
                WindowKind::Control,
                periods(fault, true, load_end_us),
            ));
        }
    }
    if !faults.is_empty() {
        let range = recovery_range(faults, load_end_us);
        windows.push(Window::new(
            "recovery",
            WindowKind::Recovery,
            range.into_iter().collect(),
        ));
    }
    windows.push(Window::new(
        "hold",
        WindowKind::Hold,
        hold_ranges(&record.manifest.scenario.load, load_end_us),
    ));
    let whole = TimeRange {
        start_us: 0,
        end_us: load_end_us,
    };
    windows.push(Window::new("whole run", WindowKind::WholeRun, vec![whole]));
    windows
}

/// When the first injection was asked for, or the first period began.
fn began_us(fault: &FaultEvidence) -> Option<i64> {
    let periods = fault.periods.iter().map(|period| period.range.start_us);
    periods.chain(fault.requested_us).min()
}

/// First verified active to the last removal that was asked for; each period
/// by itself where it came in cycles.
fn fault_ranges(fault: &FaultEvidence, load_end_us: i64) -> Vec<TimeRange> {
    if fault.periods.is_empty() {
        return fault_range(fault, load_end_us).into_iter().collect();
    }
    periods(fault, false, load_end_us)
}

fn periods(fault: &FaultEvidence, control: bool, load_end_us: i64) -> Vec<TimeRange> {
    let periods = fault.periods.iter().filter(|p| p.control == control);
    periods
        .map(|period| TimeRange {
            start_us: period.range.start_us.max(0),
            end_us: period.range.end_us.min(load_end_us),
        })
        .collect()
}

fn fault_range(fault: &FaultEvidence, load_end_us: i64) -> Option<TimeRange> {
    let end_us = fault
        .removal_requested_us
        .or(fault.removed_us)
        .unwrap_or(load_end_us);
    Some(TimeRange {
        start_us: fault.active_us?.max(0),
        end_us: end_us.min(load_end_us),
    })
}

/// Last verified removal to the end of the load; none while a fault that was
/// injected has not been seen to be gone.
fn recovery_range(faults: &[FaultEvidence], load_end_us: i64) -> Option<TimeRange> {
    let mut start_us = None;
    for fault in faults.iter().filter(|fault| fault.requested_us.is_some()) {
        if !fault.removal_problems.is_empty() {
            return None;
        }
        // A control period may come last.
        let periods = fault.periods.iter().map(|period| period.range.end_us);
        start_us = start_us.max(fault.removed_us).max(periods.max());
    }
    Some(TimeRange {
        start_us: start_us?,
        end_us: load_end_us,
    })
}

/// The stages of constant rate, as far as the load came.
pub(crate) fn hold_ranges(load: &Load, load_end_us: i64) -> Vec<TimeRange> {
    let mut at_us = 0_i64;
    let mut ranges: Vec<TimeRange> = Vec::new();
    for stage in &load.shape {
        let length_us = i64::try_from(stage.duration().as_micros()).unwrap_or(i64::MAX);
        let end_us = at_us.saturating_add(length_us).min(load_end_us);
        if matches!(stage, Stage::Hold { .. }) {
            ranges.push(TimeRange {
                start_us: at_us,
                end_us,
            });
        }
        at_us = end_us;
    }
    ranges
}
