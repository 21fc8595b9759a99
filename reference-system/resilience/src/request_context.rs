//! One request of the caller: what its calls have in common, and for how long.

mod entries;
mod layer;

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use self::entries::Entries;
pub(crate) use self::entries::{Joined, Waiter};
pub use self::layer::{RequestContextFuture, RequestContextLayer, RequestContextService};
use crate::{Command, Deadline};

/// How many answers one request remembers, unless [`RequestContext::with_max_entries`] says
/// otherwise.
pub const MAX_ENTRIES: usize = 1000;

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// The scope of one request that a service answers: calls in it that ask the same get the same
/// answer, and may share a batch of a [`Collapser`](crate::collapser::Collapser). Cloning shares
/// it; what it remembers goes with its last clone.
///
/// Hystrix keeps its context in a thread-local and throws where there is none. Here it is a value:
/// whatever remembers or batches by request takes one, so none can be missing. Bring it to where
/// it is needed as an argument, in the extensions of an HTTP request ([`of`](Self::of)), or with
/// the task ([`scope`](Self::scope), [`current`](Self::current)); tasks that are spawned do not
/// inherit that last one.
#[derive(Clone)]
pub struct RequestContext(Arc<Inner>);

struct Inner {
    entries: Entries,
    max_entries: usize,
    /// What else lives as long as the request, by a number of its owner.
    companions: Mutex<HashMap<u64, Arc<dyn Any + Send + Sync>>>,
}

impl std::fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestContext")
            .field("entries", &self.0.entries.len())
            .finish_non_exhaustive()
    }
}

impl Default for RequestContext {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestContext {
    /// A request that has asked nothing yet and remembers up to [`MAX_ENTRIES`] answers.
    pub fn new() -> Self {
        Self::with_max_entries(MAX_ENTRIES)
    }

    /// A request that remembers up to `max_entries` answers. Calls beyond them run as if there
    /// were no cache: forgetting older ones would give one request two answers to one question.
    pub fn with_max_entries(max_entries: usize) -> Self {
        Self(Arc::new(Inner {
            entries: Entries::new(max_entries),
            max_entries,
            companions: Mutex::new(HashMap::new()),
        }))
    }

    /// Runs `future` as part of this request, so that [`current`](Self::current) finds it.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    /// The request that the running future is part of; none outside [`scope`](Self::scope).
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// The request whose HTTP request has these extensions; none where nobody put it there.
    pub fn of(extensions: &http::Extensions) -> Option<Self> {
        extensions.get::<Self>().cloned()
    }

    /// The request whose HTTP request has these extensions; begins there if there is none.
    pub fn of_or_new(extensions: &mut http::Extensions) -> Self {
        extensions.get_or_insert_with(Self::new).clone()
    }

    /// Forgets the answer of `command` to `key`, which the caller has just changed: the next call
    /// asks anew. Who waits for an answer already still gets it, also where it is older than the
    /// change, but nobody who comes after this.
    pub fn clear(&self, command: &Command, key: &str) {
        self.0.entries.remove(command.name(), key);
    }

    /// How many answers are remembered or on their way.
    pub fn entries(&self) -> usize {
        self.0.entries.len()
    }

    pub(crate) fn max_entries(&self) -> usize {
        self.0.max_entries
    }

    /// What belongs to the owner of `id` in this request, made by `begin` on first use; none where
    /// `id` belongs to something else.
    pub(crate) fn companion<C: Send + Sync + 'static>(
        &self,
        id: u64,
        begin: impl FnOnce() -> C,
    ) -> Option<Arc<C>> {
        let companions = self.0.companions.lock();
        let mut companions = companions.unwrap_or_else(PoisonError::into_inner);
        let found = companions.entry(id).or_insert_with(|| Arc::new(begin()));
        found.clone().downcast().ok()
    }

    /// A place in the execution of `command` for `key`.
    pub(crate) fn join<O: Clone + Send + 'static>(
        &self,
        command: &Command,
        key: &str,
        deadline: Deadline,
    ) -> Joined<O> {
        Entries::join(self, command.key(), key, deadline)
    }
}
