//! Callers that go, deadlines that pass, batches and runtimes that break.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

/// One poll.
fn look<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn who_goes_before_the_batch_takes_its_argument_along() {
    let titles = Titles::default();
    let c = collapser(&titles);
    let deadline = within(c.command(), 60_000);
    let gone = c.submit(deadline, 1);
    let one_of_two = c.submit(deadline, 2);
    let stays = c.submit(deadline, 2);
    pass_ms(9).await;
    drop((gone, one_of_two));
    assert_eq!(stays.await, title(2));
    assert_eq!(titles.asked(), [[2]]);
}

#[tokio::test(start_paused = true)]
async fn who_goes_makes_room_in_the_batch() {
    let titles = Titles::default();
    let c = of_at_most(&titles, 2);
    let deadline = within(c.command(), 60_000);
    drop(c.submit(deadline, 1));
    let answers = tokio::join!(ask(&c, 2), after_ms(5, ask(&c, 3)));
    assert_eq!(answers, (title(2), title(3)));
    assert_eq!(titles.asked(), [[2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_everybody_left_does_not_go() {
    let titles = Titles::default();
    let c = collapser(&titles);
    let deadline = within(c.command(), 60_000);
    drop((c.submit(deadline, 1), c.submit(deadline, 2)));
    pass_ms(11).await;
    assert_eq!((titles.asked().len(), tasks()), (0, 0));
    assert_eq!(c.snapshot().totals, CollapserCounts::default());
    assert_eq!(ask(&c, 1).await, title(1));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_everybody_leaves_is_dropped() {
    let titles = Titles::default();
    let c = collapser(&titles);
    let deadline = within(c.command(), 60_000);
    let (first, second) = (c.submit(deadline, 1), c.submit(deadline, 2));
    pass_ms(20).await;
    drop(first);
    pass_ms(1).await;
    assert_eq!((c.command().bulkhead().active(), tasks()), (1, 1));
    drop(second);
    pass_ms(1).await;
    assert_eq!((c.command().bulkhead().active(), tasks()), (0, 0));
    assert_eq!(count(&c, CommandEvent::Cancelled), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_that_everybody_left_is_dropped_before_it_asks() {
    let titles = Titles::default();
    let c = of_at_most(&titles, 1);
    drop(c.submit(within(c.command(), 60_000), 1));
    pass_ms(1).await;
    assert_eq!((titles.asked().len(), tasks()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn each_waits_until_its_own_deadline_and_the_batch_for_the_last() {
    let titles = Titles::default();
    let c = collapser(&titles);
    let now = c.command().now();
    let ms = Duration::from_millis;
    let answers = tokio::join!(
        c.submit(within(c.command(), 5), 1),
        c.submit(within(c.command(), 30), 2),
        c.submit(within(c.command(), 60_000), 3),
        c.submit(Deadline::at(now), 4),
    );
    let late = |after| Err(CollapseError::Timeout { after: ms(after) });
    let expired = Err(CollapseError::DeadlineExpired);
    assert_eq!(answers, (late(5), late(30), title(3), expired));
    assert_eq!(titles.asked(), [[2, 3]], "the first had gone");
    assert_eq!(c.command().now() - now, ms(60));
}

#[tokio::test(start_paused = true)]
async fn a_slow_batch_times_out_for_all() {
    let quick = Properties::builder().execution_timeout_ms(20).build();
    let command = Command::new("titles", "catalog", quick.unwrap()).unwrap();
    let properties = CollapserProperties::default();
    let c = Collapser::new("title", command, properties, Titles::default()).unwrap();
    let after = Duration::from_millis(20);
    let late = || Err(CollapseError::Batch(CommandError::Timeout { after }));
    assert_eq!(tokio::join!(ask(&c, 1), ask(&c, 2)), (late(), late()));
    assert_eq!(c.command().bulkhead().active(), 0);
}

#[tokio::test(start_paused = true)]
async fn with_timeouts_switched_off_no_deadline_ends_a_call() {
    let patient = Properties::builder().execution_timeout_enabled(false);
    let command = Command::new("titles", "catalog", patient.build().unwrap()).unwrap();
    let properties = CollapserProperties::default();
    let c = Collapser::new("title", command, properties, Titles::default()).unwrap();
    let passed = Deadline::at(c.command().now());
    assert_eq!(c.submit(passed, 1).await, title(1));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_panics_tells_everybody_at_once() {
    let c = collapser(&Titles::default());
    let began = c.command().now();
    let answers = tokio::join!(ask(&c, 1), ask(&c, PANICS));
    let abandoned = || Err(CollapseError::Abandoned);
    assert_eq!(answers, (abandoned(), abandoned()));
    assert_eq!(c.command().now() - began, Duration::from_millis(60));
    assert_eq!((c.command().bulkhead().active(), tasks()), (0, 0));
    assert_eq!(ask(&c, 1).await, title(1));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

#[test]
fn a_runtime_that_shuts_down_leaves_nobody_waiting() {
    for max in [1, 1000] {
        a_runtime_shuts_down(max);
    }
}

/// Before the batch has gone, which is full or not.
fn a_runtime_shuts_down(max: usize) {
    let c = runtime().block_on(async { of_at_most(&Titles::default(), max) });
    let deadline = Deadline::after(c.command().now(), Duration::from_secs(600));
    let first = runtime();
    let mut submitted = {
        let _in_it = first.enter();
        c.submit(deadline, 1)
    };
    assert!(look(&mut submitted).is_pending());
    drop(first);
    assert_eq!(
        look(&mut submitted),
        Poll::Ready(Err(CollapseError::Abandoned))
    );
    assert_eq!(runtime().block_on(ask(&c, 1)), title(1));
    // A runtime that has shut down already takes no task.
    let second = runtime();
    let handle = second.handle().clone();
    drop(second);
    let mut submitted = {
        let _in_it = handle.enter();
        c.submit(deadline, 1)
    };
    assert_eq!(
        look(&mut submitted),
        Poll::Ready(Err(CollapseError::Abandoned))
    );
}

#[test]
fn without_a_runtime_it_panics_and_works_again_with_one() {
    let c = runtime().block_on(async { collapser(&Titles::default()) });
    let deadline = Deadline::after(c.command().now(), Duration::from_secs(600));
    let submitted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        drop(c.submit(deadline, 1));
    }));
    assert!(submitted.is_err());
    assert_eq!(runtime().block_on(ask(&c, 1)), title(1));
}
