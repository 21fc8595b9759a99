//! A command from the outside: every way a call can end, and what is recorded of it.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test they help"
)]

mod blocking;
mod limits;
mod retry_after;
mod worth;

use std::cell::Cell;
use std::future::pending;
use std::time::Duration;

use squall_resilience::{
    BreakerState, CallOptions, Classification, Classify, Command, CommandError, CommandEvent,
    Deadline, Happening, Properties, PropertiesBuilder, PropertiesError, Registry,
};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wrong {
    Request,
    Dependency,
    Instance,
    /// To be left alone for so long.
    Busy(Duration),
}

impl Classify for Wrong {
    fn classify(&self) -> Classification {
        match self {
            Self::Request => Classification::BadRequest,
            Self::Dependency => Classification::Failure,
            Self::Instance | Self::Busy(_) => Classification::Retryable,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy(told) => Some(*told),
            Self::Request | Self::Dependency | Self::Instance => None,
        }
    }
}

type Answer = Result<&'static str, CommandError<Wrong>>;

fn command(builder: PropertiesBuilder) -> Command {
    Command::new("recommendations", "gateway", builder.build().unwrap()).unwrap()
}

fn in_one_minute(command: &Command) -> Deadline {
    Deadline::after(command.now(), Duration::from_secs(60))
}

async fn run(command: &Command, outcome: Result<&'static str, Wrong>) -> Answer {
    command
        .execute(in_one_minute(command), async |_| outcome.clone())
        .await
}

async fn run_or(
    command: &Command,
    outcome: Result<&'static str, Wrong>,
    fallback: Result<&'static str, Wrong>,
) -> Answer {
    command
        .execute_or(
            in_one_minute(command),
            async |_| outcome.clone(),
            |_| async { fallback },
        )
        .await
}

async fn hang(command: &Command) -> Answer {
    command
        .execute_or(
            in_one_minute(command),
            async |_| pending().await,
            |_| async { Ok("usual titles") },
        )
        .await
}

/// The events recorded so far, with how often.
fn events(command: &Command) -> Vec<(CommandEvent, u64)> {
    let metrics = command.snapshot().metrics;
    CommandEvent::ALL
        .into_iter()
        .map(|event| (event, metrics.total(event)))
        .filter(|(_, n)| *n > 0)
        .collect()
}

async fn advance_ms(ms: u64) {
    tokio::time::advance(Duration::from_millis(ms)).await;
}

/// 20 failures and the end of the bucket they are in.
async fn open(command: &Command) {
    for _ in 0..20 {
        run(command, Err(Wrong::Dependency)).await.unwrap_err();
    }
    advance_ms(500).await;
    assert_eq!(command.breaker_state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn every_end_of_a_call_is_recorded_as_hystrix_does() {
    use CommandEvent::*;
    let fresh = || command(Properties::builder());

    let c = fresh();
    assert_eq!(run(&c, Ok("titles")).await, Ok("titles"));
    assert_eq!(events(&c), [(Success, 1)]);

    let c = fresh();
    assert_eq!(
        run_or(&c, Err(Wrong::Dependency), Ok("usual titles")).await,
        Ok("usual titles")
    );
    assert_eq!(events(&c), [(Failure, 1), (FallbackSuccess, 1)]);

    let c = fresh();
    let error = run_or(&c, Err(Wrong::Dependency), Err(Wrong::Instance))
        .await
        .unwrap_err();
    let cause = Box::new(CommandError::Failure(Wrong::Dependency));
    assert_eq!(
        error,
        CommandError::FallbackFailed {
            cause,
            fallback: Wrong::Instance
        }
    );
    assert_eq!(
        events(&c),
        [(Failure, 1), (FallbackFailure, 1), (ExceptionThrown, 1)]
    );

    let c = fresh();
    assert_eq!(
        run(&c, Err(Wrong::Dependency)).await,
        Err(CommandError::Failure(Wrong::Dependency))
    );
    assert_eq!(
        events(&c),
        [(Failure, 1), (FallbackMissing, 1), (ExceptionThrown, 1)]
    );

    let c = fresh();
    assert_eq!(
        run_or(&c, Err(Wrong::Request), Ok("usual titles")).await,
        Err(CommandError::BadRequest(Wrong::Request))
    );
    assert_eq!(events(&c), [(BadRequest, 1), (ExceptionThrown, 1)]);

    let c = fresh();
    assert_eq!(hang(&c).await, Ok("usual titles"));
    assert_eq!(events(&c), [(Timeout, 1), (FallbackSuccess, 1)]);
    assert_eq!(c.bulkhead().active(), 0);

    let c = command(Properties::builder().fallback_enabled(false));
    assert_eq!(
        run_or(&c, Err(Wrong::Dependency), Ok("usual titles")).await,
        Err(CommandError::Failure(Wrong::Dependency))
    );
    assert_eq!(
        events(&c),
        [(Failure, 1), (FallbackDisabled, 1), (ExceptionThrown, 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_refuses_until_a_probe_closes_it() {
    let c = command(Properties::builder());
    open(&c).await;
    assert_eq!(
        run_or(&c, Ok("titles"), Ok("usual titles")).await,
        Ok("usual titles")
    );
    let refused = run(&c, Ok("titles")).await.unwrap_err();
    assert_eq!(
        refused,
        CommandError::ShortCircuited {
            retry_after: Duration::from_secs(5)
        }
    );
    assert_eq!(
        (refused.http_status().as_u16(), refused.retry_after_secs()),
        (503, Some(5))
    );
    advance_ms(5001).await;
    assert_eq!(
        run(&c, Err(Wrong::Dependency)).await,
        Err(CommandError::Failure(Wrong::Dependency)),
        "the probe"
    );
    assert_eq!(c.breaker_state(), BreakerState::Open);
    advance_ms(5001).await;
    assert_eq!(run(&c, Ok("titles")).await, Ok("titles"), "the next probe");
    assert_eq!(c.breaker_state(), BreakerState::Closed);
    let snapshot = c.snapshot();
    assert_eq!((snapshot.opened_count, snapshot.health.total), (1, 0));
    assert_eq!(snapshot.metrics.total(CommandEvent::ShortCircuited), 2);
}

#[tokio::test(start_paused = true)]
async fn nineteen_calls_open_nothing() {
    let c = command(Properties::builder());
    for _ in 0..19 {
        run(&c, Err(Wrong::Dependency)).await.unwrap_err();
    }
    advance_ms(500).await;
    assert_eq!(c.breaker_state(), BreakerState::Closed);
    run(&c, Ok("titles")).await.unwrap();
    advance_ms(500).await;
    assert_eq!(
        c.breaker_state(),
        BreakerState::Open,
        "19 of 20, though the last one succeeded"
    );
}

#[tokio::test(start_paused = true)]
async fn bad_requests_are_no_verdict_on_the_dependency() {
    let c = command(Properties::builder());
    for _ in 0..30 {
        run(&c, Err(Wrong::Request)).await.unwrap_err();
    }
    advance_ms(500).await;
    assert_eq!(
        (c.snapshot().health.total, c.breaker_state()),
        (0, BreakerState::Closed)
    );
    open(&c).await;
    advance_ms(5001).await;
    run(&c, Err(Wrong::Request)).await.unwrap_err();
    assert_eq!(
        c.breaker_state(),
        BreakerState::Open,
        "a bad request is no proof of health"
    );
    advance_ms(5001).await;
    run(&c, Ok("titles")).await.unwrap();
    assert_eq!(c.breaker_state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_disabled_breaker_lets_every_call_through() {
    let c = command(Properties::builder().circuit_breaker_enabled(false));
    for _ in 0..30 {
        advance_ms(100).await;
        assert_eq!(
            run(&c, Err(Wrong::Dependency)).await,
            Err(CommandError::Failure(Wrong::Dependency))
        );
    }
    assert_eq!(c.breaker_state(), BreakerState::Closed);
    assert!(c.snapshot().health.errors > 20, "the statistics go on");
    c.set_properties(Properties::default()).unwrap();
    assert_eq!(
        c.breaker_state(),
        BreakerState::Open,
        "and are acted on once it is enabled"
    );
}

#[tokio::test(start_paused = true)]
async fn forced_states_win_over_statistics() {
    let c = command(Properties::builder().circuit_breaker_force_open(true));
    assert!(matches!(
        run(&c, Ok("titles")).await,
        Err(CommandError::ShortCircuited { .. })
    ));
    assert_eq!(c.breaker_state(), BreakerState::Open);
    c.set_properties(
        Properties::builder()
            .circuit_breaker_force_closed(true)
            .build()
            .unwrap(),
    )
    .unwrap();
    for _ in 0..30 {
        run(&c, Err(Wrong::Dependency)).await.unwrap_err();
    }
    advance_ms(500).await;
    assert_eq!(run(&c, Ok("titles")).await, Ok("titles"));
    assert_eq!(c.breaker_state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn latencies_are_those_that_passed() {
    let c = command(Properties::builder());
    let slow = async |_| {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok::<_, Wrong>(())
    };
    c.execute(in_one_minute(&c), slow).await.unwrap();
    hang(&c).await.unwrap();
    let metrics = c.snapshot().metrics;
    assert_eq!(metrics.latency_execute.count, 2);
    let (fastest, slowest) = (
        metrics.latency_execute.points[0],
        metrics.latency_execute.points[8],
    );
    assert!((fastest.as_secs_f64() - 0.2).abs() < 0.003, "{fastest:?}");
    assert!((slowest.as_secs_f64() - 1.0).abs() < 0.02, "{slowest:?}");
    assert_eq!(metrics.latency_execute_totals.count(), 2);
    // What is dropped when its time is up has no end.
    assert_eq!(metrics.latency_completed.count, 1);
    assert!(metrics.latency_completed.points[8] < slowest);
    assert_eq!(metrics.late_completions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_hears_of_calls_and_transitions() {
    let registry = Registry::new();
    let mut notices = registry.subscribe();
    let c = registry
        .command("recommendations", "gateway", Properties::default())
        .unwrap();
    open(&c).await;
    advance_ms(5001).await;
    run(&c, Ok("titles")).await.unwrap();
    let (mut failures, mut states) = (0, Vec::new());
    while let Ok(notice) = notices.try_recv() {
        assert_eq!(&*notice.command, "recommendations");
        match notice.what {
            Happening::Call {
                event: CommandEvent::Failure,
                latency,
                ..
            } => failures += u32::from(latency.is_some()),
            Happening::Call { .. } => {}
            Happening::Breaker(transition) => states.push((transition.from, transition.to)),
        }
    }
    use BreakerState::{Closed, HalfOpen, Open};
    assert_eq!(
        (failures, states),
        (
            20,
            vec![(Closed, Open), (Open, HalfOpen), (HalfOpen, Closed)]
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_registry_has_one_command_per_name() {
    let registry = Registry::new();
    let first = registry
        .command("catalog", "gateway", Properties::default())
        .unwrap();
    let again = registry
        .command(
            "catalog",
            "other",
            Properties::builder()
                .execution_timeout_ms(1)
                .build()
                .unwrap(),
        )
        .unwrap();
    let _permit = first.bulkhead().try_acquire().unwrap();
    assert_eq!(
        (
            again.group(),
            again.bulkhead().active(),
            again.properties().execution_timeout_ms
        ),
        ("gateway", 1, 1000)
    );
    assert_eq!(registry.commands().len(), 1);
    assert!(registry.get("catalog").is_some() && registry.get("nothing").is_none());
}

#[test]
fn a_running_command_keeps_its_windows() {
    let c = command(Properties::builder());
    let other = Properties::builder()
        .metrics_rolling_buckets(5)
        .build()
        .unwrap();
    assert_eq!(c.set_properties(other), Err(PropertiesError::WindowsFixed));
    let invalid = Properties {
        retry_max_attempts: 0,
        ..Properties::default()
    };
    assert!(c.set_properties(invalid).is_err());
    assert_eq!(*c.properties(), Properties::default());
}

/// The futures must be usable on a runtime of several threads.
#[tokio::test]
async fn commands_run_on_spawned_tasks() {
    let c = command(Properties::builder());
    let task = tokio::spawn(async move {
        let deadline = in_one_minute(&c);
        c.execute_or(
            deadline,
            async |_| Err::<u8, _>(Wrong::Dependency),
            |_| async { Ok(7) },
        )
        .await
    });
    assert_eq!(task.await.unwrap(), Ok(7));
}

/// Once on real time, because the state machine underneath reads a clock of its own.
#[tokio::test]
async fn a_breaker_opens_and_closes_on_the_real_clock() {
    let windows = Properties::builder()
        .metrics_rolling_window_ms(1000)
        .metrics_health_snapshot_interval_ms(20);
    let c = command(windows.circuit_breaker_sleep_window_ms(50));
    for _ in 0..20 {
        run(&c, Err(Wrong::Dependency)).await.unwrap_err();
    }
    let closes = async {
        let mut refused = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            match run(&c, Ok("titles")).await {
                Err(CommandError::ShortCircuited { .. }) => refused += 1,
                Ok(_) if refused > 0 => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), closes)
        .await
        .unwrap();
    assert_eq!(
        (c.breaker_state(), c.snapshot().opened_count),
        (BreakerState::Closed, 1)
    );
}

#[tokio::test]
async fn work_that_panics_gives_everything_back() {
    let c = command(Properties::builder());
    let inner = c.clone();
    let panics = async move {
        let work = async |_| -> Result<(), Wrong> { panic!("a bug") };
        inner.execute(in_one_minute(&inner), work).await
    };
    assert!(tokio::spawn(panics).await.unwrap_err().is_panic());
    assert_eq!(
        (c.bulkhead().active(), events(&c)),
        (0, vec![(CommandEvent::Cancelled, 1)])
    );
}
