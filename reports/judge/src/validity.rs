//! Whether a run may be judged at all, and which windows of it prove nothing.

use squall_record::store::SAMPLES_FILE;
use squall_record::{HandAction, HandSide, Phase, Record, RunEvent, StopReason};
use squall_scenario::Scenario;

use crate::verdict::{GateState, GateVerdict};

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
    pub(super) by_hand: Vec<(i64, HandAction, HandSide)>,
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
                RunEvent::Internal { detail } => {
                    let doubt = format!("squall itself failed: {detail}");
                    validity.doubts.push(doubt);
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
