//! What was decided about one gate.

use squall_scenario::GateValue;

use crate::quantity::Quantity;
use crate::verdict::{Evidence, GateState};

/// A decision about one gate.
#[derive(Debug, Clone)]
pub(crate) struct Ruling {
    pub(crate) state: GateState,
    pub(crate) explanation: String,
    pub(crate) evidence: Evidence,
}

/// No decision, and why; nothing was counted.
pub(crate) fn undecided(explanation: &str) -> Ruling {
    Ruling {
        state: GateState::Inconclusive,
        explanation: explanation.to_owned(),
        evidence: Evidence::default(),
    }
}

/// The value a metric is compared with, in the unit it is measured in.
pub(crate) fn unit_threshold(value: GateValue) -> Option<Quantity> {
    Some(match value {
        GateValue::Duration(limit) => {
            Quantity::Micros(u64::try_from(limit.as_micros()).unwrap_or(u64::MAX))
        }
        GateValue::Share(share) => Quantity::Share(share.get()),
        GateValue::Rate(rate) => Quantity::PerSecond(rate.as_per_second()),
        GateValue::Count(count) => Quantity::Count(count),
        GateValue::Bytes(bytes) => Quantity::Bytes(bytes.0),
        GateValue::BitRate(rate) => Quantity::KbitPerSecond(rate.0),
        GateValue::Number(number) => Quantity::Number(number),
        GateValue::TimesBaseline(times) => Quantity::Times(times),
    })
}

/// Share of the time allowed that was left over.
#[expect(clippy::cast_precision_loss, reason = "shown as a percentage")]
pub(crate) fn left(took_us: u64, limit_us: u64) -> Option<f64> {
    (limit_us > 0).then(|| 1.0 - took_us as f64 / limit_us as f64)
}
