//! A breaker with parts of your own.

use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, Instant};

use failsafe::FailurePolicy;

use super::core::BreakerCore;
use super::failsafe_core::FailsafeCore;
use super::ledger::Ledger;
use super::{Breaker, BreakerRules, Shared};
use crate::event::BreakerTransition;

pub(super) type Observer = Box<dyn Fn(BreakerTransition) + Send + Sync>;

/// Makes a [`Breaker`] whose core, window, policy or observer are not the usual ones.
#[must_use]
pub struct BreakerBuilder {
    rules: BreakerRules,
    bucket: Duration,
    buckets: u64,
    core: Option<Box<dyn BreakerCore>>,
    policy: Option<Box<dyn FailurePolicy + Send>>,
    observer: Observer,
}

impl std::fmt::Debug for BreakerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BreakerBuilder")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl BreakerBuilder {
    pub(super) fn new(rules: BreakerRules) -> Self {
        Self {
            rules,
            bucket: Duration::from_millis(500),
            buckets: 20,
            core: None,
            policy: None,
            observer: Box::new(|_| ()),
        }
    }

    /// A window of `buckets` times `bucket`, which is a millisecond or more. Without it, 20 of
    /// 500 ms.
    pub fn window(mut self, bucket: Duration, buckets: u64) -> Self {
        (self.bucket, self.buckets) = (bucket, buckets);
        self
    }

    /// A core of your own, which must be closed. Without it, failsafe's.
    pub fn core(mut self, core: impl BreakerCore) -> Self {
        self.core = Some(Box::new(core));
        self
    }

    /// A failure policy of the `failsafe` crate, asked at the end of every call under a lock,
    /// beside the rules: it opens the breaker for as long as it says, and says how long the breaker
    /// stays open after a probe that failed. Its time is that of the calls.
    pub fn policy(mut self, policy: impl FailurePolicy + Send + 'static) -> Self {
        self.policy = Some(Box::new(policy));
        self
    }

    /// Is told of every change of state. It runs while the change is locked: it must be quick and
    /// must not call the breaker.
    pub fn observer(
        mut self,
        observer: impl Fn(BreakerTransition) + Send + Sync + 'static,
    ) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// The breaker, closed, whose time begins at `now`.
    pub fn build(self, now: Instant) -> Breaker {
        let core = self.core;
        let core = core.unwrap_or_else(|| Box::new(FailsafeCore::new(now)));
        let ledger = Ledger::new(self.policy, now);
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let window = (self.bucket, self.buckets, threads);
        Breaker(Arc::new(Shared::new(
            now,
            self.rules,
            window,
            core,
            ledger,
            self.observer,
        )))
    }
}
