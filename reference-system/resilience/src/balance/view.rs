//! The instances that may be chosen now, and the choice between two of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::node::Node;
use super::rules::{BalanceRules, LoadMeasure};
use super::zones::{ZoneHealth, ZoneShares, shares};
use crate::chance::Draws;

type Nodes<T> = Box<[Arc<Node<T>>]>;

/// Made anew with every change of the set or of an ejection; a choice reads it as it is.
pub(super) struct View<T> {
    all: Nodes<T>,
    healthy: Nodes<T>,
    own: Nodes<T>,
    others: Box<[Nodes<T>]>,
    shares: Option<ZoneShares>,
    pub(super) is_panicking: bool,
    load: LoadMeasure,
    ramp_up: Duration,
}

impl<T> View<T> {
    /// Of all instances, each with whether it is ejected.
    pub(super) fn new(
        nodes: &[(Arc<Node<T>>, bool)],
        own_zone: Option<&str>,
        rules: &BalanceRules,
    ) -> Self {
        let in_count = nodes.iter().filter(|(_, is_out)| !is_out).count();
        let is_panicking = rules.panics(in_count, nodes.len());
        let mut zones: BTreeMap<&str, Vec<Arc<Node<T>>>> = BTreeMap::new();
        let mut healthy = Vec::new();
        for (node, is_out) in nodes {
            let zone = zones.entry(&node.zone).or_default();
            if !is_out || is_panicking {
                zone.push(node.clone());
                healthy.push(node.clone());
            }
        }
        let of_zone = |(zone, nodes): (&&str, &Vec<_>)| ZoneHealth {
            healthy: nodes.len(),
            is_own: own_zone == Some(*zone),
        };
        let health: Vec<ZoneHealth> = zones.iter().map(of_zone).collect();
        let shares = shares(&health, rules.zone_capacity_percentage);
        let own = own_zone.and_then(|own| zones.get(own)).cloned();
        Self {
            all: nodes.iter().map(|(node, _)| node.clone()).collect(),
            healthy: healthy.into(),
            own: own.unwrap_or_default().into(),
            others: zones.into_values().map(Into::into).collect(),
            shares,
            is_panicking,
            load: rules.load,
            ramp_up: Duration::from_millis(rules.outlier_ramp_up_ms),
        }
    }

    /// An instance that is not among `tried`, as long as there is one: of the zone whose turn it
    /// is, else any that is not ejected, else any at all; the latter only where a bad one is better
    /// than none.
    pub(super) fn choose(
        &self,
        tried: &[u64],
        only_good: bool,
        draws: &mut Draws,
        now_ns: u64,
    ) -> Option<Arc<Node<T>>> {
        let zone = self.zone(draws);
        let mut among = |nodes, tried| self.among(nodes, tried, draws, now_ns);
        let good = among(zone, tried).or_else(|| among(&self.healthy, tried));
        if good.is_some() || only_good {
            return good;
        }
        among(&self.all, tried)
            .or_else(|| among(zone, &[]))
            .or_else(|| among(&self.healthy, &[]))
            .or_else(|| among(&self.all, &[]))
    }

    /// Whose turn it is.
    fn zone(&self, draws: &mut Draws) -> &[Arc<Node<T>>] {
        let Some(shares) = &self.shares else {
            return &self.healthy;
        };
        if draws.below(shares.whole) < shares.own {
            return &self.own;
        }
        let mut place = draws.below(shares.spilled.iter().sum());
        for (nodes, share) in self.others.iter().zip(&shares.spilled) {
            if place < *share {
                return nodes;
            }
            place -= share;
        }
        &self.healthy
    }

    fn among(
        &self,
        nodes: &[Arc<Node<T>>],
        tried: &[u64],
        draws: &mut Draws,
        now_ns: u64,
    ) -> Option<Arc<Node<T>>> {
        if tried.is_empty() {
            return self.of_two(nodes, draws, now_ns);
        }
        let is_fresh = |node: &&Arc<Node<T>>| !tried.contains(&node.stats.number);
        let fresh: Vec<_> = nodes.iter().filter(is_fresh).cloned().collect();
        self.of_two(&fresh, draws, now_ns)
    }

    /// The better of two that chance picks (Mitzenmacher 2001). One that has just returned takes
    /// part less often than the others.
    fn of_two(
        &self,
        nodes: &[Arc<Node<T>>],
        draws: &mut Draws,
        now_ns: u64,
    ) -> Option<Arc<Node<T>>> {
        if nodes.len() < 2 {
            return nodes.first().cloned();
        }
        let one = draws.index(nodes.len());
        let other = draws.index(nodes.len() - 1);
        let other = other + usize::from(other >= one);
        let (one, other) = (nodes.get(one)?, nodes.get(other)?);
        let mut takes_part =
            |node: &Node<T>| draws.below(1000) < node.stats.ramp(now_ns, self.ramp_up);
        let cost = |node: &Node<T>| node.stats.cost(self.load, now_ns);
        let is_other = match (takes_part(one), takes_part(other)) {
            (true, false) => false,
            (false, true) => true,
            _ => cost(other) < cost(one),
        };
        Some(if is_other { other } else { one }.clone())
    }
}
