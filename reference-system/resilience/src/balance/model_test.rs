//! The balancer against a model of itself: random attempts, ends, drops, waits and sets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::behaviour_test::Hand;
use super::*;
use crate::{Deadline, Tried};

const NAMES: u32 = 6;
const CALLS: usize = 4;
const DEADLINE_MS: u64 = 500;
const BASE_MS: u64 = 1000;
const MAX_MS: u64 = 2500;
const INTERVAL_MS: u64 = 1500;
const STREAK: u32 = 2;

#[derive(Debug, Clone)]
enum Op {
    /// An attempt of this call; a hedge or not.
    Pick(usize, bool),
    Ok(usize),
    Err(usize),
    Drop(usize),
    Advance(u64),
    /// The instances whose bits are set.
    Set(u32),
    /// The call is over, and another takes its place.
    NewCall(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (0..CALLS, prop::bool::weighted(0.2)).prop_map(|(call, hedge)| Op::Pick(call, hedge)),
        3 => any::<usize>().prop_map(Op::Ok),
        10 => any::<usize>().prop_map(Op::Err),
        2 => any::<usize>().prop_map(Op::Drop),
        4 => prop_oneof![0..200u64, Just(DEADLINE_MS), Just(BASE_MS), Just(2 * BASE_MS)]
            .prop_map(Op::Advance),
        1 => (0..1u32 << NAMES).prop_map(Op::Set),
        4 => (0..CALLS).prop_map(Op::NewCall),
    ]
}

/// What is known of an instance, in plain words.
#[derive(Debug, Clone, Default)]
struct Known {
    epoch: u64,
    streak: u32,
    in_a_row: u64,
    was_out: bool,
    out_until_ms: Option<u64>,
}

struct Running {
    pick: Pick<u32>,
    name: String,
    /// Grows when an instance of the name begins anew.
    life: u64,
    epoch: u64,
    began_ms: u64,
}

struct Pair {
    clock: Arc<Hand>,
    now_ms: u64,
    compared_ms: u64,
    balancer: Balancer<u32>,
    max_percentage: u32,
    known: BTreeMap<String, (u64, Known)>,
    lives: u64,
    calls: Vec<(Tried, BTreeSet<(String, u64)>)>,
    running: Vec<Running>,
    chosen: Vec<String>,
}

impl Pair {
    fn new(seed: u64, max_percentage: u32) -> Self {
        let clock = Hand::new();
        let rules = BalanceRules {
            outlier_consecutive_failures: STREAK,
            outlier_success_rate_minimum_instances: 0,
            outlier_interval_ms: INTERVAL_MS,
            outlier_base_ejection_ms: BASE_MS,
            outlier_max_ejection_ms: MAX_MS,
            outlier_max_ejection_percentage: max_percentage,
            ..BalanceRules::default()
        };
        let builder = Balancer::builder("model").rules(rules).seed(seed);
        let mut pair = Self {
            balancer: builder.zone("0").clock(clock.clone()).build().unwrap(),
            clock,
            now_ms: 0,
            compared_ms: 0,
            max_percentage,
            known: BTreeMap::new(),
            lives: 0,
            calls: vec![(Tried::recording(), BTreeSet::new()); CALLS],
            running: Vec::new(),
            chosen: Vec::new(),
        };
        for call in 0..CALLS {
            pair.new_call(call);
        }
        pair.set(0b111);
        pair
    }

    fn new_call(&mut self, call: usize) {
        self.calls[call] = (Tried::recording(), BTreeSet::new());
    }

    fn ejectable(&self) -> usize {
        let percentage = usize::try_from(self.max_percentage).unwrap();
        (self.known.len() * percentage / 100).min(self.known.len().saturating_sub(1))
    }

    fn out(&self) -> BTreeSet<String> {
        let out =
            |(name, (_, known)): (&String, &(u64, Known))| known.out_until_ms.map(|_| name.clone());
        self.known.iter().filter_map(out).collect()
    }

    fn set(&mut self, mask: u32) {
        let names = (0..NAMES).filter(|nth| mask & (1 << nth) != 0);
        let instance =
            |nth: u32| Instance::new(nth.to_string(), nth).in_zone((nth % 2).to_string());
        let instances: Vec<Instance<u32>> = names.map(instance).collect();
        let mut old = std::mem::take(&mut self.known);
        for instance in &instances {
            self.lives += 1;
            let known = old.remove(&instance.name);
            let known = known.unwrap_or((self.lives, Known::default()));
            self.known.insert(instance.name.clone(), known);
        }
        while self.out().len() > self.ejectable() {
            // Of those that are back at the same time, the first in the set.
            let out = self.known.values_mut().map(|(_, known)| known);
            let out = out.filter(|known| known.out_until_ms.is_some());
            let first = out.min_by_key(|known| known.out_until_ms).unwrap();
            bring_back(first);
        }
        self.balancer.set_instances(self.clock.now(), instances);
    }

    fn settle(&mut self) {
        for (_, known) in self.known.values_mut() {
            if known.out_until_ms.is_some_and(|until| until <= self.now_ms) {
                bring_back(known);
            }
        }
        if self.now_ms - self.compared_ms >= INTERVAL_MS {
            self.compared_ms = self.now_ms;
            for (_, known) in self.known.values_mut() {
                if !known.was_out {
                    known.in_a_row = known.in_a_row.saturating_sub(1);
                }
                known.was_out = known.out_until_ms.is_some();
            }
        }
    }

    fn pick(&mut self, call: usize, is_hedge: bool) -> Result<(), TestCaseError> {
        let (tried, been) = &self.calls[call];
        let mut attempt = Attempt::only(Deadline::after(
            self.clock.now(),
            Duration::from_millis(DEADLINE_MS),
        ));
        attempt.tried = tried.clone();
        attempt.is_hedge = is_hedge;
        let out = self.out();
        let all = self.known.len();
        let panics = (all - out.len()) * 100 < all * 50;
        let is_fresh = |name: &&String| !been.contains(&((*name).clone(), self.known[*name].0));
        let fresh: BTreeSet<&String> = self.known.keys().filter(is_fresh).collect();
        let is_good = |name: &&&String| panics || !out.contains(**name);
        let good: BTreeSet<&String> = fresh.iter().filter(is_good).copied().collect();
        let picked = self.balancer.pick(&attempt, self.clock.now());
        let Ok(pick) = picked else {
            prop_assert!(all == 0 || (is_hedge && good.is_empty()));
            return Ok(());
        };
        let name = pick.name().to_owned();
        if !good.is_empty() {
            prop_assert!(good.contains(&name), "{} of {:?}", name, good);
        } else if !fresh.is_empty() {
            prop_assert!(fresh.contains(&name), "{} of {:?}", name, fresh);
        }
        prop_assert!(!is_hedge || good.contains(&name));
        let (life, known) = &self.known[&name];
        let (life, epoch) = (*life, known.epoch);
        self.calls[call].1.insert((name.clone(), life));
        self.chosen.push(name.clone());
        self.running.push(Running {
            pick,
            name,
            life,
            epoch,
            began_ms: self.now_ms,
        });
        Ok(())
    }

    fn end(&mut self, which: usize, ok: Option<bool>) {
        if self.running.is_empty() {
            return;
        }
        let running = self.running.swap_remove(which % self.running.len());
        let now = self.clock.now();
        match ok {
            Some(true) => running.pick.success(now),
            Some(false) => running.pick.failure(now),
            None => drop(running.pick),
        }
        let overdue = self.now_ms - running.began_ms >= DEADLINE_MS;
        let Some(ok) = ok.or(overdue.then_some(false)) else {
            return;
        };
        let is_full = self.out().len() >= self.ejectable();
        let Some((life, known)) = self.known.get_mut(&running.name) else {
            return;
        };
        if *life != running.life || known.epoch != running.epoch {
            return;
        }
        known.streak = if ok { 0 } else { known.streak + 1 };
        if known.streak < STREAK {
            return;
        }
        known.streak = 0;
        if known.out_until_ms.is_none() && !is_full {
            known.in_a_row += 1;
            known.epoch += 1;
            known.was_out = true;
            known.out_until_ms = Some(self.now_ms + (BASE_MS * known.in_a_row).min(MAX_MS));
        }
    }

    fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match *op {
            Op::Pick(call, is_hedge) => self.pick(call, is_hedge)?,
            Op::Ok(which) => self.end(which, Some(true)),
            Op::Err(which) => self.end(which, Some(false)),
            Op::Drop(which) => self.end(which, None),
            Op::Set(mask) => self.set(mask),
            Op::NewCall(call) => self.new_call(call),
            Op::Advance(ms) => {
                self.now_ms += ms;
                self.clock.advance(Duration::from_millis(ms));
            }
        }
        self.settle();
        self.check(op)
    }

    fn check(&self, op: &Op) -> Result<(), TestCaseError> {
        let snapshot = self.balancer.snapshot(self.clock.now());
        let out = snapshot
            .instances
            .iter()
            .filter(|i| i.ejected_for.is_some());
        let out: BTreeSet<String> = out.map(|i| i.name.to_string()).collect();
        let all = snapshot.instances.len();
        prop_assert_eq!(&out, &self.out(), "after {:?}", op);
        prop_assert!(out.len() < all || all == 0, "all are out after {:?}", op);
        let limit = usize::try_from(self.max_percentage).unwrap();
        prop_assert!(out.len() * 100 <= all * limit, "{:?} of {}", out, all);
        for instance in &snapshot.instances {
            let here = |running: &&Running| {
                *running.name == *instance.name && self.known[&running.name].0 == running.life
            };
            let count = self.running.iter().filter(here).count();
            prop_assert_eq!(
                instance.in_flight,
                count,
                "{} after {:?}",
                instance.name,
                op
            );
        }
        Ok(())
    }

    /// Everything ends or is given up, and nothing is under way anywhere.
    fn finish(mut self) -> Result<Vec<String>, TestCaseError> {
        while !self.running.is_empty() {
            let nth = self.running.len();
            let how = [Some(true), Some(false), None][nth % 3];
            self.end(nth, how);
        }
        let snapshot = self.balancer.snapshot(self.clock.now());
        let under_way: usize = snapshot.instances.iter().map(|i| i.in_flight).sum();
        prop_assert_eq!(under_way, 0);
        Ok(self.chosen)
    }
}

fn bring_back(known: &mut Known) {
    known.out_until_ms = None;
    known.streak = 0;
    known.epoch += 1;
}

fn run(ops: &[Op], seed: u64, max_percentage: u32) -> Result<Vec<String>, TestCaseError> {
    let mut pair = Pair::new(seed, max_percentage);
    for op in ops {
        pair.apply(op)?;
    }
    pair.finish()
}

fn equal_ones(seed: u64, count: usize) -> Balancer<()> {
    let balancer = Balancer::builder("equal").seed(seed).build().unwrap();
    let instances = (0..count).map(|nth| Instance::new(nth.to_string(), ()));
    balancer.set_instances(Instant::now(), instances);
    balancer
}

fn counts<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    names.fold(BTreeMap::new(), |mut counts, name| {
        *counts.entry(name).or_default() += 1;
        counts
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(21),
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_does_what_the_model_does(
        ops in vec(op(), 1..150),
        seed: u64,
        max_percentage in prop_oneof![Just(0u32), Just(10), Just(50), Just(99), Just(100)],
    ) {
        let chosen = run(&ops, seed, max_percentage)?;
        prop_assert_eq!(run(&ops, seed, max_percentage)?, chosen, "same seed, same choices");
    }

    /// The better of two: with attempts under way, nobody has more than three above the mean
    /// (Berenbrink et al. 2000: the distance does not grow with the number of attempts).
    #[test]
    fn attempts_under_way_are_even(seed: u64, instances in 2..20usize, each in 1..30usize) {
        let balancer = equal_ones(seed, instances);
        let now = Instant::now();
        let attempt = Attempt::only(Deadline::after(now, Duration::from_secs(1)));
        let pick = |_| balancer.pick(&attempt, now).unwrap();
        let picks: Vec<Pick<()>> = (0..instances * each).map(pick).collect();
        let counts = counts(picks.iter().map(Pick::name));
        let most = counts.values().max().copied().unwrap_or(0);
        prop_assert!(most <= each + 3, "{:?}", counts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 50,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(22),
        ..ProptestConfig::default()
    })]

    /// Of equal instances with nothing under way, nobody gets a third more than the mean.
    #[test]
    fn choices_are_spread(seed: u64, instances in 2..20usize) {
        let balancer = equal_ones(seed, instances);
        let now = Instant::now();
        let attempt = Attempt::only(Deadline::after(now, Duration::from_secs(1)));
        let each = 400;
        let pick = |_| balancer.pick(&attempt, now).unwrap().name().to_owned();
        let names: Vec<String> = (0..instances * each).map(pick).collect();
        let counts = counts(names.iter().map(String::as_str));
        prop_assert_eq!(counts.len(), instances);
        let most = counts.values().max().copied().unwrap_or(0);
        prop_assert!(most * 3 <= each * 4, "{:?}", counts);
    }
}
