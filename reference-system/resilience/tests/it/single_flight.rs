//! Single flight from outside: one execution for all who ask at the same time, which nobody who
//! gives up takes from the others.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test they help"
)]

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use squall_resilience::layers::{ClassifyLayer, FallbackFn, SingleFlightLayer};
use squall_resilience::single_flight::{FlightRules, SingleFlight};
use squall_resilience::{
    Call, CallOptions, Command, CommandError, CommandEvent, Deadline, Properties,
};
use tower::{Layer, ServiceExt, service_fn};

use crate::by_hand::{let_others_run, poll_once};

type Flights = SingleFlight<&'static str, u32, &'static str>;
type Answer = Result<u32, CommandError<&'static str>>;

fn flights(rules: FlightRules) -> Flights {
    let command = Command::new("profile", "gateway", Properties::default()).unwrap();
    SingleFlight::new(command, rules).unwrap()
}

fn within(flights: &Flights, ms: u64) -> Deadline {
    Deadline::after(flights.command().now(), Duration::from_millis(ms))
}

fn count(flights: &Flights, event: CommandEvent) -> u64 {
    flights.command().snapshot().metrics.total(event)
}

/// Work that says how often it was begun, and takes 100 ms in two steps.
#[derive(Clone, Default)]
struct Asked(Arc<AtomicU32>);

impl Asked {
    fn times(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    async fn answer(self) -> Result<u32, &'static str> {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(number)
    }
}

fn ask(
    flights: &Flights,
    key: &'static str,
    ms: u64,
    asked: &Asked,
) -> Pin<Box<dyn Future<Output = Answer>>> {
    let (flights, asked) = (flights.clone(), asked.clone());
    let deadline = within(&flights, ms);
    Box::pin(async move {
        let work = move |_| asked.clone().answer();
        flights.execute(key, deadline, work).await
    })
}

#[tokio::test(start_paused = true)]
async fn calls_at_the_same_time_share_an_execution_and_later_ones_do_not() {
    let (f, asked) = (flights(FlightRules::default()), Asked::default());
    let together = tokio::join!(
        ask(&f, "7", 1000, &asked),
        ask(&f, "7", 1000, &asked),
        ask(&f, "8", 1000, &asked),
    );
    assert_eq!(together, (Ok(1), Ok(1), Ok(2)));
    assert_eq!(f.fills(), 0);
    assert_eq!(ask(&f, "7", 1000, &asked).await, Ok(3), "not remembered");
    assert_eq!(count(&f, CommandEvent::Success), 3);
    assert_eq!(count(&f, CommandEvent::Coalesced), 1);
}

/// Wherever the first of three is given up, the others get the answer of the one execution.
#[tokio::test(start_paused = true)]
async fn nobody_who_gives_up_takes_the_execution_along() {
    for polls in 0..8 {
        let (f, asked) = (flights(FlightRules::default()), Asked::default());
        let mut first = ask(&f, "7", 1000, &asked);
        for _ in 0..polls {
            if poll_once(first.as_mut()).is_ready() {
                break;
            }
            let_others_run().await;
            tokio::time::advance(Duration::from_millis(20)).await;
            let_others_run().await;
        }
        let (before, runs_on) = (asked.times(), f.fills() == 1);
        let mut second = ask(&f, "7", 1000, &asked);
        let others = poll_once(second.as_mut());
        drop(first);
        let answer = match others {
            Poll::Ready(answer) => answer,
            Poll::Pending => second.await,
        };
        let expected = if before == 0 || runs_on { 1 } else { 2 };
        assert_eq!((answer, asked.times()), (Ok(expected), expected), "{polls}");
        assert_eq!(count(&f, CommandEvent::Cancelled), 0, "{polls}");
        assert_eq!((f.fills(), f.command().bulkhead().active()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_all_have_left_ends_by_itself() {
    let (f, asked) = (flights(FlightRules::default()), Asked::default());
    let mut only = ask(&f, "7", 1000, &asked);
    assert!(poll_once(only.as_mut()).is_pending());
    drop(only);
    let_others_run().await;
    assert_eq!(f.fills(), 1);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!((f.fills(), count(&f, CommandEvent::Success)), (0, 1));
}

/// The execution has the command's time, not that of whoever came first.
#[tokio::test(start_paused = true)]
async fn each_waits_until_its_own_deadline() {
    let (f, asked) = (flights(FlightRules::default()), Asked::default());
    let (hasty, patient) = tokio::join!(ask(&f, "7", 30, &asked), ask(&f, "7", 1000, &asked));
    let after = Duration::from_millis(30);
    assert_eq!(hasty, Err(CommandError::Timeout { after }));
    assert_eq!((patient, asked.times()), (Ok(1), 1));
    assert_eq!(
        count(&f, CommandEvent::Timeout),
        0,
        "none of the dependency"
    );
    let late = ask(&f, "7", 0, &asked).await;
    assert_eq!(late, Err(CommandError::DeadlineExpired));
    assert_eq!(asked.times(), 1);
}

#[tokio::test(start_paused = true)]
async fn all_get_the_same_error() {
    let f = flights(FlightRules::default());
    let failing = || f.execute("7", within(&f, 1000), |_| async { Err::<u32, _>("reset") });
    let (one, other) = tokio::join!(failing(), failing());
    assert_eq!(one, Err(CommandError::Failure("reset")));
    assert_eq!(other, one);
    assert_eq!(count(&f, CommandEvent::Failure), 1);
    let hanging = || f.execute("7", within(&f, 60_000), |_| pending());
    let (one, other) = tokio::join!(hanging(), hanging());
    let after = Duration::from_secs(1);
    assert_eq!(one, Err(CommandError::Timeout { after }));
    assert_eq!(other, one);
    assert_eq!(count(&f, CommandEvent::Timeout), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_told_to_all_and_a_fallback_may_stand_in() {
    let f = flights(FlightRules::default());
    let panics = |_| async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        panic!("the work of this test")
    };
    let (one, other) = tokio::join!(
        f.execute("7", within(&f, 1000), panics),
        f.execute_or("7", within(&f, 1000), panics, |error| {
            let told = *error == CommandError::Abandoned;
            async move { Ok(u32::from(told)) }
        }),
    );
    assert_eq!((one, other), (Err(CommandError::Abandoned), Ok(1)));
    assert_eq!((f.fills(), f.command().bulkhead().active()), (0, 0));
    let asked = Asked::default();
    assert_eq!(ask(&f, "7", 1000, &asked).await, Ok(1), "the key is free");
}

#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
    };
    let (f, asked) = (flights(FlightRules::default()), Asked::default());
    let (ending, other) = (runtime().unwrap(), runtime().unwrap());
    let mut call = ask(&f, "7", 60_000, &asked);
    ending.block_on(async {
        assert!(poll_once(call.as_mut()).is_pending());
        let_others_run().await;
    });
    drop(ending);
    let _in_it = other.enter();
    assert_eq!(
        poll_once(call.as_mut()),
        Poll::Ready(Err(CommandError::Abandoned))
    );
    assert_eq!(f.fills(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_beyond_the_bounds_is_refused_or_runs_alone() {
    let rules = FlightRules {
        max_fills: 1,
        max_waiters: 2,
    };
    let (f, asked) = (flights(rules), Asked::default());
    let (first, second, third, other) = tokio::join!(
        ask(&f, "7", 1000, &asked),
        ask(&f, "7", 1000, &asked),
        ask(&f, "7", 1000, &asked),
        ask(&f, "8", 1000, &asked),
    );
    assert_eq!((first, second), (Ok(2), Ok(2)));
    assert_eq!(third, Err(CommandError::TooManyWaiters { limit: 2 }));
    assert_eq!(count(&f, CommandEvent::SemaphoreRejected), 1);
    assert_eq!((other, asked.times()), (Ok(1), 2), "it needs no task");
    let mut alone = ask(&f, "8", 1000, &asked);
    let mut shared = ask(&f, "7", 1000, &asked);
    assert!(poll_once(shared.as_mut()).is_pending());
    assert!(poll_once(alone.as_mut()).is_pending());
    let_others_run().await;
    drop(alone);
    assert_eq!(
        count(&f, CommandEvent::Cancelled),
        1,
        "it has no task of its own"
    );
    assert_eq!(shared.await, Ok(4), "the lone one began first");
}

/// Without a timeout inside, work that never ends keeps its key only for as long as it should have
/// run.
#[tokio::test(start_paused = true)]
async fn an_execution_that_never_ends_is_joined_no_longer_than_its_time() {
    let f = flights(FlightRules::default());
    let begun = Arc::new(AtomicU32::new(0));
    let counted = begun.clone();
    let work = move |_: Call<()>| {
        counted.fetch_add(1, Ordering::SeqCst);
        pending::<Answer>()
    };
    let layer = SingleFlightLayer::new(f.clone(), |_: &Call<()>| Some("7"));
    let service = layer.layer(service_fn(work));
    for expected in 1..=3 {
        let call = Call::new((), within(&f, 1000));
        let after = Duration::from_secs(1);
        let answer = service.clone().oneshot(call).await;
        assert_eq!(answer, Err(CommandError::Timeout { after }));
        assert_eq!(begun.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_changed_is_asked_anew() {
    let (f, asked) = (flights(FlightRules::default()), Asked::default());
    let mut before = ask(&f, "7", 1000, &asked);
    assert!(poll_once(before.as_mut()).is_pending());
    let_others_run().await;
    f.forget(&"7");
    assert_eq!(ask(&f, "7", 1000, &asked).await, Ok(2));
    assert_eq!(before.await, Ok(1), "who waits already still gets it");
}

/// Inside the fallback, which each call has for itself; outside the recorder, which counts once.
#[tokio::test(start_paused = true)]
async fn each_call_has_a_fallback_of_its_own() {
    let f = flights(FlightRules::default());
    let fallback = FallbackFn(|call: Call<u32>, _: &CommandError<&'static str>| {
        std::future::ready(Ok(call.request))
    });
    let broken = service_fn(|_: Call<u32>| async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Err::<u32, _>("reset")
    });
    let layers = f.command().layer(fallback);
    let service = layers
        .single_flight(f.clone(), |_: &Call<u32>| Some("7"))
        .layer(broken);
    let call = |number| service.clone().oneshot(Call::new(number, within(&f, 1000)));
    assert_eq!(tokio::join!(call(1), call(2)), (Ok(1), Ok(2)));
    assert_eq!(count(&f, CommandEvent::Failure), 1);
    assert_eq!(count(&f, CommandEvent::FallbackSuccess), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_key_shares_nothing() {
    let (f, asked) = (flights(FlightRules::default()), Asked::default());
    let (work, options) = (asked.clone(), CallOptions::new(within(&f, 1000)));
    let inner = service_fn(move |_: Call<()>| work.clone().answer());
    let layer = SingleFlightLayer::new(f, |_: &Call<()>| None);
    let service = layer.layer(ClassifyLayer.layer(inner));
    let call = || service.clone().oneshot(Call::new((), options));
    assert_eq!(tokio::join!(call(), call()), (Ok(1), Ok(2)));
}

#[test]
fn bounds_of_nothing_are_an_error_with_their_name() {
    let command = Command::new("profile", "gateway", Properties::default()).unwrap();
    let rules = FlightRules {
        max_fills: 0,
        ..FlightRules::default()
    };
    let error = Flights::new(command, rules).unwrap_err().to_string();
    assert!(error.starts_with("max_fills must be 1"), "{error}");
}
