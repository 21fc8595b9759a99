//! Load balancing: which instance of a dependency an attempt goes to, and which are left out.
//!
//! The better of two that chance picks, by attempts under way (power of two choices): nearly as
//! even as asking all of them, without herds that run to the one that looked best. The own zone
//! first, while its healthy instances suffice. Instances whose attempts fail are ejected for a
//! while, as Envoy does; what is counted are attempts, not calls, so that a retry does not hide a
//! bad instance.
//!
//! A choice loads one pointer and counts with atomics. Ejections, returns and changes of the set
//! happen behind a lock that choices do not take.

mod builder;
mod ejection;
mod node;
mod pick;
mod prometheus;
mod rules;
mod snapshot;
mod success_rate;
mod view;
mod zones;

#[cfg(test)]
mod behaviour_test;
#[cfg(test)]
mod model_test;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;

use arc_swap::ArcSwap;

pub use self::builder::BalancerBuilder;
use self::builder::Observer;
use self::ejection::Members;
pub use self::ejection::{BalanceCounts, BalanceEvent, Ejection, WhyEjected};
use self::node::{Node, Stats};
pub use self::pick::Pick;
pub use self::prometheus::BalancerMetrics;
pub use self::rules::{BalanceRules, LoadMeasure};
pub use self::snapshot::{BalancerSnapshot, InstanceSnapshot};
use self::view::View;
use crate::chance::Chance;
use crate::clock::nanos;
use crate::{Attempt, Classify, Clock};

/// One instance of a dependency, as discovery tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance<T> {
    /// What it is known by. Of several of one name the first counts. As long as the name stays in
    /// the set, so does its history; give one that was replaced another name to begin anew.
    pub name: String,
    /// The zone it is in; empty for none.
    pub zone: String,
    /// How to reach it: an address, a client, a tower service.
    pub target: T,
}

impl<T> Instance<T> {
    /// An instance in no zone.
    pub fn new(name: impl Into<String>, target: T) -> Self {
        Self {
            name: name.into(),
            zone: String::new(),
            target,
        }
    }

    /// In this zone.
    #[must_use]
    pub fn in_zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = zone.into();
        self
    }
}

/// Chooses an instance for every attempt. Make one per dependency and process; cloning shares it.
pub struct Balancer<T>(Arc<Shared<T>>);

struct Shared<T> {
    name: Arc<str>,
    zone: Option<Arc<str>>,
    rules: BalanceRules,
    origin: Instant,
    clock: Arc<dyn Clock>,
    chance: Chance,
    view: ArcSwap<View<T>>,
    /// When there is something to settle, in nanoseconds since the origin.
    due_ns: AtomicU64,
    /// Held during every change of the set and of ejections.
    members: Mutex<Members<T>>,
    observer: Observer,
}

impl<T> Clone for Balancer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> std::fmt::Debug for Balancer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Balancer")
            .field("name", &self.0.name)
            .field("zone", &self.0.zone)
            .finish_non_exhaustive()
    }
}

/// There is no instance to choose; for a hedge: none that would be a better one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no instance of {balancer} is there for it")]
pub struct NoInstance {
    /// The name of the balancer.
    pub balancer: Arc<str>,
}

impl Classify for NoInstance {}

impl Balancer<()> {
    /// Begins a balancer of this name, of whatever targets; nothing but chance and messages depends
    /// on the name.
    pub fn builder(name: &str) -> BalancerBuilder {
        BalancerBuilder::new(name)
    }
}

impl<T> Balancer<T> {
    /// The name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The rules.
    pub fn rules(&self) -> &BalanceRules {
        &self.0.rules
    }

    /// Its clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// Puts other instances in the place of those there are. Attempts under way end as they are.
    pub fn set_instances(&self, now: Instant, instances: impl IntoIterator<Item = Instance<T>>) {
        let shared = &self.0;
        let mut members = lock(&shared.members);
        let known = members.list.iter().map(|member| &member.node.stats);
        let mut known: HashMap<Arc<str>, Arc<Stats>> = known
            .map(|stats| (stats.name.clone(), stats.clone()))
            .collect();
        let mut nodes: Vec<Arc<Node<T>>> = Vec::new();
        let mut names = std::collections::HashSet::new();
        for instance in instances {
            let name: Arc<str> = Arc::from(instance.name);
            if !names.insert(name.clone()) {
                continue;
            }
            let stats = known.remove(&name);
            nodes.push(Arc::new(Node {
                stats: stats.unwrap_or_else(|| Arc::new(Stats::new(name))),
                zone: Arc::from(instance.zone),
                target: instance.target,
            }));
        }
        let events = members.replace(now, nodes, &shared.rules);
        shared.publish(&mut members, events);
    }

    /// Chooses an instance for an attempt that begins at `now`, and counts it as under way there
    /// until the [`Pick`] is told how it went or is dropped. Never one that the call has tried
    /// while there is another; an ejected one only for want of others, and never for a hedge.
    ///
    /// # Errors
    /// The set is empty, or the attempt is a hedge and there is no other good instance.
    pub fn pick(&self, attempt: &Attempt, now: Instant) -> Result<Pick<T>, NoInstance> {
        let shared = &self.0;
        let now_ns = shared.since_origin(now);
        if now_ns >= shared.due_ns.load(Ordering::Acquire) {
            shared.settle(now);
        }
        let view = shared.view.load();
        let mut draws = shared.chance.next();
        let choose = |tried: &[u64]| view.choose(tried, attempt.is_hedge, &mut draws, now_ns);
        let node = attempt.tried.choose(choose, |node| node.stats.number);
        let node = node.ok_or_else(|| NoInstance {
            balancer: shared.name.clone(),
        })?;
        Ok(Pick::new(self.clone(), node, now, attempt))
    }

    /// Everything about the set at `now`.
    pub fn snapshot(&self, now: Instant) -> BalancerSnapshot {
        let shared = &self.0;
        let mut members = lock(&shared.members);
        shared.settle_locked(&mut members, now);
        let instances = members.list.iter().map(|member| {
            let stats = &member.node.stats;
            InstanceSnapshot {
                name: stats.name.clone(),
                zone: member.node.zone.clone(),
                in_flight: stats.in_flight(),
                attempts: stats.attempts(),
                failures: stats.failures(),
                ejected_for: member
                    .out_until
                    .map(|until| until.saturating_duration_since(now)),
                ejections: member.ejections,
                last_ejection: member.last.clone(),
            }
        });
        BalancerSnapshot {
            name: shared.name.clone(),
            is_panicking: shared.view.load().is_panicking,
            instances: instances.collect(),
            counts: members.counts,
        }
    }
}

impl<T> Shared<T> {
    fn since_origin(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.origin))
    }

    /// Does what is due, unless somebody else is changing something just now.
    #[cold]
    fn settle(&self, now: Instant) {
        match self.members.try_lock() {
            Ok(mut members) => self.settle_locked(&mut members, now),
            Err(TryLockError::Poisoned(poisoned)) => {
                self.settle_locked(&mut poisoned.into_inner(), now);
            }
            Err(TryLockError::WouldBlock) => {}
        }
    }

    fn settle_locked(&self, members: &mut Members<T>, now: Instant) {
        if self.since_origin(now) >= self.due_ns.load(Ordering::Acquire) {
            let events = members.settle(now, self.origin, &self.rules);
            self.publish(members, events);
        }
    }

    /// An attempt of `epoch` at `node` was the last of so many failures in a row.
    fn failed_in_a_row(&self, now: Instant, node: &Node<T>, epoch: u64, count: u32) {
        let enough = self.rules.outlier_consecutive_failures;
        if enough == 0 || count < enough {
            return;
        }
        let mut members = lock(&self.members);
        // Another failure may have ejected it meanwhile.
        if node.stats.is_in(epoch) {
            let why = WhyEjected::ConsecutiveFailures(count);
            match members.eject(now, node.stats.number, why, &self.rules) {
                // Nothing has changed, however often this happens while everything fails.
                Some(event @ BalanceEvent::NotEjected { .. }) => self.tell(&event),
                event => self.publish(&mut members, event),
            }
        }
    }

    /// Shows choices what has changed, and tells the observer.
    fn publish(&self, members: &mut Members<T>, events: impl IntoIterator<Item = BalanceEvent>) {
        let nodes = members.list.iter();
        let nodes: Vec<_> = nodes
            .map(|member| (member.node.clone(), member.out_until.is_some()))
            .collect();
        let view = View::new(&nodes, self.zone.as_deref(), &self.rules);
        let panics = view.is_panicking && !self.view.load().is_panicking;
        members.counts.panics += u64::from(panics);
        self.view.store(Arc::new(view));
        let due = members.due(&self.rules);
        self.due_ns.store(self.since_origin(due), Ordering::Release);
        for event in events {
            self.tell(&event);
        }
    }

    fn tell(&self, event: &BalanceEvent) {
        self::builder::trace(&self.name, event);
        (self.observer)(event);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change leaves the list whole, so a panic elsewhere cannot have broken it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
