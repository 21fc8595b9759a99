//! Exchanges that are under way: found by their key, and in the order in which
//! they were dispatched, which is that of their deadlines.

use std::time::{Duration, Instant};

/// Names one exchange; never another one that took its place later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    index: u32,
    generation: u32,
}

/// Ends a chain of slots.
const NONE: u32 = u32::MAX;

/// When an exchange was dispatched, and how long the generator had stood still
/// until then.
#[derive(Debug, Clone, Copy)]
pub struct Dispatch {
    /// When its sender began to work on it.
    pub at: Instant,
    /// All that the sender had stood still until then.
    pub stalled: Duration,
}

/// When a connection was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// When the address that took it was asked.
    pub begun: Instant,
    /// When it had accepted.
    pub connected: Instant,
    /// When the TLS handshake was done, where there is one.
    pub encrypted: Option<Instant>,
}

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Entry<E, P> {
    pub(super) errand: E,
    pub(super) dispatch: Dispatch,
    /// Chooses the address that it starts with.
    pub(super) turn: u64,
    /// How its connection was made, where it had to be made for it.
    pub(super) made: Option<Made>,
    /// When the request was handed to a connection, if it was.
    pub(super) written: Option<Instant>,
    /// Whether it was sent again on a fresh connection.
    pub(super) resent: bool,
    /// Addresses that accepted a fresh connection and closed it unread.
    pub(super) refused: u64,
    pub(super) place: P,
}

impl<E, P> Entry<E, P> {
    /// One that has not been handed to a connection.
    pub(super) const fn new(errand: E, turn: u64, dispatch: Dispatch, place: P) -> Self {
        Self {
            errand,
            dispatch,
            turn,
            made: None,
            written: None,
            resent: false,
            refused: 0,
            place,
        }
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    before: u32,
    /// The next younger one; of a free slot, the next free one.
    after: u32,
    entry: Option<T>,
}

/// All exchanges under way. Takes and gives them back without allocating, once
/// it has grown to as many as there are at a time.
#[derive(Debug)]
pub(super) struct UnderWay<E, P> {
    slots: Vec<Slot<Entry<E, P>>>,
    free: u32,
    oldest: u32,
    youngest: u32,
}

impl<E, P> UnderWay<E, P> {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: NONE,
            oldest: NONE,
            youngest: NONE,
        }
    }

    /// Adds the youngest.
    pub(super) fn insert(&mut self, entry: Entry<E, P>) -> Key {
        let index = match self.slots.get(self.free as usize) {
            Some(slot) => std::mem::replace(&mut self.free, slot.after),
            None => {
                self.slots.push(Slot {
                    generation: 0,
                    before: NONE,
                    after: NONE,
                    entry: None,
                });
                // The bound on requests under way is far below.
                (self.slots.len() - 1) as u32
            }
        };
        let before = std::mem::replace(&mut self.youngest, index);
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.after = index,
            None => self.oldest = index,
        }
        let slot = &mut self.slots[index as usize];
        slot.before = before;
        slot.after = NONE;
        slot.entry = Some(entry);
        let generation = slot.generation;
        Key { index, generation }
    }

    /// Adds one that was dispatched before others that are here: it stands among them
    /// as it would if it had come then.
    pub(super) fn insert_again(&mut self, entry: Entry<E, P>) -> Key {
        let at = entry.dispatch.at;
        let key = self.insert(entry);
        let younger = |slots: &[Slot<Entry<E, P>>], index: u32| {
            let entry = slots.get(index as usize)?.entry.as_ref()?;
            (entry.dispatch.at > at).then_some(())
        };
        let mut after = self.slots[key.index as usize].before;
        if younger(&self.slots, after).is_none() {
            return key;
        }
        // Out of the end of the chain, and back to those that are as old.
        self.youngest = after;
        if let Some(slot) = self.slots.get_mut(after as usize) {
            slot.after = NONE;
        }
        let mut before_it = self.slots[after as usize].before;
        while younger(&self.slots, before_it).is_some() {
            after = before_it;
            before_it = self.slots[after as usize].before;
        }
        self.slots[key.index as usize].before = before_it;
        self.slots[key.index as usize].after = after;
        self.slots[after as usize].before = key.index;
        match self.slots.get_mut(before_it as usize) {
            Some(slot) => slot.after = key.index,
            None => self.oldest = key.index,
        }
        key
    }

    /// The exchange of this key, unless it is over.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Entry<E, P>> {
        let slot = self.slots.get_mut(key.index as usize)?;
        let known = slot.generation == key.generation;
        slot.entry.as_mut().filter(|_| known)
    }

    /// Takes out the exchange of this key, unless it is over.
    pub(super) fn remove(&mut self, key: Key) -> Option<Entry<E, P>> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let entry = slot.entry.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        let (before, after) = (slot.before, slot.after);
        slot.after = std::mem::replace(&mut self.free, key.index);
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.after = after,
            None => self.oldest = after,
        }
        match self.slots.get_mut(after as usize) {
            Some(slot) => slot.before = before,
            None => self.youngest = before,
        }
        Some(entry)
    }

    /// The one that was dispatched before all others.
    pub(super) fn oldest(&self) -> Option<(Key, Dispatch)> {
        let index = self.oldest;
        let slot = self.slots.get(index as usize)?;
        let generation = slot.generation;
        let entry = slot.entry.as_ref()?;
        Some((Key { index, generation }, entry.dispatch))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(errand: u32, at: Instant) -> Entry<u32, ()> {
        let dispatch = Dispatch {
            at,
            stalled: Duration::ZERO,
        };
        Entry::new(errand, 0, dispatch, ())
    }

    proptest! {
        /// Beside a plain list, whatever comes and goes in whatever order.
        #[test]
        fn it_is_a_list_in_the_order_of_dispatch(
            steps in prop::collection::vec(prop::option::of((any::<prop::sample::Index>(), any::<bool>())), 0..80),
        ) {
            let origin = Instant::now();
            let mut under_way = UnderWay::new();
            // By when they were dispatched; of those that were together, as they came.
            let mut list: Vec<(Key, u32, Instant)> = Vec::new();
            let mut gone = Vec::new();
            for (errand, step) in (0..).zip(steps) {
                match step {
                    Some((which, again)) if !list.is_empty() => {
                        let (key, errand, at) = list.remove(which.index(list.len()));
                        prop_assert_eq!(under_way.remove(key).map(|e| e.errand), Some(errand));
                        gone.push(key);
                        if again {
                            let key = under_way.insert_again(entry(errand, at));
                            let place = list.partition_point(|known| known.2 <= at);
                            list.insert(place, (key, errand, at));
                        }
                    }
                    _ => {
                        // Two are dispatched at a time.
                        let at = origin + Duration::from_millis(u64::from(errand / 2));
                        list.push((under_way.insert(entry(errand, at)), errand, at));
                    }
                }
                prop_assert_eq!(under_way.oldest().map(|(key, _)| key), list.first().map(|e| e.0));
                for (key, errand, _) in &list {
                    prop_assert_eq!(under_way.get_mut(*key).map(|e| e.errand), Some(*errand));
                }
                for key in &gone {
                    prop_assert!(under_way.get_mut(*key).is_none(), "its slot was taken again");
                    prop_assert!(under_way.remove(*key).is_none());
                }
            }
        }
    }
}
