//! What a call costs in memory: nothing. A program of its own without the harness of tests, as it
//! counts the allocations of the whole process, and other threads have theirs.
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::alloc::System;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use squall_resilience::balance::{Balancer, Instance};
use squall_resilience::breaker::{Breaker, BreakerRules};
use squall_resilience::{Attempt, Command, Deadline, Properties};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLS: usize = 10_000;

/// Allocations while `act` runs, once it has run before.
fn allocations(mut act: impl FnMut()) -> usize {
    act();
    let region = Region::new(ALLOCATOR);
    act();
    region.change().allocations
}

fn main() {
    a_call_through_the_breaker_costs_none();
    a_refusal_costs_none();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    a_choice_of_an_instance_costs_none();
    let _inside = runtime.enter();
    a_call_through_all_layers_costs_none();
}

fn a_call_through_the_breaker_costs_none() {
    let start = Instant::now();
    let breaker = Breaker::new(
        BreakerRules::default(),
        Duration::from_millis(500),
        20,
        start,
    );
    let mut now = start;
    let found = allocations(|| {
        for nth in 0..CALLS {
            now += Duration::from_millis(1);
            let guard = breaker.admit(now).unwrap();
            if nth % 10 == 0 {
                guard.failure(now);
            } else {
                guard.success(now);
            }
        }
    });
    assert_eq!(found, 0, "of {CALLS} calls, buckets that end included");
}

fn a_refusal_costs_none() {
    let now = Instant::now();
    let rules = BreakerRules {
        consecutive_failures: std::num::NonZero::new(1),
        ..BreakerRules::default()
    };
    let breaker = Breaker::new(rules, Duration::from_millis(500), 20, now);
    breaker.admit(now).unwrap().failure(now);
    let found = allocations(|| (0..CALLS).for_each(|_| assert!(breaker.admit(now).is_err())));
    assert_eq!(found, 0, "of {CALLS} refusals");
}

fn a_call_through_all_layers_costs_none() {
    let command = Command::new("dependency", "tests", Properties::default()).unwrap();
    let found = allocations(|| {
        for _ in 0..CALLS {
            let deadline = Deadline::after(command.now(), Duration::from_secs(60));
            let call = pin!(command.execute(deadline, async |_| Ok::<_, String>(7)));
            let polled = call.poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Ready(Ok(7))));
        }
    });
    assert_eq!(found, 0, "of {CALLS} calls through all layers");
}

fn a_choice_of_an_instance_costs_none() {
    let now = Instant::now();
    let balancer: Balancer<u32> = Balancer::builder("dependency").build().unwrap();
    let instances = (0..9).map(|nth| Instance::new(nth.to_string(), nth));
    balancer.set_instances(now, instances);
    let attempt = Attempt::only(Deadline::after(now, Duration::from_secs(60)));
    let found = allocations(|| {
        for _ in 0..CALLS {
            balancer.pick(&attempt, now).unwrap().success(now);
        }
    });
    assert_eq!(found, 0, "of {CALLS} choices");
}
