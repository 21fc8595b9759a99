//! Picks an instance for each attempt and remembers who has been failing, as Ribbon does.
//!
//! Three connection failures or timeouts in a row black an instance out, longer each time. When a
//! blackout ends, one call at a time tries it; the rest keep away until that call has succeeded.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::directory::{Directory, Instance};
use crate::dataset::seed::{fnv1a, mix};

/// Failures in a row before a blackout.
const FAILURES_MIN: u32 = 3;
/// The first blackout; each further failure doubles it (Ribbon's 10 s divided by thirty).
const BLACKOUT_BASE: Duration = Duration::from_millis(333);
/// The longest blackout (Ribbon's 30 s divided by thirty).
const BLACKOUT_MAX: Duration = Duration::from_secs(1);

/// What is known about one instance.
#[derive(Debug, Default, Clone, Copy)]
struct Circuit {
    failures: u32,
    closed_until: Option<Instant>,
}

impl Circuit {
    fn is_usable(&self, now: Instant) -> bool {
        self.closed_until.is_none_or(|until| until <= now)
    }

    fn fail(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if let Some(excess) = self.failures.checked_sub(FAILURES_MIN) {
            let blackout = BLACKOUT_BASE.saturating_mul(1 << excess.min(8));
            self.closed_until = Some(now + blackout.min(BLACKOUT_MAX));
        }
    }

    /// Called when an attempt is let through: after a blackout it is a trial, and others wait.
    fn admit(&mut self, now: Instant) {
        if self.failures >= FAILURES_MIN {
            self.closed_until = Some(now + BLACKOUT_MAX);
        }
    }
}

/// What is done when every instance is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reluctance {
    /// A bad one is better than none.
    TakeAny,
    /// None is better than a bad one.
    OnlyGood,
}

/// Chooses among the instances of one service.
pub(crate) struct Balancer {
    service: &'static str,
    directory: Arc<Directory>,
    circuits: Mutex<HashMap<SocketAddr, Circuit>>,
    turn: AtomicUsize,
}

impl Balancer {
    /// A balancer over the instances of `service`.
    pub(crate) fn new(service: &'static str, directory: Arc<Directory>) -> Arc<Self> {
        Arc::new(Self {
            service,
            directory,
            circuits: Mutex::default(),
            turn: AtomicUsize::new(0),
        })
    }

    /// The service it chooses for.
    pub(crate) fn service(&self) -> &'static str {
        self.service
    }

    /// The instance for an attempt: not one in `tried` if there is another, not one blacked out if
    /// there is another. With an affinity the same instance is preferred for the same number;
    /// without, instances take turns. None if the service has no instances at all.
    pub(crate) fn choose(
        self: &Arc<Self>,
        now: Instant,
        tried: &[SocketAddr],
        affinity: Option<u64>,
    ) -> Option<Pick> {
        self.pick_from(now, tried, affinity, Reluctance::TakeAny)
    }

    /// The instance for a second attempt beside one that is under way: one that is neither in
    /// `tried` nor blacked out. None if there is no such instance.
    pub(crate) fn another(
        self: &Arc<Self>,
        now: Instant,
        tried: &[SocketAddr],
        affinity: Option<u64>,
    ) -> Option<Pick> {
        self.pick_from(now, tried, affinity, Reluctance::OnlyGood)
    }

    fn pick_from(
        self: &Arc<Self>,
        now: Instant,
        tried: &[SocketAddr],
        affinity: Option<u64>,
        reluctance: Reluctance,
    ) -> Option<Pick> {
        let all = self.directory.instances(self.service);
        let mut circuits = self.circuits();
        circuits.retain(|address, _| all.iter().any(|instance| instance.address == *address));
        let usable = |instance: &&Instance| {
            let circuit = circuits.get(&instance.address);
            circuit.is_none_or(|circuit| circuit.is_usable(now))
        };
        let fresh = |instance: &&Instance| !tried.contains(&instance.address);
        let good: Vec<&Instance> = all.iter().filter(usable).filter(fresh).collect();
        let candidates = match reluctance {
            Reluctance::OnlyGood => good,
            Reluctance::TakeAny => [
                good,
                all.iter().filter(fresh).collect(),
                all.iter().collect(),
            ]
            .into_iter()
            .find(|list| !list.is_empty())?,
        };
        let chosen = match affinity {
            Some(number) => candidates
                .into_iter()
                .max_by_key(|instance| rendezvous(number, &instance.name))?,
            None if candidates.is_empty() => return None,
            None => candidates[self.turn.fetch_add(1, Ordering::Relaxed) % candidates.len()],
        };
        circuits.entry(chosen.address).or_default().admit(now);
        drop(circuits);
        Some(self.pick(chosen.address, now))
    }

    fn pick(self: &Arc<Self>, address: SocketAddr, started: Instant) -> Pick {
        Pick {
            balancer: Arc::clone(self),
            address,
            started,
            settled: false,
        }
    }

    /// This very instance, unless it is blacked out.
    pub(crate) fn at(self: &Arc<Self>, address: SocketAddr, now: Instant) -> Option<Pick> {
        let mut circuits = self.circuits();
        let circuit = circuits.entry(address).or_default();
        if !circuit.is_usable(now) {
            return None;
        }
        circuit.admit(now);
        Some(self.pick(address, now))
    }

    /// Instances blacked out now, for the metrics.
    pub(crate) fn blacked_out(&self, now: Instant) -> usize {
        let circuits = self.circuits();
        circuits
            .values()
            .filter(|circuit| !circuit.is_usable(now))
            .count()
    }

    fn circuits(&self) -> MutexGuard<'_, HashMap<SocketAddr, Circuit>> {
        // Every change leaves the map whole, so a panic elsewhere cannot have broken it.
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn succeed(&self, address: SocketAddr) {
        self.circuits().insert(address, Circuit::default());
    }

    fn fail(&self, address: SocketAddr, now: Instant) {
        self.circuits().entry(address).or_default().fail(now);
    }
}

/// Rendezvous hashing: the instance with the highest score for a number gets it, and only the
/// numbers of an instance that leaves move elsewhere.
pub(crate) fn rendezvous(number: u64, name: &str) -> u64 {
    mix(fnv1a(mix(number), name.as_bytes()))
}

/// One attempt at one instance, to be told how it went. Dropped untold, it was cut short by the
/// caller, which is the instance's failure if it had been given a fair time.
pub(crate) struct Pick {
    balancer: Arc<Balancer>,
    address: SocketAddr,
    started: Instant,
    settled: bool,
}

impl Pick {
    /// Where to call.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The instance answered.
    pub(crate) fn succeeded(mut self) {
        self.settled = true;
        self.balancer.succeed(self.address);
    }

    /// The instance could not be reached or broke off.
    pub(crate) fn failed(mut self, now: Instant) {
        self.settled = true;
        self.balancer.fail(self.address, now);
    }
}

/// An attempt cut short before this long says nothing about the instance: its caller left.
const FAIR_TIME: Duration = Duration::from_millis(100);

impl Drop for Pick {
    fn drop(&mut self) {
        let now = Instant::now();
        if !self.settled && now.saturating_duration_since(self.started) >= FAIR_TIME {
            self.balancer.fail(self.address, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::Listing;
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn balancer(count: u16) -> Arc<Balancer> {
        let directory = Arc::new(Directory::default());
        let instances = (0..count)
            .map(|n| Instance {
                name: format!("edge-{n}"),
                address: SocketAddr::from(([127, 0, 0, 1], 1000 + n)),
                zone: String::new(),
                load: 0,
            })
            .collect();
        directory.update(Listing {
            services: BTreeMap::from([("edge".to_owned(), instances)]),
        });
        Balancer::new("edge", directory)
    }

    fn pick(balancer: &Arc<Balancer>, now: Instant, affinity: Option<u64>) -> SocketAddr {
        let chosen = balancer.choose(now, &[], affinity).unwrap();
        let address = chosen.address();
        chosen.succeeded();
        address
    }

    #[test]
    fn instances_take_turns() {
        let now = Instant::now();
        let balancer = balancer(3);
        let seen: BTreeSet<_> = (0..3).map(|_| pick(&balancer, now, None)).collect();
        assert_eq!(seen.len(), 3);
        assert!(self::balancer(0).choose(now, &[], None).is_none());
    }

    #[test]
    fn three_failures_in_a_row_black_an_instance_out_until_one_call_succeeds() {
        let now = Instant::now();
        let balancer = balancer(2);
        let bad = SocketAddr::from(([127, 0, 0, 1], 1000));
        for _ in 0..FAILURES_MIN {
            assert_eq!(balancer.blacked_out(now), 0);
            balancer.fail(bad, now);
        }
        assert_eq!(balancer.blacked_out(now), 1);
        assert!((0..8).all(|_| pick(&balancer, now, None) != bad));
        // The blackout has ended: one trial goes through, and until it succeeds no other.
        let later = now + BLACKOUT_BASE;
        let picks: Vec<_> = (0..4)
            .filter_map(|_| balancer.choose(later, &[], None))
            .collect();
        assert_eq!(picks.iter().filter(|pick| pick.address() == bad).count(), 1);
        picks.into_iter().for_each(Pick::succeeded);
        let seen: BTreeSet<_> = (0..2).map(|_| pick(&balancer, later, None)).collect();
        assert!(seen.contains(&bad));
    }

    #[test]
    fn a_failed_trial_makes_the_blackout_longer_up_to_a_limit() {
        let mut circuit = Circuit::default();
        let now = Instant::now();
        let mut blackouts = Vec::new();
        for _ in 0..8 {
            circuit.fail(now);
            blackouts.extend(circuit.closed_until.map(|until| until - now));
        }
        assert_eq!(blackouts[0], BLACKOUT_BASE);
        assert_eq!(blackouts[1], BLACKOUT_BASE * 2);
        assert_eq!(blackouts.last(), Some(&BLACKOUT_MAX));
    }

    #[test]
    fn a_retry_goes_elsewhere_and_all_bad_is_better_than_none() {
        let now = Instant::now();
        let balancer = balancer(2);
        let first = pick(&balancer, now, Some(5));
        let second = balancer.choose(now, &[first], Some(5)).unwrap();
        assert_ne!(second.address(), first);
        for n in 0..2 {
            for _ in 0..FAILURES_MIN {
                balancer.fail(SocketAddr::from(([127, 0, 0, 1], 1000 + n)), now);
            }
        }
        assert!(balancer.choose(now, &[], None).is_some());
    }

    #[test]
    fn another_is_never_the_same_nor_one_blacked_out() {
        let now = Instant::now();
        for affinity in [None, Some(5)] {
            assert!(balancer(0).another(now, &[], affinity).is_none());
            let balancer = balancer(2);
            let first = pick(&balancer, now, affinity);
            let second = balancer.another(now, &[first], affinity).unwrap().address();
            assert_ne!(second, first);
            for _ in 0..FAILURES_MIN {
                balancer.fail(second, now);
            }
            assert!(balancer.another(now, &[first], affinity).is_none());
        }
    }

    #[test]
    fn affinity_keeps_and_spreads() {
        let now = Instant::now();
        let balancer = balancer(3);
        let chosen: Vec<_> = (0..60).map(|n| pick(&balancer, now, Some(n))).collect();
        let again: Vec<_> = (0..60).map(|n| pick(&balancer, now, Some(n))).collect();
        assert_eq!(chosen, again);
        for n in 0..3 {
            let address = SocketAddr::from(([127, 0, 0, 1], 1000 + n));
            assert!(chosen.iter().filter(|chosen| **chosen == address).count() > 8);
        }
    }

    #[test]
    fn an_attempt_cut_short_at_once_is_nobodys_fault() {
        let now = Instant::now();
        let balancer = balancer(1);
        for _ in 0..5 {
            drop(balancer.choose(now, &[], None));
        }
        assert_eq!(balancer.blacked_out(now), 0);
        for _ in 0..5 {
            drop(balancer.choose(now - FAIR_TIME, &[], None));
        }
        assert_eq!(balancer.blacked_out(Instant::now()), 1);
    }
}
