//! How the system came back, in both runs.

use serde::{Deserialize, Serialize};
use squall_judge::verdict::{Recovery, Verdict};

/// The recovery after one fault in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoveryComparison {
    /// The fault.
    pub fault: String,
    /// Latest time of the return after the removal, in microseconds; `None`
    /// where the run saw none.
    pub took_us: [Option<i64>; 2],
}

/// The recoveries that both runs saw.
pub(super) fn recoveries(verdicts: &[Verdict; 2]) -> Vec<RecoveryComparison> {
    let took = |recovery: &Recovery| recovery.took.map(|range| range.end_us);
    let of_b = |fault: &str| {
        verdicts[1]
            .recoveries
            .iter()
            .find(|other| other.fault == fault)
    };
    let both = verdicts[0].recoveries.iter();
    both.filter_map(|recovery| {
        Some(RecoveryComparison {
            fault: recovery.fault.clone(),
            took_us: [took(recovery), took(of_b(&recovery.fault)?)],
        })
    })
    .collect()
}
