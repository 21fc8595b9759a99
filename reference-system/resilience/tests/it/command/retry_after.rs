//! Retries that are told when to come back.

use std::cell::RefCell;
use std::future::Future;
use std::time::Instant;

use proptest::prelude::*;

use super::*;

/// The most that a retry adds to what it is told, and what a timer may add to that.
fn latest(told: Duration) -> Duration {
    told + told / 4 + Duration::from_millis(1)
}

fn busy_ms(ms: u64) -> Wrong {
    Wrong::Busy(Duration::from_millis(ms))
}

fn on_paused_time<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// A call whose attempts fail one after the other, each told to wait, and when they were made and
/// ended.
async fn told(c: &Command, says: &[Wrong], takes: Duration) -> (Answer, Vec<(Instant, Instant)>) {
    let attempts = RefCell::new(Vec::new());
    let work = |attempt: squall_resilience::Attempt| {
        let says = says.get(attempt.number as usize).cloned();
        let attempts = &attempts;
        async move {
            let began = c.now();
            tokio::time::sleep(takes).await;
            attempts.borrow_mut().push((began, c.now()));
            says.map_or(Ok("titles"), Err)
        }
    };
    let answer = c
        .execute(CallOptions::idempotent(in_one_minute(c)), work)
        .await;
    (answer, attempts.into_inner())
}

#[tokio::test(start_paused = true)]
async fn a_retry_comes_when_it_is_told_and_the_permit_is_held_meanwhile() {
    let c = command(Properties::builder().retry_max_attempts(3));
    let says = [busy_ms(300), busy_ms(0)];
    let call = told(&c, &says, Duration::ZERO);
    let seen = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        c.bulkhead().active()
    };
    let ((answer, attempts), active) = tokio::join!(call, seen);
    assert_eq!((answer, active), (Ok("titles"), 1));
    let [first, second, third] = attempts[..] else {
        panic!("{attempts:?}");
    };
    let waited = second.0 - first.1;
    let least = Duration::from_millis(300);
    assert!(least <= waited && waited <= latest(least), "{waited:?}");
    assert_eq!(third.0, second.1, "told to come back at once");
    assert_eq!(
        events(&c),
        [(CommandEvent::Success, 1), (CommandEvent::Retry, 2)]
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_answered_at_once_and_counted() {
    let usual = || Properties::builder().retry_max_attempts(3);
    let patient = usual().execution_timeout_ms(60_000);
    for (builder, ms) in [(usual(), 1000), (patient, 5001)] {
        let c = command(builder);
        let began = c.now();
        let (answer, attempts) = told(&c, &[busy_ms(ms)], Duration::ZERO).await;
        assert_eq!(answer, Err(CommandError::Failure(busy_ms(ms))));
        assert_eq!((attempts.len(), c.now()), (1, began));
        let ends = [
            (CommandEvent::Failure, 1),
            (CommandEvent::FallbackMissing, 1),
            (CommandEvent::ExceptionThrown, 1),
            (CommandEvent::RetryAfterTooLong, 1),
        ];
        assert_eq!(events(&c), ends);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_tried_again_anyway_was_not_told_too_much() {
    let c = command(Properties::builder().retry_max_attempts(1));
    let answer = told(&c, &[busy_ms(9000)], Duration::ZERO).await.0;
    assert_eq!(answer, Err(CommandError::Failure(busy_ms(9000))));
    assert_eq!(
        c.snapshot().metrics.total(CommandEvent::RetryAfterTooLong),
        0
    );
}

/// A retry for each call, and not one more.
fn one_for_one() -> Command {
    let builder = Properties::builder().retry_max_attempts(3);
    command(builder.retry_budget_percent(100).retry_budget_min_per_s(0))
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_while_it_waits_has_spent_nothing() {
    let c = one_for_one();
    let patience = Duration::from_millis(100);
    let given_up = tokio::time::timeout(patience, told(&c, &[busy_ms(500)], Duration::ZERO)).await;
    assert!(given_up.is_err());
    let says = [Wrong::Instance, Wrong::Instance];
    let (answer, attempts) = told(&c, &says, Duration::ZERO).await;
    assert_eq!((answer, attempts.len()), (Ok("titles"), 3));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_retry_that_cannot_be_paid_for() {
    let c = one_for_one();
    let says = [Wrong::Instance, busy_ms(500)];
    let began = c.now();
    let (answer, attempts) = told(&c, &says, Duration::ZERO).await;
    assert_eq!(answer, Err(CommandError::Failure(busy_ms(500))));
    assert_eq!((attempts.len(), c.now()), (2, began));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_another_has_paid_with_is_not_made_after_its_wait() {
    let c = one_for_one();
    let says = [busy_ms(500)];
    let waits = told(&c, &says, Duration::ZERO);
    let spends = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let says = [Wrong::Instance, Wrong::Instance];
        told(&c, &says, Duration::ZERO).await.0
    };
    let ((waited, _), spent) = tokio::join!(waits, spends);
    assert_eq!(spent, Ok("titles"));
    assert_eq!(waited, Err(CommandError::Failure(busy_ms(500))));
    assert_eq!(c.snapshot().metrics.total(CommandEvent::Retry), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_earlier_than_told_and_never_past_the_deadline(
        timeout_ms in 1_u64..4000,
        longest_ms in 0_u64..3000,
        takes_ms in 0_u64..500,
        told_ms in prop::collection::vec(0_u64..2000, 1..5),
    ) {
        let builder = Properties::builder()
            .retry_max_attempts(4)
            .execution_timeout_ms(timeout_ms)
            .retry_after_max_ms(longest_ms);
        let says: Vec<Wrong> = told_ms.iter().copied().map(busy_ms).collect();
        let (began, (answer, attempts), ended, metrics) = on_paused_time(async {
            let c = command(builder);
            let began = c.now();
            let outcome = told(&c, &says, Duration::from_millis(takes_ms)).await;
            (began, outcome, c.now(), c.snapshot().metrics)
        });
        let timeout = Duration::from_millis(timeout_ms);
        let longest = Duration::from_millis(longest_ms);
        prop_assert!(ended - began <= timeout + Duration::from_millis(1));
        for (pair, ms) in attempts.windows(2).zip(&told_ms) {
            let (told, waited) = (Duration::from_millis(*ms), pair[1].0 - pair[0].1);
            prop_assert!(told <= waited && waited <= latest(told), "{waited:?}");
            prop_assert!(told <= longest, "{told:?}");
            prop_assert!(pair[1].0 - began < timeout, "sent after the deadline");
        }
        let refused = metrics.total(CommandEvent::RetryAfterTooLong);
        prop_assert!(metrics.total(CommandEvent::Retry) < 4);
        if let (Err(CommandError::Failure(Wrong::Busy(told))), Some(last)) = (answer, attempts.last()) {
            prop_assert_eq!(last.1, ended, "it is answered at once");
            let left = (began + timeout).saturating_duration_since(ended);
            let fits = told <= longest && told + Duration::from_millis(1) <= left;
            prop_assert_eq!(refused, u64::from(attempts.len() < 4 && !told.is_zero()));
            prop_assert!(attempts.len() == 4 || told.is_zero() || !fits, "{told:?} of {left:?}");
        } else {
            prop_assert_eq!(refused, 0);
        }
    }

    /// In whatever ten seconds: a share of the calls of that time, to the call.
    #[test]
    fn retries_that_wait_keep_to_the_budget(
        percent in 0_u32..=100,
        calls in prop::collection::vec((0_u64..25_000, 0_u64..5000), 1..80),
    ) {
        let builder = Properties::builder()
            .retry_max_attempts(2)
            .execution_timeout_ms(20_000)
            .execution_semaphore_max_concurrent(100)
            .circuit_breaker_enabled(false);
        let builder = builder.retry_budget_percent(percent).retry_budget_min_per_s(0);
        let retried = RefCell::new(Vec::new());
        on_paused_time(async {
            let c = command(builder);
            let origin = c.now();
            let begin = |(at_ms, told_ms): (u64, u64)| {
                let (c, retried) = (&c, &retried);
                async move {
                    tokio::time::sleep(Duration::from_millis(at_ms)).await;
                    let (_, attempts) = told(c, &[busy_ms(told_ms)], Duration::ZERO).await;
                    let began = attempts.first().map(|first| first.0 - origin);
                    let again = attempts.get(1).map(|second| second.0 - origin);
                    retried.borrow_mut().push((began, again));
                }
            };
            let mut running: Vec<_> = calls.iter().copied().map(begin).map(Box::pin).collect();
            std::future::poll_fn(|cx| {
                running.retain_mut(|one| one.as_mut().poll(cx).is_pending());
                match running.is_empty() {
                    true => std::task::Poll::Ready(()),
                    false => std::task::Poll::Pending,
                }
            })
            .await;
        });
        let seen = retried.into_inner();
        prop_assert_eq!(seen.len(), calls.len());
        for (_, again) in &seen {
            let Some(end) = again.map(|at| at.as_secs()) else { continue };
            let within = |at: &Option<Duration>| {
                at.is_some_and(|at| at.as_secs() <= end && at.as_secs() + 10 > end)
            };
            let earned = seen.iter().filter(|(began, _)| within(began)).count() as u64;
            let spent = seen.iter().filter(|(_, again)| within(again)).count() as u64;
            prop_assert!(spent * 100 <= earned * u64::from(percent), "{spent} for {earned}");
        }
    }
}
