//! What a balancer does, by example.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::{Deadline, Tried};

const SECOND: Duration = Duration::from_secs(1);

/// A clock that stands where it is put.
#[derive(Debug)]
pub(super) struct Hand(Mutex<Instant>);

impl Hand {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Instant::now())))
    }

    pub(super) fn advance(&self, by: Duration) {
        *lock(&self.0) += by;
    }
}

impl Clock for Hand {
    fn now(&self) -> Instant {
        *lock(&self.0)
    }

    fn unix_ms(&self) -> u64 {
        0
    }
}

struct Scene {
    clock: Arc<Hand>,
    balancer: Balancer<()>,
    events: Arc<Mutex<Vec<BalanceEvent>>>,
}

impl Scene {
    /// Instances `a0`, `a1`, … of zone `a`, `b0`, … of zone `b`, and so on; the first is the own.
    fn new(rules: BalanceRules, zones: &[usize]) -> Self {
        let clock = Hand::new();
        let events = Arc::<Mutex<Vec<BalanceEvent>>>::default();
        let heard = events.clone();
        let balancer = Balancer::builder("catalog")
            .rules(rules)
            .zone("a")
            .clock(clock.clone())
            .observer(move |event| lock(&heard).push(event.clone()))
            .build()
            .unwrap();
        let scene = Self {
            clock,
            balancer,
            events,
        };
        scene.set(zones);
        scene
    }

    fn set(&self, zones: &[usize]) {
        let zones = ["a", "b", "c"].iter().zip(zones);
        let instances = zones.flat_map(|(zone, count)| {
            (0..*count).map(move |nth| Instance::new(format!("{zone}{nth}"), ()).in_zone(*zone))
        });
        self.balancer.set_instances(self.clock.now(), instances);
    }

    fn attempt(&self) -> Attempt {
        Attempt::only(Deadline::after(self.clock.now(), SECOND))
    }

    fn pick(&self) -> Pick<()> {
        let now = self.clock.now();
        self.balancer.pick(&self.attempt(), now).unwrap()
    }

    /// A pick of this one, however long it takes.
    fn pick_of(&self, name: &str) -> Pick<()> {
        let mut picks = (0..10_000).map(|_| self.pick());
        picks.find(|pick| pick.name() == name).unwrap()
    }

    /// So many attempts under way at this one at once.
    fn at_once(&self, name: &str, count: usize) -> Vec<Pick<()>> {
        let mut all: Vec<Pick<()>> = Vec::new();
        while all.iter().filter(|pick| pick.name() == name).count() < count {
            all.push(self.pick());
        }
        all.retain(|pick| pick.name() == name);
        all
    }

    fn fail(&self, name: &str, times: u32) {
        for _ in 0..times {
            self.pick_of(name).failure(self.clock.now());
        }
    }

    fn snapshot(&self) -> BalancerSnapshot {
        self.balancer.snapshot(self.clock.now())
    }

    fn out(&self) -> Vec<String> {
        let instances = self.snapshot().instances.into_iter();
        let out = instances.filter(|instance| instance.ejected_for.is_some());
        out.map(|instance| instance.name.to_string()).collect()
    }

    /// How often whom, of so many attempts that succeed at once.
    fn choices(&self, count: usize) -> BTreeMap<String, usize> {
        let mut choices = BTreeMap::new();
        for _ in 0..count {
            let pick = self.pick();
            *choices.entry(pick.name().to_owned()).or_default() += 1;
            pick.success(self.clock.now());
        }
        choices
    }
}

/// The share of a zone in percent.
fn share(choices: &BTreeMap<String, usize>, zone: &str) -> usize {
    let of_zone = choices.iter().filter(|(name, _)| name.starts_with(zone));
    let count: usize = of_zone.map(|(_, count)| count).sum();
    count * 100 / choices.values().sum::<usize>()
}

#[test]
fn nobody_is_chosen_where_nobody_is() {
    let scene = Scene::new(BalanceRules::default(), &[]);
    let error = scene.balancer.pick(&scene.attempt(), scene.clock.now());
    assert_eq!(
        error.unwrap_err().to_string(),
        "no instance of catalog is there for it"
    );
}

#[test]
fn the_instance_with_fewer_attempts_under_way_is_better() {
    let scene = Scene::new(BalanceRules::default(), &[2]);
    let busy = scene.pick();
    assert!((0..20).all(|_| scene.pick().name() != busy.name()));
}

#[test]
fn a_slow_instance_is_left_alone_by_latency() {
    let rules = BalanceRules {
        load: LoadMeasure::PeakEwma,
        ..BalanceRules::without_outliers()
    };
    let scene = Scene::new(rules, &[2]);
    let slow = scene.pick_of("a0");
    let quick = scene.pick_of("a1");
    scene.clock.advance(SECOND / 100);
    quick.success(scene.clock.now());
    scene.clock.advance(SECOND);
    slow.success(scene.clock.now());
    assert_eq!(scene.choices(20), BTreeMap::from([("a1".to_owned(), 20)]));
}

#[test]
fn five_failures_in_a_row_eject_and_say_so() {
    let scene = Scene::new(BalanceRules::default(), &[3]);
    scene.fail("a1", 4);
    scene.pick_of("a1").success(scene.clock.now());
    scene.fail("a1", 4);
    assert_eq!(scene.out(), [""; 0]);
    scene.fail("a1", 1);
    assert_eq!(scene.out(), ["a1"]);
    assert!(!scene.choices(200).contains_key("a1"));
    let ejection = Ejection {
        instance: Arc::from("a1"),
        why: WhyEjected::ConsecutiveFailures(5),
        at: scene.clock.now(),
        length: 30 * SECOND,
        in_a_row: 1,
    };
    let snapshot = scene.snapshot();
    assert_eq!(snapshot.instances[1].last_ejection, Some(ejection.clone()));
    assert_eq!(snapshot.instances[1].failures, 9);
    assert_eq!(snapshot.counts.ejected_consecutive, 1);
    scene.clock.advance(30 * SECOND - SECOND / 1000);
    assert_eq!(scene.out(), ["a1"]);
    scene.clock.advance(SECOND / 1000);
    assert_eq!(scene.out(), [""; 0]);
    let returned = BalanceEvent::Returned {
        instance: Arc::from("a1"),
        at: scene.clock.now(),
    };
    assert_eq!(
        *lock(&scene.events),
        [BalanceEvent::Ejected(ejection), returned]
    );
}

#[test]
fn each_ejection_in_a_row_is_longer_up_to_a_limit_and_good_intervals_forgive() {
    let rules = BalanceRules {
        outlier_max_ejection_ms: 80_000,
        outlier_ramp_up_ms: 0,
        ..BalanceRules::default()
    };
    let scene = Scene::new(rules, &[3]);
    let eject = || {
        scene.fail("a0", 5);
        let length = scene.snapshot().instances[0].ejected_for.unwrap();
        scene.clock.advance(length);
        length.as_secs()
    };
    assert_eq!([eject(), eject(), eject(), eject()], [30, 60, 80, 80]);
    // The interval of the return is no good one, the four after it are.
    for _ in 0..5 {
        assert_eq!(scene.out(), [""; 0]);
        scene.clock.advance(10 * SECOND);
    }
    assert_eq!(scene.out(), [""; 0]);
    assert_eq!(eject(), 30);
}

#[test]
fn who_returns_is_chosen_more_and_more_often() {
    let scene = Scene::new(BalanceRules::default(), &[4]);
    scene.fail("a0", 5);
    scene.clock.advance(30 * SECOND);
    let share = |scene: &Scene| scene.choices(4000).get("a0").copied().unwrap_or(0) / 40;
    let first = share(&scene);
    scene.clock.advance(5 * SECOND);
    let half = share(&scene);
    scene.clock.advance(5 * SECOND);
    let all = share(&scene);
    assert!((1..=5).contains(&first), "{first} %");
    assert!((9..=19).contains(&half), "{half} %");
    assert!((22..=28).contains(&all), "{all} %");
}

#[test]
fn one_that_fails_more_often_than_the_others_is_ejected_at_the_end_of_the_interval() {
    let rules = BalanceRules {
        outlier_consecutive_failures: 0,
        ..BalanceRules::default()
    };
    let scene = Scene::new(rules, &[3]);
    for nth in 0..600 {
        let pick = scene.pick();
        match pick.name() == "a2" && nth % 2 == 0 {
            true => pick.failure(scene.clock.now()),
            false => pick.success(scene.clock.now()),
        }
    }
    assert_eq!(scene.out(), [""; 0]);
    scene.clock.advance(10 * SECOND);
    drop(scene.pick());
    assert_eq!(scene.out(), ["a2"]);
    let snapshot = scene.snapshot();
    let why = snapshot.instances[2].last_ejection.as_ref().unwrap().why;
    let WhyEjected::SuccessRate {
        success_rate,
        others: 100,
    } = why
    else {
        panic!("{why}");
    };
    assert!((30..70).contains(&success_rate), "{why}");
    assert_eq!(snapshot.counts.ejected_success_rate, 1);
}

#[test]
fn half_of_them_may_be_out_and_the_others_stay() {
    let scene = Scene::new(BalanceRules::default(), &[4]);
    for name in ["a0", "a1", "a2", "a3"] {
        scene.fail(name, 5);
    }
    assert_eq!(scene.out(), ["a0", "a1"]);
    let snapshot = scene.snapshot();
    assert!(!snapshot.is_panicking, "half are left");
    assert_eq!(snapshot.counts.not_ejected, 2);
}

#[test]
fn with_too_few_left_ejections_are_ignored() {
    let rules = BalanceRules {
        outlier_max_ejection_percentage: 100,
        ..BalanceRules::default()
    };
    let scene = Scene::new(rules, &[3]);
    scene.fail("a0", 5);
    assert!(!scene.choices(100).contains_key("a0"));
    scene.fail("a1", 5);
    assert_eq!(scene.out(), ["a0", "a1"]);
    assert!(scene.snapshot().is_panicking);
    assert_eq!(scene.snapshot().counts.panics, 1);
    assert_eq!(scene.choices(100).len(), 3, "all are chosen");
    scene.fail("a2", 5);
    assert_eq!(scene.out(), ["a0", "a1"], "never all");
}

#[test]
fn of_a_smaller_set_fewer_are_out() {
    let scene = Scene::new(BalanceRules::default(), &[4]);
    scene.fail("a0", 5);
    scene.clock.advance(SECOND);
    scene.fail("a1", 5);
    scene.set(&[2]);
    assert_eq!(scene.out(), ["a1"], "the one longest out is back");
    scene.set(&[1]);
    assert_eq!(scene.out(), [""; 0]);
    let first = scene.snapshot().instances.remove(0);
    assert_eq!((first.ejections, first.failures), (1, 5), "it is the same");
    scene.set(&[0, 1]);
    scene.set(&[1]);
    assert_eq!(scene.snapshot().instances[0].failures, 0, "it is another");
}

#[test]
fn what_began_before_an_ejection_is_no_verdict_after_it() {
    let scene = Scene::new(BalanceRules::default(), &[2]);
    let mut early = scene.at_once("a0", 10);
    let late = early.split_off(5);
    early
        .into_iter()
        .for_each(|pick| pick.failure(scene.clock.now()));
    assert_eq!(scene.out(), ["a0"]);
    scene.clock.advance(60 * SECOND);
    assert_eq!(scene.out(), [""; 0]);
    late.into_iter()
        .for_each(|pick| pick.failure(scene.clock.now()));
    assert_eq!(scene.out(), [""; 0]);
}

#[test]
fn an_attempt_given_up_is_a_failure_once_its_time_is_over() {
    let rules = BalanceRules {
        outlier_abandoned_ms: 100,
        ..BalanceRules::default()
    };
    for (rules, bearable, too_long) in [(BalanceRules::default(), 999, 1000), (rules, 99, 100)] {
        let scene = Scene::new(rules, &[1]);
        for (held_ms, failures) in [(bearable, 0), (too_long, 1)] {
            let pick = scene.pick();
            scene.clock.advance(Duration::from_millis(held_ms));
            drop(pick);
            let snapshot = scene.snapshot();
            assert_eq!(snapshot.instances[0].failures, failures, "{held_ms}");
            assert_eq!(snapshot.instances[0].in_flight, 0);
        }
    }
}

#[test]
fn a_retry_that_runs_out_of_time_says_nothing_of_its_instance() {
    let scene = Scene::new(BalanceRules::default(), &[1]);
    for (number, failures) in [(1, 0), (0, 1)] {
        let mut attempt = scene.attempt();
        attempt.number = number;
        let pick = scene.balancer.pick(&attempt, scene.clock.now()).unwrap();
        scene.clock.advance(SECOND);
        drop(pick);
        assert_eq!(scene.snapshot().instances[0].failures, failures);
    }
}

#[test]
fn all_stays_in_the_own_zone_while_it_suffices_and_then_spills_over() {
    let rules = BalanceRules {
        outlier_max_ejection_percentage: 100,
        ..BalanceRules::default()
    };
    let scene = Scene::new(rules, &[3, 3, 3]);
    assert_eq!(share(&scene.choices(1000), "a"), 100);
    scene.fail("a0", 5);
    assert_eq!(share(&scene.choices(1000), "a"), 100, "two bear it");
    scene.fail("a1", 5);
    // One of seven, of which a third is asked: 1/7 · 3 · 140 % stay.
    let choices = scene.choices(10_000);
    let shares = ["a", "b", "c"].map(|zone| share(&choices, zone));
    assert!((58..=62).contains(&shares[0]), "{shares:?}");
    assert!((18..=22).contains(&shares[1]), "{shares:?}");
    scene.fail("a2", 5);
    assert_eq!(share(&scene.choices(1000), "a"), 0);
}

#[test]
fn a_retry_leaves_the_zone_rather_than_go_back() {
    let scene = Scene::new(BalanceRules::default(), &[1, 3]);
    let mut attempt = scene.attempt();
    attempt.tried = Tried::recording();
    let now = scene.clock.now();
    let mut names: Vec<String> = (0..4)
        .map(|_| {
            scene
                .balancer
                .pick(&attempt, now)
                .unwrap()
                .name()
                .to_owned()
        })
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["a0", "b0", "b1", "b2"]);
    assert!(scene.balancer.pick(&attempt, now).is_ok(), "all are tried");
}

#[test]
fn a_hedge_goes_to_another_good_instance_or_nowhere() {
    let scene = Scene::new(BalanceRules::default(), &[2]);
    let now = scene.clock.now();
    let mut attempt = scene.attempt();
    attempt.tried = Tried::recording();
    let first = scene.balancer.pick(&attempt, now).unwrap();
    attempt.is_hedge = true;
    let second = scene.balancer.pick(&attempt, now).unwrap();
    assert_ne!(first.name(), second.name());
    assert!(scene.balancer.pick(&attempt, now).is_err());
    let other = second.name().to_owned();
    drop((first, second));
    scene.fail(&other, 5);
    let mut attempt = scene.attempt();
    attempt.tried = Tried::recording();
    drop(scene.balancer.pick(&attempt, now).unwrap());
    attempt.is_hedge = true;
    assert!(scene.balancer.pick(&attempt, now).is_err(), "it is ejected");
    attempt.is_hedge = false;
    let retry = scene.balancer.pick(&attempt, now).unwrap();
    assert_eq!(retry.name(), other, "a retry may");
}

#[test]
fn bad_rules_are_named() {
    let rules = [
        (
            "zone_capacity_percentage",
            BalanceRules {
                zone_capacity_percentage: 99,
                ..BalanceRules::default()
            },
        ),
        (
            "outlier_interval_ms",
            BalanceRules {
                outlier_interval_ms: 0,
                ..BalanceRules::default()
            },
        ),
        (
            "outlier_max_ejection_ms",
            BalanceRules {
                outlier_max_ejection_ms: 29_999,
                ..BalanceRules::default()
            },
        ),
        (
            "outlier_success_rate_minimum_instances",
            BalanceRules {
                outlier_success_rate_minimum_instances: 1,
                ..BalanceRules::default()
            },
        ),
        (
            "outlier_max_ejection_percentage",
            BalanceRules {
                outlier_max_ejection_percentage: 101,
                ..BalanceRules::default()
            },
        ),
    ];
    for (name, rules) in rules {
        let error = Balancer::builder("x").rules(rules).build::<()>();
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
    }
    let rules = serde_json::from_str::<BalanceRules>(r#"{"load":"peak_ewma"}"#).unwrap();
    assert_eq!(rules.load, LoadMeasure::PeakEwma);
    assert!(BalanceRules::without_outliers().validate().is_ok());
}

/// Threads that choose, fail and change the set at once.
#[test]
fn nothing_is_left_under_way_by_threads() {
    let scene = Scene::new(BalanceRules::default(), &[4, 4]);
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let scene = &scene;
            scope.spawn(move || {
                for nth in 0..2000 {
                    let pick = scene.pick();
                    match (nth * 7 + thread) % 5 {
                        0 => drop(pick),
                        1 => pick.success(scene.clock.now()),
                        _ => pick.failure(scene.clock.now()),
                    }
                    if nth % 100 == 0 {
                        scene.set(&[1 + nth / 100 % 4, 4]);
                        scene.clock.advance(SECOND);
                    }
                    let instances = scene.snapshot().instances;
                    let out = instances.iter().filter(|i| i.ejected_for.is_some());
                    assert!(out.count() * 2 <= instances.len());
                }
            });
        }
    });
    let snapshot = scene.snapshot();
    assert!(snapshot.instances.iter().all(|i| i.in_flight == 0));
    assert!(snapshot.counts.ejected_consecutive > 0);
}
