//! `abort_when`: thresholds that end a run early.
//!
//! A guard is looked at every second of a run, and chance breaks a threshold in
//! some second of any run that is long enough. So a guard on a share must also
//! be sure: the evidence that the share is beyond its limit, since whichever
//! second fits best, must reach one in a hundred for the whole run.

use std::collections::VecDeque;
use std::time::Duration;

use squall_record::{Interval, RunEvent, Stamped};
use squall_scenario::{AbortRule, Metric, MetricGate};

use crate::dispersion::{Bin, spread};
use crate::ratio::claim_of;
use crate::slice::Slice;
use crate::statistics::ln_evidence_since;
use crate::summed::rule_slice;
use crate::verdict::GateState;

/// Why a guard ended the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbortTrip {
    /// The rule as it stands in the scenario.
    pub guard: String,
    /// What was observed, in words.
    pub detail: String,
}

/// Chance that a guard ends a run whose share is within its limit all along.
const FALSE_ALARM: f64 = 0.01;

/// Intervals that are remembered; a rise is dated to one of them.
const REMEMBERED: usize = 600;

/// One rule of `abort_when`. It trips when its condition holds in every
/// settled interval of a stretch at least `for` long (without `for`: in the
/// last one), and when chance does not explain that. An interval without
/// arrivals breaks the stretch.
#[derive(Debug)]
pub struct AbortGuard {
    rule: AbortRule,
    /// Start of the stretch in which the condition holds.
    since_us: Option<i64>,
    tripped: bool,
    /// The last intervals, for conditions on shares.
    bins: VecDeque<Bin>,
    /// Intervals that are no longer remembered.
    forgotten: u64,
}

impl AbortGuard {
    /// A guard that has seen nothing.
    #[must_use]
    pub fn new(rule: AbortRule) -> Self {
        Self {
            rule,
            since_us: None,
            tripped: false,
            bins: VecDeque::new(),
            forgotten: 0,
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
        if let Some(bin) = bin(&slice, gate, interval.start_us) {
            if self.bins.len() == REMEMBERED {
                self.bins.pop_front();
                self.forgotten += 1;
            }
            self.bins.push_back(bin);
        }
        if !holds(&slice, gate) {
            self.since_us = None;
            return None;
        }
        let since_us = *self.since_us.get_or_insert(interval.start_us);
        let held = held(since_us, interval);
        if held < gate.sustained.unwrap_or_default() || !sure(&self.bins, self.forgotten, gate) {
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
                crate::quantity::micros(u64::try_from(held.as_micros()).unwrap_or(u64::MAX))
            ),
        })
    }
}

fn held(since_us: i64, interval: &Interval) -> Duration {
    let held_us = interval.end_us.saturating_sub(since_us);
    Duration::from_micros(u64::try_from(held_us).unwrap_or(0))
}

/// An interval as a trial of the condition; `None` for what is no share.
fn bin(slice: &Slice, gate: &MetricGate, start_us: i64) -> Option<Bin> {
    let (claim, limit_us) = claim_of(gate)?;
    let strict = gate.comparison == squall_scenario::Comparison::Below;
    // What is the generator's doing is no reason to spare the system.
    let bad = limit_us.map_or(slice.failed_unlagged(), |us| {
        slice.slower_unlagged(us, strict)
    });
    let n = slice.counts.settled();
    (!claim.at_most).then_some(Bin {
        start_us,
        // A record that does not add up has no more failures than arrivals.
        bad: bad.min(n),
        n,
    })
}

/// Whether chance does not explain that the condition holds: evidence that the
/// share has been beyond its limit since one of the remembered intervals.
/// Failures are taken to come in bursts until that is refuted.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn sure(bins: &VecDeque<Bin>, forgotten: u64, gate: &MetricGate) -> bool {
    let Some((claim, _)) = claim_of(gate).filter(|(claim, _)| !claim.at_most) else {
        return true;
    };
    let bins: Vec<Bin> = bins.iter().copied().collect();
    let (mut bad, mut n) = (0.0, 0.0);
    let since = bins.iter().enumerate().rev().map(|(index, bin)| {
        bad += bin.bad as f64;
        n += bin.n as f64;
        // Of this stretch alone: a rise before it is no burst.
        let weight = spread(&bins[index..], None);
        let start = (forgotten + index as u64 + 1) as f64;
        (start, bad / weight, n / weight)
    });
    ln_evidence_since(since, claim.limit) >= -FALSE_ALARM.ln()
}

/// Whether the condition of a rule holds in an interval, by plain arithmetic.
fn holds(slice: &Slice, gate: &MetricGate) -> bool {
    let n = slice.counts.settled();
    if n == 0 {
        return false;
    }
    match (gate.metric, claim_of(gate)) {
        (Metric::Success | Metric::ErrorRate, Some((claim, _))) => {
            claim.holds(slice.failed_unlagged(), n)
        }
        (_, Some((claim, Some(limit_us)))) => {
            let strict = gate.comparison == squall_scenario::Comparison::Below;
            claim.holds(slice.slower_unlagged(limit_us, strict), n)
        }
        _ => rule_slice(slice, gate, None).state == GateState::Pass,
    }
}
