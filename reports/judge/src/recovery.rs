//! `after FAULT within T: baseline returns`: when the system was itself again.

mod course;
pub(crate) mod criterion;
mod inference;

use std::time::Duration;

use squall_record::Interval;
use squall_scenario::format_duration;

use self::course::{Course, follow, since};
use self::criterion::{Criterion, bins, criteria, describe};
use crate::case::Case;
use crate::generator::excuse;
use crate::quantity::{Quantity, micros};
use crate::ratio::Inference;
use crate::ruling::{Ruling, left, undecided};
use crate::verdict::{Evidence, GateState, Recovery, TimeRange};

/// How long a recovered state must hold where no gate says so.
const HOLD_DEFAULT: Duration = Duration::from_secs(5);

/// A system that takes so many times the allowed time is called metastable: its
/// overload feeds itself (Bronson and others, HotOS 2021).
const METASTABLE_FACTOR: u64 = 3;

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
            margin: took_us.and_then(|took| left(took, limit_us)),
            ranges: vec![observed],
            resolution_us,
            ..Evidence::default()
        },
    };
    (ruling, Some(recovery))
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
    let until_us = case.observed_until_us(fault, cleared_us);
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
