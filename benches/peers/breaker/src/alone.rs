//! Breakers without anything around them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use failsafe::CircuitBreaker;
use squall_resilience::breaker::{Breaker, Moment, Nanos, ReadBy};

use crate::{Candidate, NEVER, rules};

pub(crate) const CANDIDATES: [Candidate; 7] = [
    ("squall, given the time", squall),
    ("squall, given nanoseconds", given_nanoseconds),
    ("squall, with its clock", with_clock),
    ("one reading of a clock", clock_alone),
    ("recloser", recloser),
    ("failsafe, consecutive", consecutive),
    ("failsafe, over 10 s", over_window),
];

fn squall(open: bool) -> crate::Breaker {
    let (breaker, now) = breaker(open);
    Box::new(move || {
        let breaker = breaker.clone();
        Box::new(move || called(&breaker, || now))
    })
}

/// Of a clock that the caller has anyway.
fn given_nanoseconds(open: bool) -> crate::Breaker {
    let (breaker, _) = breaker(open);
    let now = Nanos(if open { 1_500_000_000 } else { 0 });
    Box::new(move || {
        let breaker = breaker.clone();
        Box::new(move || called(&breaker, || now))
    })
}

/// Read when a call ends, and when it begins if that matters.
fn with_clock(open: bool) -> crate::Breaker {
    let (breaker, _) = breaker(open);
    Box::new(move || {
        let breaker = breaker.clone();
        Box::new(move || called(&breaker, || ReadBy(Instant::now)))
    })
}

fn called<M: Moment>(breaker: &Breaker, clock: impl Fn() -> M) {
    if let Ok(guard) = breaker.admit(black_box(clock())) {
        guard.success(black_box(clock()));
    }
}

fn clock_alone(_open: bool) -> crate::Breaker {
    Box::new(|| {
        Box::new(|| {
            black_box(Instant::now());
        })
    })
}

/// A breaker, and a time at which it is closed or open.
fn breaker(open: bool) -> (Breaker, Instant) {
    let start = Instant::now();
    let breaker = Breaker::new(rules(), Duration::from_secs(1), 10, start);
    if !open {
        return (breaker, start);
    }
    for _ in 0..100 {
        breaker.admit(start).expect("closed").failure(start);
    }
    // It reads the window when a bucket of it is complete.
    let next = start + Duration::from_millis(1500);
    assert!(breaker.admit(next).is_err(), "the breaker is open");
    (breaker, next)
}

fn consecutive(open: bool) -> crate::Breaker {
    let policy =
        failsafe::failure_policy::consecutive_failures(1, failsafe::backoff::constant(NEVER));
    of_failsafe(failsafe::Config::new().failure_policy(policy).build(), open)
}

fn over_window(open: bool) -> crate::Breaker {
    let policy = failsafe::failure_policy::success_rate_over_time_window(
        0.5,
        1,
        Duration::from_secs(10),
        failsafe::backoff::constant(NEVER),
    );
    of_failsafe(failsafe::Config::new().failure_policy(policy).build(), open)
}

fn of_failsafe(
    breaker: impl CircuitBreaker + Clone + Send + Sync + 'static,
    open: bool,
) -> crate::Breaker {
    if open {
        for _ in 0..100 {
            let _ = breaker.call(|| Err::<(), ()>(()));
        }
    }
    Box::new(move || {
        let breaker = breaker.clone();
        Box::new(move || {
            let _ = black_box(breaker.call(|| Ok::<(), ()>(())));
        })
    })
}

fn recloser(open: bool) -> crate::Breaker {
    let breaker = recloser::Recloser::custom().open_wait(NEVER).build();
    if open {
        for _ in 0..1000 {
            let _ = breaker.call(|| Err::<(), ()>(()));
        }
    }
    let breaker = std::sync::Arc::new(breaker);
    Box::new(move || {
        let breaker = breaker.clone();
        Box::new(move || {
            let _ = black_box(breaker.call(|| Ok::<(), ()>(())));
        })
    })
}
