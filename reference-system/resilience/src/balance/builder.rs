//! Making a balancer.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use super::ejection::{BalanceEvent, Members};
use super::rules::BalanceRules;
use super::view::View;
use super::{Balancer, Shared};
use crate::chance::Chance;
use crate::{Clock, PropertiesError, SystemClock};

pub(super) type Observer = Box<dyn Fn(&BalanceEvent) + Send + Sync>;

/// Makes a [`Balancer`].
#[must_use]
pub struct BalancerBuilder {
    name: String,
    zone: Option<String>,
    rules: BalanceRules,
    seed: u64,
    clock: Arc<dyn Clock>,
    observer: Observer,
}

impl std::fmt::Debug for BalancerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BalancerBuilder")
            .field("name", &self.name)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl BalancerBuilder {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            zone: None,
            rules: BalanceRules::default(),
            seed: 0,
            clock: Arc::new(SystemClock),
            observer: Box::new(|_| ()),
        }
    }

    /// The zone of this process. Without it, all zones are alike.
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Without them, [`BalanceRules::default`].
    pub fn rules(mut self, rules: BalanceRules) -> Self {
        self.rules = rules;
        self
    }

    /// What chance comes from: the same seed, name and calls give the same choices. Give every
    /// process of a fleet another, or they choose alike. Without it, 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Without it, the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Is told of every ejection and return. It runs while the change is locked: it must be quick
    /// and must not call the balancer.
    pub fn observer(mut self, observer: impl Fn(&BalanceEvent) + Send + Sync + 'static) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// The balancer, without instances yet.
    ///
    /// # Errors
    /// The first rule that cannot be.
    pub fn build<T>(self) -> Result<Balancer<T>, PropertiesError> {
        self.rules.validate()?;
        let now = self.clock.now();
        let zone = self.zone.map(Arc::from);
        Ok(Balancer(Arc::new(Shared {
            chance: Chance::new(self.seed, &self.name),
            name: Arc::from(self.name),
            view: ArcSwap::from_pointee(View::new(&[], zone.as_deref(), &self.rules)),
            zone,
            due_ns: AtomicU64::new(0),
            members: Mutex::new(Members::new(now)),
            rules: self.rules,
            origin: now,
            clock: self.clock,
            observer: self.observer,
        })))
    }
}

pub(super) fn trace(balancer: &str, event: &BalanceEvent) {
    match event {
        BalanceEvent::Ejected(ejection) => tracing::info!(
            balancer,
            instance = &*ejection.instance,
            why = %ejection.why,
            length = ?ejection.length,
            "ejected"
        ),
        BalanceEvent::NotEjected { instance, why, .. } => tracing::debug!(
            balancer,
            instance = &**instance,
            %why,
            "not ejected: too many are out"
        ),
        BalanceEvent::Returned { instance, .. } => {
            tracing::info!(balancer, instance = &**instance, "returned");
        }
    }
}
