//! What a request has asked and was answered, by command and key.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use super::RequestContext;
use crate::Deadline;
use crate::shared::{Run, Shared};

/// The executions of one request, bounded in number.
pub(super) struct Entries {
    max: usize,
    map: Mutex<Map>,
}

#[derive(Default)]
struct Map {
    by_command: HashMap<Arc<str>, HashMap<Arc<str>, AnyEntry>>,
    len: usize,
}

/// An [`Entry`] of answers of some type.
type AnyEntry = Arc<dyn Any + Send + Sync>;

/// An execution in the map.
struct Entry<O> {
    shared: Shared<O>,
    /// Changed with the map locked, so that nobody joins an execution that its last waiter leaves.
    waiters: AtomicUsize,
    /// When its first caller gives up.
    deadline: Deadline,
}

/// A place in an execution.
pub(crate) enum Joined<O: Clone + Send + 'static> {
    /// Nobody has asked before: the caller is to [`begin`](Waiter::begin) it.
    First(Waiter<O>),
    /// Somebody has.
    Other(Waiter<O>),
    /// The request has asked too much, or asked this for a value of another type.
    Alone,
}

impl Entries {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            map: Mutex::new(Map::default()),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len
    }

    pub(super) fn remove(&self, command: &str, key: &str) {
        let removed = self.lock().remove(command, key);
        // Values of others are dropped without the lock.
        drop(removed);
    }

    pub(super) fn join<O: Clone + Send + 'static>(
        context: &RequestContext,
        command: &Arc<str>,
        key: &str,
        deadline: Deadline,
    ) -> Joined<O> {
        let entries = &context.0.entries;
        let mut map = entries.lock();
        let waiter = |key: Arc<str>, entry: Arc<Entry<O>>, begun| Waiter {
            ticket: entry.shared.ticket(),
            context: context.clone(),
            command: command.clone(),
            key,
            entry,
            begun,
            answered: false,
        };
        let found = map
            .by_command
            .get(command)
            .and_then(|keys| keys.get_key_value(key));
        if let Some((key, entry)) = found {
            let Ok(entry) = entry.clone().downcast::<Entry<O>>() else {
                tracing::warn!(%command, %key, "two types of answers for one key of the cache");
                return Joined::Alone;
            };
            entry.waiters.fetch_add(1, Ordering::Relaxed);
            return Joined::Other(waiter(key.clone(), entry, true));
        }
        if map.len >= entries.max {
            return Joined::Alone;
        }
        let key: Arc<str> = Arc::from(key);
        let entry = Arc::new(Entry {
            shared: Shared::new(),
            waiters: AtomicUsize::new(1),
            deadline,
        });
        let keys = map.by_command.entry(command.clone()).or_default();
        keys.insert(key.clone(), entry.clone());
        map.len += 1;
        Joined::First(waiter(key, entry, false))
    }

    fn lock(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Map {
    fn remove(&mut self, command: &str, key: &str) -> Option<AnyEntry> {
        let removed = self.by_command.get_mut(command)?.remove(key)?;
        self.len -= 1;
        Some(removed)
    }

    fn has<O>(&self, command: &str, key: &str, entry: &Arc<Entry<O>>) -> bool {
        let found = self.by_command.get(command).and_then(|keys| keys.get(key));
        found.is_some_and(|found| std::ptr::addr_eq(Arc::as_ptr(found), Arc::as_ptr(entry)))
    }
}

/// One who waits for an execution, and moves it on when polled. The execution ends with the last
/// of them, and is forgotten then unless it has an answer.
pub(crate) struct Waiter<O: Clone + Send + 'static> {
    entry: Arc<Entry<O>>,
    ticket: u64,
    context: RequestContext,
    command: Arc<str>,
    key: Arc<str>,
    begun: bool,
    answered: bool,
}

impl<O: Clone + Send + 'static> Waiter<O> {
    /// Begins the execution. The first waiter does so, or breaks it off when it is dropped.
    pub(crate) fn begin(mut self, run: Run<O>) -> Self {
        self.entry.shared.begin(run);
        self.begun = true;
        self
    }

    /// When the first caller of the execution gives up.
    pub(crate) fn deadline(&self) -> Deadline {
        self.entry.deadline
    }

    /// Leaves, and gives what nobody is to find any more.
    fn leave(&self, map: &mut Map) -> Option<AnyEntry> {
        let was_last = self.entry.waiters.fetch_sub(1, Ordering::Relaxed) == 1;
        let shared = &self.entry.shared;
        let of_no_use = !self.begun || shared.is_broken() || (was_last && !shared.has_ended());
        if of_no_use && map.has(&self.command, &self.key, &self.entry) {
            return map.remove(&self.command, &self.key);
        }
        None
    }
}

impl<O: Clone + Send + 'static> Future for Waiter<O> {
    type Output = O;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O> {
        let answer = ready!(self.entry.shared.poll(self.ticket, cx));
        self.answered = true;
        Poll::Ready(answer)
    }
}

impl<O: Clone + Send + 'static> Drop for Waiter<O> {
    fn drop(&mut self) {
        let mut map = self.context.0.entries.lock();
        let forgotten = self.leave(&mut map);
        // The execution runs code of others when it is dropped, and so do the wakers of those who
        // wait: neither with the lock held.
        drop(map);
        drop(forgotten);
        if !self.begun {
            self.entry.shared.break_off();
        } else if !self.answered {
            self.entry.shared.give_up(self.ticket);
        }
    }
}
