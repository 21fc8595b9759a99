//! One execution for several callers: whoever is polled moves it on, so it needs no task of its own
//! and ends with the last of those who wait.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::promise::Promise;
use crate::sync::{
    AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError, ThreadId, current_thread,
};

/// The execution, and what it holds on to.
pub(crate) type Run<O> = Pin<Box<dyn Future<Output = O> + Send>>;

/// An execution that is shared. It is dropped with the last reference to it.
pub(crate) struct Shared<O> {
    /// What becomes of it. It wakes those who wait, and does not hold the execution: the wakers an
    /// execution keeps must not keep the execution.
    outcome: Arc<Promise<Outcome<O>>>,
    /// Empty before it begins and after it has ended.
    run: Mutex<Option<Run<O>>>,
    /// Who moves it on now.
    driver: Mutex<Option<ThreadId>>,
    /// Not zero: somebody came to move it on while another did.
    missed: AtomicUsize,
}

#[derive(Debug, Clone)]
enum Outcome<O> {
    Answer(O),
    /// It panicked, or could not be begun.
    Broken,
}

impl<O: Clone + Send + 'static> Shared<O> {
    /// An execution that has not begun.
    pub(crate) fn new() -> Self {
        Self {
            outcome: Arc::new(Promise::new()),
            run: Mutex::new(None),
            driver: Mutex::new(None),
            missed: AtomicUsize::new(0),
        }
    }

    /// Begins it, and has everybody who came meanwhile look.
    pub(crate) fn begin(&self, run: Run<O>) {
        *lock(&self.run) = Some(run);
        self.outcome.wake_all();
    }

    /// It ends without an answer, unless it has one: who waits for it panics, as each would have,
    /// had it run the work itself.
    pub(crate) fn break_off(&self) {
        self.outcome.settle(Outcome::Broken);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.outcome.is_settled_and(|_| true)
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.outcome
            .is_settled_and(|outcome| matches!(outcome, Outcome::Broken))
    }

    pub(crate) fn ticket(&self) -> u64 {
        self.outcome.ticket()
    }

    /// Its answer. If there is none yet, moves it on, unless another is about to.
    pub(crate) fn poll(&self, ticket: u64, cx: &Context<'_>) -> Poll<O> {
        loop {
            if let Poll::Ready(outcome) = self.outcome.poll(ticket, cx) {
                return Poll::Ready(answer(outcome));
            }
            let Some(mut run) = self.try_run() else {
                return Poll::Pending;
            };
            let ended = self.advance(&mut run);
            drop(run);
            if self.missed.swap(0, Ordering::SeqCst) != 0 {
                // They went away with the wake that was theirs, and this caller may never be
                // polled again.
                self.outcome.wake_all();
            }
            if !ended {
                return Poll::Pending;
            }
        }
    }

    /// Whoever has `ticket` waits no longer. No wake was its alone.
    pub(crate) fn give_up(&self, ticket: u64) {
        self.outcome.give_up(ticket);
    }

    /// The execution, unless another moves it on. Who is sent away is woken by whoever it met: it
    /// says so first and tries again, and the other looks after it has let go. But an execution
    /// that waits for itself has met itself, and would do so for ever.
    fn try_run(&self) -> Option<MutexGuard<'_, Option<Run<O>>>> {
        self.try_lock().or_else(|| {
            if *lock(&self.driver) == Some(current_thread().id()) {
                return None;
            }
            self.missed.store(1, Ordering::SeqCst);
            self.try_lock()
        })
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Option<Run<O>>>> {
        use std::sync::TryLockError;
        match self.run.try_lock() {
            Ok(run) => Some(run),
            Err(TryLockError::Poisoned(run)) => Some(run.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Whether it has ended. What it held is gone before anybody sees its answer.
    fn advance(&self, run: &mut Option<Run<O>>) -> bool {
        let Some(running) = run.as_mut() else {
            return self.has_ended();
        };
        let unless_it_panics = BreakOff(self);
        let waker = Waker::from(self.outcome.clone());
        *lock(&self.driver) = Some(current_thread().id());
        let polled = running.as_mut().poll(&mut Context::from_waker(&waker));
        *lock(&self.driver) = None;
        if let Poll::Ready(answer) = polled {
            *run = None;
            self.outcome.settle(Outcome::Answer(answer));
        }
        std::mem::forget(unless_it_panics);
        run.is_none()
    }
}

/// No lock is held while code of others runs but that of the execution, which a panic breaks off.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(
    clippy::panic,
    reason = "the work of this caller panicked, in the hands of another caller"
)]
fn answer<O>(outcome: Outcome<O>) -> O {
    match outcome {
        Outcome::Answer(answer) => answer,
        Outcome::Broken => panic!("the execution that several callers share panicked"),
    }
}

/// Breaks off an execution when it is dropped.
struct BreakOff<'a, O: Clone + Send + 'static>(&'a Shared<O>);

impl<O: Clone + Send + 'static> Drop for BreakOff<'_, O> {
    fn drop(&mut self) {
        self.0.break_off();
    }
}
