//! Intervals of all shards, on the cuts that all of them have.

use std::collections::BTreeSet;

use crate::{Interval, Record, RouteInterval, Times};

/// Adds the intervals up. A stretch is kept apart from its neighbours where
/// every shard has a cut, so no interval is ever split.
pub(super) fn add_up(records: &[(u32, Record)]) -> Vec<Interval> {
    let sorted: Vec<Vec<&Interval>> = records
        .iter()
        .map(|(_, record)| {
            let mut intervals: Vec<_> = record.intervals.iter().collect();
            intervals.sort_by_key(|interval| interval.start_us);
            intervals
        })
        .collect();
    let cuts = common_cuts(&sorted);
    let mut merged: Vec<Option<Interval>> = vec![None; cuts.len()];
    for interval in sorted.into_iter().flatten() {
        // The last cut at or before its start; its end is at most the next.
        let at = cuts.partition_point(|cut| *cut <= interval.start_us);
        let Some(slot) = at.checked_sub(1).and_then(|index| merged.get_mut(index)) else {
            continue;
        };
        match slot {
            Some(total) => add(total, interval),
            None => *slot = Some(interval.clone()),
        }
    }
    merged.into_iter().flatten().collect()
}

/// Edges of intervals that lie inside no interval of any shard, in order.
fn common_cuts(shards: &[Vec<&Interval>]) -> Vec<i64> {
    let edges: BTreeSet<i64> = shards
        .iter()
        .flatten()
        .flat_map(|interval| [interval.start_us, interval.end_us])
        .collect();
    let splits_none = |edge_us: &i64| {
        shards.iter().all(|intervals| {
            let after = intervals.partition_point(|interval| interval.start_us < *edge_us);
            let before = after.checked_sub(1).and_then(|index| intervals.get(index));
            before.is_none_or(|interval| interval.end_us <= *edge_us)
        })
    };
    edges.into_iter().filter(splits_none).collect()
}

fn add(total: &mut Interval, other: &Interval) {
    total.start_us = total.start_us.min(other.start_us);
    total.end_us = total.end_us.max(other.end_us);
    add_times(&mut total.lag, &other.lag);
    add_times(&mut total.wait, &other.wait);
    add_times(&mut total.parts.connect, &other.parts.connect);
    add_times(&mut total.parts.tls, &other.parts.tls);
    add_times(&mut total.parts.first_byte, &other.parts.first_byte);
    total.users = match (total.users.take(), &other.users) {
        (Some(own), Some(theirs)) => Some(own.united(theirs)),
        (own, theirs) => own.or_else(|| theirs.clone()),
    };
    for route in &other.routes {
        let known = total.routes.iter_mut().find(|r| r.route == route.route);
        match known {
            Some(known) => add_route(known, route),
            None => total.routes.push(route.clone()),
        }
    }
}

fn add_route(total: &mut RouteInterval, other: &RouteInterval) {
    total.counts.add(&other.counts);
    total.seen.add(&other.seen);
    add_times(&mut total.response, &other.response);
    add_times(&mut total.unlagged, &other.unlagged);
    let (own, theirs) = (&mut total.messages, &other.messages);
    for (own, theirs) in [
        (&mut own.begun, theirs.begun),
        (&mut own.empty, theirs.empty),
        (&mut own.gaps, theirs.gaps),
    ] {
        *own = own.saturating_add(theirs);
    }
    add_times(&mut own.first, &theirs.first);
    add_times(&mut own.first_unlagged, &theirs.first_unlagged);
    add_times(&mut own.between, &theirs.between);
    add_times(&mut own.between_unlagged, &theirs.between_unlagged);
}

fn add_times(total: &mut Option<Times>, other: &Option<Times>) {
    let Some(other) = other else { return };
    *total = Some(match total {
        Some(known) => known.united(other),
        None => other.clone(),
    });
}
