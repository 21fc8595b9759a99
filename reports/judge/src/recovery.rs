//! `after FAULT within T: baseline returns`: when the system was itself again.

mod inference;

use std::time::Duration;

use squall_record::Interval;
use squall_scenario::{Comparison, Gate, GateValue, Metric, format_duration};

use super::gate::undecided;
use super::generator::excuse;
use super::{Case, Inference, Ruling, Slice, breaker};
use crate::quantity::{Quantity, micros, percent};
use crate::statistics::{binomial_quantile, samples_for_quantile};
use crate::verdict::{Evidence, GateState, Recovery, TimeRange};

/// How long a recovered state must hold where no gate says so.
const HOLD_DEFAULT: Duration = Duration::from_secs(5);

/// A second is bad only when chance makes so many failures in less than one
/// of a thousand healthy seconds: a stray failure must not undo a recovery.
pub(super) const CHANCE: f64 = 0.999;

/// A second beyond this needs no other to be believed: chance makes one in a
/// million healthy ones as bad.
const CERTAINTY: f64 = 0.999_999;

/// Latency counts as back at 1.2 times the baseline's, or this much above it
/// where that is more: machines stall for tens of milliseconds.
const NOISE_FLOOR_US: u64 = 50_000;

/// The quantile that is compared. Seconds hold enough arrivals for it.
pub(super) const QUANTILE: f64 = 0.95;

/// A system that takes so many times the allowed time is called metastable: its
/// overload feeds itself (Bronson and others, HotOS 2021).
const METASTABLE_FACTOR: u64 = 3;

/// What one second must satisfy to count as recovered.
pub(super) struct Criterion {
    pub(super) route: Option<String>,
    /// Share of failures that is normal.
    pub(super) failures: f64,
    /// Response time that 95 % must not exceed, in microseconds.
    pub(super) limit_us: Option<u64>,
    /// Failures that come together: with `confidence`, one burst in a second is
    /// no more of a relapse than one failure is without.
    together: u64,
}

/// A stretch of one or more intervals that is long enough to be judged.
pub(super) struct Bin {
    pub(super) range: TimeRange,
    pub(super) good: bool,
    pub(super) good_without_lag: bool,
    /// So bad that one such stretch is enough.
    pub(super) surely_bad: bool,
}

/// What was seen after the fault.
struct Course {
    /// Start of the last good stretch, if the observation ends in one.
    recovered_us: Option<i64>,
    /// Start of the bad bin before it.
    last_bad_us: Option<i64>,
    relapses: u32,
}

/// End of the observation after a fault: the next injection or the end of the
/// load.
pub(super) fn observed_until_us(case: &Case<'_>, fault: &str, cleared_us: i64) -> i64 {
    case.faults
        .iter()
        .filter(|other| other.fault != fault)
        .filter_map(|other| other.requested_us)
        .filter(|at_us| *at_us > cleared_us)
        .chain([case.load_end_us])
        .min()
        .unwrap_or(case.load_end_us)
}

/// The recovery after every fault that was seen to be gone.
pub(super) fn of_all_faults(case: &Case<'_>) -> Vec<Recovery> {
    let faults = case
        .faults
        .iter()
        .filter(|fault| fault.removal_problems.is_empty());
    faults
        .filter_map(|fault| {
            let cleared_us = fault.removed_us?;
            let criteria = criteria(case, 1)?;
            let seen = observe(case, &criteria, &fault.fault, cleared_us, HOLD_DEFAULT);
            Some(seen.0)
        })
        .collect()
}

/// A baseline with more failures than this is broken: being back at it means
/// nothing. A scenario with a steady state says more exactly what is sound.
const BASELINE_FAILURES_MAX: f64 = 0.1;

/// What was dropped over the whole run, by cause.
fn drops(case: &Case<'_>) -> squall_record::Drops {
    let mut drops = squall_record::Drops::default();
    let intervals = case.record.intervals.iter();
    for route in intervals.flat_map(|interval| &interval.routes) {
        drops.add(&route.counts.drops);
    }
    drops
}

/// Judges `baseline returns`.
pub(super) fn rule(
    case: &Case<'_>,
    fault: &str,
    (within, hold): (Duration, Duration),
    inference: Option<Inference>,
) -> (Ruling, Option<Recovery>) {
    let Some(cleared_us) = case.fault(fault).and_then(|fault| fault.removed_us) else {
        return (undecided("the fault was not seen to be gone"), None);
    };
    let Some(criteria) = criteria(case, inference.map_or(1, Inference::together)) else {
        return (undecided("there is no baseline to come back to"), None);
    };
    if criteria[0].failures > BASELINE_FAILURES_MAX {
        let failed = Quantity::Share(criteria[0].failures);
        let why = format!("the baseline was already broken: {failed} of its arrivals failed");
        return (undecided(&why), None);
    }
    let (mut recovery, with_lag, without_lag) = observe(case, &criteria, fault, cleared_us, hold);
    let observed = TimeRange {
        start_us: cleared_us,
        end_us: recovery.observed_until_us,
    };
    let decide = |course: &Course| decide(course, observed, within, hold);
    let (mut state, mut explanation) = decide(&with_lag);
    if state == GateState::Fail && decide(&without_lag).0 == GateState::Pass {
        state = GateState::Inconclusive;
        explanation.push_str(&format!("; {} it would hold", excuse(drops(case))));
    }
    if let Some(inference) = inference {
        let found = (state, explanation);
        let times = (observed, within);
        (state, explanation) =
            inference::confirm(case, &criteria, times, &with_lag, inference, found);
    }
    let took_us = with_lag.recovered_us.map(|at_us| since(at_us, cleared_us));
    let limit_us = u64::try_from(within.as_micros()).unwrap_or(u64::MAX);
    let away_us = took_us.unwrap_or(observed.length_us());
    recovery.metastable =
        state == GateState::Fail && away_us > limit_us.saturating_mul(METASTABLE_FACTOR);
    if recovery.metastable {
        explanation.push_str("; metastable: the fault is gone and something else keeps it down");
    }
    let resolution_us = recovery.took.map(|took| took.length_us());
    let ruling = Ruling {
        state,
        explanation,
        evidence: Evidence {
            observed: took_us.map(Quantity::Micros),
            threshold: Some(Quantity::Micros(limit_us)),
            margin: took_us.and_then(|took| breaker::left(took, limit_us)),
            ranges: vec![observed],
            resolution_us,
            ..Evidence::default()
        },
    };
    (ruling, Some(recovery))
}

fn since(at_us: i64, from_us: i64) -> u64 {
    u64::try_from(at_us.saturating_sub(from_us)).unwrap_or(0)
}

/// Compares what was seen with the time allowed.
fn decide(
    course: &Course,
    observed: TimeRange,
    within: Duration,
    hold: Duration,
) -> (GateState, String) {
    let limit_us = u64::try_from(within.as_micros()).unwrap_or(u64::MAX);
    let hold_us = u64::try_from(hold.as_micros()).unwrap_or(u64::MAX);
    let observed_us = observed.length_us();
    let relapses = match course.relapses {
        0 => String::new(),
        1 => ", after one relapse".to_owned(),
        many => format!(", after {many} relapses"),
    };
    let Some(at_us) = course.recovered_us else {
        let text = format!(
            "not back at the baseline {} after the fault was gone{relapses}",
            micros(observed_us)
        );
        return if observed_us > limit_us {
            (GateState::Fail, text)
        } else {
            (
                GateState::Inconclusive,
                format!(
                    "{text}, when the observation ended; observe {} or longer",
                    format_duration(within + hold)
                ),
            )
        };
    };
    let took_us = since(at_us, observed.start_us);
    let text = format!("back at the baseline after {}{relapses}", micros(took_us));
    if took_us > limit_us {
        return (GateState::Fail, text);
    }
    let held_us = since(observed.end_us, at_us);
    if held_us < hold_us {
        let held = micros(held_us);
        return (
            GateState::Inconclusive,
            format!(
                "{text}, but observed for {held} only; it must hold for {}",
                format_duration(hold)
            ),
        );
    }
    (GateState::Pass, text)
}

/// Looks at every second after the fault, with and without the generator's
/// lag.
fn observe(
    case: &Case<'_>,
    criteria: &[Criterion],
    fault: &str,
    cleared_us: i64,
    hold: Duration,
) -> (Recovery, Course, Course) {
    let until_us = observed_until_us(case, fault, cleared_us);
    let observed = |interval: &&Interval| {
        let middle_us = i64::midpoint(interval.start_us, interval.end_us);
        (cleared_us..until_us).contains(&middle_us)
    };
    let intervals: Vec<&Interval> = case.record.intervals.iter().filter(observed).collect();
    let bins = bins(&intervals, criteria);
    let hold_us = u64::try_from(hold.as_micros()).unwrap_or(u64::MAX);
    let with_lag = follow(&bins, hold_us, |bin| bin.good);
    let without_lag = follow(&bins, hold_us, |bin| bin.good_without_lag);
    let requested_us = case.fault(fault).and_then(|fault| fault.requested_us);
    let mut recovery = Recovery {
        from_injection: None,
        fault: fault.to_owned(),
        cleared_us,
        observed_until_us: until_us,
        took: with_lag
            .recovered_us
            .filter(|at_us| since(until_us, *at_us) >= hold_us)
            .map(|at_us| TimeRange {
                start_us: with_lag
                    .last_bad_us
                    .unwrap_or(at_us)
                    .saturating_sub(cleared_us)
                    .max(0),
                end_us: at_us.saturating_sub(cleared_us).max(0),
            }),
        relapses: with_lag.relapses,
        metastable: false,
        criterion: format!(
            "every second with {}, held for {}",
            describe(criteria),
            format_duration(hold)
        ),
    };
    let lasted_us = requested_us.map(|at_us| cleared_us.saturating_sub(at_us));
    recovery.from_injection = recovery.took.zip(lasted_us).map(|(took, us)| TimeRange {
        start_us: took.start_us.saturating_add(us),
        end_us: took.end_us.saturating_add(us),
    });
    (recovery, with_lag, without_lag)
}

/// The instant of recovery is the start of the last good stretch; earlier
/// stretches that had held long enough count as relapses.
fn follow(bins: &[Bin], hold_us: u64, good: fn(&Bin) -> bool) -> Course {
    let mut course = Course {
        recovered_us: None,
        last_bad_us: None,
        relapses: 0,
    };
    for bin in bins {
        if good(bin) {
            course.recovered_us = course.recovered_us.or(Some(bin.range.start_us));
        } else {
            let held = course
                .recovered_us
                .map(|at_us| since(bin.range.start_us, at_us));
            course.relapses += u32::from(held.is_some_and(|held_us| held_us >= hold_us));
            course.recovered_us = None;
            course.last_bad_us = Some(bin.range.start_us);
        }
    }
    course
}

/// The baseline criterion: the steady state's expectations, and 1.2 times the
/// baseline where they say nothing.
pub(super) fn criteria(case: &Case<'_>, together: u64) -> Option<Vec<Criterion>> {
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
pub(super) fn bins(intervals: &[&Interval], criteria: &[Criterion]) -> Vec<Bin> {
    let needed = samples_for_quantile(QUANTILE, super::CONFIDENCE);
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

pub(super) fn describe(criteria: &[Criterion]) -> String {
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
