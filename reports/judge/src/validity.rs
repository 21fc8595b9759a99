//! Whether a run may be judged at all, and which windows of it prove nothing.

use squall_record::store::SAMPLES_FILE;
use squall_record::{HandAction, HandSide, Phase, Record, RunEvent, StopReason};
use squall_scenario::{Scenario, When};

use super::Case;
use crate::verdict::{FaultEvidence, GateState, GateVerdict, WindowKind};

/// What stands against judging the run.
#[derive(Debug, Default)]
pub(super) struct Validity {
    /// Nothing can be said: no gate passes or fails.
    pub(super) void: Vec<String>,
    /// Something may be missing: no gate passes, one that fails still does.
    pub(super) doubts: Vec<String>,
    /// When and why the run was cut short.
    pub(super) cut_short: Option<(i64, String)>,
    /// When and what a person did to the run, and at which screen.
    by_hand: Vec<(i64, HandAction, HandSide)>,
}

impl Validity {
    pub(super) fn of(record: &Record, objectives: &Scenario) -> Self {
        let mut validity = Self::default();
        let mut steady = None;
        for stamped in &record.events {
            match &stamped.event {
                RunEvent::SteadyState { reached, detail } => steady = Some((*reached, detail)),
                RunEvent::NotReady { detail } => {
                    validity
                        .void
                        .push(format!("the system was not ready: {detail}"));
                }
                RunEvent::ByHand { action, from } => {
                    let done = (stamped.at_us, action.clone(), *from);
                    validity.by_hand.push(done);
                }
                event => validity.hear_end(stamped.at_us, event),
            }
        }
        match steady {
            Some((false, detail)) => validity
                .void
                .push(format!("the steady state was never reached: {detail}")),
            None if objectives.steady_state.is_some()
                && record.manifest.scenario.steady_state.is_some() =>
            {
                validity
                    .void
                    .push("the steady state was never confirmed".to_owned());
            }
            _ => {}
        }
        if let Some(shards) = &record.manifest.shards {
            validity.void.extend(shards.problems());
        }
        validity.hear_damage(record);
        validity
    }

    fn hear_end(&mut self, at_us: i64, event: &RunEvent) {
        let why = match event {
            RunEvent::Abort { guard, .. } => format!("the guard `{guard}` ended the run"),
            RunEvent::Interrupted { reason } => match reason {
                StopReason::Interrupt => "the run was interrupted".to_owned(),
                StopReason::Terminate => "the run was terminated".to_owned(),
                StopReason::Finish => self.finished_early(),
            },
            _ => return,
        };
        if self.cut_short.is_none() {
            self.cut_short = Some((at_us, why));
        }
    }

    /// In words, with the screen where it was another than the run's own.
    fn finished_early(&self) -> String {
        let finished =
            |(_, action, _): &&(i64, HandAction, HandSide)| *action == HandAction::Finish;
        let from = self.by_hand.iter().find(finished).map(|(_, _, from)| *from);
        match from.unwrap_or_default() {
            HandSide::Own => "the run was finished early by hand".to_owned(),
            HandSide::Attached => {
                "the run was finished early by hand from another terminal".to_owned()
            }
        }
    }

    fn hear_damage(&mut self, record: &Record) {
        let harmful = |line: &&String| !line.starts_with(SAMPLES_FILE);
        if let Some(line) = record.damage.iter().find(harmful) {
            let count = record.damage.iter().filter(harmful).count();
            let more = if count > 1 {
                format!(" (and {} more)", count - 1)
            } else {
                String::new()
            };
            self.doubts
                .push(format!("the record is damaged: {line}{more}"));
        }
        if !record.complete && self.cut_short.is_none() {
            let ended = |stamped: &squall_record::Stamped| {
                matches!(stamped.event, RunEvent::Phase(Phase::Drain))
            };
            let last_us = record
                .intervals
                .last()
                .map_or(0, |interval| interval.end_us);
            if record.events.iter().any(ended) {
                self.doubts
                    .push("the record stops before the end of the run".to_owned());
            } else {
                self.cut_short = Some((
                    last_us,
                    "the record stops in the middle of the load".to_owned(),
                ));
            }
        }
    }

    /// Takes the steady state's gates, judged on the baseline, into account:
    /// what was broken before the fault says nothing about the fault.
    pub(super) fn hear_steady_state(&mut self, gates: &[GateVerdict]) {
        let broken = gates.iter().find(|gate| gate.state == GateState::Fail);
        if let Some(gate) = broken {
            self.void.push(format!(
                "the baseline was already broken: {} failed before anything was injected ({})",
                gate.gate, gate.explanation
            ));
        }
    }
}

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
                crate::quantity::clock(*at_us)
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
