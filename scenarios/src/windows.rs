//! The windows of a scenario: the stretches of time that gates speak of.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{FaultSpec, FaultTarget, Load, Restart, Stage, System};

/// Time zero to the first injection.
pub const BASELINE: &str = "baseline";
/// End of the last fault to the end of the load.
pub const RECOVERY: &str = "recovery";
/// The longest hold stage of the load, the first of equals.
pub const HOLD: &str = "hold";
/// The whole measured load.
pub const WHOLE_RUN: &str = "whole run";

/// Names that no fault may have.
pub(crate) const BUILT_IN: [&str; 4] = [BASELINE, RECOVERY, HOLD, WHOLE_RUN];

/// A stretch of time with a name, counted from time zero. In a run the edges
/// of faults are where they were verified; these are the planned ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWindow {
    /// The fault's name or one of the built-in names.
    pub name: String,
    /// First moment.
    pub start: Duration,
    /// First moment after it.
    pub end: Duration,
}

/// The windows that exist: `baseline`, each fault in order of its start,
/// `recovery` when there are faults, `hold` when the load has one, and
/// `whole run`.
pub(crate) fn windows(load: &Load, faults: &[FaultSpec], system: &System) -> Vec<PlannedWindow> {
    let end_of_load = load.duration();
    let window = |name: &str, start: Duration, end: Duration| PlannedWindow {
        name: name.to_owned(),
        start: start.min(end_of_load),
        end: end.min(end_of_load).max(start.min(end_of_load)),
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
        all.push(window(&fault.name.value, fault.at, end_of(fault, system)));
    }
    if let Some(last) = faults.iter().map(|fault| end_of(fault, system)).max() {
        all.push(window(RECOVERY, last, end_of_load));
    }
    if let Some((start, end)) = longest_hold(&load.shape) {
        all.push(window(HOLD, start, end));
    }
    all.push(window(WHOLE_RUN, Duration::ZERO, end_of_load));
    all
}

/// When a fault is expected to be over. A kill without a length is over when
/// the restart policy has brought the process back.
pub(crate) fn end_of(fault: &FaultSpec, system: &System) -> Duration {
    let restart = match fault.duration {
        Some(_) => Duration::ZERO,
        None => restart_delay(&fault.into.value, system),
    };
    fault.end() + restart
}

fn restart_delay(target: &FaultTarget, system: &System) -> Duration {
    processes_of(target, system)
        .iter()
        .filter_map(|name| system.process(name))
        .filter_map(|process| match process.restart {
            Restart::After(delay) => Some(delay),
            Restart::Never => None,
        })
        .max()
        .unwrap_or_default()
}

/// The processes that a fault is aimed at, links left out.
pub(crate) fn processes_of<'t>(target: &'t FaultTarget, system: &'t System) -> Vec<&'t str> {
    match target {
        FaultTarget::Process(name) | FaultTarget::Instance { process: name, .. } => vec![name],
        FaultTarget::Link(_) => Vec::new(),
        FaultTarget::Any { of, .. } => processes_of(of, system),
        FaultTarget::Group(name) => system
            .groups
            .iter()
            .filter(|(group, _)| group == name)
            .flat_map(|(_, members)| members)
            // Groups hold no groups, so this ends; the match keeps a broken
            // model from recursing for ever.
            .filter(|member| !matches!(member, FaultTarget::Group(_)))
            .flat_map(|member| processes_of(member, system))
            .collect(),
    }
}

fn longest_hold(shape: &[Stage]) -> Option<(Duration, Duration)> {
    let mut start = Duration::ZERO;
    let mut longest: Option<(Duration, Duration)> = None;
    for stage in shape {
        let end = start + stage.duration();
        let longer = longest.is_none_or(|(from, to)| stage.duration() > to - from);
        if matches!(stage, Stage::Hold { .. }) && longer {
            longest = Some((start, end));
        }
        start = end;
    }
    longest
}
