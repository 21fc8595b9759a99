//! The arrivals of one interval, and the interval that they make: the same one,
//! however many recorders they come from.

use hdrhistogram::Histogram;
use squall_record::histogram::{new_histogram, record_us};
use squall_record::{BadKind, Counts, Interval, IntervalUsers, Outcome, RouteInterval, Times};

use crate::entry::Entry;

/// All arrivals that one recorder had between two edges, settled.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) start_us: i64,
    pub(crate) end_us: i64,
    pub(crate) entries: Vec<Entry>,
}

/// The interval of stretches that lie over, or right behind, each other; without
/// one it is empty.
pub(crate) fn interval(routes: &[String], stretches: &[Stretch]) -> Interval {
    let mut builders: Vec<_> = routes.iter().map(|_| RouteBuilder::new()).collect();
    let mut lag = new_histogram();
    let mut wait = new_histogram();
    let mut users: Option<(Vec<u64>, Vec<u64>)> = None;
    for entry in stretches.iter().flat_map(|stretch| &stretch.entries) {
        let outcome = entry.outcome();
        if matches!(outcome, Outcome::Good | Outcome::Bad(_)) {
            record_us(&mut lag, entry.lag_us());
            record_us(&mut wait, entry.wait_us());
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
        users: users.map(|(seen, hurt)| IntervalUsers::new(seen, hurt)),
    }
}

struct RouteBuilder {
    counts: Counts,
    response: Histogram<u64>,
    unlagged: Histogram<u64>,
}

impl RouteBuilder {
    fn new() -> Self {
        Self {
            counts: Counts::default(),
            response: new_histogram(),
            unlagged: new_histogram(),
        }
    }

    fn add(&mut self, entry: &Entry) {
        let counts = &mut self.counts;
        counts.scheduled += 1;
        counts.bytes += entry.bytes();
        counts.resent += u64::from(entry.resent());
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
            response: Some(Times::of(&self.response)),
            unlagged: Some(Times::of(&self.unlagged)),
        }
    }
}
