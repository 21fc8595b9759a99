//! What every second was like, in bounded memory.
//!
//! One point per second at first. When the points are full, each two become
//! one, and a point then shows the *worst* of its seconds: zooming out must
//! never make a system look better.

use std::collections::VecDeque;

use hdrhistogram::Histogram;
use squall_record::histogram::{new_histogram, rank, value_at_rank};
use squall_record::{Counts, Interval};

/// Points that are kept before two become one.
pub const POINTS_MAX: usize = 3600;
/// Seconds of rough figures kept until the settled ones arrive.
const ROUGH_MAX: usize = 120;
/// One second.
const SECOND_US: i64 = 1_000_000;

/// A response time in microseconds; [`ResponseTime::NEVER`] for arrivals that
/// failed, which are slower than any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResponseTime(u32);

impl ResponseTime {
    /// Longer than any: the arrival failed.
    pub const NEVER: Self = Self(u32::MAX);

    /// From microseconds; more than 71 minutes are cut to that.
    #[must_use]
    pub fn from_us(us: u64) -> Self {
        Self(u32::try_from(us).unwrap_or(u32::MAX - 1).min(u32::MAX - 1))
    }

    /// Microseconds; `None` for a failure.
    #[must_use]
    pub const fn us(self) -> Option<u64> {
        if self.0 == u32::MAX {
            None
        } else {
            Some(self.0 as u64)
        }
    }
}

/// One second, or several of a long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Arrivals scheduled.
    pub scheduled: u32,
    /// Of these, bad or dropped.
    pub failed: u32,
    /// Of these, never sent.
    pub dropped: u32,
    /// Median response time of all settled arrivals, failures included.
    pub p50: ResponseTime,
    /// 99th percentile likewise.
    pub p99: ResponseTime,
    /// Whether these are final; rough ones come from the gauges.
    pub settled: bool,
}

impl Point {
    fn worst(self, other: Self) -> Self {
        Self {
            scheduled: self.scheduled.saturating_add(other.scheduled),
            failed: self.failed.saturating_add(other.failed),
            dropped: self.dropped.saturating_add(other.dropped),
            p50: self.p50.max(other.p50),
            p99: self.p99.max(other.p99),
            settled: self.settled && other.settled,
        }
    }

    /// Share of arrivals that failed, from 0 to 1.
    #[must_use]
    pub fn failing(&self) -> f64 {
        if self.scheduled == 0 {
            return 0.0;
        }
        f64::from(self.failed) / f64::from(self.scheduled)
    }
}

/// Points from time zero on.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    width_us: i64,
    points: Vec<Option<Point>>,
    second: Option<Second>,
    rough: VecDeque<(i64, Point)>,
}

/// The second that intervals are still being added to: a fault's edge cuts one
/// second into several intervals.
#[derive(Debug, Clone, PartialEq)]
struct Second {
    number: i64,
    counts: Counts,
    response: Histogram<u64>,
}

impl Second {
    fn new(number: i64) -> Self {
        Self {
            number,
            counts: Counts::default(),
            response: new_histogram(),
        }
    }

    fn point(&self) -> Point {
        let n = self.counts.settled();
        Point {
            scheduled: cut(self.counts.scheduled),
            failed: cut(self.counts.failed()),
            dropped: cut(self.counts.dropped),
            p50: quantile(&self.response, n, 0.5),
            p99: quantile(&self.response, n, 0.99),
            settled: true,
        }
    }
}

fn cut(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A quantile over `n` settled arrivals, of which the good ones are in
/// `response` and all others never answered.
fn quantile(response: &Histogram<u64>, n: u64, q: f64) -> ResponseTime {
    if n == 0 {
        return ResponseTime(0);
    }
    value_at_rank(response, rank(q, n)).map_or(ResponseTime::NEVER, ResponseTime::from_us)
}

impl Default for Series {
    fn default() -> Self {
        Self {
            width_us: SECOND_US,
            points: Vec::new(),
            second: None,
            rough: VecDeque::new(),
        }
    }
}

impl Series {
    /// Adds settled arrivals; what was scheduled before time zero is not shown.
    pub fn add(&mut self, interval: &Interval) {
        if interval.start_us < 0 {
            return;
        }
        let number = interval.start_us / SECOND_US;
        let mut second = match self.second.take() {
            Some(second) if second.number == number => second,
            Some(second) => {
                self.store(second.number, second.point());
                Second::new(number)
            }
            None => Second::new(number),
        };
        for route in &interval.routes {
            second.counts.add(&route.counts);
            if let Some(response) = &route.response {
                response.add_to(&mut second.response);
            }
        }
        self.rough.retain(|(rough, _)| *rough > number);
        self.second = Some(second);
    }

    /// Takes what the gauges say of a second that is not settled yet.
    pub fn rough(&mut self, at_us: i64, point: Point) {
        let number = at_us.max(0) / SECOND_US;
        if self.second.as_ref().is_some_and(|s| s.number >= number) {
            return;
        }
        match self.rough.back_mut() {
            Some((last, known)) if *last == number => {
                known.p50 = known.p50.max(point.p50);
                known.p99 = known.p99.max(point.p99);
            }
            _ => {
                if self.rough.len() == ROUGH_MAX {
                    self.rough.pop_front();
                }
                self.rough.push_back((number, point));
            }
        }
    }

    fn store(&mut self, number: i64, point: Point) {
        let mut index = usize::try_from(number * SECOND_US / self.width_us).unwrap_or(0);
        while index >= POINTS_MAX {
            self.halve();
            index /= 2;
        }
        if self.points.len() <= index {
            self.points.resize(index + 1, None);
        }
        let known = &mut self.points[index];
        *known = Some(known.map_or(point, |known| known.worst(point)));
    }

    fn halve(&mut self) {
        self.width_us = self.width_us.saturating_mul(2);
        let mut halves = Vec::with_capacity(POINTS_MAX);
        for pair in self.points.chunks(2) {
            let worst = pair.iter().flatten().copied().reduce(Point::worst);
            halves.push(worst);
        }
        self.points = halves;
    }

    /// How much time a point stands for, in microseconds.
    #[must_use]
    pub const fn width_us(&self) -> i64 {
        self.width_us
    }

    /// The worst of `[from_us, to_us)`; `None` where nothing is known.
    #[must_use]
    pub fn worst(&self, from_us: i64, to_us: i64) -> Option<Point> {
        if to_us <= 0 || to_us <= from_us {
            return None;
        }
        let from_us = from_us.max(0);
        let first = usize::try_from(from_us / self.width_us).unwrap_or(0);
        let past = usize::try_from((to_us - 1) / self.width_us + 1).unwrap_or(0);
        let past = past.min(self.points.len());
        let stored = self.points.get(first.min(past)..past).unwrap_or_default();
        let stored = stored.iter().flatten().copied();
        let in_range = |number: i64| {
            number * SECOND_US < to_us && number.saturating_add(1) * SECOND_US > from_us
        };
        let second = self.second.iter().filter(|s| in_range(s.number));
        let rough = self.rough.iter().filter(|(number, _)| in_range(*number));
        stored
            .chain(second.map(Second::point))
            .chain(rough.map(|(_, point)| *point))
            .reduce(Point::worst)
    }

    /// The last second that is settled in full.
    #[must_use]
    pub fn last(&self) -> Option<Point> {
        let stored = self.points.last().copied().flatten();
        stored.or_else(|| self.second.as_ref().map(Second::point))
    }

    /// Bytes that the points take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let second = self.second.as_ref();
        self.points.capacity() * size_of::<Option<Point>>()
            + self.rough.capacity() * size_of::<(i64, Point)>()
            + second.map_or(0, |s| s.response.distinct_values() * size_of::<u64>())
    }
}

#[cfg(test)]
mod tests {
    use squall_record::histogram::record_us;
    use squall_record::{RouteInterval, Times};

    use super::*;

    fn second(number: i64, response_us: u64, failed: u64) -> Interval {
        let mut histogram = new_histogram();
        for _ in 0..10 {
            record_us(&mut histogram, response_us);
        }
        let counts = Counts {
            scheduled: 10 + failed,
            good: 10,
            timeout: failed,
            ..Counts::default()
        };
        Interval {
            start_us: number * SECOND_US,
            end_us: (number + 1) * SECOND_US,
            routes: vec![RouteInterval {
                route: "all".to_owned(),
                counts,
                response: Some(Times::of(&histogram)),
                unlagged: None,
                ..RouteInterval::default()
            }],
            lag: None,
            wait: None,
            parts: squall_record::IntervalParts::default(),
            users: None,
        }
    }

    #[test]
    fn a_failure_is_slower_than_any_answer() {
        let mut series = Series::default();
        series.add(&second(0, 1000, 1));
        let point = series.worst(0, SECOND_US).unwrap();
        assert_eq!(point.p99, ResponseTime::NEVER);
        assert!(point.p50 < ResponseTime::NEVER);
    }

    #[test]
    fn a_long_run_keeps_its_worst_second_and_its_arrivals() {
        let mut series = Series::default();
        let seconds = 3 * POINTS_MAX as i64;
        for number in 0..seconds {
            let slow = if number == 5000 { 900_000 } else { 1000 };
            series.add(&second(number, slow, 0));
        }
        assert!(series.points.len() <= POINTS_MAX);
        let all = series.worst(0, seconds * SECOND_US).unwrap();
        assert_eq!(i64::from(all.scheduled), seconds * 10);
        assert!(all.p99.us().unwrap() > 890_000);
        let start = series.worst(0, 1000 * SECOND_US).unwrap();
        assert!(start.p99.us().unwrap() < 2000);
    }

    #[test]
    fn rough_figures_give_way_to_settled_ones() {
        let mut series = Series::default();
        let rough = Point {
            scheduled: 0,
            failed: 0,
            dropped: 0,
            p50: ResponseTime::from_us(7),
            p99: ResponseTime::from_us(7_000_000),
            settled: false,
        };
        series.rough(3 * SECOND_US, rough);
        assert!(!series.worst(3 * SECOND_US, 4 * SECOND_US).unwrap().settled);
        series.add(&second(3, 1000, 0));
        let point = series.worst(3 * SECOND_US, 4 * SECOND_US).unwrap();
        assert!(point.settled && point.p99.us().unwrap() < 2000);
    }
}
