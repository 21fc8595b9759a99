//! Rough live figures for screens, ten times a second. Never judged.

use std::collections::VecDeque;
use std::time::Instant;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use squall_record::Outcome;
use squall_record::histogram::{coarse_histogram, record_us};

use crate::settled::Settled;

/// What screens may show while the truth is still being settled. Counts are
/// totals since the load began, by the time of completion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Gauges {
    /// Arrivals whose time has come.
    pub scheduled: u64,
    /// Good answers.
    pub good: u64,
    /// Arrivals sent that are not good.
    pub bad: u64,
    /// Arrivals never sent.
    pub dropped: u64,
    /// Arrivals under way.
    pub in_flight: u32,
    /// Median response time in microseconds of the answers of the last
    /// second; `None` without any.
    pub p50_us: Option<u64>,
    /// 99th percentile likewise.
    pub p99_us: Option<u64>,
    /// Greatest lag of the generator in microseconds.
    pub lag_max_us: u64,
}

/// Gathers [`Gauges`].
#[derive(Debug, Default)]
pub(crate) struct GaugeBoard {
    totals: Gauges,
    /// Completion and response time of recent answers.
    recent: VecDeque<(Instant, u64)>,
}

/// Answers remembered for the quantiles of the last second.
const RECENT_MAX: usize = 20_000;

impl GaugeBoard {
    pub(crate) fn scheduled(&mut self) {
        self.totals.scheduled += 1;
    }

    pub(crate) fn settled(&mut self, settled: &Settled, now: Instant) {
        match settled.outcome {
            Outcome::Good => self.totals.good += 1,
            Outcome::Bad(_) => self.totals.bad += 1,
            Outcome::Dropped => self.totals.dropped += 1,
            Outcome::Unfinished => {}
        }
        if settled.outcome == Outcome::Good {
            if self.recent.len() == RECENT_MAX {
                self.recent.pop_front();
            }
            self.recent.push_back((now, settled.response_us));
        }
    }

    pub(crate) fn read(&mut self, now: Instant, in_flight: u32, lag_max_us: u64) -> Gauges {
        while self
            .recent
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at).as_secs() >= 1)
        {
            self.recent.pop_front();
        }
        let mut histogram: Histogram<u64> = coarse_histogram();
        for (_, response_us) in &self.recent {
            record_us(&mut histogram, *response_us);
        }
        let quantile = |q: f64| (!histogram.is_empty()).then(|| histogram.value_at_quantile(q));
        Gauges {
            in_flight,
            lag_max_us,
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            ..self.totals
        }
    }
}
