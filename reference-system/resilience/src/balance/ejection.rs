//! Which instances are out, until when, and why. Behind the balancer's lock: choices do not come
//! here, only changes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::node::Node;
use super::rules::BalanceRules;
use super::success_rate::{Outlier, Tally, outliers};
use crate::clock::nanos;

/// Why an instance was ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyEjected {
    /// So many attempts failed one after the other.
    ConsecutiveFailures(u32),
    /// It failed more often than the others, in percent of the attempts of one interval.
    SuccessRate {
        /// Its share of successes.
        success_rate: u8,
        /// The mean share of the others.
        others: u8,
    },
}

impl fmt::Display for WhyEjected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConsecutiveFailures(count) => write!(f, "{count} failures in a row"),
            Self::SuccessRate {
                success_rate,
                others,
            } => write!(
                f,
                "{success_rate} % of its attempts succeeded, of the others' {others} %"
            ),
        }
    }
}

/// One ejection of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ejection {
    /// The name of the instance.
    pub instance: Arc<str>,
    /// Why.
    pub why: WhyEjected,
    /// When.
    pub at: Instant,
    /// For how long.
    pub length: Duration,
    /// The how manieth it is in a row; an interval without one takes one off.
    pub in_a_row: u32,
}

/// What happens to the instances of a balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BalanceEvent {
    /// An instance was ejected.
    Ejected(Ejection),
    /// One that should have been was not: too many are out.
    NotEjected {
        /// The name of the instance.
        instance: Arc<str>,
        /// Why it should have been.
        why: WhyEjected,
        /// When.
        at: Instant,
    },
    /// The time of an ejection is over, or the set has become too small for it.
    Returned {
        /// The name of the instance.
        instance: Arc<str>,
        /// When this was noticed.
        at: Instant,
    },
}

/// How often what happened since the balancer was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BalanceCounts {
    /// Ejections for failures in a row.
    pub ejected_consecutive: u64,
    /// Ejections for a success rate below that of the others.
    pub ejected_success_rate: u64,
    /// Ejections that did not happen because too many were out.
    pub not_ejected: u64,
    /// Instances that came back.
    pub returned: u64,
    /// Times the balancer began to ignore ejections because too few instances were left.
    pub panics: u64,
}

/// An instance and what has become of it.
pub(super) struct Member<T> {
    pub(super) node: Arc<Node<T>>,
    pub(super) out_until: Option<Instant>,
    /// Ejections in a row.
    in_a_row: u32,
    /// Whether it was out at any time of this interval.
    was_out: bool,
    pub(super) ejections: u64,
    pub(super) last: Option<Ejection>,
}

/// All instances and what has become of them.
pub(super) struct Members<T> {
    pub(super) list: Vec<Member<T>>,
    pub(super) counts: BalanceCounts,
    compared: Instant,
}

impl<T> Members<T> {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            list: Vec::new(),
            counts: BalanceCounts::default(),
            compared: now,
        }
    }

    /// Puts other instances in the place of those there are. Who stays keeps its history.
    pub(super) fn replace(
        &mut self,
        now: Instant,
        nodes: Vec<Arc<Node<T>>>,
        rules: &BalanceRules,
    ) -> Vec<BalanceEvent> {
        let old = self.list.drain(..);
        let mut old: HashMap<u64, Member<T>> = old.map(|m| (m.node.stats.number, m)).collect();
        let kept = |node: Arc<Node<T>>| match old.remove(&node.stats.number) {
            Some(member) => Member { node, ..member },
            None => Member {
                node,
                out_until: None,
                in_a_row: 0,
                was_out: false,
                ejections: 0,
                last: None,
            },
        };
        self.list = nodes.into_iter().map(kept).collect();
        let mut events = Vec::new();
        // Of a smaller set fewer may be out: who would be back first is.
        while self.out_count() > rules.ejectable(self.list.len()) {
            let out = self.list.iter_mut().filter(|m| m.out_until.is_some());
            let Some(first) = out.min_by_key(|member| member.out_until) else {
                break;
            };
            // Whoever is left cannot wait for it to warm up.
            events.push(bring_back(first, &mut self.counts, now, None));
        }
        events
    }

    /// Ejects the instance of this number, if it may be.
    pub(super) fn eject(
        &mut self,
        now: Instant,
        number: u64,
        why: WhyEjected,
        rules: &BalanceRules,
    ) -> Option<BalanceEvent> {
        let is_full = self.out_count() >= rules.ejectable(self.list.len());
        let mut members = self.list.iter_mut();
        let member = members.find(|member| member.node.stats.number == number)?;
        if member.out_until.is_some() {
            return None;
        }
        let instance = member.node.stats.name.clone();
        if is_full {
            // It has to fail as often again to be looked at again.
            member.node.stats.forget_streak();
            self.counts.not_ejected += 1;
            let at = now;
            return Some(BalanceEvent::NotEjected { instance, why, at });
        }
        member.in_a_row = member.in_a_row.saturating_add(1);
        member.ejections += 1;
        member.was_out = true;
        let ejection = Ejection {
            instance,
            why,
            at: now,
            length: rules.ejection(member.in_a_row),
            in_a_row: member.in_a_row,
        };
        member.out_until = Some(now + ejection.length);
        member.node.stats.begin_epoch(None);
        member.last = Some(ejection.clone());
        match why {
            WhyEjected::ConsecutiveFailures(_) => self.counts.ejected_consecutive += 1,
            WhyEjected::SuccessRate { .. } => self.counts.ejected_success_rate += 1,
        }
        Some(BalanceEvent::Ejected(ejection))
    }

    /// Does what is due: lets instances return, and compares them at the end of an interval.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        origin: Instant,
        rules: &BalanceRules,
    ) -> Vec<BalanceEvent> {
        let mut events = Vec::new();
        for member in &mut self.list {
            if member.out_until.is_some_and(|until| until <= now) {
                let since_origin = nanos(now.saturating_duration_since(origin));
                let counts = &mut self.counts;
                events.push(bring_back(member, counts, now, Some(since_origin)));
            }
        }
        if now.saturating_duration_since(self.compared) >= interval(rules) {
            self.compared = now;
            events.extend(self.compare(now, rules));
        }
        events
    }

    fn compare(&mut self, now: Instant, rules: &BalanceRules) -> Vec<BalanceEvent> {
        let tally = |member: &Member<T>| match member.out_until {
            Some(_) => Tally::default(),
            None => member.node.stats.take_tally(),
        };
        let tallies: Vec<Tally> = self.list.iter().map(tally).collect();
        let found = outliers(&tallies, rules);
        let eject = |outlier: Outlier| {
            let number = self.list.get(outlier.nth)?.node.stats.number;
            let why = WhyEjected::SuccessRate {
                success_rate: outlier.success_rate,
                others: outlier.others,
            };
            self.eject(now, number, why, rules)
        };
        let events = found.into_iter().filter_map(eject).collect();
        for member in &mut self.list {
            if !member.was_out {
                member.in_a_row = member.in_a_row.saturating_sub(1);
            }
            member.was_out = member.out_until.is_some();
        }
        events
    }

    /// When `settle` next has something to do.
    pub(super) fn due(&self, rules: &BalanceRules) -> Instant {
        let returns = self.list.iter().filter_map(|member| member.out_until);
        returns.fold(self.compared + interval(rules), Instant::min)
    }

    pub(super) fn out_count(&self) -> usize {
        let out = self.list.iter().filter(|member| member.out_until.is_some());
        out.count()
    }
}

fn interval(rules: &BalanceRules) -> Duration {
    Duration::from_millis(rules.outlier_interval_ms)
}

fn bring_back<T>(
    member: &mut Member<T>,
    counts: &mut BalanceCounts,
    now: Instant,
    ramp_from_ns: Option<u64>,
) -> BalanceEvent {
    member.out_until = None;
    member.node.stats.begin_epoch(ramp_from_ns);
    counts.returned += 1;
    BalanceEvent::Returned {
        instance: member.node.stats.name.clone(),
        at: now,
    }
}
