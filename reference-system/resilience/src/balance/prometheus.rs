//! Balancers as a collector for the metrics registry of the service that has them.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{Balancer, BalancerSnapshot, InstanceSnapshot};

type Look = Box<dyn Fn() -> BalancerSnapshot + Send + Sync>;

/// All balancers of a process as one collector: a metric is told once, whatever their number. What
/// each instance does and whether it is out has the labels `balancer`, `instance` and `zone`; what
/// a balancer has not done has `balancer`.
#[derive(Default)]
pub struct BalancerMetrics(Vec<Look>);

impl fmt::Debug for BalancerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BalancerMetrics")
            .field(&self.0.len())
            .finish()
    }
}

impl BalancerMetrics {
    /// Of none.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of this one too.
    #[must_use]
    pub fn with<T: Send + Sync + 'static>(mut self, balancer: &Balancer<T>) -> Self {
        let balancer = balancer.clone();
        let look = move || balancer.snapshot(balancer.clock().now());
        self.0.push(Box::new(look));
        self
    }
}

impl Collector for BalancerMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let seen: Vec<BalancerSnapshot> = self.0.iter().map(|look| look()).collect();
        let seen = seen.as_slice();
        let active = "Attempts under way.";
        each(&mut encoder, seen, "attempts_active", active, |instance| {
            ConstGauge::new(instance.in_flight)
        })?;
        let attempts = "Attempts.";
        each(&mut encoder, seen, "attempts", attempts, |instance| {
            ConstCounter::new(instance.attempts)
        })?;
        let failures = "Attempts that failed.";
        each(&mut encoder, seen, "failures", failures, |instance| {
            ConstCounter::new(instance.failures)
        })?;
        let ejections = "Times it was ejected.";
        each(&mut encoder, seen, "ejections", ejections, |instance| {
            ConstCounter::new(instance.ejections)
        })?;
        let ejected = "1 while it is ejected.";
        each(&mut encoder, seen, "ejected", ejected, |instance| {
            ConstGauge::new(u32::from(instance.ejected_for.is_some()))
        })?;
        let not = "Ejections that did not happen because too many were out.";
        one(&mut encoder, seen, "not_ejected", not, |seen| {
            seen.counts.not_ejected
        })?;
        let panics = "Times ejections began to be ignored because too few were left.";
        one(&mut encoder, seen, "panics", panics, |seen| {
            seen.counts.panics
        })
    }
}

/// A metric with one value for each instance.
fn each<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    seen: &[BalancerSnapshot],
    name: &str,
    help: &str,
    value: impl Fn(&InstanceSnapshot) -> M,
) -> fmt::Result {
    let instances = seen.iter().flat_map(|seen| {
        let name = &*seen.name;
        seen.instances.iter().map(move |instance| (name, instance))
    });
    let Some((_, first)) = instances.clone().next() else {
        return Ok(());
    };
    let name = format!("resilience_instance_{name}");
    let kind = value(first).metric_type();
    let mut metric = encoder.encode_descriptor(&name, help, None, kind)?;
    for (balancer, instance) in instances {
        let labels = [
            ("balancer", balancer),
            ("instance", &*instance.name),
            ("zone", &*instance.zone),
        ];
        value(instance).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

/// A counter of each balancer as a whole.
fn one(
    encoder: &mut DescriptorEncoder<'_>,
    seen: &[BalancerSnapshot],
    name: &str,
    help: &str,
    count: impl Fn(&BalancerSnapshot) -> u64,
) -> fmt::Result {
    let Some(first) = seen.first() else {
        return Ok(());
    };
    let name = format!("resilience_balancer_{name}");
    let kind = ConstCounter::new(count(first)).metric_type();
    let mut metric = encoder.encode_descriptor(&name, help, None, kind)?;
    for balancer in seen {
        let labels = [("balancer", &*balancer.name)];
        ConstCounter::new(count(balancer)).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}
