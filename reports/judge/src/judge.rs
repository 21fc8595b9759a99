//! The judge: a record and objectives in, a verdict out. A pure function.

use squall_record::Record;
use squall_scenario::Scenario;

use crate::case::Case;
use crate::verdict::{Conservation, GateVerdict, Recovery, VERDICT_SCHEMA_VERSION, Verdict};
use crate::{
    baseline, breaker, conservation, detection, effect, ending, errors, gate, generator, parts,
    process, recovery, window_stats,
};

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
    let ending = ending::decide(case, &gates, &conservation);
    Verdict {
        schema_version: VERDICT_SCHEMA_VERSION,
        outcome: ending.outcome,
        exit_code: ending.outcome.exit_code(),
        sentence: ending.sentence,
        reasons: ending.reasons,
        gates,
        windows: case
            .windows
            .iter()
            .map(|window| window_stats::stats(window, case.record))
            .collect(),
        faults: case.faults.clone(),
        recoveries,
        detections: detection::of_all_faults(case),
        effects: effect::of_all_faults(case),
        breakers: breaker::timelines(case.record, case.load_end_us),
        processes: process::timelines(case.record, case.load_end_us),
        errors: errors::summarize(case.record, &case.faults),
        parts: parts::sum_up(case.record),
        generator: generator::trust(case.record),
        conservation,
        load_end_us: case.load_end_us,
    }
}
