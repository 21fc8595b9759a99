//! States of the breakers over time.

use std::collections::VecDeque;

use squall_record::BreakerReport;
use squall_scenario::BreakerState;

/// Changes of one breaker that are kept; the oldest go first.
const CHANGES_MAX: usize = 2048;
/// Breakers, and instances of each, that are told apart.
const EACH_MAX: usize = 128;

/// A breaker as one instance holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The instance.
    pub instance: String,
    /// Its state; `None` when it cannot be read.
    pub state: Option<BreakerState>,
    /// Percentage of errors in its window.
    pub error_percent: u32,
    /// Calls in its window.
    pub calls: u64,
    /// Since when it has this state.
    pub since_us: i64,
}

/// One breaker over all its instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Its name.
    pub name: String,
    /// Its holders, in the order they were heard of.
    pub holders: Vec<Holder>,
    /// When the state of the whole changed, and to what; `None` where no
    /// instance could be read.
    pub changes: VecDeque<(i64, Option<BreakerState>)>,
}

impl Breaker {
    /// The state that matters most: open before half-open before closed.
    #[must_use]
    pub fn state(&self) -> Option<BreakerState> {
        let weight = |state: &BreakerState| match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        let states = self.holders.iter().filter_map(|holder| holder.state);
        states.max_by_key(weight)
    }

    /// How many instances report it open.
    #[must_use]
    pub fn open(&self) -> usize {
        let open = |holder: &&Holder| holder.state == Some(BreakerState::Open);
        self.holders.iter().filter(open).count()
    }

    /// The state in force at `at_us`, `None` before the first report.
    #[must_use]
    pub fn at(&self, at_us: i64) -> Option<BreakerState> {
        let index = self.changes.partition_point(|(from, _)| *from <= at_us);
        index.checked_sub(1).and_then(|i| self.changes[i].1)
    }

    /// The state that matters most in `[from_us, to_us)`.
    #[must_use]
    pub fn worst(&self, from_us: i64, to_us: i64) -> Option<BreakerState> {
        let first = self.changes.partition_point(|(from, _)| *from <= from_us);
        let within = self.changes.range(first..);
        let within = within.take_while(|(at, _)| *at < to_us);
        let states = within.filter_map(|(_, state)| *state);
        states
            .chain(self.at(from_us))
            .max_by_key(|state| match state {
                BreakerState::Closed => 0,
                BreakerState::HalfOpen => 1,
                BreakerState::Open => 2,
            })
    }

    fn hear(&mut self, at_us: i64, report: &BreakerReport) {
        let before = self.state();
        let known = self
            .holders
            .iter()
            .position(|h| h.instance == report.instance);
        if let Some(place) = known {
            let holder = &mut self.holders[place];
            if holder.state != report.state {
                holder.state = report.state;
                holder.since_us = at_us;
            }
            holder.error_percent = report.error_percent;
            holder.calls = report.calls;
        } else if self.holders.len() < EACH_MAX {
            self.holders.push(Holder {
                instance: report.instance.clone(),
                state: report.state,
                error_percent: report.error_percent,
                calls: report.calls,
                since_us: at_us,
            });
        }
        let state = self.state();
        if state != before || self.changes.is_empty() {
            if self.changes.len() == CHANGES_MAX {
                self.changes.pop_front();
            }
            // Times before time zero count up to it, and all lie before it.
            let at_us = self
                .changes
                .back()
                .map_or(at_us, |(last, _)| at_us.max(*last));
            self.changes.push_back((at_us, state));
        }
    }
}

/// Every breaker, in the order of the system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Breakers {
    /// The breakers.
    pub each: Vec<Breaker>,
}

impl Breakers {
    /// Those of a system, by name.
    pub fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let new = |name: &str| Breaker {
            name: name.to_owned(),
            holders: Vec::new(),
            changes: VecDeque::new(),
        };
        Self {
            each: names.take(EACH_MAX).map(new).collect(),
        }
    }

    /// Takes a report into account.
    pub fn hear(&mut self, at_us: i64, report: &BreakerReport) {
        let known = self.each.iter_mut().find(|b| b.name == report.breaker);
        if let Some(breaker) = known {
            breaker.hear(at_us, report);
        } else if self.each.len() < EACH_MAX {
            let mut breaker = Breaker {
                name: report.breaker.clone(),
                holders: Vec::new(),
                changes: VecDeque::new(),
            };
            breaker.hear(at_us, report);
            self.each.push(breaker);
        }
    }

    /// Bytes that the breakers take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let change = size_of::<(i64, Option<BreakerState>)>();
        let one = |breaker: &Breaker| {
            size_of::<Breaker>()
                + breaker.holders.capacity() * size_of::<Holder>()
                + breaker.changes.capacity() * change
        };
        self.each.iter().map(one).sum()
    }
}
