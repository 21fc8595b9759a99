//! The arrivals of one interval, and the interval that they make: the same one,
//! however many recorders they come from.

use std::time::Duration;

use hdrhistogram::Histogram;
use squall_record::histogram::{coarse_histogram, new_histogram, record_us};
use squall_record::{
    BadKind, Counts, DropCause, Interval, IntervalParts, IntervalUsers, Outcome, RouteInterval,
    RouteMessages, Sightings, Times,
};

use crate::entry::Entry;
use crate::heard::Brought;

/// All arrivals that one recorder had between two edges, settled.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) start_us: i64,
    pub(crate) end_us: i64,
    pub(crate) entries: Vec<Entry>,
    /// What their streams brought, with the route of each.
    pub(crate) brought: Vec<(usize, Brought)>,
    pub(crate) folded: Option<Folded>,
}

/// Arrivals of one interval that were never sent, counted without being held.
#[derive(Debug)]
pub(crate) struct Folded {
    /// By route.
    counts: Vec<Counts>,
    /// By route.
    seen: Vec<Sightings>,
    /// Whom they came from; repeated ones too.
    users: Vec<u64>,
    first_us: i64,
    last_us: i64,
}

impl Folded {
    /// None yet; the first will be due at `first_us`.
    pub(crate) fn new(routes: usize, first_us: i64) -> Self {
        Self {
            counts: vec![Counts::default(); routes],
            seen: vec![Sightings::default(); routes],
            users: Vec::new(),
            first_us,
            last_us: first_us,
        }
    }

    /// Counts one that is due then, on this route.
    pub(crate) fn drop_one(
        &mut self,
        (scheduled_us, route): (i64, usize),
        user: Option<u64>,
        cause: DropCause,
    ) {
        self.last_us = self.last_us.max(scheduled_us);
        self.users.extend(user);
        let counts = &mut self.counts[route];
        counts.scheduled += 1;
        counts.dropped += 1;
        counts.drops.count(cause);
        self.seen[route].see(None, Some(cause), scheduled_us);
    }

    /// When the last of them was due.
    pub(crate) const fn last_us(&self) -> i64 {
        self.last_us
    }

    /// Whether an edge would lie between them.
    pub(crate) const fn is_split_by(&self, edge_us: i64) -> bool {
        self.first_us < edge_us && edge_us <= self.last_us
    }

    /// Whether all of them are due before an edge.
    pub(crate) const fn is_before(&self, edge_us: i64) -> bool {
        self.last_us < edge_us
    }
}

/// The interval of stretches that lie over, or right behind, each other; without
/// one it is empty.
pub(crate) fn interval(routes: &[String], stretches: &[Stretch]) -> Interval {
    let mut builders: Vec<_> = routes.iter().map(|_| RouteBuilder::new()).collect();
    let mut lag = new_histogram();
    let mut wait = new_histogram();
    let (mut connect, mut tls) = (new_histogram(), new_histogram());
    let mut first_byte = coarse_histogram();
    let mut users: Option<(Vec<u64>, Vec<u64>)> = None;
    for entry in stretches.iter().flat_map(|stretch| &stretch.entries) {
        if entry.is_hit() {
            builders[entry.route()].counts.cache.add(&entry.cache());
            continue;
        }
        let outcome = entry.outcome();
        if matches!(outcome, Outcome::Good | Outcome::Bad(_)) {
            record_us(&mut lag, entry.lag_us());
            record_us(&mut wait, entry.wait_us());
            let parts = entry.parts();
            parts.connect_us.inspect(|us| record_us(&mut connect, *us));
            parts.tls_us.inspect(|us| record_us(&mut tls, *us));
            parts
                .first_byte_us
                .inspect(|us| record_us(&mut first_byte, *us));
        }
        builders[entry.route()].add(entry);
        if let Some(user) = entry.user() {
            let (seen, hurt) = users.get_or_insert_default();
            match outcome {
                Outcome::Unfinished => {}
                Outcome::Good => seen.push(user),
                Outcome::Bad(_) | Outcome::Dropped => {
                    seen.push(user);
                    hurt.push(user);
                }
            }
        }
    }
    for (route, brought) in stretches.iter().flat_map(|stretch| &stretch.brought) {
        builders[*route].hear(brought);
    }
    for folded in stretches.iter().filter_map(|it| it.folded.as_ref()) {
        add_folded(&mut builders, folded);
        if !folded.users.is_empty() {
            let (seen, hurt) = users.get_or_insert_default();
            seen.extend(&folded.users);
            hurt.extend(&folded.users);
        }
    }
    let starts = stretches.iter().map(|stretch| stretch.start_us);
    let ends = stretches.iter().map(|stretch| stretch.end_us);
    Interval {
        start_us: starts.min().unwrap_or(0),
        end_us: ends.max().unwrap_or(0),
        routes: routes
            .iter()
            .zip(builders)
            .map(|(route, builder)| builder.build(route.clone()))
            .collect(),
        lag: Some(Times::of(&lag)),
        wait: Some(Times::of(&wait)),
        parts: IntervalParts {
            connect: Some(Times::of(&connect)),
            tls: Some(Times::of(&tls)),
            first_byte: Some(Times::of(&first_byte)),
        },
        users: users.map(|(seen, hurt)| IntervalUsers::new(seen, hurt)),
    }
}

fn add_folded(builders: &mut [RouteBuilder], folded: &Folded) {
    for (builder, counts) in builders.iter_mut().zip(&folded.counts) {
        builder.counts.add(counts);
    }
    for (builder, seen) in builders.iter_mut().zip(&folded.seen) {
        builder.seen.add(seen);
    }
}

struct RouteBuilder {
    counts: Counts,
    seen: Sightings,
    response: Histogram<u64>,
    unlagged: Histogram<u64>,
    heard: Option<Box<HeardBuilder>>,
}

/// What the streams of a route brought.
struct HeardBuilder {
    begun: u64,
    empty: u64,
    first: Histogram<u64>,
    first_unlagged: Histogram<u64>,
    between: Histogram<u64>,
    between_unlagged: Histogram<u64>,
}

impl HeardBuilder {
    fn new() -> Self {
        Self {
            begun: 0,
            empty: 0,
            first: coarse_histogram(),
            first_unlagged: coarse_histogram(),
            between: coarse_histogram(),
            between_unlagged: coarse_histogram(),
        }
    }

    fn add(&mut self, brought: &Brought) {
        match brought.first {
            Some(first) => {
                self.begun += 1;
                record_us(&mut self.first, micros(first.all));
                record_us(&mut self.first_unlagged, micros(first.unlagged));
            }
            None => self.empty += 1,
        }
        brought.gaps.all().add_to(&mut self.between);
        brought.gaps.unlagged().add_to(&mut self.between_unlagged);
    }

    fn build(&self) -> RouteMessages {
        RouteMessages {
            begun: self.begun,
            empty: self.empty,
            gaps: self.between.len(),
            first: Some(Times::of(&self.first)),
            first_unlagged: Some(Times::of(&self.first_unlagged)),
            between: Some(Times::of(&self.between)),
            between_unlagged: Some(Times::of(&self.between_unlagged)),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl RouteBuilder {
    fn new() -> Self {
        Self {
            counts: Counts::default(),
            seen: Sightings::default(),
            response: new_histogram(),
            unlagged: new_histogram(),
            heard: None,
        }
    }

    fn hear(&mut self, brought: &Brought) {
        let heard = self
            .heard
            .get_or_insert_with(|| Box::new(HeardBuilder::new()));
        heard.add(brought);
    }

    fn add(&mut self, entry: &Entry) {
        let counts = &mut self.counts;
        counts.scheduled += 1;
        counts.bytes += entry.bytes();
        counts.resent += u64::from(entry.resent());
        counts.retries += entry.retries();
        counts.cache.add(&entry.cache());
        match entry.outcome() {
            Outcome::Good | Outcome::Unfinished => {}
            Outcome::Bad(kind) => self.seen.see(Some(kind), None, entry.scheduled_us),
            Outcome::Dropped => self.seen.see(None, entry.dropped(), entry.scheduled_us),
        }
        let by_lag = entry.outcome() == Outcome::Bad(BadKind::Late) && entry.late_by_lag();
        if matches!(entry.outcome(), Outcome::Bad(_)) && entry.is_displaced() && !by_lag {
            counts.displaced += 1;
        }
        match entry.outcome() {
            Outcome::Good => {
                counts.good += 1;
                counts.fallback += u64::from(entry.fallback());
                record_us(&mut self.response, entry.response_us());
                record_us(&mut self.unlagged, entry.unlagged_us());
            }
            Outcome::Bad(BadKind::Connect) => counts.connect += 1,
            Outcome::Bad(BadKind::Timeout) => counts.timeout += 1,
            Outcome::Bad(BadKind::Late) => {
                counts.late += 1;
                counts.late_by_lag += u64::from(entry.late_by_lag());
            }
            Outcome::Bad(BadKind::Status) => counts.status += 1,
            Outcome::Bad(BadKind::Broken) => counts.broken += 1,
            Outcome::Bad(BadKind::Malformed) => counts.malformed += 1,
            Outcome::Bad(BadKind::Check) => counts.check += 1,
            Outcome::Bad(BadKind::Dns) => counts.dns += 1,
            Outcome::Bad(BadKind::Tls) => counts.tls += 1,
            Outcome::Dropped => {
                counts.dropped += 1;
                if let Some(cause) = entry.dropped() {
                    counts.drops.count(cause);
                }
            }
            Outcome::Unfinished => counts.unfinished += 1,
        }
    }

    fn build(self, route: String) -> RouteInterval {
        RouteInterval {
            route,
            counts: self.counts,
            seen: self.seen,
            messages: self.heard.map(|heard| heard.build()).unwrap_or_default(),
            response: Some(Times::of(&self.response)),
            unlagged: Some(Times::of(&self.unlagged)),
        }
    }
}
