//! The judge: a record and objectives in, a verdict out. A pure function.

mod baseline;
mod breaker;
mod conservation;
mod detection;
mod dispersion;
mod effect;
mod errors;
mod fault;
mod gate;
mod generator;
mod metric;
mod outage;
mod outcome;
mod process;
mod ratio;
mod reading;
mod recovery;
mod relative;
mod slice;
mod sliding;
mod validity;
mod window;

use squall_scenario::Scenario;

pub(crate) use breaker::{
    Asked, Course, Instances, after_on, change_on, is_told_by_lines, reached_by, state_on,
};
pub(crate) use dispersion::{Bin, dispersion, spread};
pub(crate) use errors::Origins;
pub(crate) use gate::unit_threshold;
pub(crate) use metric::rule_slice;
pub(crate) use ratio::{Claim, Inference, claim_of};
pub(crate) use reading::live as reading_live;
pub(crate) use slice::Slice;
pub(crate) use window::{Window, hold_ranges};

use crate::verdict::{
    Conservation, FaultEvidence, GateVerdict, Recovery, VERDICT_SCHEMA_VERSION, Verdict,
};
use crate::{Record, RunEvent};

/// Confidence of every bound that is shown, and of the sample sizes a
/// quantile needs.
pub(crate) const CONFIDENCE: f64 = 0.95;

/// Judges a run against the objectives it was started with.
#[must_use]
pub fn judge(record: &Record) -> Verdict {
    judge_with(record, &record.manifest.scenario)
}

/// Judges a run against the objectives (`steady_state`, `slo`) of another
/// scenario; load and faults are those of the run.
#[must_use]
pub fn judge_with(record: &Record, objectives: &Scenario) -> Verdict {
    let mut case = Case::open(record, objectives);
    let conservation = conservation::check(record);
    let steady = baseline::steady_state_gates(&mut case);
    case.validity.hear_steady_state(&steady);
    let mut recoveries = recovery::of_all_faults(&case);
    let (mut gates, gate_recoveries) = gate::slo_gates(&case);
    prefer(&mut recoveries, gate_recoveries);
    gates.splice(0..0, steady);
    settle(&case, gates, recoveries, conservation)
}

/// Replaces the default recovery of a fault by the one a gate asked for.
fn prefer(recoveries: &mut Vec<Recovery>, asked: Vec<Recovery>) {
    for recovery in asked {
        recoveries.retain(|known| known.fault != recovery.fault);
        recoveries.push(recovery);
    }
}

fn settle(
    case: &Case<'_>,
    gates: Vec<GateVerdict>,
    recoveries: Vec<Recovery>,
    conservation: Conservation,
) -> Verdict {
    let ending = outcome::decide(case, &gates, &conservation);
    Verdict {
        schema_version: VERDICT_SCHEMA_VERSION,
        outcome: ending.outcome,
        exit_code: ending.outcome.exit_code(),
        sentence: ending.sentence,
        reasons: ending.reasons,
        gates,
        windows: case.windows.iter().map(|w| w.stats(case.record)).collect(),
        faults: case.faults.clone(),
        recoveries,
        detections: detection::of_all_faults(case),
        effects: effect::of_all_faults(case),
        breakers: breaker::timelines(case.record, case.load_end_us),
        processes: process::timelines(case.record, case.load_end_us),
        errors: errors::summarize(case.record, &case.faults),
        generator: generator::trust(case.record),
        conservation,
        load_end_us: case.load_end_us,
    }
}

/// The windows that a run is cut into.
pub(crate) fn windows(record: &Record) -> Vec<Window> {
    let faults = fault::evidence(record);
    window::cut(record, &faults, window::load_end_us(record))
}

/// Everything the parts of the judge look at.
struct Case<'a> {
    record: &'a Record,
    /// Where the objectives come from.
    objectives: &'a Scenario,
    faults: Vec<FaultEvidence>,
    windows: Vec<Window>,
    load_end_us: i64,
    validity: validity::Validity,
}

impl<'a> Case<'a> {
    fn open(record: &'a Record, objectives: &'a Scenario) -> Self {
        let load_end_us = window::load_end_us(record);
        let faults = fault::evidence(record);
        let windows = window::cut(record, &faults, load_end_us);
        let validity = validity::Validity::of(record, objectives);
        Self {
            record,
            objectives,
            faults,
            windows,
            load_end_us,
            validity,
        }
    }

    fn window(&self, name: &str) -> Option<&Window> {
        self.windows.iter().find(|window| window.name == name)
    }

    fn fault(&self, name: &str) -> Option<&FaultEvidence> {
        self.faults.iter().find(|fault| fault.fault == name)
    }

    /// How exactly breaker events are timed, where the run says so.
    fn breaker_resolution_us(&self) -> Option<u64> {
        self.record
            .events
            .iter()
            .find_map(|stamped| match stamped.event {
                RunEvent::BreakersRead { every_us } => Some(every_us),
                _ => None,
            })
    }
}

/// A decision about one gate.
#[derive(Debug, Clone)]
pub(crate) struct Ruling {
    pub(crate) state: crate::verdict::GateState,
    pub(crate) explanation: String,
    pub(crate) evidence: crate::verdict::Evidence,
}
