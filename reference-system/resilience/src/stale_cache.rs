//! Answers that are kept while they are fresh, and told when stale rather than nothing.

mod rules;
mod store;

use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use self::rules::StaleCacheRules;
use self::rules::Use;
use self::store::Store;
use crate::event::CommandEvent;
use crate::single_flight::{Flight, Outcome, SharedFlight, SingleFlight};
use crate::{CallOptions, Command, CommandError, FailureType, PropertiesError};

/// An answer, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served<T> {
    /// The answer.
    pub value: T,
    /// Where it comes from.
    pub source: Source,
}

impl<T> Served<T> {
    pub(crate) fn executed(value: T) -> Self {
        Self {
            value,
            source: Source::Execution,
        }
    }

    /// What a fallback gave.
    pub fn by_fallback(value: T) -> Self {
        Self {
            value,
            source: Source::Fallback,
        }
    }
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The dependency, just now; maybe asked by another call.
    Execution,
    /// The cache, and it is fresh.
    Fresh {
        /// How long ago it arrived.
        age: Duration,
    },
    /// The cache; it is stale, and asked for anew in the background.
    StaleWhileRevalidate {
        /// How long ago it arrived.
        age: Duration,
    },
    /// The cache; it is stale, and the call failed.
    StaleIfError {
        /// How long ago it arrived.
        age: Duration,
        /// How the call failed.
        failure: FailureType,
    },
    /// The fallback.
    Fallback,
}

impl Source {
    /// Whether it is an older answer than the caller asked for.
    pub fn is_stale(self) -> bool {
        match self {
            Self::StaleWhileRevalidate { .. } | Self::StaleIfError { .. } => true,
            Self::Execution | Self::Fresh { .. } | Self::Fallback => false,
        }
    }

    /// How long ago an answer of the cache arrived.
    pub fn age(self) -> Option<Duration> {
        match self {
            Self::Fresh { age }
            | Self::StaleWhileRevalidate { age }
            | Self::StaleIfError { age, .. } => Some(age),
            Self::Execution | Self::Fallback => None,
        }
    }
}

/// How much a cache keeps, at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleCacheSnapshot {
    /// The command.
    pub command: Arc<str>,
    /// Answers that are kept, those included that are of no use any more.
    pub entries: usize,
    /// What they weigh together.
    pub weight: u64,
    /// Answers that had to go for others, since the cache was made.
    pub evicted: u64,
    /// Executions that run for it.
    pub fills: usize,
}

/// Keeps the answers of a command; cloning shares it.
///
/// - A **fresh** answer is given at once.
/// - A **stale** one is given at once for as long as `stale_while_revalidate_ms`; one execution in
///   the background asks anew.
/// - Else the call asks, sharing the execution of its key with all others ([`SingleFlight`]). If it
///   **fails**, or the caller's deadline passes, an answer that is not older than
///   `stale_if_error_ms` allows stands in. Never for the caller's own mistake: that says there is
///   nothing to be had, and what was kept is forgotten.
/// - [`Served::source`] tells the caller which it was.
///
/// Only answers are kept, no errors, and none of a fallback. Bounded by number and weight
/// ([`StaleCacheRules`]). The key must tell apart whatever has different answers, such as the
/// caller's rights.
pub struct StaleCache<K, T, E>(Arc<Inner<K, T, E>>);

struct Inner<K, T, E> {
    flights: SingleFlight<K, T, E>,
    rules: StaleCacheRules,
    weigh: Weigh<K, T>,
    store: Mutex<Store<K, T>>,
}

type Weigh<K, T> = Box<dyn Fn(&K, &T) -> u64 + Send + Sync>;

impl<K, T, E> Clone for StaleCache<K, T, E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, T, E> std::fmt::Debug for StaleCache<K, T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaleCache")
            .field("flights", &self.0.flights)
            .field("rules", &self.0.rules)
            .finish_non_exhaustive()
    }
}

impl<K, T, E> StaleCache<K, T, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    /// Of answers of `command` that weigh 1 each.
    ///
    /// # Errors
    /// The rules contradict themselves.
    pub fn new(command: Command, rules: StaleCacheRules) -> Result<Self, PropertiesError> {
        Self::weighed(command, rules, |_, _| 1)
    }

    /// Of answers that weigh what `weigh` says, such as their bytes.
    ///
    /// # Errors
    /// The rules contradict themselves.
    pub fn weighed(
        command: Command,
        rules: StaleCacheRules,
        weigh: impl Fn(&K, &T) -> u64 + Send + Sync + 'static,
    ) -> Result<Self, PropertiesError> {
        rules.validate()?;
        Ok(Self(Arc::new(Inner {
            flights: SingleFlight::new(command, rules.flights)?,
            rules,
            weigh: Box::new(weigh),
            store: Mutex::new(Store::new()),
        })))
    }

    /// The command whose answers are kept.
    pub fn command(&self) -> &Command {
        self.0.flights.command()
    }

    /// Forgets the answer to `key`, which the caller has just changed: the next call asks anew, and
    /// what runs now is not kept.
    pub fn remove(&self, key: &K) {
        self.0.flights.forget(key);
        let removed = self.0.lock().remove(key);
        drop(removed);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.flights.forget_all();
        let removed = self.0.lock().take_all();
        drop(removed);
    }

    /// How much it keeps, at this instant.
    pub fn snapshot(&self) -> StaleCacheSnapshot {
        let (entries, weight, evicted) = self.0.lock().sizes();
        StaleCacheSnapshot {
            command: self.command().key().clone(),
            entries,
            weight,
            evicted,
            fills: self.0.flights.fills(),
        }
    }

    /// The answer to `key`: what is kept, or what `fill` gives for these options.
    pub(crate) async fn answer<F, Fut>(
        &self,
        key: K,
        options: CallOptions,
        fill: F,
    ) -> Result<Served<T>, CommandError<E>>
    where
        F: FnOnce(CallOptions) -> Fut,
        Fut: Future<Output = Outcome<T, E>> + Send + 'static,
    {
        let (inner, command) = (&self.0, self.command());
        let found = inner.find(&key, command.now());
        let fill = self.keeping(key.clone(), fill);
        let (value, source) = match found {
            Some((value, age, Use::Fresh)) => {
                command.record(CommandEvent::ResponseFromCache);
                (value, Source::Fresh { age })
            }
            Some((value, age, Use::WhileRevalidating)) => {
                command.record(CommandEvent::StaleWhileRevalidate);
                inner.flights.refresh(key, options, fill);
                (value, Source::StaleWhileRevalidate { age })
            }
            Some((_, _, Use::IfError | Use::Nothing)) | None => {
                let outcome = inner.flights.run(key.clone(), options, fill).await;
                return self.or_stale(&key, outcome);
            }
        };
        Ok(Served { value, source })
    }

    /// An answer that is kept, in place of an error.
    fn or_stale(&self, key: &K, outcome: Outcome<T, E>) -> Result<Served<T>, CommandError<E>> {
        let error = match outcome {
            Ok(value) => return Ok(Served::executed(value)),
            Err(error) => error,
        };
        let now = self.command().now();
        let kept = self
            .0
            .find(key, now)
            .filter(|(_, age, _)| error.allows_fallback() && self.0.rules.stands_in(*age));
        let Some((value, age, _)) = kept else {
            return Err(error);
        };
        self.command().record(CommandEvent::StaleIfError);
        let failure = error.failure_type();
        Ok(Served {
            value,
            source: Source::StaleIfError { age, failure },
        })
    }

    /// A fill whose answer is kept, unless what it asked for was changed meanwhile.
    fn keeping<F, Fut>(
        &self,
        key: K,
        fill: F,
    ) -> impl FnOnce(CallOptions, Option<SharedFlight<T, E>>) -> Keeping<T, E>
    where
        F: FnOnce(CallOptions) -> Fut,
        Fut: Future<Output = Outcome<T, E>> + Send + 'static,
    {
        let cache = self.clone();
        move |options, flight| {
            let running = fill(options);
            Box::pin(async move {
                let outcome = running.await;
                if let Some(flight) = flight {
                    cache.0.keep(key, &outcome, &flight, cache.command().now());
                }
                outcome
            })
        }
    }
}

/// A fill that keeps its answer.
type Keeping<T, E> = std::pin::Pin<Box<dyn Future<Output = Outcome<T, E>> + Send>>;

impl<K: Hash + Eq, T: Clone, E: Clone> Inner<K, T, E> {
    fn find(&self, key: &K, now: Instant) -> Option<(T, Duration, Use)> {
        self.lock().find(key, now, &self.rules)
    }

    fn keep(&self, key: K, outcome: &Outcome<T, E>, of: &Flight<Outcome<T, E>>, now: Instant) {
        let kept = match outcome {
            Ok(value) => Some((value.clone(), (self.weigh)(&key, value))),
            Err(CommandError::BadRequest(_)) => None,
            Err(_) => return,
        };
        let mut store = self.lock();
        // Asked with the lock held: whoever changed it removes after having said so.
        if of.is_forgotten() {
            return;
        }
        let gone = match kept {
            Some((value, weight)) => store.keep(key, value, weight, now, &self.rules),
            None => store.remove(&key).into_iter().collect(),
        };
        drop(store);
        drop(gone);
    }

    /// A panic of a value's own code leaves at worst one answer too few, so the lock is taken
    /// anyway.
    fn lock(&self) -> MutexGuard<'_, Store<K, T>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
