//! The request cache from outside: one answer to one question within one request, whoever waits
//! for it, and nothing left behind.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test they help"
)]

mod model;

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use squall_resilience::layers::{CacheKey, FallbackFn, NoFallback, RequestCacheLayer};
use squall_resilience::request_context::RequestContextLayer;
use squall_resilience::{
    Call, Classify, Command, CommandError, CommandEvent, Deadline, Properties, RequestContext,
};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::by_hand::poll_once;

fn command() -> Command {
    Command::new("profile", "gateway", Properties::default()).unwrap()
}

fn within(command: &Command, ms: u64) -> Deadline {
    Deadline::after(command.now(), Duration::from_millis(ms))
}

fn count(command: &Command, event: CommandEvent) -> u64 {
    command.snapshot().metrics.total(event)
}

#[derive(Debug, Clone, PartialEq)]
struct Broken;

impl Classify for Broken {}

/// Work that says how often it was begun, and takes 100 ms.
#[derive(Clone, Default)]
struct Asked(Arc<AtomicU32>);

impl Asked {
    fn times(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    async fn answer(self) -> Result<u32, &'static str> {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(number)
    }

    async fn fail(self) -> Result<u32, &'static str> {
        self.answer().await.and(Err("reset"))
    }
}

async fn ask(
    command: &Command,
    context: &RequestContext,
    key: &str,
    asked: &Asked,
) -> Result<u32, CommandError<&'static str>> {
    let asked = asked.clone();
    command
        .cached(context, key)
        .execute(within(command, 10_000), move |_| asked.clone().answer())
        .await
}

#[tokio::test(start_paused = true)]
async fn one_request_asks_once_and_another_again() {
    let (c, asked) = (command(), Asked::default());
    let (one, other) = (RequestContext::new(), RequestContext::new());
    let together = tokio::join!(
        ask(&c, &one, "7", &asked),
        ask(&c, &one, "7", &asked),
        ask(&c, &one, "8", &asked),
    );
    assert_eq!(together, (Ok(1), Ok(1), Ok(2)));
    assert_eq!(ask(&c, &one, "7", &asked).await, Ok(1), "remembered");
    assert_eq!(ask(&c, &other, "7", &asked).await, Ok(3));
    assert_eq!(count(&c, CommandEvent::Success), 3);
    assert_eq!(count(&c, CommandEvent::ResponseFromCache), 2);
    assert_eq!((one.entries(), other.entries()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn failures_and_refusals_are_remembered_too() {
    let (c, asked, context) = (command(), Asked::default(), RequestContext::new());
    for _ in 0..3 {
        let asked = asked.clone();
        let answer = c
            .cached(&context, "7")
            .execute(within(&c, 1000), move |_| asked.clone().fail())
            .await;
        assert_eq!(answer, Err(CommandError::Failure("reset")));
    }
    assert_eq!(asked.times(), 1);
    assert_eq!(count(&c, CommandEvent::Failure), 1);
    assert_eq!(count(&c, CommandEvent::ExceptionThrown), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_answers_for_everybody_who_waits() {
    let (c, context) = (command(), RequestContext::new());
    let slow = |title: &'static str| {
        c.cached(&context, "7").execute_or(
            within(&c, 200),
            |_| pending::<Result<&str, &str>>(),
            move |_| async move { Ok(title) },
        )
    };
    let both = tokio::join!(slow("first"), slow("second"));
    assert_eq!(both, (Ok("first"), Ok("first")));
    assert_eq!(count(&c, CommandEvent::FallbackSuccess), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_seen_by_those_who_ask_after_it() {
    let (c, asked, context) = (command(), Asked::default(), RequestContext::new());
    assert_eq!(ask(&c, &context, "7", &asked).await, Ok(1));
    context.clear(&c, "7");
    let before = ask(&c, &context, "7", &asked);
    let after = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        context.clear(&c, "7");
        ask(&c, &context, "7", &asked).await
    };
    let on_its_way_and_new = tokio::join!(before, after);
    assert_eq!(on_its_way_and_new, (Ok(2), Ok(3)));
    assert_eq!(ask(&c, &context, "7", &asked).await, Ok(3));
    assert_eq!(context.entries(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_caller_may_go_and_the_next_drives_on() {
    let (c, asked, context) = (command(), Asked::default(), RequestContext::new());
    let mut first = Box::pin(ask(&c, &context, "7", &asked));
    assert!(poll_once(first.as_mut()).is_pending());
    let second = ask(&c, &context, "7", &asked);
    let (answer, ()) = tokio::join!(second, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(first);
    });
    assert_eq!((answer, asked.times()), (Ok(1), 1));
    assert_eq!(count(&c, CommandEvent::Cancelled), 0);
}

#[tokio::test(start_paused = true)]
async fn one_who_is_never_polled_again_holds_nobody_up() {
    let (c, asked, context) = (command(), Asked::default(), RequestContext::new());
    let mut first = Box::pin(ask(&c, &context, "7", &asked));
    assert!(poll_once(first.as_mut()).is_pending());
    assert_eq!(ask(&c, &context, "7", &asked).await, Ok(1));
    assert_eq!(poll_once(first.as_mut()), Poll::Ready(Ok(1)));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_dropped_and_not_remembered() {
    let (c, asked, context) = (command(), Asked::default(), RequestContext::new());
    {
        let mut first = pin!(ask(&c, &context, "7", &asked));
        let mut second = pin!(ask(&c, &context, "7", &asked));
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(poll_once(second.as_mut()).is_pending());
        assert_eq!((c.bulkhead().active(), context.entries()), (1, 1));
    }
    assert_eq!((c.bulkhead().active(), context.entries()), (0, 0));
    assert_eq!(count(&c, CommandEvent::Cancelled), 1);
    assert_eq!(ask(&c, &context, "7", &asked).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn work_that_asks_the_question_it_answers_times_out_and_frees_all() {
    let (c, context) = (command(), RequestContext::new());
    let inner = (c.clone(), context.clone());
    let answer = c
        .cached(&context, "7")
        .execute(within(&c, 10_000), move |attempt| {
            let (c, context) = inner.clone();
            async move {
                let again = c
                    .cached(&context, "7")
                    .execute(attempt.deadline, |_| async { Ok::<u32, Broken>(0) })
                    .await;
                again.map_err(|_| Broken)
            }
        })
        .await;
    let after = Duration::from_secs(1);
    assert!(
        matches!(
            answer,
            Err(CommandError::Timeout { .. } | CommandError::Failure(_))
        ),
        "{answer:?} after {after:?}"
    );
    assert_eq!(c.bulkhead().active(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_less_time_gives_up_alone() {
    let (c, asked, context) = (command(), Asked::default(), RequestContext::new());
    let hurried = async {
        let asked = asked.clone();
        c.cached(&context, "7")
            .execute(within(&c, 30), move |_| asked.clone().answer())
            .await
    };
    let both = tokio::join!(ask(&c, &context, "7", &asked), hurried);
    let after = Duration::from_millis(30);
    assert_eq!(both, (Ok(1), Err(CommandError::Timeout { after })));
    assert_eq!(count(&c, CommandEvent::Timeout), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_remembers_so_many_answers_and_no_more() {
    let (c, asked) = (command(), Asked::default());
    let context = RequestContext::with_max_entries(2);
    for (key, answer) in [("1", 1), ("2", 2), ("3", 3), ("3", 4), ("1", 1)] {
        assert_eq!(ask(&c, &context, key, &asked).await, Ok(answer), "{key}");
    }
    assert_eq!(context.entries(), 2);
    context.clear(&c, "1");
    for answer in [5, 5] {
        assert_eq!(ask(&c, &context, "3", &asked).await, Ok(answer));
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_has_one_type_and_one_command() {
    let (c, context) = (command(), RequestContext::new());
    let other = Command::new("titles", "gateway", Properties::default()).unwrap();
    let soon = within(&c, 1000);
    let number = async |command: &Command, n: u32| {
        let cached = command.cached(&context, "7");
        cached
            .execute(soon, move |_| async move { Ok::<u32, &str>(n) })
            .await
    };
    assert_eq!(number(&c, 1).await, Ok(1));
    assert_eq!(number(&other, 2).await, Ok(2));
    let text = c.cached(&context, "7");
    let text = text.execute(soon, |_| async { Ok::<_, &str>("text") });
    assert_eq!(text.await, Ok("text"));
    assert_eq!(number(&c, 3).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn switched_off_it_remembers_nothing() {
    let properties = Properties::builder().request_cache_enabled(false).build();
    let c = Command::new("profile", "gateway", properties.unwrap()).unwrap();
    let (asked, context) = (Asked::default(), RequestContext::new());
    let both = tokio::join!(
        ask(&c, &context, "7", &asked),
        ask(&c, &context, "7", &asked)
    );
    assert_eq!(both, (Ok(1), Ok(2)));
    assert_eq!(
        (
            context.entries(),
            count(&c, CommandEvent::ResponseFromCache)
        ),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_work_that_panics_panics_too_instead_of_waiting() {
    let (c, context) = (command(), RequestContext::new());
    let one = |c: Command, context: RequestContext| {
        tokio::spawn(async move {
            c.cached(&context, "7")
                .execute(within(&c, 500), |_| async {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    breaks()
                })
                .await
        })
    };
    let (first, second) = (
        one(c.clone(), context.clone()),
        one(c.clone(), context.clone()),
    );
    let began = c.now();
    let (first, second) = tokio::join!(first, second);
    let says = [first, second].map(|joined| {
        let payload = joined.unwrap_err().into_panic();
        *payload.downcast::<&str>().unwrap()
    });
    let shared = "the execution that several callers share panicked";
    assert_eq!(says, ["the work panics", shared]);
    assert_eq!(c.now() - began, Duration::from_millis(1), "at once");
    assert_eq!((c.bulkhead().active(), context.entries()), (0, 0));
}

fn breaks() -> Result<u32, Broken> {
    panic!("the work panics")
}

/// Callers on several threads, some of which go at any time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_nobody_is_left_waiting() {
    let properties = Properties::builder()
        .execution_semaphore_max_concurrent(10_000)
        .execution_timeout_ms(60_000)
        .build();
    let c = Command::new("profile", "gateway", properties.unwrap()).unwrap();
    let context = RequestContext::new();
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..2000_u64 {
        let (c, context) = (c.clone(), context.clone());
        callers.spawn(async move {
            let key = (n % 101).to_string();
            let answer =
                c.cached(&context, &key)
                    .execute(within(&c, 60_000), move |_| async move {
                        for _ in 0..n % 7 {
                            tokio::task::yield_now().await;
                        }
                        tokio::time::sleep(Duration::from_micros(n)).await;
                        Ok::<_, Broken>(n % 101)
                    });
            let seen = match n % 3 {
                0 => tokio::time::timeout(Duration::from_micros(n), answer).await,
                _ => Ok(answer.await),
            };
            assert!(seen.is_err() || seen == Ok(Ok(n % 101)), "{seen:?}");
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    assert_eq!(c.bulkhead().active(), 0);
    assert_eq!(count(&c, CommandEvent::Timeout), 0);
}

#[tokio::test(start_paused = true)]
async fn as_a_layer_it_is_outside_the_fallback() {
    let (c, context, asked) = (command(), RequestContext::new(), Asked::default());
    let fallback = FallbackFn(|call: Call<&str>, _: &CommandError<&'static str>| {
        let usual = call.request.len() as u32;
        std::future::ready(Ok(100 + usual))
    });
    let work = {
        let asked = asked.clone();
        service_fn(move |_: Call<&'static str>| asked.clone().fail())
    };
    let key = {
        let context = context.clone();
        move |call: &Call<&'static str>| {
            (call.request != "no key").then(|| CacheKey {
                context: context.clone(),
                key: call.request.to_owned(),
            })
        }
    };
    let service = RequestCacheLayer::new(c.clone(), key).layer(c.layer(fallback).layer(work));
    let call = |request| {
        let call = Call::new(request, within(&c, 10_000));
        let mut service = service.clone();
        async move { service.ready().await.unwrap().call(call).await }
    };
    let both = tokio::join!(call("seven"), call("seven"));
    assert_eq!((both, asked.times()), ((Ok(105), Ok(105)), 1));
    assert_eq!(call("seven").await, Ok(105));
    assert_eq!(call("no key").await, Ok(106));
    assert_eq!(call("no key").await, Ok(106));
    assert_eq!(asked.times(), 3);
    assert_eq!(count(&c, CommandEvent::FallbackSuccess), 3);
    assert_eq!(count(&c, CommandEvent::ResponseFromCache), 2);
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_when_the_service_is() {
    let (c, context) = (command(), RequestContext::new());
    let limited = tower::util::BoxCloneService::new(service_fn(|_: Call<()>| {
        std::future::ready(Ok::<u32, CommandError<&'static str>>(1))
    }));
    let key = move |_: &Call<()>| {
        Some(CacheKey {
            context: context.clone(),
            key: String::new(),
        })
    };
    let mut service = RequestCacheLayer::new(c.clone(), key).layer(limited);
    for _ in 0..2 {
        let call = Call::new((), within(&c, 1000));
        assert_eq!(service.ready().await.unwrap().call(call).await, Ok(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_of_http_has_its_context_in_its_extensions_and_in_its_task() {
    let handler = service_fn(async |request: http::Request<()>| {
        let context = RequestContext::of(request.extensions()).unwrap();
        let (c, asked) = (command(), Asked::default());
        ask(&c, &context, "7", &asked).await.unwrap();
        tokio::task::yield_now().await;
        let current = RequestContext::current().unwrap();
        Ok::<_, &str>((context.entries(), current.entries()))
    });
    let service = RequestContextLayer::new().layer(handler);
    assert!(RequestContext::current().is_none());
    for _ in 0..2 {
        let answer = service.clone().oneshot(http::Request::new(())).await;
        assert_eq!(answer, Ok((1, 1)), "a new one for each request");
    }
    let mut request = http::Request::new(());
    let mine = RequestContext::of_or_new(request.extensions_mut());
    ask(&command(), &mine, "8", &Asked::default())
        .await
        .unwrap();
    assert_eq!(service.oneshot(request).await, Ok((2, 2)));
    let inside = mine.scope(async { RequestContext::current().map(|c| c.entries()) });
    assert_eq!(inside.await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn without_a_fallback_the_error_is_the_answer() {
    let (c, context) = (command(), RequestContext::new());
    let work = service_fn(|_: Call<()>| std::future::ready(Err::<u32, _>("reset")));
    let key = move |_: &Call<()>| {
        Some(CacheKey {
            context: context.clone(),
            key: "7".to_owned(),
        })
    };
    let service =
        RequestCacheLayer::new(c.clone(), key).layer(c.layer(NoFallback::default()).layer(work));
    for _ in 0..2 {
        let answer = service
            .clone()
            .oneshot(Call::new((), within(&c, 1000)))
            .await;
        assert_eq!(answer, Err(CommandError::Failure("reset")));
    }
    assert_eq!(count(&c, CommandEvent::Failure), 1);
}
