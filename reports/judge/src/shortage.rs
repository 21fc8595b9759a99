//! What links of squall went without: their callers suffered from that, and the system
//! had no part in it.

use std::collections::BTreeMap;

use squall_record::{LinkShort, Record, RunEvent};
use squall_scenario::{Gate, GateValue, When};

use crate::case::Case;
use crate::quantity::clock;
use crate::verdict::{GateState, TimeRange};

/// When a link went without something, for every time that it was told after time zero.
/// What is told of before is over: the steady state was reached in spite of it.
pub(super) fn told(record: &Record) -> impl Iterator<Item = (TimeRange, &LinkShort)> {
    record.events.iter().filter_map(|stamped| {
        let RunEvent::LinkShort(short) = &stamped.event else {
            return None;
        };
        let over_us = i64::try_from(short.over_us).unwrap_or(i64::MAX);
        let range = TimeRange {
            start_us: stamped.at_us.saturating_sub(over_us).max(0),
            end_us: stamped.at_us,
        };
        (range.end_us > 0).then_some((range, short))
    })
}

/// Every link and what it went without, all its times together.
pub(super) fn summed(record: &Record) -> Vec<LinkShort> {
    let mut sums: BTreeMap<_, LinkShort> = BTreeMap::new();
    for (_, short) in told(record) {
        let key = (short.link.clone(), short.cause);
        let sum = sums.entry(key).or_insert_with(|| LinkShort {
            times: 0,
            over_us: 0,
            ..short.clone()
        });
        sum.times = sum.times.saturating_add(short.times);
        sum.over_us = sum.over_us.saturating_add(short.over_us);
    }
    sums.into_values().collect()
}

impl Case<'_> {
    /// Why what the figures say about a gate may be squall's own doing. A pass on what users
    /// saw stands, as a link that fails its callers only makes that worse. So does whatever
    /// was over before; what came after it may be its consequence, as a breaker stays open.
    pub(super) fn own_shortage(
        &self,
        when: &When,
        gate: &Gate,
        state: GateState,
    ) -> Option<String> {
        if state == GateState::Pass && only_gets_worse(gate) {
            return None;
        }
        let end_us = match when {
            When::During(name) => self.window(name)?.end_us()?,
            When::After { .. } => self.load_end_us,
        };
        let (range, short) = told(self.record).find(|(range, _)| range.start_us < end_us)?;
        Some(format!(
            "{} (from {})",
            short.words(),
            clock(range.start_us)
        ))
    }
}

/// Whether callers of a link that are failed by squall can only make a gate fail. What is
/// compared with a baseline may pass as that was made worse, what breakers do because squall
/// made them, and what a reading means nobody knows.
fn only_gets_worse(gate: &Gate) -> bool {
    match gate {
        Gate::Metric(gate) => !matches!(gate.value, GateValue::TimesBaseline(_)),
        Gate::Viewing(_) => true,
        Gate::BaselineReturns
        | Gate::Breaker { .. }
        | Gate::BreakerIs { .. }
        | Gate::Reading(_) => false,
    }
}
