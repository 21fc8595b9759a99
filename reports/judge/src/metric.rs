//! Gates on what users got: success, error rate, latency, goodput.

use squall_scenario::{Comparison, GateValue, Metric, MetricGate};

use crate::case::Case;
use crate::ratio::{Inference, claim_of};
use crate::ruling::Ruling;
use crate::samples::samples;
use crate::slice::Slice;
use crate::summed::rule_slice;
use crate::window::Window;
use crate::{outage, relative, sliding};

/// Judges a metric gate on a window.
pub(super) fn rule(
    case: &Case<'_>,
    window: &Window,
    gate: &MetricGate,
    inference: Option<Inference>,
) -> Ruling {
    if let Some(every) = gate.every {
        return sliding::rule(case, window, gate, every, inference);
    }
    if let GateValue::TimesBaseline(times) = gate.value {
        return relative::rule(case, window, gate, times, inference);
    }
    if matches!(
        gate.metric,
        Metric::Outages { .. } | Metric::LongestOutage { .. }
    ) {
        return outage::rule(case, window, gate);
    }
    let limit_us = claim_of(gate).and_then(|(_, limit_us)| limit_us);
    let strict = gate.comparison == Comparison::Below;
    let slice = Slice::to_judge().against(limit_us, strict).gather(
        &case.record.intervals,
        window,
        gate.of.as_deref(),
    );
    let mut ruling = rule_slice(&slice, gate, inference);
    ruling.evidence.ranges.clone_from(&window.ranges);
    ruling.evidence.samples = samples(case, window, gate);
    ruling
}
