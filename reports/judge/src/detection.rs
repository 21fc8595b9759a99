//! Time to detect: from the fault in force to the first bad second that is
//! believed, and to breakers that open.
//!
//! A second that is bad by itself says little: machines stall, and among many
//! seconds one is bad by chance. A fault counts as felt only where the arrivals
//! under it are, all together, worse than the baseline allows beyond chance; it
//! is tested after each second, with one error for all of them.

mod evidence;

use std::collections::BTreeSet;

use squall_record::{Interval, RunEvent};

use crate::breaker;
use crate::case::Case;
use crate::recovery::criterion::{self, Bin, Criterion};
use crate::verdict::{BreakerReaction, Detection, FaultEvidence, TimeRange};

/// When every fault that was in force was felt.
pub(super) fn of_all_faults(case: &Case<'_>) -> Vec<Detection> {
    let faults = case.faults.iter();
    faults.filter_map(|fault| of_fault(case, fault)).collect()
}

fn of_fault(case: &Case<'_>, fault: &FaultEvidence) -> Option<Detection> {
    if fault.withheld {
        return None;
    }
    let active_us = fault.active_us?;
    let end_us = fault.removal_requested_us.or(fault.removed_us);
    let until_us = end_us.unwrap_or(case.load_end_us).min(case.load_end_us);
    let criteria = criterion::criteria(case, 1);
    let inside = |interval: &&Interval| {
        let middle_us = i64::midpoint(interval.start_us, interval.end_us);
        (active_us..until_us).contains(&middle_us)
    };
    let intervals: Vec<&Interval> = case.record.intervals.iter().filter(inside).collect();
    let felt = criteria
        .as_ref()
        .and_then(|criteria| felt(case, &intervals, criteria));
    Some(Detection {
        fault: fault.fault.clone(),
        active_us,
        until_us,
        felt: felt.map(|range| TimeRange {
            start_us: range.start_us.saturating_sub(active_us).max(0),
            end_us: range.end_us.saturating_sub(active_us),
        }),
        breakers: reactions(case, fault, active_us, until_us),
        criterion: criteria.map_or_else(String::new, |criteria| {
            format!("a second with {}", criterion::describe(&criteria))
        }),
    })
}

/// The first bad second of what is worse than the baseline beyond chance.
fn felt(case: &Case<'_>, intervals: &[&Interval], criteria: &[Criterion]) -> Option<TimeRange> {
    let worse = evidence::worse(case, intervals, criteria)?;
    let since: Vec<&Interval> = intervals
        .iter()
        .copied()
        .filter(|interval| interval.end_us > worse.start_us)
        .collect();
    let mut bins = criterion::bins(&since, criteria);
    // A cut may leave a moment in which nothing was to be sent.
    bins.retain(|bin| {
        let within = |interval: &&&Interval| {
            bin.range.start_us <= interval.start_us && interval.end_us <= bin.range.end_us
        };
        let mut routes = since.iter().filter(within).flat_map(|part| &part.routes);
        routes.any(|route| route.counts.settled() > 0)
    });
    Some(first_bad(&bins).unwrap_or(worse))
}

/// The first bad stretch that the next one confirms, or that is so bad that it
/// needs no other: its start, and the end of what confirmed it.
fn first_bad(bins: &[Bin]) -> Option<TimeRange> {
    bins.iter().enumerate().find_map(|(at, bin)| {
        if bin.good_without_lag {
            return None;
        }
        if bin.surely_bad {
            return Some(bin.range);
        }
        let next = bins.get(at + 1).filter(|next| !next.good_without_lag)?;
        Some(TimeRange {
            start_us: bin.range.start_us,
            end_us: next.range.end_us,
        })
    })
}

/// Breakers that opened after the fault was asked for and before its end.
fn reactions(
    case: &Case<'_>,
    fault: &FaultEvidence,
    active_us: i64,
    until_us: i64,
) -> Vec<BreakerReaction> {
    let names: BTreeSet<&str> = case
        .record
        .events
        .iter()
        .filter_map(|stamped| match &stamped.event {
            RunEvent::Breaker(report) => Some(report.breaker.as_str()),
            _ => None,
        })
        .collect();
    let range = TimeRange {
        start_us: fault.requested_us.unwrap_or(active_us),
        end_us: until_us,
    };
    let mut reactions: Vec<BreakerReaction> = names
        .into_iter()
        .filter_map(|name| {
            let opened_us = breaker::opened(case.record, name, range)?;
            let closed_us = fault.removed_us.and_then(|cleared_us| {
                let after = TimeRange {
                    start_us: cleared_us,
                    end_us: case.observed_until_us(&fault.fault, cleared_us),
                };
                breaker::closed_for_good(case.record, name, after)
            });
            Some(BreakerReaction {
                breaker: name.to_owned(),
                opened_us,
                closed_us,
            })
        })
        .collect();
    reactions.sort_by_key(|reaction| reaction.opened_us);
    reactions
}
