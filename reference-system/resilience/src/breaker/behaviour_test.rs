//! The breaker by example: thresholds, probes, late calls and threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::model_test::{BUCKET_MS, BUCKETS, Mode, SLEEP_MS, VOLUME, rules};
use super::*;

/// Opens a breaker by `VOLUME` failures; gives it with the time at which it opened.
fn opened() -> (Breaker, Instant) {
    let t0 = Instant::now();
    let breaker = Breaker::new(
        rules(Mode::Normal),
        Duration::from_millis(BUCKET_MS),
        BUCKETS,
        t0,
    );
    for _ in 0..VOLUME {
        breaker.admit(t0).unwrap().failure(t0);
    }
    let t1 = t0 + Duration::from_millis(BUCKET_MS);
    assert_eq!(breaker.state(t1), BreakerState::Open);
    (breaker, t1)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn of_many_threads_one_becomes_the_probe() {
    for _ in 0..50 {
        let (breaker, opened_at) = opened();
        let now = opened_at + ms(SLEEP_MS + 1);
        let guards: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| breaker.admit(now).ok()))
                .collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(guards.len(), 1);
        assert!(guards[0].is_probe());
    }
}

/// Eight threads call, fail, drop and move one clock on until enough probes have gone. How the
/// threads interleave is the machine's choice; what is asserted holds for every interleaving.
#[test]
fn of_many_threads_at_most_one_holds_the_probe() {
    const PROBES: u64 = 50;
    /// Far more than the storm needs; a breaker that is stuck ends the test instead of hanging it.
    const STEPS_MAX: u32 = 5_000_000;
    let t0 = Instant::now();
    // The clock runs on with every call of the others, so a lease that ends would end by chance.
    let lease = Duration::from_secs(86_400);
    let rules = BreakerRules {
        probe_lease: lease,
        ..rules(Mode::Normal)
    };
    let breaker = Breaker::new(rules, ms(BUCKET_MS), BUCKETS, t0);
    let (elapsed_ms, probes_out, probes) =
        (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let now = |step: u64| t0 + ms(elapsed_ms.fetch_add(step, Ordering::SeqCst));
    let storm = |seed: u64| {
        let mut dice = seed;
        for _ in 0..STEPS_MAX {
            if probes.load(Ordering::SeqCst) >= PROBES {
                break;
            }
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let Ok(guard) = breaker.admit(now(1)) else {
                // Lets the thread that holds the probe go on.
                std::thread::yield_now();
                continue;
            };
            if guard.is_probe() {
                probes.fetch_add(1, Ordering::SeqCst);
                assert_eq!(
                    probes_out.fetch_add(1, Ordering::SeqCst),
                    0,
                    "two probes at once"
                );
                std::thread::yield_now();
                probes_out.fetch_sub(1, Ordering::SeqCst);
            }
            match dice >> 61 {
                0..=2 => guard.success(now(0)),
                3..=6 => guard.failure(now(0)),
                _ => drop(guard),
            }
        }
    };
    std::thread::scope(|scope| (0..8).for_each(|seed| drop(scope.spawn(move || storm(seed)))));
    assert!(
        probes.load(Ordering::SeqCst) >= PROBES,
        "the breaker is stuck"
    );
    let after = now(0) + lease;
    if breaker.state(now(0)) != BreakerState::Closed {
        breaker.admit(after).unwrap().success(after);
    }
    assert_eq!(breaker.0.mirror.read().state(), BreakerState::Closed);
}

#[test]
fn a_refusal_says_how_long() {
    let (breaker, opened_at) = opened();
    let refusal = breaker.admit(opened_at + ms(400)).unwrap_err();
    assert_eq!(
        refusal,
        CircuitOpen {
            retry_after: ms(600)
        }
    );
    assert_eq!(breaker.next_probe_in(opened_at + ms(400)), Some(ms(600)));
}

#[test]
fn a_dropped_probe_gives_way_to_the_next() {
    let (breaker, opened_at) = opened();
    let sent = opened_at + ms(SLEEP_MS + 1);
    drop(breaker.admit(sent).unwrap());
    assert_eq!(breaker.state(sent), BreakerState::Open);
    assert!(
        breaker.admit(sent + ms(SLEEP_MS)).is_err(),
        "one probe per sleep window"
    );
    let next = sent + ms(SLEEP_MS + 1);
    breaker.admit(next).unwrap().success(next);
    assert_eq!(breaker.state(next), BreakerState::Closed);
}

#[test]
fn a_call_from_before_the_trip_closes_nothing() {
    let t0 = Instant::now();
    let breaker = Breaker::new(rules(Mode::Normal), ms(BUCKET_MS), BUCKETS, t0);
    let slow = breaker.admit(t0).unwrap();
    for _ in 0..VOLUME {
        breaker.admit(t0).unwrap().failure(t0);
    }
    let sent = t0 + ms(BUCKET_MS + SLEEP_MS + 1);
    assert_eq!(breaker.state(t0 + ms(BUCKET_MS)), BreakerState::Open);
    let probe = breaker.admit(sent).unwrap();
    slow.success(sent);
    assert_eq!(breaker.state(sent), BreakerState::HalfOpen);
    probe.success(sent);
    assert_eq!(breaker.state(sent), BreakerState::Closed);
    assert_eq!(breaker.opened_count(), 1);
}

#[test]
fn it_trips_on_a_success_that_completes_the_volume() {
    let t0 = Instant::now();
    let breaker = Breaker::new(rules(Mode::Normal), ms(BUCKET_MS), BUCKETS, t0);
    breaker.admit(t0).unwrap().failure(t0);
    breaker.admit(t0).unwrap().failure(t0);
    assert_eq!(
        breaker.state(t0 + ms(BUCKET_MS)),
        BreakerState::Closed,
        "two calls are below the volume"
    );
    let t1 = t0 + ms(BUCKET_MS);
    breaker.admit(t1).unwrap().success(t1);
    assert_eq!(
        breaker.state(t1 + ms(BUCKET_MS)),
        BreakerState::Open,
        "two errors of three calls"
    );
}

#[test]
fn the_threshold_is_inclusive_and_cut_off() {
    for (errors, expected) in [(49, BreakerState::Closed), (50, BreakerState::Open)] {
        let t0 = Instant::now();
        let breaker = Breaker::new(rules(Mode::Normal), ms(BUCKET_MS), BUCKETS, t0);
        for call in 0..100 {
            let guard = breaker.admit(t0).unwrap();
            if call < errors {
                guard.failure(t0)
            } else {
                guard.success(t0)
            }
        }
        assert_eq!(breaker.state(t0 + ms(BUCKET_MS)), expected, "{errors} %");
    }
}
