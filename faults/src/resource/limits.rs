//! Limits that meet on one process: what it had before any of them, and which
//! is the lowest now.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use super::inverse::LimitKind;
use super::pens::Pens;
use crate::ProcessIdentity;

/// The limits that faults of one run have lowered. The end of one must not lift
/// another, and the last gives back what was there before the first.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    targets: Arc<Mutex<HashMap<ProcessIdentity, Weak<Shared>>>>,
    /// Whoever begins to lower limits of any target.
    begin: Arc<tokio::sync::Mutex<()>>,
    /// What cgroups leave.
    pens: Pens,
}

/// A target some of whose limits are low.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) leader: ProcessIdentity,
    pub(super) mark: Option<String>,
    /// Who was in its tree when they were lowered.
    pub(super) members: HashSet<ProcessIdentity>,
}

/// What the limits of one target share.
#[derive(Debug, Default)]
struct Shared {
    /// See [`crate::ProcessTarget::mark`].
    mark: Option<String>,
    /// Whoever lowers or lifts, until that is proven.
    turn: Arc<tokio::sync::Mutex<()>>,
    book: Mutex<Book>,
}

/// Who asked for what, and what was there before.
#[derive(Debug, Default)]
pub(super) struct Book {
    next: u64,
    asked: Vec<(u64, LimitKind, u64)>,
    before: HashMap<(ProcessIdentity, LimitKind), Option<u64>>,
}

/// One fault among those of its target, counted until it is let go or dropped.
#[derive(Debug)]
pub(super) struct Hold {
    shared: Arc<Shared>,
    id: u64,
}

impl Limits {
    pub(super) const fn pens(&self) -> &Pens {
        &self.pens
    }

    /// Waits until nobody else begins to lower limits.
    pub(super) async fn begin(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.begin).lock_owned().await
    }

    /// The other targets some of whose limits are low.
    pub(super) fn others(&self, target: ProcessIdentity) -> Vec<Held> {
        let known = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let others = known.iter().filter(|(other, _)| **other != target);
        let held = |(leader, shared): (&ProcessIdentity, &Weak<Shared>)| {
            let shared = shared.upgrade()?;
            let book = lock(&shared.book);
            (!book.asked.is_empty()).then(|| Held {
                leader: *leader,
                mark: shared.mark.clone(),
                members: book.before.keys().map(|(who, _)| *who).collect(),
            })
        };
        others.filter_map(held).collect()
    }

    pub(super) fn hold(&self, target: ProcessIdentity, mark: Option<&str>) -> Hold {
        let mut known = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, shared| shared.strong_count() > 0);
        let shared = known.get(&target).and_then(Weak::upgrade);
        let shared = shared.unwrap_or_else(|| {
            Arc::new(Shared {
                mark: mark.map(str::to_owned),
                ..Shared::default()
            })
        });
        known.insert(target, Arc::downgrade(&shared));
        drop(known);
        let id = {
            let mut book = lock(&shared.book);
            book.next += 1;
            book.next
        };
        Hold { shared, id }
    }
}

impl Hold {
    /// Waits until nobody else lowers or lifts limits of the target.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.shared.turn).lock_owned().await
    }

    /// Asks for a limit.
    pub(super) fn ask(&self, kind: LimitKind, to: u64) {
        lock(&self.shared.book).asked.push((self.id, kind, to));
    }

    /// The lowest that is asked for; `None` where nobody asks any more.
    pub(super) fn lowest(&self, kind: LimitKind) -> Option<u64> {
        lock(&self.shared.book).lowest(kind, None)
    }

    /// The lowest that others ask for.
    pub(super) fn lowest_of_others(&self, kind: LimitKind) -> Option<u64> {
        lock(&self.shared.book).lowest(kind, Some(self.id))
    }

    /// What a process had before anybody lowered it, if that is known; else what
    /// it has now, unless that is what somebody lowered it to: then it inherited
    /// it, and has `others` before.
    pub(super) fn before(
        &self,
        who: ProcessIdentity,
        kind: LimitKind,
        now: Option<u64>,
        others: Option<u64>,
    ) -> Option<u64> {
        let mut book = lock(&self.shared.book);
        let asked = |to| {
            book.asked
                .iter()
                .any(|(_, of, asked)| *of == kind && *asked == to)
        };
        let inherited = now.is_some_and(asked);
        let before = if inherited { others } else { now };
        *book.before.entry((who, kind)).or_insert(before)
    }

    /// Asks for nothing any more; does nothing the second time.
    pub(super) fn let_go(&self) {
        lock(&self.shared.book)
            .asked
            .retain(|(id, ..)| *id != self.id);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Book {
    fn lowest(&self, kind: LimitKind, without: Option<u64>) -> Option<u64> {
        let asked = self.asked.iter();
        let counts = asked.filter(|(id, of, _)| *of == kind && Some(*id) != without);
        counts.map(|(_, _, to)| *to).min()
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32) -> ProcessIdentity {
        ProcessIdentity { pid, start_time: 1 }
    }

    #[test]
    fn the_lowest_holds_and_what_was_there_first_comes_back() {
        let limits = Limits::default();
        let files = LimitKind::Files;
        let first = limits.hold(process(7), None);
        first.ask(files, 64);
        assert_eq!(
            first.before(process(7), files, Some(1024), None),
            Some(1024)
        );
        let second = limits.hold(process(7), None);
        // What the first lowered is not what was there before.
        assert_eq!(second.before(process(7), files, Some(64), None), Some(1024));
        second.ask(files, 32);
        assert_eq!(first.lowest(files), Some(32));
        assert_eq!(first.lowest_of_others(files), Some(32));
        assert_eq!(second.lowest_of_others(files), Some(64));
        assert_eq!(second.lowest(LimitKind::FileSize), None);
        first.let_go();
        first.let_go();
        assert_eq!(second.lowest(files), Some(32));
        drop(second);
        assert_eq!(first.lowest(files), None);
        // Nobody holds the other target.
        assert_eq!(limits.hold(process(8), None).lowest(files), None);
    }

    #[test]
    fn whoever_inherited_a_low_limit_had_that_of_the_first() {
        let limits = Limits::default();
        let hold = limits.hold(process(7), None);
        hold.ask(LimitKind::Files, 64);
        let child = hold.before(process(9), LimitKind::Files, Some(64), Some(1024));
        assert_eq!(child, Some(1024));
        let own = hold.before(process(10), LimitKind::Files, Some(16), Some(1024));
        assert_eq!(own, Some(16));
    }
}
