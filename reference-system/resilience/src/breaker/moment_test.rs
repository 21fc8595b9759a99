//! The ways to say what time it is, and what is counted when nothing depends on it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn rules() -> BreakerRules {
    BreakerRules {
        request_volume_threshold: 3,
        sleep_window: ms(250),
        probe_lease: ms(250),
        ..BreakerRules::default()
    }
}

fn breaker(rules: BreakerRules, t0: Instant) -> Breaker {
    Breaker::new(rules, ms(100), 5, t0)
}

/// How often a call, as it begins and ends, reads the clock.
fn readings(breaker: &Breaker, now: Instant, ok: bool) -> u32 {
    let read = Cell::new(0);
    let clock = || {
        read.set(read.get() + 1);
        now
    };
    let guard = breaker.admit(ReadBy(clock)).unwrap();
    match ok {
        true => guard.success(ReadBy(clock)),
        false => guard.failure(ReadBy(clock)),
    }
    read.get()
}

#[test]
fn a_clock_is_read_twice_only_where_the_begin_matters() {
    let t0 = Instant::now();
    let breaker = breaker(rules(), t0);
    // The first call finds that there is nothing to judge.
    assert_eq!(readings(&breaker, t0, true), 2);
    assert_eq!(readings(&breaker, t0 + ms(150), true), 1);
    assert_eq!(readings(&breaker, t0 + ms(160), false), 1);
    // As long as the error is in the window; then one more call finds that it is gone.
    assert_eq!(readings(&breaker, t0 + ms(699), true), 2);
    assert_eq!(readings(&breaker, t0 + ms(700), true), 2);
    assert_eq!(readings(&breaker, t0 + ms(700), true), 1);
    breaker.set_rules(BreakerRules {
        slow_calls: Some(SlowCalls {
            longer_than: ms(50),
            threshold_percentage: 50,
        }),
        ..rules()
    });
    for _ in 0..3 {
        assert_eq!(
            readings(&breaker, t0 + ms(710), true),
            2,
            "to see how long it takes"
        );
    }
}

/// A call that began when nobody asked how long it takes is not slow.
#[test]
fn a_call_without_a_begin_is_not_slow() {
    let t0 = Instant::now();
    let breaker = breaker(rules(), t0);
    breaker.admit(t0).unwrap().success(t0);
    let guard = breaker.admit(t0).unwrap();
    breaker.set_rules(BreakerRules {
        slow_calls: Some(SlowCalls {
            longer_than: ms(50),
            threshold_percentage: 50,
        }),
        ..rules()
    });
    guard.success(t0 + ms(90));
    assert_eq!(breaker.health(t0 + ms(100)).slow, 0);
    assert_eq!(breaker.health(t0 + ms(100)).total, 2);
}

#[test]
fn a_threshold_of_nothing_is_met_by_calls_that_succeed() {
    let t0 = Instant::now();
    let rules = BreakerRules {
        error_threshold_percentage: 0,
        ..rules()
    };
    let breaker = breaker(rules, t0);
    for _ in 0..3 {
        breaker.admit(t0).unwrap().success(t0);
    }
    assert!(breaker.admit(t0 + ms(100)).is_err());
}

/// What calls do is to be seen while it is forced closed, whatever it was before; and it closes
/// only by its probe.
#[test]
fn calls_are_counted_while_an_open_breaker_is_forced_closed() {
    let t0 = Instant::now();
    let breaker = breaker(rules(), t0);
    for _ in 0..3 {
        breaker.admit(t0).unwrap().failure(t0);
    }
    let t1 = t0 + ms(100);
    assert_eq!(breaker.state(t1), BreakerState::Open);
    breaker.set_rules(BreakerRules {
        force_closed: true,
        ..rules()
    });
    for _ in 0..4 {
        breaker.admit(t1).unwrap().success(t1);
    }
    let t2 = t1 + ms(100);
    let health = breaker.health(t2);
    assert_eq!((health.total, health.errors), (7, 3));
    breaker.set_rules(rules());
    assert_eq!(breaker.state(t2), BreakerState::Open);
    let t3 = t1 + ms(251);
    let probe = breaker.admit(t3).unwrap();
    assert!(probe.is_probe());
    probe.success(t3);
    assert_eq!(breaker.state(t3), BreakerState::Closed);
    assert_eq!(breaker.health(t3 + ms(100)).total, 0, "of before it closed");
}

#[derive(Debug, Clone, Copy)]
struct Step {
    waits_ms: u64,
    takes_ms: u64,
    ends: Option<bool>,
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(31),
        ..ProptestConfig::default()
    })]

    /// However it is told the time, and whether it asks for it or not, it decides the same.
    #[test]
    fn it_decides_the_same_however_it_is_told_the_time(
        with_slow in any::<bool>(),
        steps in vec((0..120u64, 0..80u64, prop_oneof![
            5 => Just(Some(true)), 3 => Just(Some(false)), 1 => Just(None),
        ]).prop_map(|(waits_ms, takes_ms, ends)| Step { waits_ms, takes_ms, ends }), 1..150),
    ) {
        let t0 = Instant::now();
        let slow = SlowCalls { longer_than: ms(40), threshold_percentage: 70 };
        let rules = BreakerRules { slow_calls: with_slow.then_some(slow), ..rules() };
        let all = [(); 3].map(|()| breaker(rules, t0));
        let mut now_ms = 0;
        for Step { waits_ms, takes_ms, ends } in steps {
            now_ms += waits_ms;
            let (begin, end) = (t0 + ms(now_ms), t0 + ms(now_ms + takes_ms));
            let nanos = |at: Instant| Nanos(crate::clock::nanos(at - t0));
            let guards = [
                all[0].admit(begin),
                all[1].admit(nanos(begin)),
                all[2].admit(ReadBy(|| begin)),
            ];
            let probes = guards.each_ref().map(|guard| guard.as_ref().map(CallGuard::is_probe).ok());
            prop_assert!(probes[0] == probes[1] && probes[0] == probes[2], "{:?}", probes);
            for (nth, guard) in guards.into_iter().enumerate() {
                let Ok(guard) = guard else { continue };
                match (ends, nth) {
                    (None, _) => drop(guard),
                    (Some(true), 0) => guard.success(end),
                    (Some(true), 1) => guard.success(nanos(end)),
                    (Some(true), _) => guard.success(ReadBy(|| end)),
                    (Some(false), 0) => guard.failure(end),
                    (Some(false), 1) => guard.failure(nanos(end)),
                    (Some(false), _) => guard.failure(ReadBy(|| end)),
                }
            }
            now_ms += takes_ms;
            let healths = all.each_ref().map(|breaker| breaker.health(end));
            prop_assert!(healths[0] == healths[1] && healths[0] == healths[2], "{:?}", healths);
        }
    }
}
