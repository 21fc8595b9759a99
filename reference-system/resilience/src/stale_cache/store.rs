//! The answers, from the one used longest ago to the newest.

use std::hash::Hash;
use std::time::{Duration, Instant};

use hashlink::LinkedHashMap;

use super::rules::{StaleCacheRules, Use};

/// Answers by key, bounded in number and weight.
pub(super) struct Store<K, T> {
    entries: LinkedHashMap<K, Entry<T>>,
    weight: u64,
    evicted: u64,
}

/// An answer that is kept.
pub(super) struct Entry<T> {
    value: T,
    arrived: Instant,
    weight: u64,
}

impl<K: Hash + Eq, T: Clone> Store<K, T> {
    pub(super) fn new() -> Self {
        Self {
            entries: LinkedHashMap::new(),
            weight: 0,
            evicted: 0,
        }
    }

    /// The answer for `key`, its age and what it is good for; none that is good for nothing.
    pub(super) fn find(
        &mut self,
        key: &K,
        now: Instant,
        rules: &StaleCacheRules,
    ) -> Option<(T, Duration, Use)> {
        let entry = self.entries.to_back(key)?;
        let age = now.saturating_duration_since(entry.arrived);
        match rules.use_of(age) {
            Use::Nothing => None,
            of_use => Some((entry.value.clone(), age, of_use)),
        }
    }

    /// Keeps `value`, and gives what had to go for it; or that itself, if it could never fit.
    pub(super) fn keep(
        &mut self,
        key: K,
        value: T,
        weight: u64,
        now: Instant,
        rules: &StaleCacheRules,
    ) -> Vec<Entry<T>> {
        let mut gone: Vec<_> = self.remove(&key).into_iter().collect();
        let entry = Entry {
            value,
            arrived: now,
            weight,
        };
        if weight > rules.max_weight {
            gone.push(entry);
            return gone;
        }
        while self.entries.len() >= rules.max_entries || self.weight > rules.max_weight - weight {
            let Some((_, oldest)) = self.entries.pop_front() else {
                break;
            };
            self.weight -= oldest.weight;
            self.evicted += 1;
            gone.push(oldest);
        }
        self.weight += weight;
        self.entries.insert(key, entry);
        gone
    }

    /// Takes the answer for `key` away.
    pub(super) fn remove(&mut self, key: &K) -> Option<Entry<T>> {
        let entry = self.entries.remove(key)?;
        self.weight -= entry.weight;
        Some(entry)
    }

    /// Takes all away.
    pub(super) fn take_all(&mut self) -> LinkedHashMap<K, Entry<T>> {
        self.weight = 0;
        std::mem::take(&mut self.entries)
    }

    /// Answers, their weight, and how many had to go for others.
    pub(super) fn sizes(&self) -> (usize, u64, u64) {
        (self.entries.len(), self.weight, self.evicted)
    }
}
