//! The steady-state hypothesis, checked on the lead load.

use std::collections::VecDeque;
use std::time::Duration;

use squall_judge::live::check_gates;
use squall_record::Interval;
use squall_scenario::SteadyState;

/// Not reached in so many times its own length is not reached at all.
const PATIENCE: u32 = 3;

/// Watches lead intervals until the steady state has held for its time.
#[derive(Debug)]
pub(super) struct SteadyWatch<'s> {
    steady: Option<&'s SteadyState>,
    /// Intervals that start before this are warm-up.
    warm_us: i64,
    recent: VecDeque<Interval>,
    seen_until_us: i64,
    last_seen: String,
}

impl<'s> SteadyWatch<'s> {
    pub(super) fn new(steady: Option<&'s SteadyState>, warm_up: Duration) -> Self {
        Self {
            steady,
            warm_us: micros(warm_up),
            recent: VecDeque::new(),
            seen_until_us: 0,
            last_seen: "no request was answered yet".to_owned(),
        }
    }

    /// Takes the next settled interval of the lead load.
    pub(super) fn feed(&mut self, interval: Interval) {
        self.seen_until_us = interval.end_us;
        if interval.start_us >= self.warm_us {
            self.recent.push_back(interval);
        }
    }

    /// `Some` once it is decided: whether the state was reached, and what was
    /// seen.
    pub(super) fn decided(&mut self) -> Option<(bool, String)> {
        let Some(steady) = self.steady else {
            return Some((true, "the scenario names no steady state".to_owned()));
        };
        let length_us = micros(steady.duration);
        while self.recent.len() > 1 && self.recent_us() - span_us(&self.recent[0]) >= length_us {
            self.recent.pop_front();
        }
        if self.recent_us() >= length_us {
            let intervals = self.recent.make_contiguous();
            let (holds, seen) = check_gates(&steady.expect, intervals);
            self.last_seen = seen;
            if holds {
                return Some((true, self.last_seen.clone()));
            }
        }
        let waited_us = self.seen_until_us - self.warm_us;
        (waited_us >= length_us * i64::from(PATIENCE)).then(|| (false, self.last_seen.clone()))
    }

    fn recent_us(&self) -> i64 {
        self.recent.iter().map(span_us).sum()
    }
}

const fn span_us(interval: &Interval) -> i64 {
    interval.end_us - interval.start_us
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
