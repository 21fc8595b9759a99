//! When not all calls can be made: which are shed, and how many the dependency can bear.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use squall_resilience::Priority;

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_worth_least_is_shed_first_and_the_breaker_does_not_count_it() {
    let c = command(
        Properties::builder()
            .execution_semaphore_max_concurrent(4)
            .execution_degraded_percentage(50)
            .execution_non_critical_percentage(25),
    );
    let call = async |priority| {
        let options = CallOptions::new(in_one_minute(&c)).of_priority(priority);
        let work = async |_| Ok::<_, Wrong>("titles");
        let usual = |_: &CommandError<Wrong>| async { Ok("usual titles") };
        c.execute_or(options, work, usual).await.unwrap()
    };
    let mut running = Vec::new();
    let mut made = Vec::new();
    for _ in 0..=4 {
        let mut row = Vec::new();
        for priority in Priority::ALL {
            row.push(call(priority).await == "titles");
        }
        made.push(row);
        running.extend(c.bulkhead().try_acquire());
    }
    let expected = [
        [true, true, true],
        [false, true, true],
        [false, false, true],
        [false, false, true],
        [false, false, false],
    ];
    assert_eq!(made, expected);
    let metrics = c.snapshot().metrics;
    assert_eq!(metrics.total(CommandEvent::Shed), 4 + 3);
    assert_eq!(metrics.total(CommandEvent::SemaphoreRejected), 1);
    advance_ms(500).await;
    let health = c.snapshot().health;
    assert_eq!((health.total, health.errors), (8, 1));
}

/// Calls that all want at once, of a dependency that works on `capacity` of them at a time.
async fn load(c: &Command, capacity: u32, rounds: u32) {
    let running = Arc::new(AtomicU32::new(0));
    for _ in 0..rounds {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (c, running) = (c.clone(), running.clone());
            calls.spawn(async move {
                let work = async |_| {
                    let ahead = running.fetch_add(1, Ordering::SeqCst) / capacity;
                    tokio::time::sleep(Duration::from_millis(10) * (ahead + 1)).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, Wrong>(())
                };
                let _ = c.execute(in_one_minute(&c), work).await;
            });
        }
        calls.join_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn calls_at_a_time_follow_what_the_dependency_bears() {
    let c = command(
        Properties::builder()
            .execution_adaptive_min_concurrent(2)
            .execution_semaphore_max_concurrent(60)
            .circuit_breaker_enabled(false),
    );
    assert_eq!(c.bulkhead().limit(), 2);
    load(&c, 100, 200).await;
    assert_eq!(c.bulkhead().limit(), 60, "it bears all that are allowed");
    let fewer = Properties::builder()
        .execution_adaptive_min_concurrent(2)
        .execution_semaphore_max_concurrent(50)
        .circuit_breaker_enabled(false);
    c.set_properties(fewer.build().unwrap()).unwrap();
    assert_eq!(c.bulkhead().limit(), 50);
    load(&c, 10, 200).await;
    let found = c.bulkhead().limit();
    assert!((10..40).contains(&found), "{found}");
    let fixed = Properties::builder().execution_semaphore_max_concurrent(7);
    c.set_properties(fixed.build().unwrap()).unwrap();
    load(&c, 10, 50).await;
    assert_eq!(c.bulkhead().limit(), 7);
}

/// It measures by refusing calls while nothing is wrong: that is no verdict on the dependency.
#[tokio::test(start_paused = true)]
async fn measuring_what_the_dependency_bears_opens_no_breaker() {
    let c = command(
        Properties::builder()
            .execution_adaptive_min_concurrent(2)
            .execution_semaphore_max_concurrent(60),
    );
    load(&c, 1000, 50).await;
    let snapshot = c.snapshot();
    assert!(snapshot.metrics.total(CommandEvent::SemaphoreRejected) > 500);
    assert_eq!(snapshot.opened_count, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_from_before_it_was_fixed_moves_the_number_of_calls_no_more() {
    let adaptive = || {
        Properties::builder()
            .execution_adaptive_min_concurrent(2)
            .execution_semaphore_max_concurrent(60)
    };
    let c = command(adaptive());
    let slow = c.execute(in_one_minute(&c), async |_| {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok::<_, Wrong>(())
    });
    let fix = async {
        tokio::task::yield_now().await;
        let fixed = Properties::builder().execution_semaphore_max_concurrent(7);
        c.set_properties(fixed.build().unwrap()).unwrap();
    };
    let (slow, ()) = tokio::join!(slow, fix);
    assert_eq!((slow, c.bulkhead().limit()), (Ok(()), 7));
    // Long after the start it measures anew, and not by the first call that ends.
    advance_ms(60_000).await;
    c.set_properties(adaptive().build().unwrap()).unwrap();
    assert_eq!(c.bulkhead().limit(), 2);
    load(&c, 1000, 20).await;
    assert_eq!(
        c.bulkhead().limit(),
        2,
        "forty calls are too few to measure"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_shed_uses_up_no_probe() {
    let c = command(Properties::builder().execution_non_critical_percentage(0));
    open(&c).await;
    advance_ms(5001).await;
    let options = CallOptions::new(in_one_minute(&c)).of_priority(Priority::NonCritical);
    for _ in 0..3 {
        let shed = c.execute(options, async |_| Ok::<_, Wrong>(())).await;
        let priority = Priority::NonCritical;
        assert_eq!(shed, Err(CommandError::Shed { priority }));
    }
    assert_eq!(run(&c, Ok("titles")).await, Ok("titles"));
    assert_eq!(c.breaker_state(), BreakerState::Closed);
}
