//! What tower expects of a middleware, asserted on the whole stack and on single layers.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tower::{Layer, Service, ServiceExt};

use super::*;
use crate::{
    BreakerState, Call, CallOptions, Classify, CommandError, CommandEvent, Deadline, Properties,
};

fn command(properties: Properties) -> Command {
    Command::new("dependency", "tests", properties).unwrap()
}

fn call(command: &Command) -> Call<&'static str> {
    Call::new(
        "request",
        Deadline::after(command.now(), Duration::from_secs(60)),
    )
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Broken(u32);

impl Classify for Broken {
    fn classify(&self) -> crate::Classification {
        crate::Classification::Retryable
    }
}

/// Fails a test that calls it before it said it was ready, and says so only when asked twice.
#[derive(Default)]
struct Strict {
    asked: u32,
    calls: Arc<AtomicU32>,
    fails: u32,
}

impl Clone for Strict {
    /// A clone has not been made ready.
    fn clone(&self) -> Self {
        Self {
            asked: 0,
            calls: self.calls.clone(),
            fails: self.fails,
        }
    }
}

impl Service<Call<&'static str>> for Strict {
    type Response = u32;
    type Error = Broken;
    type Future = std::future::Ready<Result<u32, Broken>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.asked += 1;
        if self.asked == 1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _call: Call<&'static str>) -> Self::Future {
        assert!(self.asked >= 2, "called before ready");
        self.asked = 0;
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        std::future::ready(if number < self.fails {
            Err(Broken(number))
        } else {
            Ok(number)
        })
    }
}

/// Fails a test that calls a clone of it that never was ready itself.
#[derive(Default)]
struct ReadyFirst(bool);

impl Clone for ReadyFirst {
    fn clone(&self) -> Self {
        Self(false)
    }
}

impl Service<Call<&'static str>> for ReadyFirst {
    type Response = ();
    type Error = Broken;
    type Future = std::future::Ready<Result<(), Broken>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.0 = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _call: Call<&'static str>) -> Self::Future {
        assert!(self.0, "called before ready");
        std::future::ready(Ok(()))
    }
}

/// Runs until it is dropped.
#[derive(Clone)]
struct Hangs;

impl Service<Call<&'static str>> for Hangs {
    type Response = u32;
    type Error = Broken;
    type Future = Pin<Box<dyn Future<Output = Result<u32, Broken>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _call: Call<&'static str>) -> Self::Future {
        Box::pin(pending())
    }
}

/// Is never ready.
#[derive(Clone)]
struct NeverReady;

impl Service<Call<&'static str>> for NeverReady {
    type Response = u32;
    type Error = Broken;
    type Future = std::future::Ready<Result<u32, Broken>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Pending
    }

    fn call(&mut self, _call: Call<&'static str>) -> Self::Future {
        unreachable!("called before ready")
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn the_inner_service_is_ready_before_every_attempt() {
    let properties = Properties::builder().retry_max_attempts(3).build().unwrap();
    let command = command(properties);
    let mut service = command.layer(NoFallback::default()).layer(Strict {
        fails: 2,
        ..Strict::default()
    });
    let options = CallOptions::idempotent(Deadline::after(command.now(), Duration::from_secs(1)));
    let answer = service
        .ready()
        .await
        .unwrap()
        .call(Call::new("request", options))
        .await;
    assert_eq!(answer, Ok(2));
    let answer = service
        .ready()
        .await
        .unwrap()
        .call(Call::new("request", options))
        .await;
    assert_eq!(answer, Ok(3), "the same service serves again");
}

#[tokio::test(start_paused = true)]
async fn a_single_layer_passes_readiness_on() {
    let command = command(Properties::default());
    let hedge = HedgeLayer::new(command.clone()).layer(ClassifyLayer.layer(Strict::default()));
    let mut service = CircuitBreakerLayer::new(command.clone())
        .layer(BulkheadLayer::new(command.clone()).layer(hedge));
    assert_eq!(
        service.ready().await.unwrap().call(call(&command)).await,
        Ok(0)
    );
}

/// The service that said it was ready waits with the call; a clone of it would not be.
#[tokio::test(start_paused = true)]
async fn a_queued_call_is_made_by_the_service_that_was_ready() {
    let properties = Properties::builder()
        .execution_semaphore_max_concurrent(1)
        .execution_queue_size(1);
    let command = command(properties.build().unwrap());
    let mut service =
        BulkheadLayer::new(command.clone()).layer(ClassifyLayer.layer(ReadyFirst::default()));
    let running = command.bulkhead().try_acquire().unwrap();
    let queued = service.ready().await.unwrap().call(call(&command));
    let mut queued = pin!(queued);
    assert!(poll_once(queued.as_mut()).is_pending());
    drop(running);
    assert_eq!(queued.await, Ok(()));
    let full = service.ready().await.unwrap().call(call(&command)).await;
    assert_eq!(full, Ok(()), "the one left behind is made ready again");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_too_long_is_out_of_the_queue_before_its_answer_is_dropped() {
    let properties = Properties::builder()
        .execution_semaphore_max_concurrent(1)
        .execution_queue_size(1);
    let command = command(properties.build().unwrap());
    let _running = command.bulkhead().try_acquire().unwrap();
    let mut service = BulkheadLayer::new(command.clone()).layer(ClassifyLayer.layer(Hangs));
    let mut queued = pin!(service.call(call(&command)));
    let after = Duration::from_secs(1);
    assert_eq!(queued.as_mut().await, Err(CommandError::Timeout { after }));
    assert_eq!(command.bulkhead().waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_readiness_is_under_the_timeout() {
    let command = command(Properties::default());
    let service = command.layer(NoFallback::default()).layer(NeverReady);
    let error = service.oneshot(call(&command)).await.unwrap_err();
    assert_eq!(
        error,
        CommandError::Timeout {
            after: Duration::from_secs(1)
        }
    );
    assert_eq!(command.bulkhead().active(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_call_releases_the_permit_and_records_it() {
    let command = command(Properties::default());
    let mut service = command.layer(NoFallback::default()).layer(Hangs);
    {
        let mut running = pin!(service.call(call(&command)));
        assert!(poll_once(running.as_mut()).is_pending());
        assert_eq!(command.bulkhead().active(), 1);
    }
    assert_eq!(command.bulkhead().active(), 0);
    let snapshot = command.snapshot();
    assert_eq!(snapshot.metrics.total(CommandEvent::Cancelled), 1);
    assert_eq!(snapshot.metrics.total(CommandEvent::Timeout), 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(
        command.snapshot().health.total,
        0,
        "a cancelled call is no verdict"
    );
}

#[tokio::test(start_paused = true)]
async fn dropping_the_probe_releases_it() {
    let command = command(
        Properties::builder()
            .circuit_breaker_request_volume_threshold(1)
            .build()
            .unwrap(),
    );
    let mut failing = command.layer(NoFallback::default()).layer(Strict {
        fails: 1,
        ..Strict::default()
    });
    failing
        .ready()
        .await
        .unwrap()
        .call(call(&command))
        .await
        .unwrap_err();
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(command.breaker_state(), BreakerState::Open);
    tokio::time::advance(Duration::from_millis(5001)).await;
    {
        let mut hanging = command.layer(NoFallback::default()).layer(Hangs);
        let mut probe = pin!(hanging.call(call(&command)));
        assert!(poll_once(probe.as_mut()).is_pending());
        assert_eq!(command.breaker_state(), BreakerState::HalfOpen);
        let refused = failing.ready().await.unwrap().call(call(&command)).await;
        assert!(
            matches!(refused, Err(CommandError::ShortCircuited { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(command.breaker_state(), BreakerState::Open);
    tokio::time::advance(Duration::from_millis(5001)).await;
    assert_eq!(
        failing.ready().await.unwrap().call(call(&command)).await,
        Ok(1)
    );
    assert_eq!(command.breaker_state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn errors_arrive_as_they_were() {
    let command = command(Properties::default());
    let service = command.layer(NoFallback::default()).layer(Strict {
        fails: 1,
        ..Strict::default()
    });
    assert_eq!(
        service.oneshot(call(&command)).await,
        Err(CommandError::Failure(Broken(0)))
    );
}

#[test]
fn bad_settings_are_an_error_and_not_a_panic() {
    let properties = Properties {
        execution_timeout_ms: 0,
        ..Properties::default()
    };
    assert!(Command::new("dependency", "tests", properties).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_fallback_of_the_request_sees_the_request() {
    let command = command(Properties::default());
    let fallback = FallbackFn(|call: Call<&'static str>, error: &CommandError<Broken>| {
        let answer =
            u32::from(call.request == "request" && *error == CommandError::Failure(Broken(0)));
        std::future::ready(Ok(answer))
    });
    let service = command.layer(fallback).layer(Strict {
        fails: 1,
        ..Strict::default()
    });
    assert_eq!(service.oneshot(call(&command)).await, Ok(1));
}

/// What a running call holds on to; says when it is gone.
struct Held(Arc<AtomicU32>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The work of a call that holds something for as long as it exists, even once it has answered.
struct Holding {
    _held: Held,
    answer: Option<CommandError<Broken>>,
}

impl Future for Holding {
    type Output = Result<u32, CommandError<Broken>>;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer
            .take()
            .map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
    }
}

#[tokio::test(start_paused = true)]
async fn timed_out_work_is_gone_when_the_error_appears() {
    let command = command(Properties::default());
    let dropped = Arc::new(AtomicU32::new(0));
    let work = |_: Call<&'static str>| Holding {
        _held: Held(dropped.clone()),
        answer: None,
    };
    let mut service = TimeoutLayer::new(command.clone()).layer(tower::service_fn(work));
    let mut running = pin!(service.call(call(&command)));
    let error = running.as_mut().await.unwrap_err();
    assert_eq!(
        error,
        CommandError::Timeout {
            after: Duration::from_secs(1)
        }
    );
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn failed_work_is_gone_when_the_fallback_begins() {
    let command = command(Properties::default());
    let dropped = Arc::new(AtomicU32::new(0));
    let work = |_: Call<&'static str>| {
        let answer = Some(CommandError::Failure(Broken(0)));
        Holding {
            _held: Held(dropped.clone()),
            answer,
        }
    };
    let seen = dropped.clone();
    let fallback = FallbackFn(move |_: Call<&'static str>, _: &CommandError<Broken>| {
        std::future::ready(Ok(seen.load(Ordering::SeqCst)))
    });
    let mut service = FallbackLayer::new(command.clone(), fallback).layer(tower::service_fn(work));
    assert_eq!(service.call(call(&command)).await, Ok(1));
}
