//! What is due later and stands on no schedule, as its time follows from what
//! happened: the next step of a journey, when its user has thought.
//!
//! Each worker has one. Whoever hears that something was settled (the worker, as
//! [`Sender`](crate::Sender)) puts what follows from it here, due at a time of its
//! own. The driver merges it with the schedule and sends both in the order of their
//! time, which the recorder relies on: response times count from when a thing was
//! due, lag included, and it lies in the interval of that time. So nothing can be
//! put before what was taken already; [`Agenda::possible`] says what is left, which
//! differs by what passed between an answer and its being read. Every put that is
//! due before all else wakes the driver.
//!
//! What is due when the load ends or later is never sent and takes part in no
//! count; whoever put it here says what that means. A journey is unfinished then. On
//! a load that is stopped, what was due before and had not been sent is noted as
//! unfinished, as arrivals are.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

use tokio::sync::Notify;

/// What is due later, in the order of its time; what is due at the same instant, in
/// the order in which it was put here.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    entries: RefCell<BinaryHeap<Entry<T>>>,
    /// How many were put here so far.
    count: Cell<u64>,
    /// All that is due before it was taken.
    taken: Cell<Option<Instant>>,
    earlier: Notify,
}

#[derive(Debug)]
struct Entry<T> {
    due: Instant,
    nth: u64,
    what: T,
}

impl<T> Agenda<T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: RefCell::new(BinaryHeap::new()),
            count: Cell::new(0),
            taken: Cell::new(None),
            earlier: Notify::new(),
        }
    }

    /// When something may be due that is wanted at `due`: then, unless what is due
    /// later was taken already.
    pub(crate) fn possible(&self, due: Instant) -> Instant {
        self.taken.get().map_or(due, |taken| due.max(taken))
    }

    /// Puts something here that is due at `due`, which is possible.
    pub(crate) fn put(&self, due: Instant, what: T) {
        debug_assert!(due == self.possible(due), "it would be out of order");
        let nth = self.count.get();
        self.count.set(nth + 1);
        let first = self.next();
        let entry = Entry { due, nth, what };
        self.entries.borrow_mut().push(entry);
        if first.is_none_or(|first| due < first) {
            self.earlier.notify_one();
        }
    }

    /// When the first thing is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.entries.borrow().peek().map(|entry| entry.due)
    }

    /// Takes the first thing.
    pub(crate) fn take(&self) -> Option<(Instant, T)> {
        let entry = self.entries.borrow_mut().pop()?;
        self.taken_before(entry.due);
        Some((entry.due, entry.what))
    }

    /// All that is due before an instant was taken, from here and elsewhere.
    pub(crate) fn taken_before(&self, due: Instant) {
        self.taken.set(Some(self.possible(due)));
    }

    /// How much is here.
    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Returns when something was put here that is due before everything else, since
    /// it last did. Safe to cancel.
    pub(crate) async fn earlier(&self) {
        self.earlier.notified().await;
    }
}

impl<T> Entry<T> {
    const fn key(&self) -> (Instant, u64) {
        (self.due, self.nth)
    }
}

/// The greatest is the one that is due first.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is wanted when: what is taken is in order, and nothing is lost.
        #[test]
        fn what_is_taken_is_in_order_and_all_of_it(
            steps in prop::collection::vec((0..50_u64, 0..4_u32), 0..100),
        ) {
            let start = Instant::now();
            let agenda = Agenda::new();
            let mut taken = Vec::new();
            let mut elsewhere = start;
            for (nth, (ms, takes)) in steps.iter().enumerate() {
                let wanted = start + Duration::from_millis(*ms);
                let due = agenda.possible(wanted);
                prop_assert!(due >= wanted && due >= elsewhere);
                agenda.put(due, nth);
                for _ in 0..*takes {
                    taken.extend(agenda.take());
                }
                if let Some(next) = agenda.next().filter(|_| ms % 7 == 0) {
                    agenda.taken_before(next);
                    elsewhere = next;
                }
            }
            taken.extend(std::iter::from_fn(|| agenda.take()));
            prop_assert!(taken.is_sorted_by_key(|(due, _)| *due));
            let mut all: Vec<usize> = taken.iter().map(|(_, nth)| *nth).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..steps.len()).collect::<Vec<_>>());
            prop_assert_eq!(agenda.len(), 0);
        }
    }

    #[tokio::test]
    async fn it_tells_what_is_due_before_everything_else() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let agenda = Agenda::new();
        agenda.put(at(5), "first");
        agenda.earlier().await;
        agenda.put(at(7), "later");
        let told = tokio::time::timeout(Duration::ZERO, agenda.earlier()).await;
        assert!(told.is_err(), "nothing is due earlier");
        agenda.put(at(3), "earlier");
        agenda.earlier().await;
        agenda.put(at(3), "likewise");
        let order: Vec<_> = std::iter::from_fn(|| agenda.take())
            .map(|(_, what)| what)
            .collect();
        assert_eq!(order, ["earlier", "likewise", "first", "later"]);
    }
}
