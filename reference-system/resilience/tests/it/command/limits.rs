//! What bounds a call: bulkheads, timeouts, deadlines and the budget of retries.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_refuses_at_once_and_the_breaker_counts_it() {
    let c = command(Properties::builder().execution_semaphore_max_concurrent(1));
    let (first, second) = tokio::join!(hang(&c), run_or(&c, Ok("titles"), Ok("usual titles")));
    assert_eq!((first, second), (Ok("usual titles"), Ok("usual titles")));
    let ends = [
        (CommandEvent::Timeout, 1),
        (CommandEvent::SemaphoreRejected, 1),
        (CommandEvent::FallbackSuccess, 2),
    ];
    assert_eq!(events(&c), ends);
    advance_ms(500).await;
    assert_eq!(
        (c.snapshot().health.total, c.snapshot().health.errors),
        (2, 2)
    );
    assert_eq!(c.snapshot().metrics.rolling_active_max, 1);
}

#[tokio::test(start_paused = true)]
async fn too_many_fallbacks_are_refused() {
    let c = command(Properties::builder().fallback_semaphore_max_concurrent(1));
    let slow = c.execute_or(
        in_one_minute(&c),
        async |_| Err::<&str, _>(Wrong::Dependency),
        |_| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok("usual titles")
        },
    );
    let (first, second) =
        tokio::join!(slow, run_or(&c, Err(Wrong::Dependency), Ok("usual titles")));
    assert_eq!(first, Ok("usual titles"));
    let cause = Box::new(CommandError::Failure(Wrong::Dependency));
    assert_eq!(second, Err(CommandError::FallbackRejected { cause }));
    assert_eq!(
        c.snapshot().metrics.total(CommandEvent::FallbackRejection),
        1
    );
    assert_eq!(c.fallback_bulkhead().active(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_permit_is_free_before_the_fallback_begins() {
    let c = command(Properties::builder());
    let active = Cell::new(usize::MAX);
    c.execute_or(
        in_one_minute(&c),
        async |_| pending::<Result<(), Wrong>>().await,
        |_| async {
            active.set(c.bulkhead().active());
            Ok(())
        },
    )
    .await
    .unwrap();
    assert_eq!(active.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn disabled_timeouts_let_work_run_past_every_limit() {
    let c = command(Properties::builder().execution_timeout_enabled(false));
    let deadline = Deadline::after(c.now(), Duration::from_millis(10));
    let slow = async |_| {
        tokio::time::sleep(Duration::from_secs(30)).await;
        Ok::<_, Wrong>("titles")
    };
    assert_eq!(c.execute(deadline, slow).await, Ok("titles"));
    assert!(deadline.is_expired(c.now()));
    assert_eq!(
        c.execute(deadline, slow).await,
        Ok("titles"),
        "an expired deadline ends nothing either"
    );
}

#[tokio::test(start_paused = true)]
async fn work_gets_the_shorter_of_timeout_and_deadline() {
    let c = command(Properties::builder().execution_timeout_ms(300));
    for (budget_ms, expected_ms) in [(1000, 300), (200, 200)] {
        let deadline = Deadline::after(c.now(), Duration::from_millis(budget_ms));
        let given = Cell::new(Duration::ZERO);
        let result = c
            .execute(deadline, |attempt| {
                given.set(attempt.deadline.remaining(c.now()));
                pending::<Result<(), Wrong>>()
            })
            .await;
        let expected = Duration::from_millis(expected_ms);
        assert_eq!(
            (given.get(), result),
            (expected, Err(CommandError::Timeout { after: expected }))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_deadline_costs_the_dependency_nothing() {
    let c = command(Properties::builder());
    let deadline = Deadline::at(c.now());
    let calls = Cell::new(0);
    let result = c
        .execute(deadline, async |_| {
            calls.set(calls.get() + 1);
            Ok::<_, Wrong>(())
        })
        .await;
    assert_eq!(
        (result, calls.get()),
        (Err(CommandError::DeadlineExpired), 0)
    );
    let work = async |_| Ok::<_, Wrong>("titles");
    let usual = c
        .execute_or(deadline, work, |_| async { Ok("usual titles") })
        .await;
    assert_eq!(usual, Ok("usual titles"));
    advance_ms(500).await;
    assert_eq!(c.snapshot().health.total, 0);
}

#[tokio::test(start_paused = true)]
async fn only_idempotent_calls_meet_another_instance() {
    let c = command(Properties::builder().retry_max_attempts(3));
    let flaky = async |attempt: squall_resilience::Attempt| match attempt.number {
        0 | 1 => Err(Wrong::Instance),
        number => Ok(number),
    };
    let deadline = in_one_minute(&c);
    assert_eq!(
        c.execute(CallOptions::idempotent(deadline), flaky).await,
        Ok(2)
    );
    assert_eq!(
        c.execute(deadline, flaky).await,
        Err(CommandError::Failure(Wrong::Instance))
    );
    let failing = async |_| Err::<(), _>(Wrong::Dependency);
    c.execute(CallOptions::idempotent(deadline), failing)
        .await
        .unwrap_err();
    let metrics = c.snapshot().metrics;
    assert_eq!(metrics.total(CommandEvent::Retry), 2);
    assert_eq!(
        (
            metrics.total(CommandEvent::Success),
            metrics.total(CommandEvent::Failure)
        ),
        (1, 2)
    );
    advance_ms(500).await;
    assert_eq!(
        c.snapshot().health.total,
        3,
        "calls are counted, not attempts"
    );
}

#[tokio::test(start_paused = true)]
async fn the_budget_bounds_a_storm_of_retries() {
    let builder = Properties::builder()
        .retry_max_attempts(5)
        .circuit_breaker_enabled(false);
    let c = command(builder.retry_budget_percent(20).retry_budget_min_per_s(0));
    let attempts = Cell::new(0);
    for _ in 0..1000 {
        let work = async |_| {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(Wrong::Instance)
        };
        c.execute(CallOptions::idempotent(in_one_minute(&c)), work)
            .await
            .unwrap_err();
    }
    assert_eq!(attempts.get(), 1200);
}

#[tokio::test(start_paused = true)]
async fn all_attempts_share_one_timeout() {
    let c = command(Properties::builder().retry_max_attempts(10));
    let slow = async |_| {
        tokio::time::sleep(Duration::from_millis(400)).await;
        Err::<(), _>(Wrong::Instance)
    };
    let started = c.now();
    let result = c
        .execute(CallOptions::idempotent(in_one_minute(&c)), slow)
        .await;
    assert_eq!(
        result,
        Err(CommandError::Timeout {
            after: Duration::from_secs(1)
        })
    );
    assert_eq!(c.now() - started, Duration::from_secs(1));
}

fn with_queue() -> Command {
    command(
        Properties::builder()
            .execution_semaphore_max_concurrent(1)
            .execution_queue_size(1)
            .execution_timeout_ms(300),
    )
}

async fn take_ms(c: &Command, ms: u64) -> Result<Duration, CommandError<Wrong>> {
    let work = |attempt: squall_resilience::Attempt| async move {
        let left = attempt.deadline.remaining(c.now());
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok(left)
    };
    c.execute(in_one_minute(c), work).await
}

#[tokio::test(start_paused = true)]
async fn a_queued_call_runs_when_another_ends_and_the_wait_is_part_of_its_time() {
    let c = with_queue();
    let (first, second, third) = tokio::join!(take_ms(&c, 250), take_ms(&c, 40), take_ms(&c, 0));
    assert_eq!(first, Ok(Duration::from_millis(300)));
    assert_eq!(second, Ok(Duration::from_millis(50)), "what the wait left");
    assert_eq!(third, Err(CommandError::SemaphoreRejected { limit: 1 }));
    let (first, second) = tokio::join!(take_ms(&c, 250), take_ms(&c, 200));
    assert!(first.is_ok());
    let after = Duration::from_millis(50);
    assert_eq!(second, Err(CommandError::Timeout { after }));
    assert_eq!((c.bulkhead().active(), c.bulkhead().waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_too_long_never_ran() {
    let c = with_queue();
    let ran = Cell::new(false);
    let deadline = Deadline::after(c.now(), Duration::from_millis(100));
    let waiting = c.execute(deadline, async |_| {
        ran.set(true);
        Ok::<_, Wrong>(())
    });
    let (first, second) = tokio::join!(take_ms(&c, 250), waiting);
    let after = Duration::from_millis(100);
    assert!(first.is_ok());
    assert_eq!(
        (second, ran.get()),
        (Err(CommandError::Timeout { after }), false)
    );
    let ends = [
        (CommandEvent::Success, 1),
        (CommandEvent::Timeout, 1),
        (CommandEvent::FallbackMissing, 1),
        (CommandEvent::ExceptionThrown, 1),
    ];
    assert_eq!(events(&c), ends);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_leaves_the_queue() {
    let c = with_queue();
    let running = c.bulkhead().try_acquire().unwrap();
    {
        let given_up = take_ms(&c, 0);
        let patience = Duration::from_millis(100);
        assert!(tokio::time::timeout(patience, given_up).await.is_err());
    }
    assert_eq!(c.bulkhead().waiting(), 0);
    drop(running);
    assert!(take_ms(&c, 0).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn more_room_and_more_permits_are_heeded_while_it_runs() {
    let c = with_queue();
    let more = |permits, room| {
        let properties = Properties::builder()
            .execution_semaphore_max_concurrent(permits)
            .execution_queue_size(room);
        c.set_properties(properties.build().unwrap()).unwrap();
    };
    more(1, 2);
    let calls = async { tokio::join!(take_ms(&c, 100), take_ms(&c, 100), take_ms(&c, 100)) };
    let widen = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!((c.bulkhead().active(), c.bulkhead().waiting()), (1, 2));
        more(3, 0);
        assert_eq!((c.bulkhead().active(), c.bulkhead().waiting()), (3, 0));
    };
    let ((first, second, third), ()) = tokio::join!(calls, widen);
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
}
