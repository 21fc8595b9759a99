//! The other ways to open and to close: slow calls, failures in a row, the last calls, policies of
//! failsafe, probes that are dropped, and ramps.

use std::num::NonZero;
use std::time::{Duration, Instant};

use failsafe::failure_policy::consecutive_failures;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

const SLEEP: Duration = Duration::from_secs(1);

fn rules() -> BreakerRules {
    BreakerRules {
        request_volume_threshold: 4,
        sleep_window: SLEEP,
        probe_lease: SLEEP,
        ..BreakerRules::default()
    }
}

fn breaker(rules: BreakerRules) -> (Breaker, Instant) {
    let t0 = Instant::now();
    (Breaker::new(rules, ms(100), 10, t0), t0)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A call that ends as soon as it begins.
fn call(breaker: &Breaker, at: Instant, ok: bool) {
    let guard = breaker.admit(at).unwrap();
    if ok {
        guard.success(at);
    } else {
        guard.failure(at);
    }
}

#[test]
fn slow_calls_open_it_though_they_succeed() {
    let slow_calls = Some(SlowCalls {
        longer_than: ms(50),
        threshold_percentage: 50,
    });
    for (slow, expected) in [(1, BreakerState::Closed), (2, BreakerState::Open)] {
        let (breaker, t0) = breaker(BreakerRules {
            slow_calls,
            ..rules()
        });
        for nth in 0..4 {
            let took = if nth < slow { ms(51) } else { ms(50) };
            breaker.admit(t0).unwrap().success(t0 + took);
        }
        assert_eq!(breaker.state(t0 + ms(100)), expected, "{slow} of 4");
        assert_eq!(breaker.health(t0 + ms(100)).slow, slow);
    }
}

#[test]
fn a_slow_probe_closes_nothing() {
    let (breaker, t0) = breaker(BreakerRules {
        slow_calls: Some(SlowCalls {
            longer_than: ms(50),
            threshold_percentage: 50,
        }),
        consecutive_failures: NonZero::new(1),
        ..rules()
    });
    call(&breaker, t0, false);
    let sent = t0 + SLEEP + ms(1);
    breaker.admit(sent).unwrap().success(sent + ms(51));
    assert_eq!(breaker.state(sent + ms(51)), BreakerState::Open);
    let next = sent + SLEEP + ms(1);
    breaker.admit(next).unwrap().success(next + ms(50));
    assert_eq!(breaker.state(next + ms(50)), BreakerState::Closed);
}

#[test]
fn failures_in_a_row_open_it_at_once() {
    let (breaker, t0) = breaker(BreakerRules {
        consecutive_failures: NonZero::new(3),
        request_volume_threshold: u64::MAX,
        ..rules()
    });
    for ok in [false, false, true, false, false] {
        call(&breaker, t0, ok);
    }
    assert_eq!(breaker.state(t0), BreakerState::Closed);
    call(&breaker, t0, false);
    assert_eq!(breaker.state(t0), BreakerState::Open);
    assert_eq!(
        breaker.explain(t0).to_string(),
        "open: 3 calls failed one after the other; a probe goes in 1s"
    );
}

#[test]
fn calls_from_before_it_closed_are_in_no_row() {
    let (breaker, t0) = breaker(BreakerRules {
        consecutive_failures: NonZero::new(3),
        request_volume_threshold: u64::MAX,
        ..rules()
    });
    let late = breaker.admit(t0).unwrap();
    (0..3).for_each(|_| call(&breaker, t0, false));
    let sent = t0 + SLEEP + ms(1);
    call(&breaker, sent, true);
    call(&breaker, sent, false);
    late.failure(sent);
    call(&breaker, sent, false);
    assert_eq!(breaker.state(sent), BreakerState::Closed);
    call(&breaker, sent, false);
    assert_eq!(breaker.state(sent), BreakerState::Open);
}

#[test]
fn rules_that_ask_for_fewer_calls_are_heeded() {
    let last = |calls| BreakerRules {
        last_calls: NonZero::new(calls),
        request_volume_threshold: u64::MAX,
        ..rules()
    };
    let (breaker, t0) = breaker(last(6));
    for ok in [false, false, false, true, true] {
        call(&breaker, t0, ok);
    }
    assert_eq!(breaker.state(t0), BreakerState::Closed, "five of six");
    breaker.set_rules(last(3));
    call(&breaker, t0, false);
    assert_eq!(breaker.state(t0), BreakerState::Closed, "one of three");
    call(&breaker, t0, false);
    assert_eq!(breaker.state(t0), BreakerState::Open, "two of three");
}

#[test]
fn a_policy_of_failsafe_says_when_and_for_how_long() {
    let t0 = Instant::now();
    let delays = [ms(10_000), ms(20_000), ms(30_000)].into_iter();
    let breaker = Breaker::builder(BreakerRules {
        request_volume_threshold: u64::MAX,
        ..rules()
    })
    .policy(consecutive_failures(2, delays))
    .build(t0);
    call(&breaker, t0, false);
    assert_eq!(breaker.state(t0), BreakerState::Closed);
    call(&breaker, t0, false);
    assert_eq!(breaker.next_probe_in(t0), Some(ms(10_000)));
    let sent = t0 + ms(10_001);
    call(&breaker, sent, false);
    assert_eq!(
        breaker.next_probe_in(sent),
        Some(ms(20_000)),
        "a longer wait"
    );
    let again = sent + ms(20_001);
    call(&breaker, again, true);
    assert_eq!(breaker.state(again), BreakerState::Closed);
    call(&breaker, again, false);
    assert_eq!(breaker.state(again), BreakerState::Closed, "it was told");
}

#[test]
fn a_dropped_probe_may_leave_the_next_call_the_probe() {
    let (breaker, t0) = breaker(BreakerRules {
        consecutive_failures: NonZero::new(1),
        on_probe_cancel: OnProbeCancel::Release,
        ..rules()
    });
    call(&breaker, t0, false);
    let sent = t0 + SLEEP + ms(1);
    for _ in 0..3 {
        let probe = breaker.admit(sent).unwrap();
        assert!(probe.is_probe() && breaker.admit(sent).is_err());
        drop(probe);
    }
    let probe = breaker.admit(sent).unwrap();
    probe.failure(sent);
    assert!(breaker.admit(sent + SLEEP).is_err(), "it failed");
}

#[test]
fn after_it_has_closed_more_and_more_calls_are_admitted() {
    let (breaker, t0) = breaker(BreakerRules {
        consecutive_failures: NonZero::new(1),
        ramp_up: ms(1000),
        ..rules()
    });
    call(&breaker, t0, false);
    let closed = t0 + SLEEP + ms(1);
    call(&breaker, closed, true);
    let share = |after_ms| {
        let at = closed + ms(after_ms);
        (0..1000)
            .filter(|_| breaker.admit(at).map(|guard| guard.success(at)).is_ok())
            .count()
    };
    for (after_ms, expected) in [(0, 100), (500, 550), (999, 999), (1000, 1000)] {
        let found = share(after_ms);
        assert!(
            found.abs_diff(expected) <= 3,
            "{found} of 1000 after {after_ms} ms"
        );
    }
    assert_eq!(share(1000), 1000, "it has ended");
    let (halfway, over) = (closed + ms(500), closed + ms(1001));
    assert_eq!(breaker.explain(over).admitted_percentage, None);
    call(&breaker, over, false);
    let again = over + SLEEP + ms(1);
    call(&breaker, again, true);
    assert!(halfway < again);
    assert_eq!(breaker.explain(again).admitted_percentage, Some(10));
    let wait = (0..20).find_map(|_| breaker.admit(again).err()).unwrap();
    assert_eq!(wait.retry_after, ms(1000));
}

#[test]
fn calls_from_before_a_rule_was_off_are_in_no_row() {
    let in_a_row = |failures| BreakerRules {
        consecutive_failures: NonZero::new(failures),
        request_volume_threshold: u64::MAX,
        ..rules()
    };
    let (breaker, t0) = breaker(in_a_row(3));
    (0..2).for_each(|_| call(&breaker, t0, false));
    breaker.set_rules(in_a_row(0));
    call(&breaker, t0, true);
    breaker.set_rules(in_a_row(3));
    call(&breaker, t0, false);
    assert_eq!(breaker.state(t0), BreakerState::Closed);
}

#[test]
fn the_next_sleep_window_is_as_long_as_the_new_rules_say() {
    let sleeping = |sleep_window| BreakerRules {
        consecutive_failures: NonZero::new(1),
        sleep_window,
        ..rules()
    };
    let (breaker, t0) = breaker(sleeping(ms(1000)));
    call(&breaker, t0, false);
    breaker.set_rules(sleeping(ms(10)));
    assert_eq!(breaker.next_probe_in(t0), Some(ms(1000)), "it has begun");
    let sent = t0 + ms(1001);
    call(&breaker, sent, false);
    assert_eq!(breaker.next_probe_in(sent), Some(ms(10)));
    breaker.set_rules(sleeping(Duration::MAX));
    call(&breaker, sent + ms(11), false);
    assert!(breaker.next_probe_in(sent + ms(11)) > Some(ms(1_000_000_000)));
}

#[test]
fn what_was_counted_while_it_was_forced_closed_is_judged_after() {
    let (breaker, t0) = breaker(rules());
    breaker.set_rules(BreakerRules {
        force_closed: true,
        ..rules()
    });
    let t1 = t0 + ms(100);
    for at in [t0, t1] {
        (0..4).for_each(|_| call(&breaker, at, false));
    }
    let t2 = t1 + ms(100);
    assert_eq!(breaker.state(t2), BreakerState::Closed);
    assert_eq!(breaker.health(t2).total, 8, "it goes on counting");
    breaker.set_rules(rules());
    assert_eq!(breaker.state(t2), BreakerState::Open);
}

#[test]
fn it_says_why() {
    let (breaker, t0) = breaker(rules());
    let says = |at| breaker.explain(at).to_string();
    call(&breaker, t0, false);
    let t1 = t0 + ms(100);
    assert_eq!(says(t1), "closed: 1 calls in 1s, it judges from 4 on");
    for _ in 0..4 {
        call(&breaker, t1, true);
    }
    let t2 = t1 + ms(100);
    assert_eq!(
        says(t2),
        "closed: 20 % of 5 calls in 1s failed, it opens at 50 %"
    );
    for _ in 0..5 {
        call(&breaker, t2, false);
    }
    let t3 = t2 + ms(100);
    assert_eq!(
        says(t3),
        "open: 60 % of 10 calls failed, it opens at 50 %; a probe goes in 1s"
    );
    let sent = t3 + SLEEP + ms(1);
    let probe = breaker.admit(sent).unwrap();
    assert_eq!(
        says(sent),
        "half-open, its probe is on the way: 60 % of 10 calls failed, it opens at 50 %"
    );
    probe.failure(sent);
    assert_eq!(
        says(sent + SLEEP),
        "open: 60 % of 10 calls failed, it opens at 50 %; the next call is the probe"
    );
    breaker.set_rules(BreakerRules {
        force_open: true,
        ..rules()
    });
    assert_eq!(says(sent), "forced open: every call is refused");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(23),
        ..ProptestConfig::default()
    })]

    /// Calls that need their order, against a list of them.
    #[test]
    fn it_opens_when_the_list_says_so(
        row in 1..6u32,
        last in 1..20u32,
        percentage in 1..=100u8,
        ends in vec(any::<bool>(), 1..100),
    ) {
        let (breaker, t0) = breaker(BreakerRules {
            request_volume_threshold: u64::MAX,
            error_threshold_percentage: percentage,
            consecutive_failures: NonZero::new(row),
            last_calls: NonZero::new(last),
            ..rules()
        });
        for nth in 0..ends.len() {
            call(&breaker, t0, ends[nth]);
            let seen = &ends[..=nth];
            let in_row = seen.iter().rev().take_while(|ok| !**ok).count();
            let judged = seen.len().checked_sub(last as usize).map(|from| &seen[from..]);
            let errors = judged.map(|calls| calls.iter().filter(|ok| !**ok).count());
            let is_open = in_row >= row as usize
                || errors.is_some_and(|errors| errors * 100 >= percentage as usize * last as usize);
            let expected = if is_open { BreakerState::Open } else { BreakerState::Closed };
            prop_assert_eq!(breaker.state(t0), expected, "after {:?}", seen);
            if is_open {
                break;
            }
        }
    }
}
