//! One attempt at one instance.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Balancer;
use super::node::Node;
use super::rules::LoadMeasure;
use crate::{Attempt, Classification, Classify, Deadline};

/// The instance of one attempt, which counts as under way there as long as this exists. Tell it
/// how the attempt went. Dropped untold, the attempt was given up, which is the instance's failure
/// after `outlier_abandoned_ms`, or when the deadline has passed of a first attempt; of a later one,
/// which has what time is left, that says nothing.
#[must_use = "an attempt that is dropped is given up"]
pub struct Pick<T> {
    balancer: Balancer<T>,
    node: Arc<Node<T>>,
    epoch: u64,
    started: Instant,
    /// None for who began late.
    deadline: Option<Deadline>,
    is_told: bool,
}

impl<T> std::fmt::Debug for Pick<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pick")
            .field("balancer", &self.balancer)
            .field("instance", &self.node.stats.name)
            .finish_non_exhaustive()
    }
}

impl<T> Pick<T> {
    pub(super) fn new(
        balancer: Balancer<T>,
        node: Arc<Node<T>>,
        started: Instant,
        attempt: &Attempt,
    ) -> Self {
        Self {
            epoch: node.stats.begin(),
            balancer,
            node,
            started,
            deadline: (attempt.number == 0).then_some(attempt.deadline),
            is_told: false,
        }
    }

    /// How to reach the instance.
    pub fn target(&self) -> &T {
        &self.node.target
    }

    /// The name of the instance.
    pub fn name(&self) -> &str {
        &self.node.stats.name
    }

    /// The instance answered at `now`, whatever it said of the request.
    pub fn success(mut self, now: Instant) {
        self.tell(now, true);
    }

    /// The instance could not be reached, broke off, or answered that it is unable.
    pub fn failure(mut self, now: Instant) {
        self.tell(now, false);
    }

    /// The attempt ended so: the caller's own mistakes are answers.
    pub fn ended<V, E: Classify>(self, now: Instant, result: &Result<V, E>) {
        match result {
            Err(error) if error.classify() != Classification::BadRequest => self.failure(now),
            _ => self.success(now),
        }
    }

    fn tell(&mut self, now: Instant, ok: bool) {
        self.is_told = true;
        let shared = &self.balancer.0;
        let stats = &self.node.stats;
        if shared.rules.load == LoadMeasure::PeakEwma {
            let took = now.saturating_duration_since(self.started);
            stats.learn(shared.since_origin(now), took, ok);
        }
        let in_a_row = stats.judge(self.epoch, ok);
        shared.failed_in_a_row(now, &self.node, self.epoch, in_a_row);
    }

    /// Whether giving up at `now` is the instance's failure.
    fn is_overdue(&self, now: Instant) -> bool {
        let fair_ms = self.balancer.0.rules.outlier_abandoned_ms;
        let held = now.saturating_duration_since(self.started);
        let is_expired = |deadline: Deadline| deadline.is_expired(now);
        self.deadline.is_some_and(is_expired)
            || (fair_ms > 0 && held >= Duration::from_millis(fair_ms))
    }
}

impl<T> Drop for Pick<T> {
    fn drop(&mut self) {
        if !self.is_told {
            let now = self.balancer.0.clock.now();
            if self.is_overdue(now) {
                self.tell(now, false);
            }
        }
        self.node.stats.end();
    }
}
