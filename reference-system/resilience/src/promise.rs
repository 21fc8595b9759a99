//! An answer that any number of callers wait for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// An answer to come. The first one given stays.
#[derive(Debug)]
pub(crate) struct Promise<O>(Mutex<Waiting<O>>);

#[derive(Debug)]
struct Waiting<O> {
    answer: Option<O>,
    /// Who waits, by ticket.
    wakers: BTreeMap<u64, Waker>,
    next_ticket: u64,
}

impl<O> Promise<O> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Waiting {
            answer: None,
            wakers: BTreeMap::new(),
            next_ticket: 0,
        }))
    }

    /// What tells one who waits from the others.
    pub(crate) fn ticket(&self) -> u64 {
        let mut waiting = self.lock();
        waiting.next_ticket += 1;
        waiting.next_ticket
    }

    /// Gives the answer and wakes everybody, unless it is given already.
    pub(crate) fn settle(&self, answer: O) {
        let mut waiting = self.lock();
        if waiting.answer.is_none() {
            waiting.answer = Some(answer);
        }
        let wakers = std::mem::take(&mut waiting.wakers);
        drop(waiting);
        wake(wakers);
    }

    pub(crate) fn is_settled_and(&self, holds: impl FnOnce(&O) -> bool) -> bool {
        self.lock().answer.as_ref().is_some_and(holds)
    }

    /// The answer, or a place among those who are woken when there is one.
    pub(crate) fn poll(&self, ticket: u64, cx: &Context<'_>) -> Poll<O>
    where
        O: Clone,
    {
        let mut waiting = self.lock();
        if let Some(answer) = &waiting.answer {
            return Poll::Ready(answer.clone());
        }
        let waker = waiting.wakers.entry(ticket);
        waker
            .and_modify(|waker| waker.clone_from(cx.waker()))
            .or_insert_with(|| cx.waker().clone());
        Poll::Pending
    }

    /// Whoever has `ticket` waits no longer.
    pub(crate) fn give_up(&self, ticket: u64) {
        self.lock().wakers.remove(&ticket);
    }

    /// Has everybody look again.
    pub(crate) fn wake_all(&self) {
        let wakers = std::mem::take(&mut self.lock().wakers);
        wake(wakers);
    }

    /// Nothing in here can be left half done by a panic, so the lock is taken anyway.
    fn lock(&self) -> MutexGuard<'_, Waiting<O>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakers run code of others, so no lock is held here.
fn wake(wakers: BTreeMap<u64, Waker>) {
    wakers.into_values().for_each(Waker::wake);
}

/// As the waker of work, it wakes everybody who waits for its answer.
impl<O: Send + 'static> Wake for Promise<O> {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}
