//! Failures by kind and route, with when they began and ended.

use std::collections::{BTreeMap, BTreeSet};

use squall_record::{
    ALL_BAD_KINDS, BadKind, Counts, DropCause, Interval, Outcome, Record, RouteInterval, RunEvent,
    Sample,
};

use crate::shortage;
use crate::verdict::{ErrorSummary, FailureOrigin, FaultEvidence, TimeRange};

/// What failures are counted by: route, failure, origin.
type Key = (String, Failure, FailureOrigin);

/// A kind of failure, or that it was dropped and why.
type Failure = (Option<BadKind>, Option<DropCause>);

/// Every kind of failure that occurred, the most frequent first.
pub(super) fn summarize(record: &Record, faults: &[FaultEvidence]) -> Vec<ErrorSummary> {
    let mut found: BTreeMap<Key, ErrorSummary> = BTreeMap::new();
    let origins = Origins::of(record, faults);
    for interval in record
        .intervals
        .iter()
        .filter(|interval| interval.start_us >= 0)
    {
        for route in &interval.routes {
            let whose = origins.of_sent(&route.route, interval);
            for (failure, origin, count) in by_origin(&route.counts, whose) {
                let key = (route.route.clone(), failure, origin);
                let seen = route.seen.of(failure.0, failure.1);
                let (first_us, last_us) = seen.unwrap_or((interval.start_us, interval.end_us));
                let summary = found.entry(key).or_insert_with(|| {
                    let (example, sample) = example(&record.samples, &route.route, failure);
                    ErrorSummary {
                        origin,
                        kind: failure.0,
                        dropped: failure.1,
                        route: route.route.clone(),
                        count: 0,
                        first_us,
                        last_us,
                        example,
                        sample,
                    }
                });
                summary.count = summary.count.saturating_add(count);
                summary.first_us = summary.first_us.min(first_us);
                summary.last_us = summary.last_us.max(last_us);
            }
        }
    }
    let mut summaries: Vec<_> = found.into_values().collect();
    summaries.sort_by_key(|summary| std::cmp::Reverse(summary.count));
    summaries
}

/// Whose the failures of what was sent are.
#[derive(Clone, Copy)]
struct Whose {
    /// Of connections that could not be made, or broke.
    connection: FailureOrigin,
    /// Of all others.
    other: FailureOrigin,
}

/// The failures of one interval and route by kind and origin.
fn by_origin(counts: &Counts, whose: Whose) -> impl Iterator<Item = (Failure, FailureOrigin, u64)> {
    let sent = whose.other;
    let by_lag = counts.late_by_lag.min(counts.late);
    let counts = *counts;
    let kinds = ALL_BAD_KINDS.into_iter().map(move |kind| {
        let excused = if kind == BadKind::Late { by_lag } else { 0 };
        let count = counts.of(kind).saturating_sub(excused);
        let origin = match kind {
            BadKind::Connect | BadKind::Broken => whose.connection,
            BadKind::Timeout
            | BadKind::Late
            | BadKind::Status
            | BadKind::Malformed
            | BadKind::Check
            | BadKind::Dns
            | BadKind::Tls => sent,
        };
        ((Some(kind), None), origin, count)
    });
    // What was under way and filled the limit was left unanswered by what it
    // was sent to.
    let drops = counts.drops.causes().map(move |(cause, count)| {
        let origin = match cause.is_excused() {
            true => FailureOrigin::Generator,
            false => sent,
        };
        ((None, Some(cause)), origin, count)
    });
    let unnamed = counts.dropped.saturating_sub(counts.drops.named());
    let generator = [
        (
            (Some(BadKind::Late), None),
            FailureOrigin::Generator,
            by_lag,
        ),
        ((None, None), FailureOrigin::Generator, unnamed),
    ];
    kinds
        .chain(generator)
        .chain(drops)
        .filter(|(_, _, count)| *count > 0)
}

/// Which faults stood between the generator and the system. Known only where
/// every sampled request of a route went to an address that a fault was aimed
/// at: a link, or an instance behind one. What happens deeper in the system is
/// the system's doing, as keeping it from users is what it is tested for.
pub struct Origins {
    /// By route: where its requests went.
    addresses: BTreeMap<String, BTreeSet<String>>,
    /// Addresses a fault was aimed at, and when.
    aimed: Vec<(BTreeSet<String>, TimeRange)>,
    /// Addresses of links that went without something of squall's own, and when.
    short: Vec<(BTreeSet<String>, TimeRange)>,
}

impl Origins {
    /// From what was aimed at and where the sampled requests went.
    pub fn of(record: &Record, faults: &[FaultEvidence]) -> Self {
        let mut addresses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for sample in &record.samples {
            if let Some(address) = &sample.address {
                let known = addresses.entry(sample.route.clone()).or_default();
                known.insert(address.clone());
            }
        }
        let injected = faults.iter().filter(|fault| !fault.withheld);
        let aimed = injected.flat_map(|fault| {
            let fronts = fronts(record, &fault.targets);
            in_force(fault)
                .into_iter()
                .map(move |range| (fronts.clone(), range))
        });
        let short = shortage::told(record).map(|(range, short)| {
            let link = std::slice::from_ref(&short.link);
            (fronts(record, link), range)
        });
        Self {
            addresses,
            aimed: aimed.collect(),
            short: short.collect(),
        }
    }

    /// How many failures of one interval and route were by `origin`.
    pub fn count(&self, origin: FailureOrigin, interval: &Interval, route: &RouteInterval) -> u64 {
        let whose = self.of_sent(&route.route, interval);
        by_origin(&route.counts, whose)
            .filter(|(_, whose, _)| *whose == origin)
            .fold(0, |sum, (_, _, count)| sum.saturating_add(count))
    }

    fn of_sent(&self, route: &str, interval: &Interval) -> Whose {
        let addresses = self.addresses.get(route);
        let went_to = |fronts| addresses.is_some_and(|addresses| addresses.is_subset(fronts));
        let middle_us = i64::midpoint(interval.start_us, interval.end_us);
        let met_fault = self.aimed.iter().any(|(fronts, range)| {
            (range.start_us..range.end_us).contains(&middle_us) && went_to(fronts)
        });
        let other = match met_fault {
            true => FailureOrigin::InjectedFault,
            false => FailureOrigin::System,
        };
        // It is told when it is over, so any part of an interval will do.
        let met_shortage = self.short.iter().any(|(fronts, range)| {
            range.start_us < interval.end_us && interval.start_us < range.end_us && went_to(fronts)
        });
        let connection = match met_shortage {
            true => FailureOrigin::Generator,
            false => other,
        };
        Whose { connection, other }
    }
}

/// When a fault may have been in force: from its first request to its last
/// removal, without its control periods where it came in cycles.
fn in_force(fault: &FaultEvidence) -> Vec<TimeRange> {
    if !fault.periods.is_empty() {
        let with = fault.periods.iter().filter(|period| !period.control);
        return with.map(|period| period.range).collect();
    }
    let whole = fault.requested_us.map(|start_us| TimeRange {
        start_us,
        end_us: fault.removed_us.unwrap_or(i64::MAX),
    });
    whole.into_iter().collect()
}

/// The addresses of those of these that are links.
fn fronts(record: &Record, names: &[String]) -> BTreeSet<String> {
    let events = record.events.iter();
    let links = events.filter_map(|stamped| match &stamped.event {
        RunEvent::LinkUp { link, listen, .. } if names.contains(link) => Some(listen.clone()),
        _ => None,
    });
    links.collect()
}

/// The most frequent text of the samples of a kind, and the first sample with it.
fn example(
    samples: &[Sample],
    route: &str,
    (kind, dropped): Failure,
) -> (Option<String>, Option<Sample>) {
    let wanted = kind.map_or(Outcome::Dropped, Outcome::Bad);
    let own = samples
        .iter()
        .filter(|s| s.route == route && s.outcome == wanted && s.dropped == dropped);
    let mut texts: BTreeMap<String, (u32, &Sample)> = BTreeMap::new();
    for sample in own.clone() {
        if let Some(text) = text(sample) {
            texts.entry(text).or_insert((0, sample)).0 += 1;
        }
    }
    match texts.into_iter().max_by_key(|(_, (count, _))| *count) {
        Some((text, (_, sample))) => (Some(text), Some(sample.clone())),
        None => (None, own.min_by_key(|it| it.scheduled_us).cloned()),
    }
}

/// What a sample says of its failure.
fn text(sample: &Sample) -> Option<String> {
    let status = sample.status.map(|status| format!("status {status}"));
    let parts: Vec<String> = status.into_iter().chain(sample.detail.clone()).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
