//! How arrivals flow right now: asked for, sent, answered, dropped.

use std::collections::VecDeque;

use squall_load::Gauges;
use squall_record::histogram::rank;
use squall_record::{Counts, Interval, Times};

/// Readings of the gauges that rates are taken over; ten come in a second.
const READINGS_MAX: usize = 11;

/// Arrivals per second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Flow {
    /// Scheduled.
    pub asked: f64,
    /// Sent: scheduled and not dropped.
    pub sent: f64,
    /// Answered or given up.
    pub done: f64,
}

/// What is known of the arrivals.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Arrivals {
    readings: VecDeque<(i64, Gauges)>,
    /// Whether every arrival has come to its end.
    over: bool,
    settled: Option<Flow>,
    /// What became of all settled arrivals since time zero.
    pub totals: Counts,
    /// 99th percentile of the generator's lag in the last settled stretch, in
    /// microseconds.
    pub lag_p99_us: Option<u64>,
    /// Greatest lag so far, in microseconds.
    pub lag_max_us: u64,
    /// 99th percentile of the wait for a connection in the last settled
    /// stretch, in microseconds.
    pub wait_p99_us: Option<u64>,
}

impl Arrivals {
    /// Takes a reading of the gauges.
    pub fn read(&mut self, at_us: i64, gauges: Gauges) {
        let known = self.readings.back().is_some_and(|(last, _)| *last >= at_us);
        if known || self.over {
            return;
        }
        if self.readings.len() == READINGS_MAX {
            self.readings.pop_front();
        }
        self.lag_max_us = self.lag_max_us.max(gauges.lag_max_us);
        self.readings.push_back((at_us, gauges));
    }

    /// The load is over: its last gauges would say for ever what was under way
    /// when they were read.
    pub fn end(&mut self) {
        self.readings.clear();
        self.over = true;
    }

    /// Takes settled arrivals.
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    pub fn settle(&mut self, interval: &Interval) {
        let mut counts = Counts::default();
        for route in &interval.routes {
            counts.add(&route.counts);
        }
        self.totals.add(&counts);
        let length_s = (interval.end_us - interval.start_us).max(1) as f64 / 1e6;
        let per_second = |count: u64| count as f64 / length_s;
        self.settled = Some(Flow {
            asked: per_second(counts.scheduled),
            sent: per_second(counts.scheduled.saturating_sub(counts.dropped)),
            done: per_second(counts.settled().saturating_sub(counts.dropped)),
        });
        let p99 = |times: &Option<Times>| {
            let times = times.as_ref()?;
            times.value_at_rank(rank(0.99, times.len()))
        };
        if let Some(times) = &interval.lag {
            self.lag_max_us = self.lag_max_us.max(times.max_us());
        }
        self.lag_p99_us = p99(&interval.lag).or(self.lag_p99_us);
        self.wait_p99_us = p99(&interval.wait).or(self.wait_p99_us);
    }

    /// Arrivals per second over the last second as the gauges saw it, else
    /// over the last settled stretch.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    pub fn flow(&self) -> Option<Flow> {
        let (Some((from_us, from)), Some((to_us, to))) =
            (self.readings.front(), self.readings.back())
        else {
            return self.settled;
        };
        let seconds = (to_us - from_us) as f64 / 1e6;
        if seconds <= 0.0 {
            return self.settled;
        }
        let per_second = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
        let sent = |gauges: &Gauges| gauges.scheduled.saturating_sub(gauges.dropped);
        Some(Flow {
            asked: per_second(from.scheduled, to.scheduled),
            sent: per_second(sent(from), sent(to)),
            done: per_second(from.good + from.bad, to.good + to.bad),
        })
    }

    /// The newest reading of the gauges, where there are any.
    #[must_use]
    pub fn gauges(&self) -> Option<&Gauges> {
        self.readings.back().map(|(_, gauges)| gauges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_in_flight_once_the_load_is_over() {
        let mut arrivals = Arrivals::default();
        let gauges = Gauges {
            in_flight: 2,
            ..Gauges::default()
        };
        arrivals.read(1_000_000, gauges);
        assert_eq!(arrivals.gauges().map(|g| g.in_flight), Some(2));
        arrivals.end();
        arrivals.read(2_000_000, gauges);
        assert_eq!((arrivals.gauges(), arrivals.flow()), (None, None));
    }
}
