//! The stale cache from outside: how old an answer may be, who asks anew, and what stands in.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test they help"
)]

mod model;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use squall_resilience::layers::StaleCacheLayer;
use squall_resilience::stale_cache::{Served, Source, StaleCache, StaleCacheRules};
use squall_resilience::{
    Call, Classification, Classify, Command, CommandError, CommandEvent, Deadline, FailureType,
    Properties, Registry,
};
use tower::{Layer, ServiceExt, service_fn};

use crate::by_hand::{let_others_run, poll_once};

#[derive(Debug, Clone, PartialEq)]
enum Unable {
    Broken,
    NoSuchTitle,
}

impl Classify for Unable {
    fn classify(&self) -> Classification {
        match self {
            Self::Broken => Classification::Failure,
            Self::NoSuchTitle => Classification::BadRequest,
        }
    }
}

type Cache = StaleCache<&'static str, u32, Unable>;
type Answer = Result<Served<u32>, CommandError<Unable>>;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Fresh for 1 s, stale for another while it is asked for anew, and for 10 s if that fails.
const RULES: StaleCacheRules = StaleCacheRules {
    fresh_ms: 1000,
    stale_while_revalidate_ms: 1000,
    stale_if_error_ms: 10_000,
    max_entries: 100,
    max_weight: u64::MAX,
    flights: squall_resilience::single_flight::FlightRules {
        max_fills: 100,
        max_waiters: 100,
    },
};

fn cache(rules: StaleCacheRules) -> Cache {
    let command = Command::new("profile", "gateway", Properties::default()).unwrap();
    StaleCache::new(command, rules).unwrap()
}

fn count(cache: &Cache, event: CommandEvent) -> u64 {
    cache.command().snapshot().metrics.total(event)
}

/// Answers how often it was asked, after 100 ms, unless it is to fail.
#[derive(Clone, Default)]
struct Dependency {
    asked: Arc<AtomicU32>,
    broken: Arc<AtomicU32>,
}

impl Dependency {
    fn breaks(&self) {
        self.broken.store(1, Ordering::SeqCst);
    }

    fn has_no_such_title(&self) {
        self.broken.store(2, Ordering::SeqCst);
    }

    fn times(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    async fn answer(self) -> Result<u32, Unable> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(ms(100)).await;
        match self.broken.load(Ordering::SeqCst) {
            0 => Ok(number),
            1 => Err(Unable::Broken),
            _ => Err(Unable::NoSuchTitle),
        }
    }
}

async fn ask_within(
    cache: &Cache,
    key: &'static str,
    within: Duration,
    dependency: &Dependency,
) -> Answer {
    let dependency = dependency.clone();
    let deadline = Deadline::after(cache.command().now(), within);
    let work = move |_| dependency.clone().answer();
    cache.execute(key, deadline, work).await
}

async fn ask(cache: &Cache, key: &'static str, dependency: &Dependency) -> Answer {
    ask_within(cache, key, Duration::from_secs(60), dependency).await
}

fn served(value: u32, source: Source) -> Answer {
    Ok(Served { value, source })
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_fresh_then_revalidated_then_only_better_than_an_error() {
    let (c, d) = (cache(RULES), Dependency::default());
    let executed = Source::Execution;
    assert_eq!(ask(&c, "7", &d).await, served(1, executed));
    tokio::time::advance(ms(999)).await;
    let age = ms(999);
    assert_eq!(ask(&c, "7", &d).await, served(1, Source::Fresh { age }));
    tokio::time::advance(ms(1)).await;
    let (one, other) = tokio::join!(ask(&c, "7", &d), ask(&c, "7", &d));
    let stale = Source::StaleWhileRevalidate { age: ms(1000) };
    assert_eq!((one, other), (served(1, stale), served(1, stale)));
    let_others_run().await;
    assert_eq!((d.times(), c.snapshot().fills), (2, 1), "asked anew once");
    tokio::time::sleep(ms(200)).await;
    let age = ms(100);
    assert_eq!(ask(&c, "7", &d).await, served(2, Source::Fresh { age }));
    d.breaks();
    tokio::time::advance(ms(5000)).await;
    let (age, failure) = (ms(5200), FailureType::CommandException);
    let stands_in = Source::StaleIfError { age, failure };
    assert_eq!(ask(&c, "7", &d).await, served(2, stands_in));
    tokio::time::advance(ms(5700)).await;
    let error = CommandError::Failure(Unable::Broken);
    assert_eq!(
        ask(&c, "7", &d).await,
        Err(error),
        "11 s old when it failed"
    );
    for (event, times) in [
        (CommandEvent::ResponseFromCache, 2),
        (CommandEvent::StaleWhileRevalidate, 2),
        (CommandEvent::StaleIfError, 1),
        (CommandEvent::Success, 2),
        (CommandEvent::Failure, 2),
    ] {
        assert_eq!(count(&c, event), times, "{event:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_and_a_deadline_of_the_callers_own_leave_the_stale_answer() {
    let (c, d) = (cache(RULES), Dependency::default());
    ask(&c, "7", &d).await.unwrap();
    tokio::time::advance(ms(3000)).await;
    let hasty = ask_within(&c, "7", ms(50), &d).await.unwrap();
    let failure = FailureType::Timeout;
    let age = ms(3050);
    assert_eq!(hasty.source, Source::StaleIfError { age, failure });
    assert!(hasty.source.is_stale());
    let open = Properties::builder().circuit_breaker_force_open(true);
    c.command().set_properties(open.build().unwrap()).unwrap();
    tokio::time::sleep(ms(3000)).await;
    let refused = ask(&c, "7", &d).await.unwrap();
    let failure = FailureType::ShortCircuit;
    let age = ms(2950);
    let stands_in = Source::StaleIfError { age, failure };
    assert_eq!(
        (refused.value, refused.source),
        (2, stands_in),
        "the fill went on"
    );
}

#[tokio::test(start_paused = true)]
async fn the_callers_mistake_is_told_and_takes_the_answer_away() {
    let (c, d) = (cache(RULES), Dependency::default());
    ask(&c, "7", &d).await.unwrap();
    d.has_no_such_title();
    tokio::time::advance(ms(1500)).await;
    assert!(ask(&c, "7", &d).await.unwrap().source.is_stale());
    tokio::time::sleep(ms(200)).await;
    assert_eq!(c.snapshot().entries, 0);
    let error = CommandError::BadRequest(Unable::NoSuchTitle);
    assert_eq!(ask(&c, "7", &d).await, Err(error));
}

/// Also where another has been given an answer meanwhile.
#[tokio::test(start_paused = true)]
async fn nothing_stands_in_for_the_callers_mistake() {
    let (c, mistaken) = (cache(RULES), Dependency::default());
    mistaken.has_no_such_title();
    let mut call = Box::pin(ask(&c, "7", &mistaken));
    assert!(poll_once(call.as_mut()).is_pending());
    let_others_run().await;
    c.remove(&"7");
    let deadline = Deadline::after(c.command().now(), ms(1000));
    let other = c.execute("7", deadline, |_| async { Ok(7) }).await;
    assert_eq!(other, served(7, Source::Execution));
    let error = CommandError::BadRequest(Unable::NoSuchTitle);
    assert_eq!(call.await, Err(error));
    assert_eq!(c.snapshot().entries, 1);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_answers_after_the_cache_and_is_not_kept() {
    let (c, d) = (cache(RULES), Dependency::default());
    d.breaks();
    let answer = |d: Dependency| {
        let deadline = Deadline::after(c.command().now(), ms(1000));
        let work = move |_| d.clone().answer();
        c.execute_or("7", deadline, work, |_| async { Ok(0) })
    };
    assert_eq!(answer(d.clone()).await, served(0, Source::Fallback));
    assert_eq!(c.snapshot().entries, 0);
    let healthy = Dependency::default();
    assert_eq!(answer(healthy).await, served(1, Source::Execution));
    tokio::time::advance(ms(5000)).await;
    assert!(
        answer(d).await.unwrap().source.is_stale(),
        "before the fallback"
    );
}

/// Wherever a caller gives up, the answer it began is kept for the next.
#[tokio::test(start_paused = true)]
async fn an_answer_that_its_caller_did_not_wait_for_is_kept() {
    for polls in 1..6 {
        let (c, d) = (cache(RULES), Dependency::default());
        let mut call = Box::pin(ask(&c, "7", &d));
        for _ in 0..polls {
            if poll_once(call.as_mut()).is_ready() {
                break;
            }
            let_others_run().await;
            tokio::time::advance(ms(40)).await;
            let_others_run().await;
        }
        drop(call);
        tokio::time::sleep(ms(150)).await;
        let kept = ask(&c, "7", &d).await.unwrap();
        assert!(matches!(kept.source, Source::Fresh { .. }), "{polls}");
        assert_eq!((kept.value, d.times()), (1, 1), "{polls}");
        assert_eq!(c.command().bulkhead().active(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_a_change_is_not_kept_after_it() {
    let (c, d) = (cache(RULES), Dependency::default());
    for forget in [|c: &Cache| c.remove(&"7"), |c: &Cache| c.clear()] {
        let times = d.times();
        let mut before = Box::pin(ask(&c, "7", &d));
        assert!(poll_once(before.as_mut()).is_pending());
        let_others_run().await;
        forget(&c);
        assert_eq!(before.await, served(times + 1, Source::Execution));
        assert_eq!(c.snapshot().entries, 0);
        assert_eq!(ask(&c, "7", &d).await, served(times + 2, Source::Execution));
        forget(&c);
        assert_eq!(c.snapshot().weight, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_weight_of_all_answers_is_bounded() {
    let command = Command::new("profile", "gateway", Properties::default()).unwrap();
    let rules = StaleCacheRules {
        max_weight: 10,
        ..RULES
    };
    let c = StaleCache::weighed(command, rules, |_, value: &u32| u64::from(*value)).unwrap();
    let registry = Registry::new();
    registry.show_cache(&c);
    let put = async |key: &'static str, weight: u32| {
        c.remove(&key);
        let deadline = Deadline::after(c.command().now(), ms(1000));
        let work = move |_| async move { Ok::<_, Unable>(weight) };
        c.execute(key, deadline, work).await.unwrap();
        let snapshot = c.snapshot();
        (snapshot.entries, snapshot.weight, snapshot.evicted)
    };
    assert_eq!(put("a", 4).await, (1, 4, 0));
    assert_eq!(put("b", 6).await, (2, 10, 0));
    assert_eq!(put("c", 1).await, (2, 7, 1), "the oldest went");
    assert_eq!(put("d", 11).await, (2, 7, 1), "it could never fit");
    assert_eq!(put("e", 10).await, (1, 10, 3));
    let text = registry.prometheus_text();
    for line in ["entries", "weight", "fills", "evicted_total"]
        .into_iter()
        .zip([1, 10, 0, 3])
        .map(|(name, value)| format!("resilience_cache_{name}{{command=\"profile\"}} {value}\n"))
    {
        assert!(text.contains(&line), "{line} is not in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_layer_alone_keeps_what_has_a_key() {
    let (c, d) = (cache(RULES), Dependency::default());
    let asked = d.clone();
    let inner = service_fn(move |call: Call<&'static str>| {
        let asked = asked.clone();
        async move {
            assert!(
                !call
                    .options
                    .deadline
                    .is_expired(tokio::time::Instant::now().into_std())
            );
            asked.answer().await.map_err(CommandError::Failure)
        }
    });
    let key = |call: &Call<&'static str>| (call.request != "secret").then_some(call.request);
    let service = StaleCacheLayer::new(c.clone(), key).layer(inner);
    let deadline = Deadline::after(c.command().now(), ms(10_000));
    let call = |request| service.clone().oneshot(Call::new(request, deadline));
    assert_eq!(call("7").await, served(1, Source::Execution));
    let age = Duration::ZERO;
    assert_eq!(call("7").await, served(1, Source::Fresh { age }));
    assert_eq!(call("secret").await, served(2, Source::Execution));
    assert_eq!(call("secret").await, served(3, Source::Execution));
}
