//! The stale cache against a model of itself: calls that come and give up, executions that end well
//! or badly, answers that are forgotten, and time.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Mutex;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

const MAX_ENTRIES: usize = 2;
const KEYS: [&str; 4] = ["a", "b", "c", "d"];
const FRESH_MS: u64 = 100;
const REVALIDATE_MS: u64 = 100;
const IF_ERROR_MS: u64 = 300;

#[derive(Debug, Clone)]
enum Op {
    Call(usize),
    Drop(usize),
    /// Of the executions that run, one, and how it ends.
    End(usize, End),
    Remove(usize),
    Advance(u64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Well,
    Broken,
    Mistake,
}

fn op() -> impl Strategy<Value = Op> {
    let end = prop_oneof![3 => Just(End::Well), 2 => Just(End::Broken), 1 => Just(End::Mistake)];
    prop_oneof![
        6 => (0..KEYS.len()).prop_map(Op::Call),
        2 => any::<usize>().prop_map(Op::Drop),
        5 => (any::<usize>(), end).prop_map(|(which, end)| Op::End(which, end)),
        1 => (0..KEYS.len()).prop_map(Op::Remove),
        3 => (1..150_u64).prop_map(Op::Advance),
    ]
}

#[derive(Clone, Default)]
struct Work {
    begun: Arc<AtomicU32>,
    told: Arc<Mutex<HashMap<u32, End>>>,
    wakers: Arc<Mutex<HashMap<u32, Waker>>>,
}

impl Work {
    async fn run(self) -> Result<u32, Unable> {
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        let end = poll_fn(|cx| match self.told.lock().unwrap().get(&number) {
            Some(end) => Poll::Ready(*end),
            None => {
                let mut wakers = self.wakers.lock().unwrap();
                wakers.insert(number, cx.waker().clone());
                Poll::Pending
            }
        });
        match end.await {
            End::Well => Ok(number),
            End::Broken => Err(Unable::Broken),
            End::Mistake => Err(Unable::NoSuchTitle),
        }
    }

    fn end(&self, number: u32, end: End) {
        self.told.lock().unwrap().insert(number, end);
        let waker = self.wakers.lock().unwrap().remove(&number);
        waker.unwrap().wake();
    }
}

/// An execution that runs, as the model sees it.
struct Running {
    number: u32,
    key: usize,
    /// Whether calls find it, and its answer will be kept.
    found: bool,
}

struct Caller {
    future: Pin<Box<dyn Future<Output = Answer>>>,
    execution: u32,
}

struct Pair {
    cache: Cache,
    work: Work,
    now_ms: u64,
    begun: u32,
    callers: Vec<Caller>,
    running: Vec<Running>,
    /// Key, value and when it came; what was used last is last.
    kept: Vec<(usize, u32, u64)>,
    coalesced: u64,
}

impl Pair {
    fn new() -> Self {
        let properties = Properties::builder()
            .execution_semaphore_max_concurrent(1000)
            .execution_timeout_ms(3_600_000)
            .circuit_breaker_enabled(false)
            .build();
        let rules = StaleCacheRules {
            fresh_ms: FRESH_MS,
            stale_while_revalidate_ms: REVALIDATE_MS,
            stale_if_error_ms: IF_ERROR_MS,
            max_entries: MAX_ENTRIES,
            ..RULES
        };
        let command = Command::new("profile", "gateway", properties.unwrap()).unwrap();
        Self {
            cache: StaleCache::new(command, rules).unwrap(),
            work: Work::default(),
            now_ms: 0,
            begun: 0,
            callers: Vec::new(),
            running: Vec::new(),
            kept: Vec::new(),
            coalesced: 0,
        }
    }

    /// What is kept of `key`, and its age; it was used just now.
    fn used(&mut self, key: usize) -> Option<(u32, u64)> {
        let at = self.kept.iter().position(|kept| kept.0 == key)?;
        let kept = self.kept.remove(at);
        self.kept.push(kept);
        Some((kept.1, self.now_ms - kept.2))
    }

    fn call(&mut self, key: usize) -> Result<(), TestCaseError> {
        let (cache, work) = (self.cache.clone(), self.work.clone());
        let mut future: Pin<Box<dyn Future<Output = Answer>>> = Box::pin(async move {
            let deadline = Deadline::after(cache.command().now(), ms(3_600_000));
            let work = move |_| work.clone().run();
            cache.execute(KEYS[key], deadline, work).await
        });
        let found = poll_once(future.as_mut());
        let expected = match self.used(key) {
            Some((value, age_ms)) if age_ms < FRESH_MS => {
                let age = ms(age_ms);
                prop_assert_eq!(found, Poll::Ready(served(value, Source::Fresh { age })));
                return Ok(());
            }
            Some((value, age_ms)) if age_ms < FRESH_MS + REVALIDATE_MS => {
                let age = ms(age_ms);
                Poll::Ready(served(value, Source::StaleWhileRevalidate { age }))
            }
            _ => Poll::Pending,
        };
        prop_assert_eq!(&found, &expected);
        let running = self.running.iter().find(|r| r.key == key && r.found);
        let execution = running.map_or(self.begun, |running| running.number);
        if execution == self.begun {
            self.begun += 1;
            self.running.push(Running {
                number: execution,
                key,
                found: true,
            });
        } else if expected.is_pending() {
            self.coalesced += 1;
        }
        if expected.is_pending() {
            self.callers.push(Caller { future, execution });
        }
        Ok(())
    }

    async fn end(&mut self, which: usize, end: End) -> Result<(), TestCaseError> {
        if self.running.is_empty() {
            return Ok(());
        }
        let Running { number, key, found } = self.running.remove(which % self.running.len());
        self.work.end(number, end);
        let_others_run().await;
        if found && end != End::Broken {
            self.kept.retain(|kept| kept.0 != key);
        }
        if found && end == End::Well {
            if self.kept.len() == MAX_ENTRIES {
                self.kept.remove(0);
            }
            self.kept.push((key, number, self.now_ms));
        }
        let waited = |caller: &mut Caller| caller.execution == number;
        let callers: Vec<_> = self.callers.extract_if(.., waited).collect();
        for mut caller in callers {
            let answer = poll_once(caller.future.as_mut());
            let stale = match end {
                End::Well => None,
                End::Broken | End::Mistake => self.used(key),
            };
            let expected = match (end, stale) {
                (End::Well, _) => served(number, Source::Execution),
                (End::Broken, Some((value, age_ms))) if age_ms < FRESH_MS + IF_ERROR_MS => {
                    let (age, failure) = (ms(age_ms), FailureType::CommandException);
                    served(value, Source::StaleIfError { age, failure })
                }
                (End::Broken, _) => Err(CommandError::Failure(Unable::Broken)),
                (End::Mistake, _) => Err(CommandError::BadRequest(Unable::NoSuchTitle)),
            };
            prop_assert_eq!(answer, Poll::Ready(expected));
        }
        Ok(())
    }

    async fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match *op {
            Op::Call(key) => self.call(key)?,
            Op::Drop(_) if self.callers.is_empty() => {}
            Op::Drop(which) => drop(self.callers.swap_remove(which % self.callers.len())),
            Op::End(which, end) => self.end(which, end).await?,
            Op::Remove(key) => {
                self.cache.remove(&KEYS[key]);
                self.kept.retain(|kept| kept.0 != key);
                let of_key = self.running.iter_mut().filter(|r| r.key == key);
                of_key.for_each(|running| running.found = false);
            }
            Op::Advance(by_ms) => {
                tokio::time::advance(ms(by_ms)).await;
                self.now_ms += by_ms;
            }
        }
        let_others_run().await;
        self.check()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let snapshot = self.cache.snapshot();
        prop_assert_eq!(snapshot.entries, self.kept.len());
        prop_assert_eq!(snapshot.weight, self.kept.len() as u64);
        prop_assert_eq!(snapshot.fills, self.running.len());
        let active = self.cache.command().bulkhead().active();
        prop_assert_eq!(active, self.running.len(), "whoever waits for them");
        prop_assert_eq!(self.work.begun.load(Ordering::SeqCst), self.begun);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(21),
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_does_what_the_model_does(ops in vec(op(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new();
            for op in &ops {
                pair.apply(op).await?;
            }
            while !pair.running.is_empty() {
                pair.end(0, End::Well).await?;
            }
            let_others_run().await;
            prop_assert!(pair.callers.is_empty(), "nobody is left waiting");
            let coalesced = count(&pair.cache, CommandEvent::Coalesced);
            prop_assert_eq!(coalesced, pair.coalesced);
            prop_assert_eq!(count(&pair.cache, CommandEvent::Cancelled), 0);
            pair.check()
        })?;
    }
}
