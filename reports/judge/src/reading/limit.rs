//! The limits of gates on readings, and how far a reading is from them.

use squall_scenario::{Comparison, GateValue, ProcessFigure, Reading, ReadingGate};

use crate::quantity::Quantity;
use crate::ruling::unit_threshold;

/// The value of a reading in the unit of its gate.
pub(crate) fn quantity(reading: &Reading, value: f64) -> Quantity {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes and counts were whole numbers before"
    )]
    let whole = value as u64;
    match reading {
        Reading::Process { figure, .. } => match figure {
            ProcessFigure::Cpu => Quantity::Cores(value),
            ProcessFigure::Memory => Quantity::Bytes(whole),
            ProcessFigure::Fds | ProcessFigure::Restarts => Quantity::Count(whole),
        },
        Reading::Probe(_) => Quantity::Number(value),
        Reading::Fallback { .. } => Quantity::Share(value),
    }
}

/// The limit of a gate as a number, and in the unit of its readings.
pub(crate) fn limit(gate: &ReadingGate) -> (f64, Option<Quantity>) {
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
    let number = match gate.value {
        GateValue::Number(number) | GateValue::TimesBaseline(number) => number,
        GateValue::Count(count) => count as f64,
        GateValue::Bytes(bytes) => bytes.0 as f64,
        GateValue::Share(share) => share.get(),
        GateValue::Rate(rate) => rate.as_per_second(),
        GateValue::BitRate(rate) => rate.0,
        GateValue::Duration(duration) => duration.as_secs_f64(),
    };
    let shown = match (&gate.reading, gate.value) {
        (Reading::Process { .. }, GateValue::Number(_)) => Some(quantity(&gate.reading, number)),
        (_, value) => unit_threshold(value),
    };
    (number, shown)
}

/// How far a value is from a limit, the worst one being the greatest.
pub(crate) fn badness(comparison: Comparison, value: f64, limit: f64) -> f64 {
    match comparison {
        Comparison::Below | Comparison::AtMost => value - limit,
        Comparison::Above | Comparison::AtLeast => limit - value,
        Comparison::Equal => (value - limit).abs(),
    }
}

/// Share of the allowance that is left.
pub(crate) fn margin(comparison: Comparison, value: f64, limit: f64) -> Option<f64> {
    let allowed = limit.abs() > 0.0 && comparison != Comparison::Equal;
    // Far on the right side of a lower limit is not more than all of it.
    allowed.then(|| (-badness(comparison, value, limit) / limit.abs()).min(1.0))
}
