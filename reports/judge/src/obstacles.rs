//! What stands against judging a gate on its window.

use squall_scenario::When;

use crate::case::Case;
use crate::quantity::clock;
use crate::verdict::{FaultEvidence, WindowKind};

impl Case<'_> {
    /// Why the window of a gate proves nothing about the fault it speaks of.
    pub(super) fn window_problems(&self, when: &When) -> Vec<String> {
        let injected = |fault: &FaultEvidence| labelled(fault, &fault.problems);
        let removed = |fault: &FaultEvidence| labelled(fault, &fault.removal_problems);
        match when {
            When::After { fault, .. } => self
                .fault(fault)
                .map(|fault| [injected(fault), removed(fault)].concat())
                .unwrap_or_else(|| vec![format!("no fault of this run is called `{fault}`")]),
            When::During(name) => match self.window(name).map(|window| window.kind) {
                None => vec![format!("no window of this run is called `{name}`")],
                Some(WindowKind::Baseline | WindowKind::Control) => Vec::new(),
                Some(WindowKind::Fault) => self.fault(name).map(injected).unwrap_or_default(),
                Some(WindowKind::Recovery) => self
                    .faults
                    .iter()
                    .flat_map(|fault| [injected(fault), removed(fault)].concat())
                    .collect(),
                Some(WindowKind::Hold | WindowKind::WholeRun) => {
                    self.faults.iter().flat_map(injected).collect()
                }
            },
        }
    }

    /// Whether the run ended before the window did, and why.
    pub(super) fn window_cut_short(&self, when: &When) -> Option<&str> {
        let (cut_us, why) = self.validity.cut_short.as_ref()?;
        let natural_end_us = match when {
            When::During(name) => match self.window(name)?.kind {
                WindowKind::Baseline => self.faults.iter().filter_map(|f| f.requested_us).min(),
                WindowKind::Fault => self.fault(name)?.removal_requested_us,
                _ => None,
            },
            When::After { .. } => None,
        };
        (natural_end_us.is_none_or(|end_us| end_us >= *cut_us)).then_some(why.as_str())
    }

    /// Why the window of a gate is not the one that was planned: a fault it
    /// speaks of was stopped by hand before its time.
    pub(super) fn stopped_by_hand(&self, when: &When) -> Option<String> {
        let about: Vec<&FaultEvidence> = match when {
            When::After { fault, .. } => self.fault(fault).into_iter().collect(),
            When::During(name) => match self.window(name)?.kind {
                WindowKind::Baseline => Vec::new(),
                WindowKind::Fault => self.fault(name).into_iter().collect(),
                _ => self.faults.iter().collect(),
            },
        };
        about.into_iter().find_map(|fault| {
            let ended = |at_us: i64| fault.removal_requested_us.is_some_and(|end| end < at_us);
            let (at_us, _, _) = self.validity.by_hand.iter().find(|(at_us, action, _)| {
                let complete = fault.removed == fault.planned && ended(*at_us);
                action.stops(&fault.fault) && !complete
            })?;
            Some(format!(
                "the fault `{}` was stopped by hand at {}",
                fault.fault,
                clock(*at_us)
            ))
        })
    }

    /// Whether the run ended before the window began.
    pub(super) fn never_reached(&self, when: &When) -> bool {
        if self.validity.cut_short.is_none() && self.load_end_us > 0 {
            return false;
        }
        match when {
            When::During(name) => self
                .window(name)
                .is_some_and(|window| window.ranges.is_empty()),
            When::After { fault, .. } => self.fault(fault).is_some_and(|f| f.removed_us.is_none()),
        }
    }
}

fn labelled(fault: &FaultEvidence, problems: &[String]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| format!("fault `{}` {problem}", fault.fault))
        .collect()
}
