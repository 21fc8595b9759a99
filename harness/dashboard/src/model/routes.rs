//! What became of the arrivals of each route.

use std::collections::VecDeque;

use hdrhistogram::Histogram;
use squall_record::histogram::coarse_histogram;
use squall_record::{ALL_BAD_KINDS, BadKind, Counts, Interval, RouteInterval};

use super::series::ResponseTime;

/// Routes that are told apart; a scenario has far fewer.
const ROUTES_MAX: usize = 1000;
/// Settled stretches of which a route's trend is kept.
pub const TREND_MAX: usize = 32;

/// The arrivals of a route, or of all, over a scope.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// What became of them.
    pub counts: Counts,
    /// Time over which they were scheduled, in microseconds.
    pub length_us: u64,
    /// Response times of the good ones in microseconds, to about 1 %.
    pub response: Histogram<u32>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            length_us: 0,
            response: coarse_histogram(),
        }
    }
}

impl Tally {
    fn add(&mut self, interval: &RouteInterval, length_us: u64) {
        self.counts.add(&interval.counts);
        self.length_us = self.length_us.saturating_add(length_us);
        let Some(response) = &interval.response else {
            return;
        };
        for (top_us, count) in response.iter() {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            // It grows; only absurd values are refused.
            let _ = self.response.record_n(top_us, count);
        }
    }

    /// Arrivals per second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    pub fn rate(&self) -> f64 {
        if self.length_us == 0 {
            return 0.0;
        }
        self.counts.scheduled as f64 * 1e6 / self.length_us as f64
    }

    /// Share of good ones among the settled; `None` without any.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn success(&self) -> Option<f64> {
        let settled = self.counts.settled();
        (settled > 0).then(|| self.counts.good as f64 / settled as f64)
    }

    /// A quantile over all settled arrivals, failures being slower than any;
    /// `None` without arrivals.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<ResponseTime> {
        let n = self.counts.settled();
        if n == 0 {
            return None;
        }
        let rank = squall_record::histogram::rank(q, n);
        if rank > self.response.len() {
            return Some(ResponseTime::NEVER);
        }
        let mut seen = 0;
        let found = self.response.iter_recorded().find_map(|step| {
            seen += step.count_since_last_iteration();
            (seen >= rank).then(|| step.value_iterated_to())
        });
        found.map(ResponseTime::from_us)
    }

    /// The longest good answer.
    #[must_use]
    pub fn max(&self) -> Option<ResponseTime> {
        (!self.response.is_empty()).then(|| ResponseTime::from_us(self.response.max()))
    }

    /// The kind of failure there is most of, and how many.
    #[must_use]
    pub fn top_error(&self) -> Option<(&'static str, u64)> {
        let kinds = ALL_BAD_KINDS.map(|kind| (bad_word(kind), self.counts.of(kind)));
        let dropped = ("dropped", self.counts.dropped);
        kinds
            .into_iter()
            .chain([dropped])
            .filter(|(_, count)| *count > 0)
            .max_by_key(|(_, count)| *count)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.response.distinct_values() * size_of::<u32>()
    }
}

/// A kind of failure in one word.
#[must_use]
pub const fn bad_word(kind: BadKind) -> &'static str {
    match kind {
        BadKind::Connect => "connect",
        BadKind::Timeout => "timeout",
        BadKind::Late => "late",
        BadKind::Status => "status",
        BadKind::Broken => "broken",
        BadKind::Malformed => "malformed",
        BadKind::Check => "check",
        BadKind::Dns => "dns",
        BadKind::Tls => "tls",
    }
}

/// One route.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Since time zero.
    pub run: Tally,
    /// Since the last edge of a window.
    pub window: Tally,
    /// The 99th percentile of each of the last settled stretches.
    pub trend: VecDeque<ResponseTime>,
}

impl Route {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            run: Tally::default(),
            window: Tally::default(),
            trend: VecDeque::with_capacity(TREND_MAX),
        }
    }

    fn add(&mut self, interval: &RouteInterval, length_us: u64) {
        self.run.add(interval, length_us);
        self.window.add(interval, length_us);
        let mut latest = Tally::default();
        latest.add(interval, length_us);
        if let Some(p99) = latest.quantile(0.99) {
            if self.trend.len() == TREND_MAX {
                self.trend.pop_front();
            }
            self.trend.push_back(p99);
        }
    }
}

/// Every route, in the order of the scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Routes {
    /// The routes.
    pub each: Vec<Route>,
    /// All of them together.
    pub all: Route,
}

impl Routes {
    /// Routes that are known before they were asked for.
    pub fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        Self {
            each: names.take(ROUTES_MAX).map(Route::new).collect(),
            all: Route::new("all"),
        }
    }

    /// Adds settled arrivals.
    pub fn add(&mut self, interval: &Interval) {
        let length_us = u64::try_from(interval.end_us - interval.start_us).unwrap_or(0);
        for (index, route) in interval.routes.iter().enumerate() {
            // They nearly always come in the same order.
            let same = self.each.get(index).is_some_and(|r| r.name == route.route);
            let known = match same {
                true => Some(index),
                false => self.each.iter().position(|r| r.name == route.route),
            };
            let place = match known {
                Some(place) => place,
                None if self.each.len() < ROUTES_MAX => {
                    self.each.push(Route::new(&route.route));
                    self.each.len() - 1
                }
                None => continue,
            };
            self.each[place].add(route, length_us);
        }
        for tally in [&mut self.all.run, &mut self.all.window] {
            for route in &interval.routes {
                tally.add(route, 0);
            }
            tally.length_us = tally.length_us.saturating_add(length_us);
        }
    }

    /// A new window begins.
    pub fn begin_window(&mut self) {
        for route in self.each.iter_mut().chain([&mut self.all]) {
            route.window = Tally::default();
        }
    }

    /// Bytes that the routes take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.each
            .iter()
            .chain([&self.all])
            .map(|r| {
                r.run.bytes()
                    + r.window.bytes()
                    + r.name.len()
                    + r.trend.capacity() * size_of::<ResponseTime>()
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_in_every_quantile() {
        let mut tally = Tally::default();
        tally.response.record_n(1000, 90).unwrap();
        tally.counts.scheduled = 100;
        tally.counts.good = 90;
        tally.counts.timeout = 10;
        assert_eq!(tally.quantile(0.99), Some(ResponseTime::NEVER));
        assert!(tally.quantile(0.5).unwrap() < ResponseTime::NEVER);
        assert_eq!(tally.top_error(), Some(("timeout", 10)));
        assert_eq!(Tally::default().quantile(0.5), None);
    }
}
