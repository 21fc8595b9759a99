//! A least-recently-used map bounded by the bytes it holds, shared by cache nodes and edges.

use std::hash::Hash;
use std::time::Instant;

use hashlink::LinkedHashMap;

/// Bookkeeping charged for every entry on top of its key and value, in bytes.
const ENTRY_OVERHEAD: u64 = 96;

/// How many bytes a value counts for.
pub(crate) trait Weigh {
    /// Bytes of the value itself.
    fn weight(&self) -> u64;
}

impl Weigh for bytes::Bytes {
    fn weight(&self) -> u64 {
        self.len() as u64
    }
}

struct Entry<V> {
    value: V,
    expires: Option<Instant>,
    bytes: u64,
}

/// The map, from the entry used longest ago to the newest.
pub(crate) struct Lru<K, V> {
    entries: LinkedHashMap<K, Entry<V>>,
    bytes: u64,
    bytes_max: u64,
    evictions: u64,
}

impl<K: Eq + Hash + Weigh, V: Weigh> Lru<K, V> {
    /// An empty map that will hold at most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            entries: LinkedHashMap::new(),
            bytes: 0,
            bytes_max,
            evictions: 0,
        }
    }

    /// The value of a key, which becomes the newest. An expired entry is removed and not found.
    pub(crate) fn get(&mut self, key: &K, now: Instant) -> Option<&V> {
        self.newest(key, now).map(|entry| &entry.value)
    }

    /// Puts a value, replacing what was there, and evicts the oldest entries until all fits. A
    /// value that could never fit is not kept, and neither is what it replaces.
    pub(crate) fn insert(&mut self, key: K, value: V, expires: Option<Instant>) {
        self.remove(&key);
        let bytes = key.weight() + value.weight() + ENTRY_OVERHEAD;
        if bytes > self.bytes_max {
            return;
        }
        while self.bytes + bytes > self.bytes_max {
            let Some((_, oldest)) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes;
            self.evictions += 1;
        }
        self.bytes += bytes;
        let entry = Entry {
            value,
            expires,
            bytes,
        };
        self.entries.insert(key, entry);
    }

    /// Gives an entry a new expiry; false if there is none.
    pub(crate) fn touch(&mut self, key: &K, expires: Option<Instant>, now: Instant) -> bool {
        let Some(entry) = self.newest(key, now) else {
            return false;
        };
        entry.expires = expires;
        true
    }

    /// Removes a key; false if it was not there.
    pub(crate) fn remove(&mut self, key: &K) -> bool {
        let Some(entry) = self.entries.remove(key) else {
            return false;
        };
        self.bytes -= entry.bytes;
        true
    }

    /// The entry of a key, made the newest; an expired one is removed and not found.
    fn newest(&mut self, key: &K, now: Instant) -> Option<&mut Entry<V>> {
        let expires = self.entries.get(key)?.expires;
        if expires.is_some_and(|expires| expires <= now) {
            self.remove(key);
            return None;
        }
        self.entries.to_back(key)
    }

    /// Removes everything.
    pub(crate) fn clear(&mut self) {
        let evictions = self.evictions;
        *self = Self::new(self.bytes_max);
        self.evictions = evictions;
    }

    /// Entries held, expired ones that nobody has asked for included.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes it may hold.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Entries thrown out to make room since the start.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::time::Duration;

    fn value(len: usize) -> Bytes {
        Bytes::from(vec![7; len])
    }

    fn key(n: u8) -> Bytes {
        Bytes::from(vec![n])
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let now = Instant::now();
        let mut lru = Lru::new(3 * (ENTRY_OVERHEAD + 11));
        for n in 0..3 {
            lru.insert(key(n), value(10), None);
        }
        assert!(lru.get(&key(0), now).is_some());
        lru.insert(key(3), value(10), None);
        assert!(lru.get(&key(1), now).is_none(), "1 was used longest ago");
        assert!(lru.get(&key(0), now).is_some());
        assert_eq!((lru.len(), lru.evictions()), (3, 1));
    }

    #[test]
    fn an_entry_is_gone_at_its_expiry() {
        let now = Instant::now();
        let mut lru = Lru::new(10_000);
        let second = Duration::from_secs(1);
        lru.insert(key(1), value(1), Some(now + second));
        assert!(lru.get(&key(1), now + second / 2).is_some());
        assert!(lru.touch(&key(1), Some(now + second * 2), now + second / 2));
        assert!(lru.get(&key(1), now + second).is_some());
        assert!(lru.get(&key(1), now + second * 2).is_none());
        assert_eq!((lru.len(), lru.bytes()), (0, 0));
    }

    #[test]
    fn a_value_too_large_is_refused_and_takes_the_old_one_with_it() {
        let mut lru = Lru::new(1_000);
        lru.insert(key(1), value(10), None);
        lru.insert(key(1), value(2_000), None);
        assert!(lru.get(&key(1), Instant::now()).is_none());
        assert_eq!(lru.bytes(), 0);
    }

    proptest! {
        /// The bound holds after every step, and what is found is what was last put there.
        #[test]
        fn never_over_its_bound_and_never_wrong(
            steps in prop::collection::vec((0_u8..4, 0_u8..20, 0_usize..600), 1..300)
        ) {
            let now = Instant::now();
            let mut lru = Lru::new(2_000);
            let mut model: HashMap<u8, usize> = HashMap::new();
            for (step, n, len) in steps {
                match step {
                    0 | 1 => {
                        lru.insert(key(n), value(len), None);
                        model.insert(n, len);
                    }
                    2 => {
                        lru.remove(&key(n));
                        model.remove(&n);
                    }
                    _ => {
                        if let Some(found) = lru.get(&key(n), now) {
                            prop_assert_eq!(Some(&found.len()), model.get(&n));
                        }
                    }
                }
                prop_assert!(lru.bytes() <= lru.bytes_max());
                prop_assert!(lru.len() <= model.len());
                let listed: u64 = lru.entries.values().map(|entry| entry.bytes).sum();
                prop_assert_eq!(listed, lru.bytes());
            }
        }
    }
}
