//! Work that blocks, on threads of the command's own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use super::*;

/// A door that work waits at, without a look at any clock.
#[derive(Clone, Default)]
struct Door(Arc<(Mutex<bool>, Condvar)>);

impl Door {
    fn pass(&self) {
        let (open, changed) = &*self.0;
        drop(
            changed
                .wait_while(open.lock().unwrap(), |open| !*open)
                .unwrap(),
        );
    }

    fn open(&self) {
        let (open, changed) = &*self.0;
        *open.lock().unwrap() = true;
        changed.notify_all();
    }
}

fn two_threads() -> PropertiesBuilder {
    Properties::builder()
        .thread_pool_core_size(2)
        .thread_pool_max_queue_size(1)
        // Real time passes in these tests, and has nothing to decide.
        .execution_timeout_ms(60_000)
}

/// Work that says on which thread it is, and ends when the door opens.
fn behind(
    door: &Door,
    began: &Sender<String>,
) -> impl FnOnce(squall_resilience::Attempt) -> Result<(), Wrong> + Send + 'static {
    let (door, began) = (door.clone(), began.clone());
    move |_| {
        let name = thread::current().name().unwrap_or_default().to_owned();
        began.send(name).unwrap();
        door.pass();
        Ok(())
    }
}

#[tokio::test]
async fn work_runs_on_threads_of_the_command_and_no_more_than_there_are() {
    let c = command(two_threads());
    let (door, (began, begun)) = (Door::default(), channel());
    let calls = || c.execute_blocking(in_one_minute(&c), behind(&door, &began));
    let refused = async {
        // By now two run and one waits, for the calls are polled in their order.
        let rejected = CommandError::ThreadPoolRejected {
            threads: 2,
            waiting: 1,
        };
        assert_eq!(calls().await, Err(rejected));
        assert_eq!((c.snapshot().active, c.snapshot().waiting), (2, 1));
        door.open();
    };
    let (first, second, third, ()) = tokio::join!(calls(), calls(), calls(), refused);
    assert_eq!((first, second, third), (Ok(()), Ok(()), Ok(())));
    let mut names: Vec<String> = begun.try_iter().collect();
    names.sort();
    names.dedup();
    assert!(
        (1..=2).contains(&names.len())
            && names
                .iter()
                .all(|name| name.starts_with("recommendations-")),
        "{names:?}"
    );
    let snapshot = c.snapshot();
    assert_eq!(
        (snapshot.active, snapshot.waiting, snapshot.threads_begun),
        (0, 0, 2)
    );
    assert_eq!(snapshot.metrics.total(CommandEvent::ThreadPoolRejected), 1);
}

/// Paused time runs on when nothing else does: here at once.
#[tokio::test(start_paused = true)]
async fn work_that_hangs_keeps_its_thread_when_its_caller_has_gone() {
    let c = command(two_threads().execution_timeout_ms(300));
    let begun_at = c.now();
    let (door, (began, begun)) = (Door::default(), channel());
    for _ in 0..2 {
        let error = c
            .execute_blocking(in_one_minute(&c), behind(&door, &began))
            .await;
        assert!(
            matches!(error, Err(CommandError::Timeout { .. })),
            "{error:?}"
        );
    }
    assert_eq!(c.snapshot().active, 2, "nobody waits for them any more");
    assert_eq!(c.now() - begun_at, Duration::from_millis(600));
    let ran = |_: squall_resilience::Attempt| -> Result<(), Wrong> { panic!("it has no thread") };
    let error = c.execute_blocking(in_one_minute(&c), ran).await;
    assert!(
        matches!(error, Err(CommandError::Timeout { .. })),
        "it waited: {error:?}"
    );
    assert_eq!(c.snapshot().waiting, 0);
    door.open();
    for _ in 0..2 {
        begun.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}

/// Until `c` has no work; in real time.
fn wait_for_the_end_of_work(c: &Command) {
    let patience = Instant::now() + Duration::from_secs(60);
    while c.snapshot().active > 0 {
        assert!(Instant::now() < patience, "work does not end");
        thread::yield_now();
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_ends_late_tells_how_long_it_took() {
    let c = command(two_threads().execution_timeout_ms(300));
    let (door, (began, _begun)) = (Door::default(), channel());
    assert_eq!(run(&c, Ok("titles")).await, Ok("titles"));
    let slow = c.execute_blocking(in_one_minute(&c), behind(&door, &began));
    assert!(matches!(slow.await, Err(CommandError::Timeout { .. })));
    let before = c.snapshot().metrics;
    assert_eq!(
        (before.latency_completed.count, before.late_completions),
        (1, 0)
    );
    advance_ms(2000).await;
    door.open();
    wait_for_the_end_of_work(&c);
    let metrics = c.snapshot().metrics;
    let near = |point: Duration, ms: u64| {
        let off = point.abs_diff(Duration::from_millis(ms));
        assert!(off < Duration::from_millis(30), "{point:?} for {ms} ms");
    };
    near(metrics.latency_execute.points[8], 300);
    near(metrics.latency_completed.points[8], 2300);
    assert_eq!(metrics.latency_execute_totals.count(), 2);
    assert_eq!(metrics.latency_completed_totals.count(), 2);
    assert_eq!(metrics.late_completions, 1);
}

#[tokio::test(start_paused = true)]
async fn work_of_a_call_that_was_dropped_tells_too() {
    let c = command(two_threads());
    let (door, (began, _begun)) = (Door::default(), channel());
    let slow = c.execute_blocking(in_one_minute(&c), behind(&door, &began));
    let patience = Duration::from_millis(100);
    assert!(tokio::time::timeout(patience, slow).await.is_err());
    door.open();
    wait_for_the_end_of_work(&c);
    let metrics = c.snapshot().metrics;
    assert_eq!(
        (metrics.latency_execute.count, metrics.late_completions),
        (0, 1)
    );
}

/// Work and timeout race, and each work has one end whoever wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_ran_has_ended_once() {
    let c = command(two_threads().execution_timeout_ms(1));
    let ran = Arc::new(AtomicU64::new(0));
    for nth in 0..500_u64 {
        let ran = ran.clone();
        let work = move |_: squall_resilience::Attempt| {
            ran.fetch_add(1, Ordering::SeqCst);
            let (_open, closed) = channel::<()>();
            let takes = Duration::from_micros(800 + nth);
            assert!(closed.recv_timeout(takes).is_err(), "nothing is sent");
            Ok::<_, Wrong>(())
        };
        // Either end will do.
        let _ = c.execute_blocking(in_one_minute(&c), work).await;
    }
    wait_for_the_end_of_work(&c);
    let metrics = c.snapshot().metrics;
    let ran = ran.load(Ordering::SeqCst);
    assert_eq!(metrics.latency_completed_totals.count(), ran);
    let in_time = metrics.total(CommandEvent::Success);
    assert_eq!(metrics.late_completions, ran - in_time);
}

#[tokio::test]
async fn a_mistake_of_the_caller_and_a_fallback_are_as_on_no_thread() {
    let c = command(two_threads());
    let bad = c
        .execute_blocking(in_one_minute(&c), |_| Err::<(), _>(Wrong::Request))
        .await;
    assert_eq!(bad, Err(CommandError::BadRequest(Wrong::Request)));
    let usual = c
        .execute_blocking_or(
            in_one_minute(&c),
            |_| Err(Wrong::Instance),
            |_| async { Ok("usual") },
        )
        .await;
    assert_eq!(usual, Ok("usual"));
    let ends = [
        (CommandEvent::Failure, 1),
        (CommandEvent::BadRequest, 1),
        (CommandEvent::FallbackSuccess, 1),
        (CommandEvent::ExceptionThrown, 1),
    ];
    assert_eq!(events(&c), ends);
}

#[tokio::test]
async fn a_panic_is_the_callers_and_costs_no_thread() {
    let c = command(two_threads().thread_pool_core_size(1));
    for _ in 0..3 {
        let (panics, deadline) = (c.clone(), in_one_minute(&c));
        let panicked = tokio::spawn(async move {
            let work = |_| -> Result<(), Wrong> { panic!("oh") };
            panics.execute_blocking(deadline, work).await
        });
        assert!(panicked.await.unwrap_err().is_panic());
    }
    assert_eq!(
        c.execute_blocking(in_one_minute(&c), |_| Ok::<_, Wrong>(7))
            .await,
        Ok(7)
    );
    let snapshot = c.snapshot();
    assert_eq!(snapshot.threads_begun, 1);
    assert_eq!(snapshot.metrics.late_completions, 0, "nobody timed out");
}

#[tokio::test]
async fn who_has_an_answer_may_call_again() {
    let c = command(two_threads().thread_pool_core_size(1));
    for nth in 0..200 {
        let answer = c.execute_blocking(in_one_minute(&c), move |_| Ok::<_, Wrong>(nth));
        assert_eq!(answer.await, Ok(nth));
        assert_eq!(c.snapshot().active, 0);
    }
    let metrics = c.snapshot().metrics;
    assert_eq!(metrics.latency_completed_totals.count(), 200);
    assert_eq!(metrics.late_completions, 0);
}

#[tokio::test]
async fn more_threads_are_begun_when_the_settings_allow_them() {
    let c = command(two_threads());
    let (door, (began, begun)) = (Door::default(), channel());
    let calls = || c.execute_blocking(in_one_minute(&c), behind(&door, &began));
    let widen = async {
        assert_eq!((c.snapshot().active, c.snapshot().waiting), (2, 1));
        let properties = two_threads().thread_pool_core_size(3).build().unwrap();
        c.set_properties(properties).unwrap();
        assert_eq!((c.snapshot().active, c.snapshot().waiting), (3, 0));
        // The third runs when its caller is polled again, and the others still run then.
        tokio::task::yield_now().await;
        tokio::task::spawn_blocking(move || {
            for _ in 0..3 {
                begun.recv_timeout(Duration::from_secs(60)).unwrap();
            }
        })
        .await
        .unwrap();
        door.open();
    };
    let (first, second, third, ()) = tokio::join!(calls(), calls(), calls(), widen);
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(c.snapshot().threads_begun, 3);
}
