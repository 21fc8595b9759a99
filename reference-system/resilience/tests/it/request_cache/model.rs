//! The request cache against a model of itself: calls that come, go and give up, work that ends
//! well or badly, and answers that are cleared.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Mutex;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

const MAX_ENTRIES: usize = 3;
const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Debug, Clone)]
enum Op {
    Call(usize),
    Poll(usize),
    Drop(usize),
    /// The execution that runs longest but so many, and whether it ends well.
    End(usize, bool),
    Clear(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..KEYS.len()).prop_map(Op::Call),
        4 => any::<usize>().prop_map(Op::Poll),
        3 => any::<usize>().prop_map(Op::Drop),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, ok)| Op::End(which, ok)),
        1 => (0..KEYS.len()).prop_map(Op::Clear),
    ]
}

type Answer = Result<u32, CommandError<&'static str>>;

/// What executions are told: by number, whether they end well.
#[derive(Clone, Default)]
struct Work {
    begun: Arc<AtomicU32>,
    ends: Arc<Mutex<HashMap<u32, bool>>>,
}

impl Work {
    async fn run(self) -> Result<u32, &'static str> {
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        let ok = poll_fn(|_| match self.ends.lock().unwrap().get(&number) {
            Some(ok) => Poll::Ready(*ok),
            None => Poll::Pending,
        });
        if ok.await { Ok(number) } else { Err("reset") }
    }
}

/// An execution as the model sees it.
#[derive(Debug, Clone, PartialEq)]
struct Execution {
    waiters: usize,
    told: Option<bool>,
    /// Whether it was polled since it was told, so that it has an answer.
    answered: bool,
}

struct Caller {
    future: Pin<Box<dyn Future<Output = Answer>>>,
    execution: u32,
}

struct Pair {
    command: Command,
    context: RequestContext,
    work: Work,
    callers: Vec<Caller>,
    executions: Vec<Execution>,
    remembered: HashMap<usize, u32>,
    joined: u64,
}

impl Pair {
    fn new() -> Self {
        let properties = Properties::builder()
            .execution_semaphore_max_concurrent(1000)
            .circuit_breaker_enabled(false)
            .build();
        Self {
            command: Command::new("profile", "gateway", properties.unwrap()).unwrap(),
            context: RequestContext::with_max_entries(MAX_ENTRIES),
            work: Work::default(),
            callers: Vec::new(),
            executions: Vec::new(),
            remembered: HashMap::new(),
            joined: 0,
        }
    }

    fn call(&mut self, key: usize) -> Result<(), TestCaseError> {
        let known = self.remembered.get(&key).copied();
        let execution = known.unwrap_or(self.executions.len() as u32);
        if known.is_some() {
            self.joined += 1;
            self.executions[execution as usize].waiters += 1;
        } else {
            if self.remembered.len() < MAX_ENTRIES {
                self.remembered.insert(key, execution);
            }
            self.executions.push(Execution {
                waiters: 1,
                told: None,
                answered: false,
            });
        }
        let (command, context, work) = (
            self.command.clone(),
            self.context.clone(),
            self.work.clone(),
        );
        let future = async move {
            let deadline = within(&command, 3_600_000);
            let cached = command.cached(&context, KEYS[key]);
            cached.execute(deadline, move |_| work.clone().run()).await
        };
        self.callers.push(Caller {
            future: Box::pin(future),
            execution,
        });
        // Nothing happens before the first poll.
        self.poll(self.callers.len() - 1)
    }

    fn poll(&mut self, which: usize) -> Result<(), TestCaseError> {
        if self.callers.is_empty() {
            return Ok(());
        }
        let which = which % self.callers.len();
        let caller = &mut self.callers[which];
        let found = poll_once(caller.future.as_mut());
        let execution = &mut self.executions[caller.execution as usize];
        let expected = match execution.told {
            None => Poll::Pending,
            Some(true) => Poll::Ready(Ok(caller.execution)),
            Some(false) => Poll::Ready(Err(CommandError::Failure("reset"))),
        };
        prop_assert_eq!(
            &found,
            &expected,
            "each gets the answer of its own execution"
        );
        if expected.is_ready() {
            execution.answered = true;
            execution.waiters -= 1;
            drop(self.callers.swap_remove(which));
        }
        Ok(())
    }

    fn give_up(&mut self, which: usize) {
        if self.callers.is_empty() {
            return;
        }
        let caller = self.callers.swap_remove(which % self.callers.len());
        let execution = &mut self.executions[caller.execution as usize];
        execution.waiters -= 1;
        if execution.waiters == 0 && !execution.answered {
            self.remembered.retain(|_, of| *of != caller.execution);
        }
    }

    fn end(&mut self, which: usize, ok: bool) {
        let running = |e: &&mut Execution| e.told.is_none() && e.waiters > 0;
        let number = self.executions.iter_mut().filter(running).count();
        if number == 0 {
            return;
        }
        let chosen = self
            .executions
            .iter_mut()
            .enumerate()
            .filter(|(_, e)| e.told.is_none() && e.waiters > 0)
            .nth(which % number);
        if let Some((number, execution)) = chosen {
            execution.told = Some(ok);
            self.work.ends.lock().unwrap().insert(number as u32, ok);
        }
    }

    fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match *op {
            Op::Call(key) => self.call(key)?,
            Op::Poll(which) => self.poll(which)?,
            Op::Drop(which) => self.give_up(which),
            Op::End(which, ok) => self.end(which, ok),
            Op::Clear(key) => {
                self.context.clear(&self.command, KEYS[key]);
                self.remembered.remove(&key);
            }
        }
        self.check()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let running = |e: &&Execution| !e.answered && e.waiters > 0;
        let running = self.executions.iter().filter(running).count();
        prop_assert_eq!(self.command.bulkhead().active(), running);
        prop_assert_eq!(self.context.entries(), self.remembered.len());
        let begun = self.work.begun.load(Ordering::SeqCst) as usize;
        prop_assert_eq!(begun, self.executions.len());
        let joined = count(&self.command, CommandEvent::ResponseFromCache);
        prop_assert_eq!(joined, self.joined);
        Ok(())
    }

    /// When everybody has gone, nothing runs and nothing but answers is kept.
    fn finish(mut self) -> Result<(), TestCaseError> {
        while !self.callers.is_empty() {
            self.give_up(0);
        }
        self.check()?;
        prop_assert_eq!(self.command.bulkhead().active(), 0);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20),
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_does_what_the_model_does(ops in vec(op(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let _in_it = runtime.enter();
        let mut pair = Pair::new();
        for op in &ops {
            pair.apply(op)?;
        }
        pair.finish()?;
    }
}
