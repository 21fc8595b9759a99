//! The collapser from outside: who meets in a batch, when it goes, what each caller is answered,
//! and that nothing is left behind.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test they help"
)]

mod ends;
mod model;
mod request;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use squall_resilience::collapser::{
    Batch, BatchFn, CollapseError, Collapser, CollapserCounts, CollapserProperties,
};
use squall_resilience::layers::FallbackFn;
use squall_resilience::{
    Attempt, Call, CallOptions, Classification, Classify, Command, CommandError, CommandEvent,
    Deadline, Properties, RequestContext,
};
use tower::{Layer, Service, ServiceExt};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wrong {
    NoSuchTitle,
    Instance,
}

impl Classify for Wrong {
    fn classify(&self) -> Classification {
        match self {
            Self::NoSuchTitle => Classification::BadRequest,
            Self::Instance => Classification::Retryable,
        }
    }
}

/// There is no such title.
const UNKNOWN: u32 = 404;
/// The batch says nothing of it.
const LEFT_OUT: u32 = 204;
/// The batch that has it fails.
const FAILS: u32 = 500;
/// The batch that has it panics.
const PANICS: u32 = 501;

/// Titles by number; a batch takes 50 ms.
#[derive(Clone, Default)]
struct Titles {
    batches: Arc<Mutex<Vec<Vec<u32>>>>,
    shards: Option<Shards>,
}

/// How a batch is cut.
type Shards = fn(Vec<u32>) -> Vec<Vec<u32>>;

type Title = Result<String, CollapseError<Wrong>>;

fn title(number: u32) -> Title {
    Ok(format!("title {number}"))
}

impl Batch<u32> for Titles {
    type Response = String;
    type Error = Wrong;

    async fn run(
        &self,
        numbers: Vec<u32>,
        _attempt: Attempt,
    ) -> Result<Vec<(u32, Result<String, Wrong>)>, Wrong> {
        self.batches.lock().unwrap().push(numbers.clone());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!numbers.contains(&PANICS), "a batch that panics");
        if numbers.contains(&FAILS) {
            return Err(Wrong::Instance);
        }
        let answer = |number| match number {
            UNKNOWN => Err(Wrong::NoSuchTitle),
            number => Ok(format!("title {number}")),
        };
        let known = numbers.into_iter().filter(|number| *number != LEFT_OUT);
        // In another order, and with one that nobody asked for.
        let answers = known.map(|number| (number, answer(number))).rev();
        Ok(answers.chain([(7_000, Ok("unasked".into()))]).collect())
    }

    fn shards(&self, numbers: Vec<u32>) -> Vec<Vec<u32>> {
        match self.shards {
            Some(shards) => shards(numbers),
            None => vec![numbers],
        }
    }
}

impl Titles {
    fn asked(&self) -> Vec<Vec<u32>> {
        self.batches.lock().unwrap().clone()
    }
}

fn collapser(titles: &Titles) -> Collapser<u32, Titles> {
    of_at_most(titles, 1000)
}

fn of_at_most(titles: &Titles, max_requests_in_batch: usize) -> Collapser<u32, Titles> {
    let command = Command::new("titles", "catalog", Properties::default()).unwrap();
    let properties = CollapserProperties {
        max_requests_in_batch,
        ..CollapserProperties::default()
    };
    Collapser::new("title", command, properties, titles.clone()).unwrap()
}

fn within(command: &Command, ms: u64) -> Deadline {
    Deadline::after(command.now(), Duration::from_millis(ms))
}

async fn ask(collapser: &Collapser<u32, Titles>, number: u32) -> Title {
    let deadline = within(collapser.command(), 60_000);
    collapser.submit(deadline, number).await
}

async fn after_ms<F: Future>(ms: u64, future: F) -> F::Output {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    future.await
}

async fn pass_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

fn count(collapser: &Collapser<u32, Titles>, event: CommandEvent) -> u64 {
    collapser.command().snapshot().metrics.total(event)
}

fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn who_asks_within_the_delay_meets_in_one_batch() {
    let titles = Titles::default();
    let c = collapser(&titles);
    let began = c.command().now();
    let answers = tokio::join!(
        ask(&c, 3),
        after_ms(4, ask(&c, 1)),
        after_ms(9, ask(&c, 3)),
        after_ms(11, ask(&c, 2)),
    );
    assert_eq!(answers, (title(3), title(1), title(3), title(2)));
    assert_eq!(titles.asked(), [vec![3, 1], vec![2]]);
    let took = c.command().now() - began;
    assert_eq!(took, Duration::from_millis(11 + 10 + 50));
    assert_eq!(count(&c, CommandEvent::Success), 2);
    assert_eq!(count(&c, CommandEvent::Collapsed), 3);
    let expected = CollapserCounts {
        requests_batched: 3,
        batches: 2,
        responses_from_cache: 1,
    };
    let snapshot = c.snapshot();
    assert_eq!((snapshot.rolling, snapshot.totals), (expected, expected));
    assert_eq!(
        (snapshot.batch_size.mean, snapshot.batch_size.points[7]),
        (1.5, 2)
    );
    assert_eq!(tasks(), 0, "no batch, no task");
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_goes_at_once_and_the_next_has_its_own_delay() {
    let titles = Titles::default();
    let c = of_at_most(&titles, 2);
    let began = c.command().now();
    let timed = async |number| (ask(&c, number).await.unwrap(), c.command().now() - began);
    let answers = tokio::join!(timed(1), timed(2), after_ms(5, timed(3)));
    let ms = Duration::from_millis;
    assert_eq!(answers.0, ("title 1".to_owned(), ms(50)));
    assert_eq!(answers.1, ("title 2".to_owned(), ms(50)));
    assert_eq!(answers.2, ("title 3".to_owned(), ms(5 + 10 + 50)));
    assert_eq!(titles.asked(), [vec![1, 2], vec![3]]);
}

#[tokio::test(start_paused = true)]
async fn those_who_share_a_place_do_not_fill_the_batch() {
    let titles = Titles::default();
    let c = of_at_most(&titles, 2);
    let answers = tokio::join!(ask(&c, 1), ask(&c, 1), ask(&c, 1), after_ms(9, ask(&c, 2)));
    assert_eq!(answers, (title(1), title(1), title(1), title(2)));
    assert_eq!(titles.asked(), [vec![1, 2]]);
}

#[tokio::test(start_paused = true)]
async fn each_gets_its_own_answer_also_when_some_have_none() {
    let titles = Titles::default();
    let c = collapser(&titles);
    let answers = tokio::join!(ask(&c, 1), ask(&c, UNKNOWN), ask(&c, LEFT_OUT), ask(&c, 2));
    let unknown = Err(CollapseError::Answer(Wrong::NoSuchTitle));
    let left_out = Err(CollapseError::Unanswered);
    assert_eq!(answers, (title(1), unknown, left_out, title(2)));
    assert_eq!(count(&c, CommandEvent::Success), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_fails_for_all() {
    let c = collapser(&Titles::default());
    let answers = tokio::join!(ask(&c, 1), ask(&c, FAILS), after_ms(20, ask(&c, 2)));
    let failed = || Err(CollapseError::Batch(CommandError::Failure(Wrong::Instance)));
    assert_eq!(answers, (failed(), failed(), title(2)));
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_a_call_like_any_other() {
    let command = Properties::builder().circuit_breaker_force_open(true);
    let command = Command::new("titles", "catalog", command.build().unwrap()).unwrap();
    let titles = Titles::default();
    let properties = CollapserProperties::default();
    let c = Collapser::new("title", command, properties, titles.clone()).unwrap();
    let error = ask(&c, 1).await.unwrap_err();
    assert!(
        matches!(
            error,
            CollapseError::Batch(CommandError::ShortCircuited { .. })
        ),
        "{error:?}"
    );
    assert_eq!(error.http_status().as_u16(), 503);
    assert!(titles.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn shards_run_together_and_fail_apart() {
    fn even_and_odd(numbers: Vec<u32>) -> Vec<Vec<u32>> {
        let known = numbers.into_iter().filter(|number| *number < 9_000);
        let (even, odd) = known.partition(|number| number % 2 == 0);
        vec![even, odd, Vec::new()]
    }
    let titles = Titles {
        shards: Some(even_and_odd),
        ..Titles::default()
    };
    let c = collapser(&titles);
    let began = c.command().now();
    let answers = tokio::join!(
        ask(&c, 1),
        ask(&c, FAILS),
        ask(&c, 2),
        ask(&c, 3),
        ask(&c, 9_001)
    );
    let failed = || Err(CollapseError::Batch(CommandError::Failure(Wrong::Instance)));
    let lost = Err(CollapseError::Unanswered);
    assert_eq!(answers, (title(1), failed(), failed(), title(3), lost));
    assert_eq!(c.command().now() - began, Duration::from_millis(60));
    let mut asked = titles.asked();
    asked.sort();
    assert_eq!(asked, [vec![1, 3], vec![FAILS, 2]]);
    assert_eq!(c.snapshot().totals.batches, 2);
    assert_eq!(count(&c, CommandEvent::Collapsed), 4);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_panics_keeps_nobody_waiting_and_the_others_whole() {
    fn each(numbers: Vec<u32>) -> Vec<Vec<u32>> {
        numbers.into_iter().map(|number| vec![number]).collect()
    }
    let titles = Titles {
        shards: Some(each),
        ..Titles::default()
    };
    let c = collapser(&titles);
    let answers = tokio::join!(ask(&c, 1), ask(&c, PANICS));
    assert_eq!(answers, (title(1), Err(CollapseError::Abandoned)));
    assert_eq!((c.command().bulkhead().active(), tasks()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_function_is_a_batch_and_a_collapser_is_a_service() {
    let command = Command::new("titles", "catalog", Properties::default()).unwrap();
    let lengths = BatchFn(|words: Vec<&'static str>, _: Attempt| async move {
        let lengths = words.into_iter().map(|word| (word, Ok(word.len())));
        Ok::<_, Wrong>(lengths.collect::<HashMap<_, _>>())
    });
    let properties = CollapserProperties::default();
    let mut c = Collapser::new("length", command.clone(), properties, lengths).unwrap();
    let call = |word| Call::new(word, within(&command, 1000));
    let three = c.ready().await.unwrap().call(call("one"));
    let five = c.ready().await.unwrap().call(call("three"));
    assert_eq!(tokio::join!(three, five), (Ok(3), Ok(5)));
    assert_eq!(c.snapshot().totals.batches, 1);
}

#[tokio::test(start_paused = true)]
async fn behind_the_layers_of_another_command_each_caller_has_a_fallback_of_its_own() {
    let c = collapser(&Titles::default());
    let front = Command::new("title", "gateway", Properties::default()).unwrap();
    let usual = FallbackFn(|call: Call<u32>, _: &CommandError<CollapseError<Wrong>>| {
        std::future::ready(Ok(format!("number {}", call.request)))
    });
    let service = front.layer(usual).layer(c.clone());
    let ask = |number| {
        let call = Call::new(number, within(&front, 60_000));
        service.clone().oneshot(call)
    };
    let answers = tokio::join!(ask(1), ask(LEFT_OUT), ask(UNKNOWN));
    let unknown = CommandError::BadRequest(CollapseError::Answer(Wrong::NoSuchTitle));
    let text = |text: &str| Ok(text.to_owned());
    assert_eq!(answers, (text("title 1"), text("number 204"), Err(unknown)));
    assert_eq!(c.snapshot().totals.batches, 1);
}

#[tokio::test(start_paused = true)]
async fn the_delay_runs_from_the_call_and_not_from_the_first_poll() {
    let titles = Titles::default();
    let c = collapser(&titles);
    let deadline = within(c.command(), 60_000);
    let began = c.command().now();
    let submitted = c.submit(deadline, 1);
    // Nothing is polled meanwhile: the time moves before the runtime looks.
    let mut time_moves = Box::pin(tokio::time::advance(Duration::from_millis(8)));
    let _ = std::future::poll_fn(|cx| Poll::Ready(time_moves.as_mut().poll(cx))).await;
    assert_eq!(submitted.await, title(1));
    assert_eq!(c.command().now() - began, Duration::from_millis(60));
}

/// Callers on several threads, some of which go at any time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_each_gets_its_own_answer() {
    let doubles = BatchFn(|numbers: Vec<u32>, _: Attempt| async move {
        tokio::task::yield_now().await;
        Ok::<_, Wrong>(numbers.into_iter().map(|number| (number, Ok(number * 2))))
    });
    let command = Properties::builder()
        .execution_semaphore_max_concurrent(10_000)
        .execution_timeout_ms(60_000)
        .build();
    let command = Command::new("doubles", "tests", command.unwrap()).unwrap();
    let properties = CollapserProperties {
        max_requests_in_batch: 7,
        timer_delay_ms: 1,
        ..CollapserProperties::default()
    };
    let c = Collapser::new("double", command.clone(), properties, doubles).unwrap();
    let context = RequestContext::new();
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..2000_u32 {
        let (c, context) = (c.clone(), context.clone());
        callers.spawn(async move {
            let (number, deadline) = (n % 97, within(c.command(), 60_000));
            let mut submitted = match n % 2 {
                0 => c.submit(deadline, number),
                _ => c.submit_in(&context, deadline, number),
            };
            if n % 3 == 0 {
                let look =
                    tokio::time::timeout(Duration::from_micros(u64::from(n)), &mut submitted);
                let seen = look.await;
                assert!(seen.is_err() || seen == Ok(Ok(number * 2)));
            } else {
                assert_eq!(submitted.await, Ok(number * 2));
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    assert_eq!(command.bulkhead().active(), 0);
    assert_eq!(command.snapshot().metrics.total(CommandEvent::Timeout), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_tried_again_only_if_that_is_right_for_all() {
    for (second_is_idempotent, attempts) in [(true, 2), (false, 1)] {
        let retrying = Properties::builder().retry_max_attempts(2).build();
        let command = Command::new("titles", "catalog", retrying.unwrap()).unwrap();
        let titles = Titles::default();
        let properties = CollapserProperties::default();
        let c = Collapser::new("title", command, properties, titles.clone()).unwrap();
        let deadline = within(c.command(), 60_000);
        let mut second = CallOptions::new(deadline);
        second.idempotent = second_is_idempotent;
        let first = c.submit(CallOptions::idempotent(deadline), FAILS);
        let (first, second) = tokio::join!(first, c.submit(second, FAILS));
        assert!(first.is_err() && second.is_err());
        assert_eq!(titles.asked().len(), attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn settings_change_while_it_runs_and_are_checked() {
    let titles = Titles::default();
    let c = of_at_most(&titles, 1);
    let defaults = CollapserProperties::default;
    let none = CollapserProperties {
        max_requests_in_batch: 0,
        ..defaults()
    };
    assert!(c.set_properties(none.clone()).is_err());
    let command = c.command().clone();
    assert!(Collapser::new("title", command, none, titles.clone()).is_err());
    let window = CollapserProperties {
        metrics_rolling_window_ms: 20_000,
        ..defaults()
    };
    assert!(c.set_properties(window).is_err());
    c.set_properties(CollapserProperties {
        timer_delay_ms: 0,
        ..defaults()
    })
    .unwrap();
    let began = c.command().now();
    assert_eq!(tokio::join!(ask(&c, 1), ask(&c, 2)), (title(1), title(2)));
    assert_eq!(c.command().now() - began, Duration::from_millis(50));
    assert_eq!(titles.asked().len(), 1);
}
