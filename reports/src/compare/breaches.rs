//! The gates that failed, in either run.

use serde::{Deserialize, Serialize};
use squall_judge::verdict::{GateOrigin, GateState, GateVerdict, Verdict};

/// A gate of `slo` that failed in at least one of the runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// When and what: `during hold: p99 < 300ms`.
    pub gate: String,
    /// Whether it failed, in each.
    pub failed: [bool; 2],
}

/// Every gate that failed in at least one of the runs.
pub(super) fn breaches(verdicts: &[Verdict; 2]) -> Vec<Breach> {
    let mut breaches: Vec<Breach> = Vec::new();
    for (side, verdict) in verdicts.iter().enumerate() {
        for gate in failed_gates(verdict) {
            let known = breaches.iter().position(|breach| breach.gate == gate);
            let at = known.unwrap_or_else(|| {
                breaches.push(Breach {
                    gate,
                    failed: [false; 2],
                });
                breaches.len() - 1
            });
            if let Some(breach) = breaches.get_mut(at) {
                breach.failed[side] = true;
            }
        }
    }
    breaches
}

/// The gates of `slo` that failed, by name.
pub(super) fn failed_gates(verdict: &Verdict) -> impl Iterator<Item = String> {
    let failed = verdict.gates_in(GateState::Fail);
    failed
        .filter(|gate| gate.origin == GateOrigin::Slo)
        .map(GateVerdict::name)
}
