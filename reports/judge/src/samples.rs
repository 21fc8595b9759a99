//! The arrivals that are shown as evidence of a gate.

use squall_record::{Outcome, Sample};
use squall_scenario::MetricGate;

use crate::case::Case;
use crate::ratio::claim_of;
use crate::window::Window;

/// Most samples shown as evidence of one gate.
const SAMPLES_MAX: usize = 5;

/// Arrivals that speak against the gate; for a gate on time the slowest too.
pub(super) fn samples(case: &Case<'_>, window: &Window, gate: &MetricGate) -> Vec<Sample> {
    let limit_us = claim_of(gate).and_then(|(_, limit_us)| limit_us);
    let against = |sample: &&Sample| {
        let failed = matches!(sample.outcome, Outcome::Bad(_) | Outcome::Dropped);
        failed || limit_us.is_some_and(|limit_us| sample.response_us > limit_us)
    };
    let inside = |sample: &&Sample| {
        let at_us = sample.scheduled_us;
        gate.of.as_ref().is_none_or(|route| *route == sample.route)
            && window
                .ranges
                .iter()
                .any(|range| (range.start_us..range.end_us).contains(&at_us))
    };
    let mut found: Vec<&Sample> = case
        .record
        .samples
        .iter()
        .filter(inside)
        .filter(against)
        .collect();
    found.sort_by_key(|sample| (std::cmp::Reverse(sample.response_us), sample.arrival));
    found.into_iter().take(SAMPLES_MAX).cloned().collect()
}
