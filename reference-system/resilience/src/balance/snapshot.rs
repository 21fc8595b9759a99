//! A balancer at one instant.

use std::sync::Arc;
use std::time::Duration;

use super::ejection::{BalanceCounts, Ejection};

/// Everything about a balancer at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalancerSnapshot {
    /// Its name.
    pub name: Arc<str>,
    /// Whether so few instances are left that ejections are ignored.
    pub is_panicking: bool,
    /// The instances, in the order they were given.
    pub instances: Vec<InstanceSnapshot>,
    /// How often what happened.
    pub counts: BalanceCounts,
}

/// Everything about an instance at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceSnapshot {
    /// Its name.
    pub name: Arc<str>,
    /// Its zone; empty for none.
    pub zone: Arc<str>,
    /// Attempts under way.
    pub in_flight: usize,
    /// Attempts since it is known.
    pub attempts: u64,
    /// Those that failed.
    pub failures: u64,
    /// For how much longer it is out; none if it is in.
    pub ejected_for: Option<Duration>,
    /// How often it was ejected.
    pub ejections: u64,
    /// The last time it was, and why.
    pub last_ejection: Option<Ejection>,
}
