//! What the breaker makes of the state machine of `failsafe`: the table in the docs, and those of its
//! tests that stand nowhere else.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test they help"
)]

use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use failsafe::{CircuitBreaker, FailurePolicy, backoff, clock, failure_policy};
use squall_resilience::breaker::{Breaker, BreakerRules};
use squall_resilience::{BreakerState, Command, CommandError, Deadline, Properties};

const SLEEP: Duration = Duration::from_secs(1);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Opens at the first failure.
fn rules() -> BreakerRules {
    BreakerRules {
        consecutive_failures: NonZero::new(1),
        sleep_window: SLEEP,
        probe_lease: SLEEP,
        ..BreakerRules::default()
    }
}

fn fail(breaker: &Breaker, at: Instant) {
    breaker.admit(at).unwrap().failure(at);
}

#[test]
fn asking_for_the_state_changes_nothing() {
    let t0 = Instant::now();
    let breaker = Breaker::new(rules(), ms(500), 20, t0);
    fail(&breaker, t0);
    let over = t0 + SLEEP + ms(1);
    for _ in 0..3 {
        assert_eq!(breaker.state(over), BreakerState::Open);
        assert_eq!(breaker.explain(over).state, BreakerState::Open);
        assert_eq!(breaker.next_probe_in(over), Some(Duration::ZERO));
    }
    assert!(breaker.admit(over).unwrap().is_probe());
}

/// Each begins where the one before it ended, whoever made it.
#[test]
fn changes_of_state_are_told_in_their_order() {
    let t0 = Instant::now();
    let told = Arc::new(Mutex::new(Vec::new()));
    let breaker = {
        let told = told.clone();
        let tell = move |change: squall_resilience::BreakerTransition| {
            told.lock().unwrap().push((change.from, change.to));
        };
        Breaker::builder(rules()).observer(tell).build(t0)
    };
    let clock_ms = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (breaker, clock_ms) = (&breaker, &clock_ms);
            scope.spawn(move || {
                for nth in 0..500 {
                    let now = t0 + ms(clock_ms.fetch_add(500, Ordering::Relaxed));
                    match breaker.admit(now) {
                        Ok(guard) if (thread + nth) % 3 == 0 => guard.failure(now),
                        Ok(guard) => guard.success(now),
                        Err(_) => {}
                    }
                }
            });
        }
    });
    let told = told.lock().unwrap();
    assert!(!told.is_empty());
    let begins = told.iter().map(|(from, _)| *from);
    let ends = std::iter::once(BreakerState::Closed).chain(told.iter().map(|(_, to)| *to));
    assert!(
        begins.zip(ends).all(|(begin, end)| begin == end),
        "{told:?}"
    );
}

/// failsafe's success rate says nothing until its whole window has passed.
#[test]
fn a_young_window_decides_when_its_first_bucket_is_complete() {
    let t0 = Instant::now();
    let policy = failure_policy::success_rate_over_time_window(
        0.8,
        5,
        Duration::from_secs(30),
        backoff::constant(SLEEP),
    );
    let theirs = failsafe::Config::new().failure_policy(policy).build();
    let ours = Breaker::new(BreakerRules::default(), ms(500), 20, t0);
    clock::freeze(|_| {
        for _ in 0..20 {
            let _ = theirs.call(|| Err::<(), ()>(()));
        }
        assert!(theirs.is_call_permitted());
    });
    for _ in 0..20 {
        fail(&ours, t0);
    }
    assert_eq!(ours.state(t0 + ms(500)), BreakerState::Open);
}

/// failsafe's exponential and jittered delays are whole seconds.
#[test]
fn a_sleep_window_may_be_as_short_as_one_likes() {
    for sleep in [Duration::from_nanos(1), Duration::from_micros(1500)] {
        let t0 = Instant::now();
        let rules = BreakerRules {
            sleep_window: sleep,
            probe_lease: sleep,
            ..rules()
        };
        let breaker = Breaker::new(rules, ms(500), 20, t0);
        fail(&breaker, t0);
        assert!(breaker.admit(t0 + sleep).is_err());
        let over = t0 + sleep + Duration::from_nanos(1);
        assert!(breaker.admit(over).unwrap().is_probe());
    }
}

/// Counts what it is told, and opens at the first failure.
#[derive(Debug)]
struct Told(Arc<AtomicUsize>);

impl FailurePolicy for Told {
    fn record_success(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn mark_dead_on_failure(&mut self) -> Option<Duration> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Some(SLEEP)
    }

    fn revived(&mut self) {}
}

#[test]
fn a_policy_is_told_nothing_while_the_breaker_is_open() {
    let t0 = Instant::now();
    let told = Arc::new(AtomicUsize::new(0));
    let rules = BreakerRules {
        consecutive_failures: None,
        ..rules()
    };
    let breaker = Breaker::builder(rules).policy(Told(told.clone())).build(t0);
    let late = [(); 2].map(|()| breaker.admit(t0).unwrap());
    fail(&breaker, t0);
    assert_eq!(breaker.state(t0), BreakerState::Open);
    let [one, other] = late;
    one.success(t0);
    other.failure(t0);
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

/// failsafe asks `std` for the time, which tokio cannot pause.
#[tokio::test(start_paused = true)]
async fn time_that_is_paused_is_the_breakers_too() {
    let properties = Properties::builder().circuit_breaker_consecutive_failures(1);
    let command = Command::new("dependency", "tests", properties.build().unwrap()).unwrap();
    let run = async |outcome: Result<(), String>| {
        let deadline = Deadline::after(command.now(), Duration::from_secs(60));
        command.execute(deadline, async |_| outcome.clone()).await
    };
    run(Err("down".to_owned())).await.unwrap_err();
    tokio::time::advance(ms(5000)).await;
    let refused = run(Ok(())).await.unwrap_err();
    assert!(matches!(refused, CommandError::ShortCircuited { .. }));
    tokio::time::advance(ms(1)).await;
    run(Ok(())).await.unwrap();
    assert_eq!(command.breaker_state(), BreakerState::Closed);
}

/// All tests of this crate, by name.
fn tests_of(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_of(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            }
            let name = line.trim_start_matches("async ").strip_prefix("fn ");
            if let (true, Some((name, _))) = (is_test, name.and_then(|name| name.split_once('('))) {
                found.push(name.to_owned());
                is_test = false;
            }
        }
    }
}

/// Every gap has its row, and every row tests that there are.
#[test]
fn the_table_of_gaps_is_whole() {
    let page = include_str!("../../docs/breaker.md");
    let (_, table) = page.split_once("## On failsafe").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = Vec::new();
    for folder in ["src", "tests"] {
        tests_of(&root.join(folder), &mut tests);
    }
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| #"));
    let mut number = 0;
    for row in rows {
        number += 1;
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells[0], number.to_string(), "{row}");
        let named: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for name in named {
            assert!(
                tests.iter().any(|test| test == name),
                "no test is called {name}"
            );
        }
    }
    assert_eq!(number, 14);
}
