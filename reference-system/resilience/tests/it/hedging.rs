//! Hedging from outside: when a second attempt is sent, whose answer counts, and what it may cost.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test they help"
)]

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use squall_resilience::balance::{BalanceRules, Balancer, Instance};
use squall_resilience::layers::{BalanceLayer, HedgeLayer, NoFallback, Placed};
use squall_resilience::{
    Attempt, Call, CallOptions, Classification, Classify, Command, CommandError, CommandEvent,
    Deadline, Priority, Properties, PropertiesBuilder,
};
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Reset(u32),
    Unknown,
}

impl Classify for Wrong {
    fn classify(&self) -> Classification {
        match self {
            Self::Reset(_) => Classification::Retryable,
            Self::Unknown => Classification::BadRequest,
        }
    }
}

fn hedged() -> PropertiesBuilder {
    Properties::builder()
        .hedge_after_ms(100)
        .hedge_budget_min_per_s(1000)
}

fn command(builder: PropertiesBuilder) -> Command {
    Command::new("edge", "gateway", builder.build().unwrap()).unwrap()
}

fn idempotent(command: &Command) -> CallOptions {
    CallOptions::idempotent(Deadline::after(command.now(), Duration::from_secs(60)))
}

/// How the attempt of a number ends, and after how many milliseconds.
type End = (u64, Result<u32, Wrong>);

/// An attempt under way, which is counted as long as it exists.
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What came of a call: its answer, the milliseconds it took, and the hedges.
type Outcome<E> = (Result<u32, E>, u128, u64);

/// The answer of a call whose attempts end so, the milliseconds it took, and the hedges.
async fn run(command: &Command, ends: &[End]) -> Outcome<CommandError<Wrong>> {
    let under_way = Arc::default();
    let hedges = || command.snapshot().metrics.total(CommandEvent::Hedge);
    let before = hedges();
    let began = Instant::now();
    let work = async |attempt: Attempt| {
        let _under_way = UnderWay::new(&under_way);
        let (ms, end) = ends[attempt.number as usize];
        sleep(Duration::from_millis(ms)).await;
        end
    };
    let answer = command.execute(idempotent(command), work).await;
    let took = began.elapsed().as_millis();
    assert_eq!(under_way.load(Ordering::SeqCst), 0, "the loser is dropped");
    assert_eq!(command.bulkhead().active(), 0);
    (answer, took, hedges() - before)
}

#[tokio::test(start_paused = true)]
async fn the_first_good_answer_counts() {
    let c = command(hedged());
    let (slow, reset) = (Ok(0), Err(Wrong::Reset(0)));
    let cases: [(&[End], Outcome<Wrong>); 8] = [
        (&[(99, slow)], (Ok(0), 99, 0)),
        (&[(99, reset)], (reset, 99, 0)),
        (&[(500, slow), (50, Ok(1))], (Ok(1), 150, 1)),
        (&[(120, slow), (50, Ok(1))], (Ok(0), 120, 1)),
        (&[(500, slow), (50, Err(Wrong::Reset(1)))], (Ok(0), 500, 1)),
        (&[(120, reset), (50, Ok(1))], (Ok(1), 150, 1)),
        (&[(120, reset), (50, Err(Wrong::Reset(1)))], (reset, 150, 1)),
        (&[(500, reset), (50, Err(Wrong::Reset(1)))], (reset, 500, 1)),
    ];
    for (ends, (answer, took, hedges)) in cases {
        let answer = answer.map_err(CommandError::Failure);
        assert_eq!(run(&c, ends).await, (answer, took, hedges), "{ends:?}");
    }
    let metrics = c.snapshot().metrics;
    assert_eq!(metrics.total(CommandEvent::HedgeSuccess), 2);
    assert_eq!(metrics.total(CommandEvent::Success), 5);
    assert_eq!(metrics.total(CommandEvent::Failure), 3);
    let unknown: &[End] = &[(500, Ok(0)), (50, Err(Wrong::Unknown))];
    let refused = Err(CommandError::BadRequest(Wrong::Unknown));
    assert_eq!(run(&c, unknown).await, (refused, 150, 1), "it is an answer");
}

#[tokio::test(start_paused = true)]
async fn only_idempotent_calls_are_hedged_and_only_where_it_is_asked_for() {
    let slow = async |_: Attempt| {
        sleep(Duration::from_millis(500)).await;
        Ok::<_, Wrong>(())
    };
    let c = command(hedged());
    let deadline = idempotent(&c).deadline;
    assert_eq!(c.execute(deadline, slow).await, Ok(()));
    assert_eq!(c.snapshot().metrics.total(CommandEvent::Hedge), 0);
    assert_eq!(c.execute(idempotent(&c), slow).await, Ok(()));
    assert_eq!(c.snapshot().metrics.total(CommandEvent::Hedge), 1);
    let c = command(Properties::builder());
    assert_eq!(c.execute(idempotent(&c), slow).await, Ok(()));
    assert_eq!(c.snapshot().metrics.total(CommandEvent::Hedge), 0);
}

/// An attempt and its hedge that both fail are one attempt for the retry, which is not hedged.
#[tokio::test(start_paused = true)]
async fn the_retry_is_outside() {
    let c = command(hedged().retry_max_attempts(2));
    let began = Instant::now();
    let numbers = std::sync::Mutex::new(Vec::new());
    let work = async |attempt: Attempt| {
        let last = {
            let mut numbers = numbers.lock().unwrap();
            numbers.push((attempt.number, attempt.is_hedge));
            numbers.len() == 3
        };
        sleep(Duration::from_millis(200)).await;
        if last { Ok(()) } else { Err(Wrong::Reset(0)) }
    };
    assert_eq!(c.execute(idempotent(&c), work).await, Ok(()));
    assert_eq!(began.elapsed().as_millis(), 500);
    let sent = numbers.into_inner().unwrap();
    assert_eq!(sent, [(0, false), (1, true), (1, false)]);
    let metrics = c.snapshot().metrics;
    let events = [CommandEvent::Hedge, CommandEvent::Retry];
    assert_eq!(events.map(|event| metrics.total(event)), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn the_timeout_ends_both() {
    let c = command(hedged());
    let hanging: &[End] = &[(5000, Ok(0)), (5000, Ok(1))];
    let after = Duration::from_secs(1);
    let timed_out = Err(CommandError::Timeout { after });
    assert_eq!(run(&c, hanging).await, (timed_out, 1000, 1));
}

/// Below the hedge: two attempts of a call are at two instances.
#[tokio::test(start_paused = true)]
async fn the_balancer_is_inside_and_sends_the_hedge_elsewhere() {
    let c = command(hedged());
    let balancer: Balancer<&str> = Balancer::builder("edge").build().unwrap();
    let instances = ["slow", "quick"].map(|name| Instance::new(name, name));
    balancer.set_instances(c.now(), instances);
    let client = |call: Call<Placed<&'static str, ()>>| async move {
        let ms = if call.request.target == "slow" {
            800
        } else {
            50
        };
        sleep(Duration::from_millis(ms)).await;
        Ok::<_, Wrong>(call.request.target)
    };
    let layered = BalanceLayer::new(balancer.clone()).layer(service_fn(client));
    let mut service = c.layer(NoFallback::default()).layer(layered);
    for _ in 0..20 {
        let call = Call::new((), idempotent(&c));
        let answer = service.ready().await.unwrap().call(call).await;
        assert_eq!(answer, Ok("quick"));
    }
    let snapshot = balancer.snapshot(c.now());
    assert!(snapshot.instances.iter().all(|one| one.in_flight == 0));
    let metrics = c.snapshot().metrics;
    let (hedges, asked) = (metrics.total(CommandEvent::Hedge), &snapshot.instances);
    assert!(hedges > 0);
    assert_eq!((asked[0].attempts, asked[1].attempts), (hedges, 20));
}

/// One instance is no reason to ask it twice.
#[tokio::test(start_paused = true)]
async fn there_is_no_hedge_to_the_same_instance() {
    let c = command(hedged());
    let balancer: Balancer<()> = Balancer::builder("edge").build().unwrap();
    balancer.set_instances(c.now(), [Instance::new("only", ())]);
    let client = service_fn(async |_: Call<Placed<(), ()>>| {
        sleep(Duration::from_millis(800)).await;
        Ok::<_, Wrong>(())
    });
    let layered = BalanceLayer::new(balancer.clone()).layer(client);
    let service = c.layer(NoFallback::default()).layer(layered);
    let answer = service.oneshot(Call::new((), idempotent(&c))).await;
    assert_eq!(answer, Ok(()));
    assert_eq!(balancer.snapshot(c.now()).instances[0].attempts, 1);
}

/// A hedge that always wins must not hide an instance that never answers.
#[tokio::test(start_paused = true)]
async fn an_instance_whose_attempts_are_given_up_is_ejected() {
    let c = command(hedged());
    let rules = BalanceRules {
        outlier_abandoned_ms: 100,
        ..BalanceRules::default()
    };
    let builder = Balancer::builder("edge").rules(rules);
    let balancer: Balancer<&str> = builder.build().unwrap();
    let instances = ["hanging", "quick"].map(|name| Instance::new(name, name));
    balancer.set_instances(c.now(), instances);
    let client = service_fn(|call: Call<Placed<&'static str, ()>>| async move {
        match call.request.target {
            "quick" => Ok::<_, Wrong>(()),
            _ => pending().await,
        }
    });
    let layered = BalanceLayer::new(balancer.clone()).layer(client);
    let mut service = c.layer(NoFallback::default()).layer(layered);
    for _ in 0..20 {
        let call = Call::new((), idempotent(&c));
        assert_eq!(service.ready().await.unwrap().call(call).await, Ok(()));
    }
    let snapshot = balancer.snapshot(c.now());
    assert!(snapshot.instances[0].ejected_for.is_some(), "{snapshot:?}");
    assert_eq!(c.snapshot().metrics.total(CommandEvent::HedgeSuccess), 5);
}

const SLOW: &[End] = &[(500, Ok(0)), (50, Ok(1))];

#[tokio::test(start_paused = true)]
async fn there_is_no_hedge_while_the_breaker_is_not_closed() {
    let open = hedged()
        .circuit_breaker_request_volume_threshold(1)
        .circuit_breaker_sleep_window_ms(1);
    let c = command(open);
    let failing: &[End] = &[(0, Err(Wrong::Reset(0)))];
    assert!(run(&c, failing).await.0.is_err());
    tokio::time::advance(Duration::from_millis(600)).await;
    c.breaker_state();
    tokio::time::advance(Duration::from_millis(2)).await;
    assert_eq!(run(&c, SLOW).await, (Ok(0), 500, 0), "it is the probe");
    assert_eq!(run(&c, SLOW).await, (Ok(1), 150, 1), "it has closed");
}

#[tokio::test(start_paused = true)]
async fn a_hedge_needs_a_permit_of_its_own() {
    let c = command(hedged().execution_semaphore_max_concurrent(2));
    let other = c.bulkhead().try_acquire().unwrap();
    let work = async |_: Attempt| {
        sleep(Duration::from_millis(500)).await;
        Ok::<_, Wrong>(c.bulkhead().active())
    };
    assert_eq!(c.execute(idempotent(&c), work).await, Ok(2));
    assert_eq!(c.snapshot().metrics.total(CommandEvent::Hedge), 0);
    drop(other);
    assert_eq!(run(&c, SLOW).await, (Ok(1), 150, 1));
}

/// Permits that are kept for calls that are worth more are kept from hedges too.
#[tokio::test(start_paused = true)]
async fn a_hedge_has_no_more_permits_than_its_call() {
    let c = command(
        hedged()
            .execution_semaphore_max_concurrent(4)
            .execution_non_critical_percentage(25),
    );
    let work = async |_: Attempt| {
        sleep(Duration::from_millis(500)).await;
        Ok::<_, Wrong>(c.bulkhead().active())
    };
    let options = idempotent(&c).of_priority(Priority::NonCritical);
    assert_eq!(c.execute(options, work).await, Ok(1));
    assert_eq!(c.execute(idempotent(&c), work).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_call_drops_both_attempts() {
    let c = command(hedged());
    let under_way = Arc::<AtomicUsize>::default();
    let work = async |_: Attempt| {
        let _under_way = UnderWay::new(&under_way);
        pending::<Result<(), Wrong>>().await
    };
    let call = c.execute(idempotent(&c), work);
    let seen = under_way.clone();
    let waited = timeout(Duration::from_millis(200), call);
    let watch = async {
        sleep(Duration::from_millis(150)).await;
        (seen.load(Ordering::SeqCst), c.bulkhead().active())
    };
    let (waited, seen) = tokio::join!(waited, watch);
    assert!(waited.is_err());
    assert_eq!(seen, (2, 2));
    assert_eq!(under_way.load(Ordering::SeqCst), 0);
    assert_eq!(c.bulkhead().active(), 0);
    assert_eq!(c.snapshot().metrics.total(CommandEvent::Cancelled), 1);
}

#[tokio::test(start_paused = true)]
async fn a_percentile_of_its_own_latencies_is_the_delay() {
    let properties = Properties::builder()
        .hedge_percentile(95)
        .hedge_budget_min_per_s(1000);
    let c = command(properties);
    for ms in 1..=10 {
        assert_eq!(run(&c, SLOW).await.2, 0, "too little is known");
        for _ in 0..9 {
            let quick: &[End] = &[(ms, Ok(0))];
            assert_eq!(run(&c, quick).await.2, 0);
        }
    }
    // 90 of 1 to 10 ms, 10 of 500 ms: the 95th of 100 is a slow one.
    tokio::time::advance(Duration::from_secs(1)).await;
    let (answer, took, hedges) = run(&c, &[(900, Ok(0)), (50, Ok(1))]).await;
    assert_eq!((answer, hedges), (Ok(1), 1));
    assert!((545..=560).contains(&took), "{took} ms");
    let median = Properties::builder()
        .hedge_percentile(50)
        .hedge_budget_min_per_s(1000);
    c.set_properties(median.build().unwrap()).unwrap();
    let (_, took, _) = run(&c, SLOW).await;
    assert!((54..=58).contains(&took), "{took} ms");
}

/// The layer on its own, on a service that is asked whether it is ready.
#[tokio::test(start_paused = true)]
async fn it_works_without_the_other_layers() {
    let c = command(hedged());
    let slow_at_first = service_fn(|call: Call<&'static str>| async move {
        let ms = if call.is_hedge { 10 } else { 800 };
        sleep(Duration::from_millis(ms)).await;
        Ok::<_, CommandError<Wrong>>((call.request, call.attempt))
    });
    let mut service = HedgeLayer::new(c.clone()).layer(slow_at_first);
    let call = Call::new("segment", idempotent(&c));
    let answer = service.ready().await.unwrap().call(call).await;
    assert_eq!(answer, Ok(("segment", 1)));
}

#[tokio::test(start_paused = true)]
async fn the_loser_is_gone_when_the_answer_appears() {
    let c = command(hedged());
    let under_way = Arc::<AtomicUsize>::default();
    let count = under_way.clone();
    let service = service_fn(move |call: Call<u64>| {
        let held = UnderWay::new(&count);
        async move {
            let ms = if call.is_hedge { 100 } else { call.request };
            sleep(Duration::from_millis(ms)).await;
            drop(held);
            Ok::<_, CommandError<Wrong>>(call.is_hedge)
        }
    });
    let mut service = HedgeLayer::new(c.clone()).layer(service);
    for (first_ms, is_hedge) in [(800, true), (150, false)] {
        let call = Call::new(first_ms, idempotent(&c));
        let mut answer = pin!(service.call(call));
        assert_eq!(answer.as_mut().await, Ok(is_hedge));
        assert_eq!(under_way.load(Ordering::SeqCst), 0);
        assert_eq!(c.bulkhead().active(), 0);
    }
}

#[test]
fn bad_settings_are_named() {
    let name = |builder: PropertiesBuilder| builder.build().unwrap_err().to_string();
    let new = Properties::builder;
    let cases = [
        (new().hedge_after_ms(1000), "hedge_after_ms"),
        (new().hedge_percentile(100), "hedge_percentile"),
        (new().hedge_budget_percent(101), "hedge_budget_percent"),
        (
            new().hedge_budget_min_per_s(u32::MAX),
            "hedge_budget_min_per_s",
        ),
    ];
    for (builder, expected) in cases {
        let found = name(builder);
        assert!(found.starts_with(expected), "{found}");
    }
    assert!(
        new()
            .hedge_after_ms(1000)
            .execution_timeout_enabled(false)
            .build()
            .is_ok()
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(23),
        ..ProptestConfig::default()
    })]

    /// However slow everything is: in no ten seconds are there more hedges than the budget has,
    /// and nothing is under way in the end.
    #[test]
    fn the_budget_is_never_exceeded(
        calls in vec((0..300u64, 0..400u64, 0..400u64, any::<bool>()), 1..120),
        percent in 0..=100u32,
        min_per_s in 0..=1u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
        let (sent, began, c) = runtime.block_on(async {
            let c = command(
                Properties::builder()
                    .execution_semaphore_max_concurrent(1000)
                    .circuit_breaker_force_closed(true)
                    .hedge_after_ms(100)
                    .hedge_budget_percent(percent)
                    .hedge_budget_min_per_s(min_per_s),
            );
            let origin = Instant::now();
            let sent = Arc::new(std::sync::Mutex::new(Vec::new()));
            let mut began = Vec::new();
            let mut tasks = Vec::new();
            for (pause, first, second, ok) in calls {
                sleep(Duration::from_millis(pause)).await;
                began.push(origin.elapsed());
                let (c, sent) = (c.clone(), sent.clone());
                tasks.push(tokio::spawn(async move {
                    let work = async |attempt: Attempt| {
                        let mut ms = first;
                        if attempt.is_hedge {
                            sent.lock().unwrap().push(origin.elapsed());
                            ms = second;
                        }
                        sleep(Duration::from_millis(ms)).await;
                        if ok { Ok(()) } else { Err(Wrong::Reset(0)) }
                    };
                    c.execute(idempotent(&c), work).await.is_ok()
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            let sent = sent.lock().unwrap().clone();
            (sent, began, c)
        });
        for end in &sent {
            let counts = |at: &&Duration| **at <= *end && at.as_secs() + 10 > end.as_secs();
            let count = |list: &[Duration]| list.iter().filter(counts).count() as u64;
            let (hedges, calls) = (count(&sent), count(&began));
            let most = calls * u64::from(percent) + 1000 * u64::from(min_per_s);
            prop_assert!(hedges * 100 <= most, "{} hedges of {} calls", hedges, calls);
        }
        let metrics = c.snapshot().metrics;
        prop_assert_eq!(metrics.total(CommandEvent::Hedge), sent.len() as u64);
        prop_assert_eq!(c.bulkhead().active(), 0);
    }

    /// However calls end, and whenever they are given up: nothing is under way in the end.
    #[test]
    fn nothing_is_left_under_way(
        calls in vec((0..50u64, vec((0..400u64, any::<bool>()), 4), 0..500u64), 1..60),
        seed: u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
        let (c, balancer) = runtime.block_on(async {
            let c = command(hedged().retry_max_attempts(3).execution_queue_size(3));
            let builder = Balancer::builder("edge").seed(seed);
            let balancer: Balancer<()> = builder.build().unwrap();
            let instances = ["a", "b", "c"].map(|name| Instance::new(name, ()));
            balancer.set_instances(c.now(), instances);
            let mut tasks = Vec::new();
            for (pause, ends, patience) in calls {
                sleep(Duration::from_millis(pause)).await;
                let client = service_fn(move |call: Call<Placed<(), ()>>| {
                    let (ms, ok) = ends[call.attempt as usize + usize::from(call.is_hedge)];
                    async move {
                        sleep(Duration::from_millis(ms)).await;
                        if ok { Ok(()) } else { Err(Wrong::Reset(0)) }
                    }
                });
                let layered = BalanceLayer::new(balancer.clone()).layer(client);
                let service = c.layer(NoFallback::default()).layer(layered);
                let call = service.oneshot(Call::new((), idempotent(&c)));
                let patience = Duration::from_millis(patience);
                tasks.push(tokio::spawn(async move { timeout(patience, call).await.is_ok() }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            (c, balancer)
        });
        let snapshot = balancer.snapshot(c.now());
        prop_assert!(snapshot.instances.iter().all(|one| one.in_flight == 0));
        prop_assert_eq!((c.bulkhead().active(), c.bulkhead().waiting()), (0, 0));
    }
}
