//! The arguments that may meet in one batch: the one that is open, and what a request remembers.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::{Notify, oneshot};

use crate::CallOptions;
use crate::promise::Promise;

/// Where callers of one request, or of the process, meet.
pub(super) struct Scope<A, O> {
    state: Mutex<State<A, O>>,
    /// How many answers it remembers at most.
    remembers_max: usize,
}

struct State<A, O> {
    open: Option<Open<A, O>>,
    remembered: HashMap<A, Arc<Slot<O>>>,
}

/// A batch that waits for more arguments.
struct Open<A, O> {
    asked: Gathered<A, O>,
    /// How many were asked, those that were withdrawn included.
    count: u64,
    progress: Arc<Progress>,
    /// Takes the batch to its task when it is full.
    full: oneshot::Sender<Gathered<A, O>>,
}

/// The arguments of a batch.
pub(super) type Gathered<A, O> = HashMap<A, Asked<O>>;

/// One argument of a batch.
pub(super) struct Asked<O> {
    /// How many were asked before it.
    pub(super) order: u64,
    pub(super) options: CallOptions,
    pub(super) slot: Arc<Slot<O>>,
}

/// What callers of one argument share.
pub(super) struct Slot<O> {
    pub(super) promise: Promise<O>,
    progress: Arc<Progress>,
    /// Changed with the scope locked, as are those of [`Progress`].
    callers: AtomicUsize,
}

/// How far a batch is.
#[derive(Default)]
pub(super) struct Progress {
    callers: AtomicUsize,
    started: AtomicBool,
    /// Everybody left after it started.
    deserted: AtomicBool,
    pub(super) left: Notify,
}

/// What a batch's task needs to find it.
pub(super) struct Opened<A, O> {
    pub(super) progress: Arc<Progress>,
    pub(super) full: oneshot::Receiver<Gathered<A, O>>,
}

/// What a caller finds.
pub(super) struct Joined<A: Hash + Eq + Clone, O: Clone> {
    pub(super) place: Place<A, O>,
    /// Whether a caller before has the same place.
    pub(super) shared: bool,
    /// A batch that is new.
    pub(super) opened: Option<Opened<A, O>>,
}

/// The settings that a caller brings.
pub(super) struct Terms {
    /// Arguments per batch.
    pub(super) max: usize,
    pub(super) remember: bool,
}

impl<A: Hash + Eq + Clone, O: Clone> Scope<A, O> {
    pub(super) fn new(remembers_max: usize) -> Self {
        Self {
            state: Mutex::new(State {
                open: None,
                remembered: HashMap::new(),
            }),
            remembers_max,
        }
    }

    /// A place for `argument`. Where it opens a batch, the caller is to begin its task.
    pub(super) fn join(
        self: &Arc<Self>,
        argument: A,
        options: CallOptions,
        terms: Terms,
    ) -> Joined<A, O> {
        let mut state = self.lock();
        let remembered = state.remembered.get(&argument).filter(|_| terms.remember);
        let usable = remembered.filter(|slot| slot.may_be_joined()).cloned();
        let (slot, shared, opened) = match usable {
            Some(slot) => (slot, true, None),
            None => state.gather(&argument, options),
        };
        slot.callers.fetch_add(1, Ordering::Relaxed);
        slot.progress.callers.fetch_add(1, Ordering::Relaxed);
        // An argument that waits in the open batch takes what its later callers say of it.
        state.widen(&argument, options);
        let known = state.remembered.contains_key(&argument);
        if terms.remember && (known || state.remembered.len() < self.remembers_max) {
            state.remembered.insert(argument.clone(), slot.clone());
        }
        state.go_if_full(terms.max);
        drop(state);
        Joined {
            place: Place {
                ticket: slot.promise.ticket(),
                scope: self.clone(),
                argument,
                slot,
            },
            shared,
            opened,
        }
    }

    /// Takes the batch of `progress`, unless it has gone already.
    pub(super) fn close(&self, progress: &Arc<Progress>) -> Option<Gathered<A, O>> {
        let mut state = self.lock();
        let is_it = |open: &mut Open<A, O>| Arc::ptr_eq(&open.progress, progress);
        let open = state.open.take_if(is_it)?;
        open.progress.started.store(true, Ordering::Relaxed);
        Some(open.asked)
    }

    /// Remembers no answer to `argument`.
    pub(super) fn forget(&self, argument: &A) {
        let forgotten = self.lock().remembered.remove(argument);
        // Values of others are dropped without the lock.
        drop(forgotten);
    }

    /// Remembers nothing of `slot`, which has no answer.
    pub(super) fn forget_slot(&self, argument: &A, slot: &Arc<Slot<O>>) {
        let forgotten = self.lock().forget_slot(argument, slot);
        drop(forgotten);
    }

    fn leave(&self, argument: &A, slot: &Arc<Slot<O>>) {
        let mut state = self.lock();
        let progress = &slot.progress;
        let nobody_asks = slot.callers.fetch_sub(1, Ordering::Relaxed) == 1;
        let nobody_waits = progress.callers.fetch_sub(1, Ordering::Relaxed) == 1;
        let started = progress.started.load(Ordering::Relaxed);
        let mut dropped = (None, None);
        if nobody_asks && !started {
            dropped = (
                state.withdraw(argument, slot),
                state.forget_slot(argument, slot),
            );
        }
        if nobody_waits && started {
            progress.deserted.store(true, Ordering::Relaxed);
            progress.left.notify_one();
        }
        drop(state);
        drop(dropped);
    }

    /// Nothing in here can be left half done by a panic, so the lock is taken anyway.
    fn lock(&self) -> MutexGuard<'_, State<A, O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Hash + Eq + Clone, O: Clone> State<A, O> {
    /// The slot of `argument` in the open batch, whether it was there, and the batch if it was not.
    fn gather(
        &mut self,
        argument: &A,
        options: CallOptions,
    ) -> (Arc<Slot<O>>, bool, Option<Opened<A, O>>) {
        let mut opened = None;
        let open = self.open.get_or_insert_with(|| {
            let (open, new) = Open::new();
            opened = Some(new);
            open
        });
        if let Some(asked) = open.asked.get(argument) {
            return (asked.slot.clone(), true, None);
        }
        let slot = Arc::new(Slot {
            promise: Promise::new(),
            progress: open.progress.clone(),
            callers: AtomicUsize::new(0),
        });
        open.count += 1;
        open.asked.insert(
            argument.clone(),
            Asked {
                order: open.count,
                options,
                slot: slot.clone(),
            },
        );
        (slot, false, opened)
    }

    /// A batch asks for as long as any of its callers waits, and may be tried again only if that is
    /// right for all.
    fn widen(&mut self, argument: &A, options: CallOptions) {
        let open = self.open.as_mut();
        if let Some(asked) = open.and_then(|open| open.asked.get_mut(argument)) {
            asked.options = widened(asked.options, options);
        }
    }

    fn go_if_full(&mut self, max: usize) {
        if let Some(open) = self.open.take_if(|open| open.asked.len() >= max) {
            open.progress.started.store(true, Ordering::Relaxed);
            // A task that is gone has told the callers, or does so now.
            drop(open.full.send(open.asked));
        }
    }

    fn withdraw(&mut self, argument: &A, slot: &Arc<Slot<O>>) -> Option<Asked<O>> {
        let asked = &mut self.open.as_mut()?.asked;
        let is_it = asked
            .get(argument)
            .is_some_and(|asked| Arc::ptr_eq(&asked.slot, slot));
        is_it.then(|| asked.remove(argument)).flatten()
    }

    fn forget_slot(&mut self, argument: &A, slot: &Arc<Slot<O>>) -> Option<Arc<Slot<O>>> {
        let is_it = self
            .remembered
            .get(argument)
            .is_some_and(|found| Arc::ptr_eq(found, slot));
        is_it.then(|| self.remembered.remove(argument)).flatten()
    }
}

impl<A, O> Open<A, O> {
    fn new() -> (Self, Opened<A, O>) {
        let progress = Arc::<Progress>::default();
        let (full, receiver) = oneshot::channel();
        let opened = Opened {
            progress: progress.clone(),
            full: receiver,
        };
        let open = Self {
            asked: HashMap::new(),
            count: 0,
            progress,
            full,
        };
        (open, opened)
    }
}

/// What is right for two callers.
pub(super) fn widened(one: CallOptions, other: CallOptions) -> CallOptions {
    let mut both = one;
    both.deadline = one.deadline.max(other.deadline);
    both.idempotent = one.idempotent && other.idempotent;
    both.priority = one.priority.max(other.priority);
    both
}

impl<O: Clone> Slot<O> {
    /// Whether it has an answer, or a batch that works on one.
    fn may_be_joined(&self) -> bool {
        self.promise.is_settled_and(|_| true) || !self.progress.deserted.load(Ordering::Relaxed)
    }
}

/// One caller's place. Dropping it leaves.
pub(super) struct Place<A: Hash + Eq + Clone, O: Clone> {
    scope: Arc<Scope<A, O>>,
    argument: A,
    slot: Arc<Slot<O>>,
    ticket: u64,
}

impl<A: Hash + Eq + Clone, O: Clone> Place<A, O> {
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<O> {
        self.slot.promise.poll(self.ticket, cx)
    }
}

impl<A: Hash + Eq + Clone, O: Clone> Drop for Place<A, O> {
    fn drop(&mut self) {
        self.slot.promise.give_up(self.ticket);
        self.scope.leave(&self.argument, &self.slot);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{Deadline, Priority};

    #[test]
    fn a_batch_is_worth_what_the_best_of_its_callers_is_and_as_patient_as_any() {
        let now = Instant::now();
        let until = |secs| Deadline::after(now, Duration::from_secs(secs));
        let one = CallOptions::idempotent(until(1)).of_priority(Priority::Degraded);
        let other = CallOptions::idempotent(until(2)).of_priority(Priority::NonCritical);
        let both = CallOptions::idempotent(until(2)).of_priority(Priority::Degraded);
        assert_eq!(widened(one, other), both);
        assert_eq!(widened(other, one), both);
        let once = CallOptions::new(until(1));
        assert!(!widened(one, once).idempotent && !widened(once, one).idempotent);
    }
}
