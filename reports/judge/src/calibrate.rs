//! How often each gate fails when nothing is broken: its false alarms.
//!
//! Counted over runs in which the faults were withheld, and estimated by
//! drawing windows from their seconds, in blocks, and judging each as a run's
//! window is judged.

mod resample;

use serde::{Deserialize, Serialize};
use squall_record::Record;
use squall_scenario::{BreakerChange, BreakerState, CONFIDENCE, Gate};

pub use resample::Resampled;

use crate::judge;
use crate::outcome::RunOutcome;
use crate::ratio::claim_of;
use crate::statistics::upper_bound;
use crate::verdict::{GateOrigin, GateState, Verdict};

/// Version of the schema of a [`Calibration`].
pub const CALIBRATION_SCHEMA_VERSION: u32 = 1;

/// A gate that fails more often than this, with nothing broken, costs more
/// trust than it gives.
pub const FALSE_ALARMS_MAX: f64 = 0.01;

/// What runs without faults say about the gates of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Version of this schema.
    pub schema_version: u32,
    /// Name of the scenario.
    pub scenario: String,
    /// The runs, in order.
    pub runs: Vec<CalibrationRun>,
    /// The gates of `slo`, in file order.
    pub gates: Vec<GateCalibration>,
}

/// A run without faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationRun {
    /// Its id.
    pub run_id: String,
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub outcome: RunOutcome,
}

/// The false alarms of one gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateCalibration {
    /// When and what: `during hold: p99 < 300ms`.
    pub gate: String,
    /// Why it means nothing without the fault; `None` for a gate that should
    /// hold without it too.
    pub not_applicable: Option<String>,
    /// Runs in which it was judged.
    pub judged: u64,
    /// Runs in which it failed: false alarms.
    pub failed: u64,
    /// Runs in which it was inconclusive.
    pub inconclusive: u64,
    /// Upper bound at 95 % of the share of runs in which it fails.
    pub fails_at_most: f64,
    /// What windows drawn from the seconds of the runs add.
    pub resampled: Option<Resampled>,
}

impl GateCalibration {
    /// Whether it raises more false alarms than it should.
    #[must_use]
    pub fn is_noisy(&self) -> bool {
        let resampled = self.resampled.as_ref();
        self.not_applicable.is_none()
            && (self.failed > 0 || resampled.is_some_and(|r| r.failed > FALSE_ALARMS_MAX))
    }
}

impl Calibration {
    /// How the calibration ended: [`RunOutcome::Fail`] when a gate raises false
    /// alarms, [`RunOutcome::Inconclusive`] when one was never judged, and the
    /// loudest of what ended a run otherwise.
    #[must_use]
    pub fn outcome(&self) -> RunOutcome {
        let ended = self.runs.iter().map(|run| run.outcome);
        let ended = ended.filter(|outcome| {
            // Gates are told below.
            !matches!(outcome, RunOutcome::Fail | RunOutcome::Inconclusive)
        });
        let gates = self.gates.iter().filter_map(|gate| {
            if gate.is_noisy() {
                Some(RunOutcome::Fail)
            } else if gate.not_applicable.is_none() && gate.judged == gate.inconclusive {
                Some(RunOutcome::Inconclusive)
            } else {
                None
            }
        });
        ended
            .chain(gates)
            .fold(RunOutcome::Pass, RunOutcome::louder)
    }
}

/// Judges runs of one scenario, in all of which the faults were withheld.
/// `None` without a run.
#[must_use]
pub fn calibrate(records: &[Record]) -> Option<Calibration> {
    let first = records.first()?;
    let scenario = &first.manifest.scenario;
    let verdicts: Vec<Verdict> = records.iter().map(judge).collect();
    let runs = records
        .iter()
        .zip(&verdicts)
        .map(|(record, verdict)| CalibrationRun {
            run_id: record.manifest.run_id.clone(),
            seed: record.manifest.seed,
            outcome: verdict.outcome,
        });
    let mut gates = Vec::new();
    for block in &scenario.slo {
        for gate in &block.expect {
            let index = gates.len();
            let states = verdicts.iter().filter_map(|verdict| {
                let mut slo = verdict.gates.iter().filter(|g| g.origin == GateOrigin::Slo);
                slo.nth(index)
            });
            let states: Vec<_> = states.collect();
            let mut calibration = count(&states);
            calibration.not_applicable = not_applicable(&gate.value);
            if calibration.not_applicable.is_none() {
                calibration.resampled = resample::resample(records, block, &gate.value);
            }
            gates.push(calibration);
        }
    }
    Some(Calibration {
        schema_version: CALIBRATION_SCHEMA_VERSION,
        scenario: scenario.name.clone(),
        runs: runs.collect(),
        gates,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a handful of runs")]
fn count(verdicts: &[&crate::verdict::GateVerdict]) -> GateCalibration {
    let of = |state| verdicts.iter().filter(|gate| gate.state == state).count() as u64;
    let (failed, inconclusive) = (of(GateState::Fail), of(GateState::Inconclusive));
    let judged = failed + inconclusive + of(GateState::Pass);
    GateCalibration {
        gate: verdicts
            .first()
            .map_or_else(String::new, |gate| gate.name()),
        not_applicable: None,
        judged,
        failed,
        inconclusive,
        fails_at_most: upper_bound(failed as f64, judged as f64, CONFIDENCE),
        resampled: None,
    }
}

/// Why a gate means nothing without the fault.
fn not_applicable(gate: &Gate) -> Option<String> {
    let opens = matches!(
        gate,
        Gate::Breaker {
            change: BreakerChange::Opens,
            ..
        } | Gate::BreakerIs {
            state: BreakerState::Open | BreakerState::HalfOpen,
            ..
        }
    );
    if opens {
        return Some("a breaker opens only under the fault".to_owned());
    }
    let Gate::Metric(metric) = gate else {
        return None;
    };
    let claim = claim_of(metric).map(|(claim, _)| claim);
    claim
        .is_some_and(|claim| !claim.at_most)
        .then(|| "it asks for failures, which only the fault brings".to_owned())
}
