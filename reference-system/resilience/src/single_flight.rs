//! Calls for the same thing at the same time become one execution, which nobody who waits for it
//! can cancel.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;
use tracing::Instrument;

use crate::event::CommandEvent;
use crate::promise::Promise;
use crate::properties::within;
use crate::{CallOptions, Command, CommandError, DEADLINE_MS_MAX, Deadline, PropertiesError};

/// The most executions or waiters that may be asked for; it bounds the memory.
const COUNT_MAX: usize = 1_000_000;

/// What bounds a [`SingleFlight`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlightRules {
    /// How many shared executions may run at a time. Calls for other keys than theirs then run
    /// each for itself. Default 1000.
    pub max_fills: usize,
    /// How many calls may wait for one execution, the one that began it included; more are
    /// refused. Default 1000.
    pub max_waiters: usize,
}

impl Default for FlightRules {
    fn default() -> Self {
        Self {
            max_fills: 1000,
            max_waiters: 1000,
        }
    }
}

impl FlightRules {
    /// Checks both.
    ///
    /// # Errors
    /// The first found wrong, and what it must be.
    pub fn validate(&self) -> Result<(), PropertiesError> {
        let most = COUNT_MAX as u64;
        within("max_fills", self.max_fills as u64, 1, most)?;
        within("max_waiters", self.max_waiters as u64, 1, most)
    }
}

/// What an execution gives to all who wait for it.
pub(crate) type Outcome<T, E> = Result<T, CommandError<E>>;

/// One execution for all calls of a key that come while it runs; cloning shares it.
///
/// - **Detached.** The execution is a task of its own: it goes on when the call that began it is
///   dropped or its deadline passes, and answers the others. It has the command's timeout, not the
///   deadline of whoever came first. What it holds is what the layers inside hold; it loses the
///   task-locals of the caller and keeps its tracing span. Calls need a tokio runtime.
/// - **Honest.** All get the same answer or the same error; nothing is remembered once it has
///   ended. If its work panics, or the runtime ends, all get [`CommandError::Abandoned`]. Each call
///   ends at its own deadline with [`CommandError::Timeout`].
/// - **Bounded** by [`FlightRules`]. An execution that its time has not ended, as where no timeout
///   is inside, is joined by nobody any more.
///
/// Idempotence and priority are those of the call that began it. The key must tell apart whatever
/// has different answers, such as the caller's rights.
pub struct SingleFlight<K, T, E>(Arc<Inner<K, T, E>>);

struct Inner<K, T, E> {
    command: Command,
    rules: FlightRules,
    flights: Mutex<Flights<K, T, E>>,
    /// Executions that run, also those that nobody finds any more.
    fills: AtomicUsize,
}

type Flights<K, T, E> = HashMap<K, SharedFlight<T, E>>;

/// An execution as each of those has it that wait for it.
pub(crate) type SharedFlight<T, E> = Arc<Flight<Outcome<T, E>>>;

/// An execution that several calls wait for.
pub(crate) struct Flight<O> {
    landed: Promise<O>,
    waiters: AtomicUsize,
    /// From then on nobody joins it.
    until: Deadline,
    forgotten: AtomicBool,
}

impl<O> Flight<O> {
    /// Whether what it asks for was changed since it began.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::SeqCst)
    }
}

impl<K, T, E> Clone for SingleFlight<K, T, E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, T, E> std::fmt::Debug for SingleFlight<K, T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SingleFlight")
            .field("command", &self.0.command)
            .field("rules", &self.0.rules)
            .field("fills", &self.0.fills)
            .finish_non_exhaustive()
    }
}

/// How a call takes part.
enum Joined<K: Hash + Eq, T: Clone, E: Clone> {
    /// It runs by itself.
    Alone,
    /// Too many wait already.
    Refused,
    /// It is to begin the execution.
    First(Landing<K, T, E>, Waiting<T, E>),
    /// It waits for another's.
    Other(Waiting<T, E>),
}

impl<K, T, E> SingleFlight<K, T, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    /// Of calls of `command`, with nothing in the air.
    ///
    /// # Errors
    /// The rules contradict themselves.
    pub fn new(command: Command, rules: FlightRules) -> Result<Self, PropertiesError> {
        rules.validate()?;
        Ok(Self(Arc::new(Inner {
            command,
            rules,
            flights: Mutex::default(),
            fills: AtomicUsize::new(0),
        })))
    }

    /// The command whose calls are shared.
    pub fn command(&self) -> &Command {
        &self.0.command
    }

    /// Shared executions that run now.
    pub fn fills(&self) -> usize {
        self.0.fills.load(Ordering::SeqCst)
    }

    /// Has nobody join the execution for `key` that runs now: what it asks for has just been
    /// changed. Who waits for it already still gets its answer.
    pub fn forget(&self, key: &K) {
        let forgotten = self.0.lock().remove(key);
        if let Some(flight) = forgotten {
            flight.forgotten.store(true, Ordering::SeqCst);
        }
    }

    /// As [`forget`](Self::forget), whatever the key.
    pub fn forget_all(&self) {
        let forgotten = std::mem::take(&mut *self.0.lock());
        for flight in forgotten.values() {
            flight.forgotten.store(true, Ordering::SeqCst);
        }
    }

    /// The answer to `key`: of the execution that runs, or of the one that `fill` begins. The fill
    /// is told the options it has, and the execution it is, if it is shared.
    pub(crate) async fn run<F, Fut>(&self, key: K, options: CallOptions, fill: F) -> Outcome<T, E>
    where
        F: FnOnce(CallOptions, Option<SharedFlight<T, E>>) -> Fut,
        Fut: Future<Output = Outcome<T, E>> + Send + 'static,
    {
        match self.join(key, options) {
            Joined::Alone => fill(options, None).await,
            Joined::Refused => {
                self.0.command.record(CommandEvent::SemaphoreRejected);
                Err(CommandError::TooManyWaiters {
                    limit: self.0.rules.max_waiters,
                })
            }
            Joined::First(landing, waiting) => {
                landing.begin(options, fill);
                waiting.await
            }
            Joined::Other(waiting) => {
                self.0.command.record(CommandEvent::Coalesced);
                waiting.await
            }
        }
    }

    /// Begins an execution that nobody waits for yet, unless one runs or there is no room.
    pub(crate) fn refresh<F, Fut>(&self, key: K, options: CallOptions, fill: F)
    where
        F: FnOnce(CallOptions, Option<SharedFlight<T, E>>) -> Fut,
        Fut: Future<Output = Outcome<T, E>> + Send + 'static,
    {
        if let Joined::First(landing, _) = self.join(key, options) {
            landing.begin(options, fill);
        }
    }

    fn join(&self, key: K, options: CallOptions) -> Joined<K, T, E> {
        let inner = &self.0;
        let now = inner.command.now();
        let timeout = inner.command.properties().timeout();
        if timeout.is_some() && options.deadline.is_expired(now) {
            // The layers inside say so.
            return Joined::Alone;
        }
        let patience = timeout.is_some().then(|| options.deadline.remaining(now));
        let mut flights = inner.lock();
        if let Some(flight) = flights.get(&key)
            && !flight.until.is_expired(now)
        {
            if flight.waiters.load(Ordering::SeqCst) >= inner.rules.max_waiters {
                return Joined::Refused;
            }
            return Joined::Other(Waiting::new(flight.clone(), patience));
        }
        if inner.fills.load(Ordering::SeqCst) >= inner.rules.max_fills {
            return Joined::Alone;
        }
        inner.fills.fetch_add(1, Ordering::SeqCst);
        let longest = Duration::from_millis(DEADLINE_MS_MAX);
        let flight = Arc::new(Flight {
            landed: Promise::new(),
            waiters: AtomicUsize::new(0),
            until: Deadline::after(now, timeout.unwrap_or(longest)),
            forgotten: AtomicBool::new(false),
        });
        let replaced = flights.insert(key.clone(), flight.clone());
        drop(flights);
        drop(replaced);
        let landing = Landing {
            inner: inner.clone(),
            key,
            flight: flight.clone(),
            outcome: Err(CommandError::Abandoned),
        };
        Joined::First(landing, Waiting::new(flight, patience))
    }
}

impl<K, T, E> Inner<K, T, E> {
    /// A panic of a key's own code leaves at worst an execution that nobody finds, so the lock is
    /// taken anyway.
    fn lock(&self) -> MutexGuard<'_, Flights<K, T, E>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of an execution. However it comes, nobody is left without an answer.
struct Landing<K: Hash + Eq, T: Clone, E: Clone> {
    inner: Arc<Inner<K, T, E>>,
    key: K,
    flight: SharedFlight<T, E>,
    outcome: Outcome<T, E>,
}

impl<K, T, E> Landing<K, T, E>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    fn begin<F, Fut>(mut self, options: CallOptions, fill: F)
    where
        F: FnOnce(CallOptions, Option<SharedFlight<T, E>>) -> Fut,
        Fut: Future<Output = Outcome<T, E>> + Send + 'static,
    {
        let options = CallOptions {
            deadline: self.flight.until,
            ..options
        };
        let running = fill(options, Some(self.flight.clone()));
        let task = async move {
            let landing = &mut self;
            landing.outcome = running.await;
        };
        drop(tokio::spawn(task.in_current_span()));
    }
}

impl<K: Hash + Eq, T: Clone, E: Clone> Drop for Landing<K, T, E> {
    fn drop(&mut self) {
        let mut flights = self.inner.lock();
        let found = flights.get(&self.key);
        let found = found.is_some_and(|found| Arc::ptr_eq(found, &self.flight));
        let left = found.then(|| flights.remove(&self.key));
        drop(flights);
        drop(left);
        // First nobody finds it, then all that wait are told.
        self.inner.fills.fetch_sub(1, Ordering::SeqCst);
        let outcome = std::mem::replace(&mut self.outcome, Err(CommandError::Abandoned));
        self.flight.landed.settle(outcome);
    }
}

/// One who waits for an execution, until its own deadline.
struct Waiting<T, E> {
    flight: SharedFlight<T, E>,
    ticket: u64,
    limit: Option<(Pin<Box<Sleep>>, Duration)>,
}

impl<T, E> Waiting<T, E> {
    fn new(flight: SharedFlight<T, E>, patience: Option<Duration>) -> Self {
        flight.waiters.fetch_add(1, Ordering::SeqCst);
        Self {
            ticket: flight.landed.ticket(),
            flight,
            limit: patience.map(|after| (Box::pin(tokio::time::sleep(after)), after)),
        }
    }
}

impl<T: Clone, E: Clone> Future for Waiting<T, E> {
    type Output = Outcome<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(outcome) = self.flight.landed.poll(self.ticket, cx) {
            return Poll::Ready(outcome);
        }
        let Some((sleep, after)) = &mut self.limit else {
            return Poll::Pending;
        };
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(CommandError::Timeout { after: *after }))
    }
}

impl<T, E> Drop for Waiting<T, E> {
    fn drop(&mut self) {
        self.flight.waiters.fetch_sub(1, Ordering::SeqCst);
        self.flight.landed.give_up(self.ticket);
    }
}
