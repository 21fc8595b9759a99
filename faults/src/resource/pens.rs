//! Quotas that meet on one process: they share its cgroup, and the lowest holds.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use super::cgroup::Controller;
use super::inverse::Pen;
use crate::{EntryId, ProcessIdentity};

/// The cgroups that faults of one run have made.
#[derive(Debug, Clone, Default)]
pub(super) struct Pens(Arc<Mutex<HashMap<Key, Weak<Shared>>>>);

type Key = (Controller, ProcessIdentity);

#[derive(Debug, Default)]
struct Shared {
    /// Whoever sets or lifts, until that is proven.
    turn: Arc<tokio::sync::Mutex<()>>,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    next: u64,
    /// How much each fault leaves the target.
    asked: Vec<(u64, u64)>,
    /// Those that were not the least since they last asked, see [`Hold::was_outdone`].
    outdone: HashSet<u64>,
    made: Option<Made>,
}

/// A cgroup that is there, or was about to be.
#[derive(Debug, Clone)]
pub(super) struct Made {
    /// Its undo in the journal.
    pub(super) entry: EntryId,
    pub(super) pen: Pen,
    /// What its processes had before, of what it does not count.
    pub(super) held: u64,
}

/// One fault among those of its target, counted until it is let go or dropped.
#[derive(Debug)]
pub(super) struct Hold {
    shared: Arc<Shared>,
    id: u64,
}

impl Pens {
    pub(super) fn hold(&self, controller: Controller, target: ProcessIdentity) -> Hold {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, shared| shared.strong_count() > 0);
        let key = (controller, target);
        let shared = known.get(&key).and_then(Weak::upgrade).unwrap_or_default();
        known.insert(key, Arc::downgrade(&shared));
        drop(known);
        let id = {
            let mut book = lock(&shared.book);
            book.next += 1;
            book.next
        };
        Hold { shared, id }
    }
}

impl Book {
    fn are_outdone(&self) -> HashSet<u64> {
        let least = self.asked.iter().map(|(_, most)| *most).min();
        let more = self.asked.iter().filter(|(_, most)| Some(*most) > least);
        more.map(|(id, _)| *id).collect()
    }

    fn note_outdone(&mut self) {
        let now = self.are_outdone();
        self.outdone.extend(now);
    }
}

impl Hold {
    /// Waits until nobody else changes what the target is left.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.shared.turn).lock_owned().await
    }

    /// Asks that no more is left.
    pub(super) fn ask(&self, most: u64) {
        let mut book = lock(&self.shared.book);
        book.asked.push((self.id, most));
        book.note_outdone();
    }

    /// Whether another asked for less at any time since this was last asked.
    pub(super) fn was_outdone(&self) -> bool {
        let mut book = lock(&self.shared.book);
        let was = book.outdone.remove(&self.id);
        book.note_outdone();
        was
    }

    /// Whether another asks for less.
    pub(super) fn is_outdone(&self) -> bool {
        lock(&self.shared.book).are_outdone().contains(&self.id)
    }

    /// The least that is asked for; `None` where nobody asks any more.
    pub(super) fn least(&self) -> Option<u64> {
        let book = lock(&self.shared.book);
        book.asked.iter().map(|(_, most)| *most).min()
    }

    /// The least that others ask for.
    pub(super) fn least_of_others(&self) -> Option<u64> {
        let book = lock(&self.shared.book);
        let others = book.asked.iter().filter(|(id, _)| *id != self.id);
        others.map(|(_, most)| *most).min()
    }

    /// The cgroup that those of the target share.
    pub(super) fn made(&self) -> Option<Made> {
        lock(&self.shared.book).made.clone()
    }

    /// Says what there is now.
    pub(super) fn set_made(&self, made: Option<Made>) {
        lock(&self.shared.book).made = made;
    }

    /// Asks for nothing any more; does nothing the second time.
    pub(super) fn let_go(&self) {
        let mut book = lock(&self.shared.book);
        book.asked.retain(|(id, _)| *id != self.id);
        book.outdone.remove(&self.id);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.let_go();
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_holds_until_nobody_asks_for_it() {
        let pens = Pens::default();
        let process = |pid| ProcessIdentity { pid, start_time: 1 };
        let first = pens.hold(Controller::Cpu, process(7));
        let second = pens.hold(Controller::Cpu, process(7));
        first.ask(20_000);
        second.ask(50_000);
        assert_eq!(second.least(), Some(20_000));
        assert_eq!(first.least_of_others(), Some(50_000));
        assert!(second.is_outdone() && second.was_outdone());
        assert!(second.was_outdone(), "and still is");
        assert!(!first.is_outdone() && !first.was_outdone());
        let stranger = pens.hold(Controller::Cpu, process(8));
        assert_eq!(stranger.least(), None);
        first.let_go();
        first.let_go();
        assert_eq!(second.least(), Some(50_000));
        assert_eq!(second.least_of_others(), None);
        assert!(!second.is_outdone());
        assert!(second.was_outdone() && !second.was_outdone());
        drop(second);
        assert_eq!(first.least(), None);
    }
}
