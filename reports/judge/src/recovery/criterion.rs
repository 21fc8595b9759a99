//! What a second must satisfy to count as one like those of the baseline.

use squall_record::Interval;
use squall_scenario::{CONFIDENCE, Comparison, Gate, GateValue, Metric, samples_for_quantile};

use crate::case::Case;
use crate::quantity::{Quantity, micros, percent};
use crate::slice::Slice;
use crate::statistics::binomial_quantile;
use crate::verdict::TimeRange;

/// A second is bad only when chance makes so many failures in less than one
/// of a thousand healthy seconds: a stray failure must not undo a recovery.
pub(crate) const CHANCE: f64 = 0.999;

/// A second beyond this needs no other to be believed: chance makes one in a
/// million healthy ones as bad.
const CERTAINTY: f64 = 0.999_999;

/// Latency counts as back at 1.2 times the baseline's, or this much above it
/// where that is more: machines stall for tens of milliseconds.
const NOISE_FLOOR_US: u64 = 50_000;

/// The quantile that is compared. Seconds hold enough arrivals for it.
pub(crate) const QUANTILE: f64 = 0.95;

/// What one second must satisfy to count as recovered.
pub(crate) struct Criterion {
    pub(crate) route: Option<String>,
    /// Share of failures that is normal.
    pub(crate) failures: f64,
    /// Response time that 95 % must not exceed, in microseconds.
    pub(crate) limit_us: Option<u64>,
    /// Failures that come together: with `confidence`, one burst in a second is
    /// no more of a relapse than one failure is without.
    together: u64,
}

/// A stretch of one or more intervals that is long enough to be judged.
pub(crate) struct Bin {
    pub(crate) range: TimeRange,
    pub(crate) good: bool,
    pub(crate) good_without_lag: bool,
    /// So bad that one such stretch is enough.
    pub(crate) surely_bad: bool,
}

/// The baseline criterion: the steady state's expectations, and 1.2 times the
/// baseline where they say nothing.
pub(crate) fn criteria(case: &Case<'_>, together: u64) -> Option<Vec<Criterion>> {
    let window = case.window("baseline")?;
    let baseline =
        |route: Option<&str>| Slice::to_judge().gather(&case.record.intervals, window, route);
    let all = baseline(None);
    if all.counts.settled() == 0 {
        return None;
    }
    let mut criteria = vec![Criterion {
        route: None,
        failures: failure_share(&all),
        limit_us: usual_limit_us(&all, None),
        together,
    }];
    let steady = case
        .objectives
        .steady_state
        .iter()
        .flat_map(|steady| &steady.expect);
    for gate in steady {
        let Gate::Metric(gate) = &gate.value else {
            continue;
        };
        let upward = matches!(gate.comparison, Comparison::Above | Comparison::AtLeast);
        let position = criteria.iter().position(|known| known.route == gate.of);
        let criterion = if let Some(at) = position {
            &mut criteria[at]
        } else {
            let slice = baseline(gate.of.as_deref());
            criteria.push(Criterion {
                route: gate.of.clone(),
                failures: failure_share(&slice),
                limit_us: usual_limit_us(&slice, None),
                together,
            });
            let last = criteria.len() - 1;
            &mut criteria[last]
        };
        match (gate.metric, gate.value) {
            (Metric::Success, GateValue::Share(share)) if upward => {
                criterion.failures = criterion.failures.max(1.0 - share.get());
            }
            (Metric::ErrorRate, GateValue::Share(share)) if !upward => {
                criterion.failures = criterion.failures.max(share.get());
            }
            (Metric::Quantile(_), GateValue::Duration(limit)) if !upward => {
                let limit_us = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
                criterion.limit_us = criterion.limit_us.max(Some(limit_us));
            }
            _ => {}
        }
    }
    Some(criteria)
}

/// The failures of the baseline itself; at least one in a thousand, which a
/// second cannot resolve anyway.
fn failure_share(slice: &Slice) -> f64 {
    slice
        .success()
        .map_or(0.001, |success| (1.0 - success).max(0.001))
}

fn usual_limit_us(slice: &Slice, objective_us: Option<u64>) -> Option<u64> {
    let Some(Quantity::Micros(p95_us)) = slice.quantile_if_known(QUANTILE) else {
        return objective_us;
    };
    let usual_us = (p95_us.saturating_mul(6) / 5).max(p95_us.saturating_add(NOISE_FLOOR_US));
    objective_us.max(Some(usual_us))
}

/// Joins intervals until each holds enough arrivals for its p95.
pub(crate) fn bins(intervals: &[&Interval], criteria: &[Criterion]) -> Vec<Bin> {
    let needed = samples_for_quantile(QUANTILE, CONFIDENCE);
    let mut bins = Vec::new();
    let mut slices: Vec<Slice> = criteria.iter().map(|_| Slice::to_judge()).collect();
    let mut start_us = None;
    for (index, interval) in intervals.iter().enumerate() {
        let from_us = *start_us.get_or_insert(interval.start_us);
        for (slice, criterion) in slices.iter_mut().zip(criteria) {
            slice.add(interval, criterion.route.as_deref());
        }
        let enough = slices
            .first()
            .is_some_and(|all| all.counts.settled() >= needed);
        if !enough && index + 1 < intervals.len() {
            continue;
        }
        let verdicts = slices
            .iter()
            .zip(criteria)
            .map(|(slice, criterion)| meets(slice, criterion, CHANCE));
        let (good, good_without_lag) =
            verdicts.fold((true, true), |all, one| (all.0 && one.0, all.1 && one.1));
        let surely_bad = slices
            .iter()
            .zip(criteria)
            .any(|(slice, criterion)| !meets(slice, criterion, CERTAINTY).0);
        bins.push(Bin {
            range: TimeRange {
                start_us: from_us,
                end_us: interval.end_us,
            },
            good,
            good_without_lag,
            surely_bad,
        });
        slices = criteria.iter().map(|_| Slice::to_judge()).collect();
        start_us = None;
    }
    bins
}

/// Whether a bin meets a criterion, with and without the generator's lag. A
/// bin in which nothing settled does not.
fn meets(slice: &Slice, criterion: &Criterion, chance: f64) -> (bool, bool) {
    let n = slice.counts.settled();
    if n == 0 {
        // A rare route may pause; all of them together may not.
        let fine = criterion.route.is_some();
        return (fine, fine);
    }
    let together = criterion.together.max(1);
    let explained = |share: f64| {
        let bursts = binomial_quantile(n.div_ceil(together), share, chance);
        bursts.saturating_mul(together)
    };
    let failures_max = explained(criterion.failures);
    let slow_max = explained(1.0 - QUANTILE);
    let judge = |failed: u64, slow: u64| failed <= failures_max && slow <= slow_max;
    let (slow, slow_unlagged) = match criterion.limit_us {
        Some(limit_us) => (
            slice.slower(limit_us, false),
            slice.slower_unlagged(limit_us, false),
        ),
        None => (0, 0),
    };
    let with_lag = judge(slice.counts.failed(), slow) && slice.counts.unfinished == 0;
    let without = judge(slice.failed_unlagged(), slow_unlagged) && slice.counts.unfinished == 0;
    (with_lag, without)
}

/// The criteria in words.
pub(crate) fn describe(criteria: &[Criterion]) -> String {
    let parts: Vec<String> = criteria
        .iter()
        .map(|criterion| {
            let of = criterion
                .route
                .as_ref()
                .map_or(String::new(), |route| format!(" of {route}"));
            let latency = criterion.limit_us.map_or(String::new(), |us| {
                format!(" and p95{of} within {}", micros(us))
            });
            format!(
                "failures{of} as rare as {}{latency}",
                percent(criterion.failures)
            )
        })
        .collect();
    parts.join("; ")
}
