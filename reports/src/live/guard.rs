//! `abort_when`: thresholds that end a run early.

use std::time::Duration;

use squall_scenario::{AbortRule, Metric};

use crate::judge::{Slice, claim_of, rule_slice};
use crate::verdict::GateState;
use crate::{Interval, RunEvent, Stamped};

/// Why a guard ended the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbortTrip {
    /// The rule as it stands in the scenario.
    pub guard: String,
    /// What was observed, in words.
    pub detail: String,
}

/// One rule of `abort_when`. It trips when its condition holds in every
/// settled interval of a stretch at least `for` long; without `for`, at the
/// first such interval. An interval without arrivals breaks the stretch.
#[derive(Debug)]
pub struct AbortGuard {
    rule: AbortRule,
    /// Start of the stretch in which the condition holds.
    since_us: Option<i64>,
    tripped: bool,
}

impl AbortGuard {
    /// A guard that has seen nothing.
    #[must_use]
    pub const fn new(rule: AbortRule) -> Self {
        Self {
            rule,
            since_us: None,
            tripped: false,
        }
    }

    /// Takes one event into account; `Some` the one time it trips.
    pub fn hear(&mut self, stamped: &Stamped) -> Option<AbortTrip> {
        let RunEvent::Interval(interval) = &stamped.event else {
            return None;
        };
        if interval.start_us < 0 || self.tripped {
            return None;
        }
        let gate = &self.rule.gate;
        let mut slice = Slice::to_judge();
        slice.add(interval, gate.of.as_deref());
        if !holds(&slice, gate) {
            self.since_us = None;
            return None;
        }
        let since_us = *self.since_us.get_or_insert(interval.start_us);
        let held = held(since_us, interval);
        if held < gate.sustained.unwrap_or_default() {
            return None;
        }
        self.tripped = true;
        let ruling = rule_slice(&slice, gate, None);
        let observed = ruling
            .evidence
            .observed
            .map_or_else(|| "nothing".to_owned(), |q| q.to_string());
        Some(AbortTrip {
            guard: gate.to_string(),
            detail: format!(
                "{} was {observed} at last, and the condition held for {}",
                gate.metric,
                squall_scenario::format_duration(held)
            ),
        })
    }
}

fn held(since_us: i64, interval: &Interval) -> Duration {
    let held_us = interval.end_us.saturating_sub(since_us);
    Duration::from_micros(u64::try_from(held_us).unwrap_or(0))
}

/// Whether the condition of a rule holds in an interval. Plain arithmetic: a
/// guard protects, it does not prove.
fn holds(slice: &Slice, gate: &squall_scenario::MetricGate) -> bool {
    let n = slice.counts.settled();
    if n == 0 {
        return false;
    }
    match (gate.metric, claim_of(gate)) {
        (Metric::Success | Metric::ErrorRate, Some((claim, _))) => {
            claim.holds(slice.counts.failed(), n)
        }
        (_, Some((claim, Some(limit_us)))) => {
            let strict = gate.comparison == squall_scenario::Comparison::Below;
            claim.holds(slice.slower(limit_us, strict), n)
        }
        _ => rule_slice(slice, gate, None).state == GateState::Pass,
    }
}
