//! The registry of leases: who is registered, who stopped renewing, and when not to believe it.
//!
//! The times are Eureka's divided by about thirty (renew 30 s, lease 90 s, sweep 60 s), so that a
//! scenario of a minute sees what production sees in half an hour.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::directory::{Instance, Listing};

/// How often an instance renews its lease.
pub(crate) const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How long a lease lives without renewal.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// How often expired leases are swept out.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Renewals are counted over this long, two renewals per instance.
const RENEWAL_WINDOW: Duration = Duration::from_secs(2);
const RENEWALS_PER_WINDOW: usize = 2;
/// Below this share of the expected renewals it is more likely that the network is broken than
/// that everyone died: nothing is evicted.
const PRESERVATION_PERCENT: usize = 85;
/// Instances the registry holds at most, and services it remembers.
const INSTANCES_MAX: usize = 1_000;

#[derive(Debug, Clone)]
struct Lease {
    instance: Instance,
    renewed: Instant,
}

/// All leases.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    leases: BTreeMap<(String, String), Lease>,
    /// Services that have ever been registered.
    services: BTreeSet<String>,
    renewals: VecDeque<Instant>,
}

impl Leases {
    /// Registers an instance or replaces its registration; false if the registry is full.
    pub(crate) fn register(&mut self, service: &str, instance: Instance, now: Instant) -> bool {
        let key = (service.to_owned(), instance.name.clone());
        if self.leases.len() >= INSTANCES_MAX && !self.leases.contains_key(&key) {
            return false;
        }
        if self.services.len() < INSTANCES_MAX {
            self.services.insert(service.to_owned());
        }
        self.leases.insert(
            key,
            Lease {
                instance,
                renewed: now,
            },
        );
        self.count_renewal(now);
        true
    }

    /// Renews a lease and notes the instance's load; false if there is none, upon which the
    /// instance must register again.
    pub(crate) fn renew(&mut self, service: &str, name: &str, load: u32, now: Instant) -> bool {
        let key = (service.to_owned(), name.to_owned());
        let Some(lease) = self.leases.get_mut(&key) else {
            return false;
        };
        lease.renewed = now;
        lease.instance.load = load;
        self.count_renewal(now);
        true
    }

    /// Ends a lease; false if there is none.
    pub(crate) fn cancel(&mut self, service: &str, name: &str) -> bool {
        self.leases
            .remove(&(service.to_owned(), name.to_owned()))
            .is_some()
    }

    /// Evicts expired leases, oldest first, unless self-preservation forbids it; returns the names
    /// of those evicted. One sweep takes at most 15 % of the registry, rounded up.
    pub(crate) fn sweep(&mut self, now: Instant) -> Vec<String> {
        if self.is_preserving(now) {
            return Vec::new();
        }
        let size = self.leases.len();
        let limit = size - size * PRESERVATION_PERCENT / 100;
        let mut expired: Vec<(Instant, (String, String))> = self
            .leases
            .iter()
            .filter(|(_, lease)| now.saturating_duration_since(lease.renewed) > LEASE)
            .map(|(key, lease)| (lease.renewed, key.clone()))
            .collect();
        expired.sort();
        expired.truncate(limit);
        for (_, key) in &expired {
            self.leases.remove(key);
        }
        expired.into_iter().map(|(_, (_, name))| name).collect()
    }

    /// Whether so few renewals arrive that evictions are suspended.
    pub(crate) fn is_preserving(&self, now: Instant) -> bool {
        let recent = self
            .renewals
            .iter()
            .filter(|at| now.saturating_duration_since(**at) <= RENEWAL_WINDOW)
            .count();
        let expected = self.leases.len() * RENEWALS_PER_WINDOW;
        recent * 100 < expected * PRESERVATION_PERCENT
    }

    /// Everyone registered, expired or not, and the services that have nobody any more.
    pub(crate) fn listing(&self) -> Listing {
        let nobody = |service: &String| (service.clone(), Vec::new());
        let mut listing = Listing {
            services: self.services.iter().map(nobody).collect(),
        };
        for ((service, _), lease) in &self.leases {
            let instances = listing.services.entry(service.clone()).or_default();
            instances.push(lease.instance.clone());
        }
        listing
    }

    fn count_renewal(&mut self, now: Instant) {
        self.renewals.push_back(now);
        while self.renewals.len() > INSTANCES_MAX * RENEWALS_PER_WINDOW * 2
            || self
                .renewals
                .front()
                .is_some_and(|at| now.saturating_duration_since(*at) > RENEWAL_WINDOW)
        {
            self.renewals.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn instance(name: &str) -> Instance {
        Instance {
            name: name.to_owned(),
            address: "127.0.0.1:1".parse().unwrap(),
            zone: "zone-0".to_owned(),
            load: 0,
        }
    }

    /// Ten instances that renewed every second for three seconds.
    fn ten(start: Instant) -> (Leases, Instant) {
        let mut leases = Leases::default();
        for n in 0..10 {
            assert!(leases.register("catalog", instance(&format!("catalog-{n}")), start));
        }
        for second in 1..=3 {
            renew(&mut leases, 0..10, start + SECOND * second);
        }
        (leases, start + SECOND * 3)
    }

    fn renew(leases: &mut Leases, who: std::ops::Range<u32>, now: Instant) {
        for n in who {
            leases.renew("catalog", &format!("catalog-{n}"), 0, now);
        }
    }

    fn count(leases: &Leases) -> usize {
        leases.listing().services.values().map(Vec::len).sum()
    }

    #[test]
    fn one_that_stops_renewing_is_evicted_when_its_lease_has_run_out() {
        let (mut leases, mut now) = ten(Instant::now());
        for _ in 0..3 {
            now += SECOND;
            renew(&mut leases, 1..10, now);
            assert_eq!(
                leases.sweep(now),
                Vec::<String>::new(),
                "the lease still runs"
            );
        }
        now += SECOND;
        renew(&mut leases, 1..10, now);
        assert_eq!(leases.sweep(now), ["catalog-0"]);
        assert_eq!(count(&leases), 9);
    }

    #[test]
    fn when_too_many_fall_silent_at_once_nobody_is_evicted() {
        let (mut leases, mut now) = ten(Instant::now());
        for _ in 0..10 {
            now += SECOND;
            renew(&mut leases, 5..10, now);
            assert_eq!(leases.sweep(now), Vec::<String>::new());
        }
        assert!(leases.is_preserving(now));
        assert_eq!(count(&leases), 10, "half are partitioned, not dead");
        for _ in 0..2 {
            now += SECOND;
            renew(&mut leases, 0..10, now);
        }
        assert!(!leases.is_preserving(now));
    }

    #[test]
    fn one_sweep_takes_a_bounded_share() {
        let start = Instant::now();
        let mut leases = Leases::default();
        for n in 0..10 {
            leases.register("catalog", instance(&format!("catalog-{n}")), start);
        }
        let now = start + SECOND * 10;
        // Many renewals by a few: self-preservation looks away, the limit per sweep does not.
        for _ in 0..20 {
            leases.renew("catalog", "catalog-9", 0, now);
        }
        assert_eq!(leases.sweep(now), ["catalog-0", "catalog-1"]);
    }

    #[test]
    fn a_cancelled_or_evicted_instance_must_register_again() {
        let (mut leases, now) = ten(Instant::now());
        assert!(leases.cancel("catalog", "catalog-3"));
        assert!(!leases.cancel("catalog", "catalog-3"));
        assert!(!leases.renew("catalog", "catalog-3", 0, now));
        assert!(leases.register("catalog", instance("catalog-3"), now));
        assert!(leases.renew("catalog", "catalog-3", 7, now));
        let listing = leases.listing();
        let found = listing.services["catalog"]
            .iter()
            .find(|i| i.name == "catalog-3");
        assert_eq!(found.map(|i| i.load), Some(7));
    }

    #[test]
    fn a_service_that_has_lost_everyone_is_told_from_one_that_never_was() {
        let (mut leases, _) = ten(Instant::now());
        for n in 0..10 {
            assert!(leases.cancel("catalog", &format!("catalog-{n}")));
        }
        let listing = leases.listing();
        assert!(listing.has_seen("catalog") && listing.instances("catalog").is_empty());
        assert!(!listing.has_seen("edge"));
    }

    #[test]
    fn a_full_registry_refuses_strangers_only() {
        let now = Instant::now();
        let mut leases = Leases::default();
        for n in 0..INSTANCES_MAX {
            assert!(leases.register("edge", instance(&format!("edge-{n}")), now));
        }
        assert!(!leases.register("edge", instance("edge-x"), now));
        assert!(leases.register("edge", instance("edge-1"), now));
    }
}
