//! Rough live figures for screens, ten times a second. Never judged.

use std::collections::VecDeque;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use squall_record::Outcome;
use squall_record::histogram::{RESPONSE_MAX_US, coarse_histogram};

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

/// Counts what becomes of arrivals, for [`Gauges`].
#[derive(Debug)]
pub(crate) struct GaugeBoard {
    totals: Gauges,
    /// Response times of good answers since the board was last read.
    answers: Histogram<u32>,
}

/// What a board has counted: totals, and the answers since it was last read.
#[derive(Debug)]
pub(crate) struct BoardReading {
    totals: Gauges,
    answers: Histogram<u32>,
}

impl BoardReading {
    /// That of nobody.
    pub(crate) fn nothing() -> Self {
        Self {
            totals: Gauges::default(),
            answers: coarse_histogram(),
        }
    }

    /// Takes a later reading of the same board.
    pub(crate) fn follow(&mut self, later: Self) {
        self.totals = later.totals;
        // Counts of a second are far below what a histogram holds.
        let _ = self.answers.add(&later.answers);
    }

    /// Adds the reading of another board, which keeps its totals.
    pub(crate) fn add(&mut self, other: &mut Self) {
        let (own, theirs) = (&mut self.totals, &other.totals);
        own.scheduled += theirs.scheduled;
        own.good += theirs.good;
        own.bad += theirs.bad;
        own.dropped += theirs.dropped;
        own.in_flight += theirs.in_flight;
        own.lag_max_us = own.lag_max_us.max(theirs.lag_max_us);
        let _ = self.answers.add(&other.answers);
        other.answers.reset();
    }
}

impl GaugeBoard {
    pub(crate) fn new() -> Self {
        Self {
            totals: Gauges::default(),
            answers: coarse_histogram(),
        }
    }

    pub(crate) const fn scheduled(&mut self) {
        self.totals.scheduled += 1;
    }

    pub(crate) fn settled(&mut self, settled: &Settled) {
        match settled.outcome {
            Outcome::Good => {
                self.totals.good += 1;
                let response_us = settled.response_us.clamp(1, RESPONSE_MAX_US);
                // A histogram that grows by itself takes an hour.
                let _ = self.answers.record(response_us);
            }
            Outcome::Bad(_) => self.totals.bad += 1,
            Outcome::Dropped => self.totals.dropped += 1,
            Outcome::Unfinished => {}
        }
    }

    /// What was counted; the answers from now on are for the next reading.
    pub(crate) fn read(&mut self, in_flight: u32, lag_max_us: u64) -> BoardReading {
        BoardReading {
            totals: Gauges {
                in_flight,
                lag_max_us,
                ..self.totals
            },
            answers: std::mem::replace(&mut self.answers, coarse_histogram()),
        }
    }
}

/// The answers of the last second, as boards tell them ten times a second.
#[derive(Debug, Default)]
pub(crate) struct LastSecond {
    readings: VecDeque<Histogram<u32>>,
}

/// Readings in a second.
const READINGS: usize = 10;

impl LastSecond {
    /// Adds a reading; what screens may show now.
    pub(crate) fn gauges(&mut self, reading: BoardReading) -> Gauges {
        if self.readings.len() == READINGS {
            self.readings.pop_front();
        }
        self.readings.push_back(reading.answers);
        let mut all: Histogram<u32> = coarse_histogram();
        for answers in &self.readings {
            let _ = all.add(answers);
        }
        let quantile = |q: f64| (!all.is_empty()).then(|| all.value_at_quantile(q));
        Gauges {
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            ..reading.totals
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_last_second_and_counts_of_all() {
        let mut board = GaugeBoard::new();
        let mut last_second = LastSecond::default();
        let mut good = |response_us| {
            board.scheduled();
            board.settled(&Settled {
                outcome: Outcome::Good,
                response_us,
                ..Settled::UNFINISHED
            });
            last_second.gauges(board.read(0, 0))
        };
        assert!(good(1_000_000).p99_us.is_some_and(|us| us >= 1_000_000));
        for _ in 0..READINGS {
            good(1_000);
        }
        let gauges = good(1_000);
        assert!(gauges.p99_us.is_some_and(|us| us < 1_020), "{gauges:?}");
        assert_eq!((gauges.scheduled, gauges.good), (12, 12));
        assert_eq!(last_second.gauges(board.read(3, 7)).in_flight, 3);
    }
}
