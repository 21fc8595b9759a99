//! Popularity lists in the process's own memory, in front of cache and store.
//!
//! A list is large, the same for a whole country and changes slowly, so this is the one thing a
//! service remembers by itself. There are as many lists as countries, which bounds the memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use squall_resilience::Deadline;

use crate::dataset::model::PopularTitle;
use crate::platform::read_through::{ReadThrough, Unreadable};
use crate::stores::wide_column::table::Table;

/// How long a list is used before it is read again.
const FRESH: Duration = Duration::from_secs(60);

/// A list and when it was read.
type Held = (Instant, Arc<Vec<PopularTitle>>);

/// The lists read so far.
#[derive(Default)]
pub(super) struct PopularLists {
    held: Mutex<HashMap<String, Held>>,
}

impl PopularLists {
    /// The list of a country. One that cannot be read again is used on: yesterday's list is nearly
    /// as good.
    ///
    /// # Errors
    /// It was never read and cannot be now.
    pub(super) async fn of(
        &self,
        country: &str,
        data: &ReadThrough,
        deadline: Deadline,
    ) -> Result<Arc<Vec<PopularTitle>>, Unreadable> {
        let now = Instant::now();
        let held = self.held(country);
        if let Some((read, list)) = &held
            && now.saturating_duration_since(*read) < FRESH
        {
            return Ok(Arc::clone(list));
        }
        match data.rows(Table::Popularity, country, deadline).await {
            Ok(list) => Ok(self.hold(country, list, now)),
            Err(unreadable) => held.map(|(_, list)| list).ok_or(unreadable),
        }
    }

    fn held(&self, country: &str) -> Option<Held> {
        self.lock().get(country).cloned()
    }

    fn hold(&self, country: &str, list: Vec<PopularTitle>, now: Instant) -> Arc<Vec<PopularTitle>> {
        let list = Arc::new(list);
        // A country that has no list is a mistake of the caller; remembering those has no bound.
        if !list.is_empty() {
            self.lock()
                .insert(country.to_owned(), (now, Arc::clone(&list)));
        }
        list
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Held>> {
        // The map is whole after every call; a panic elsewhere cannot have broken it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lists_that_exist_are_remembered() {
        let lists = PopularLists::default();
        let title = PopularTitle {
            id: 1,
            share: 0.1,
            genres: vec![],
            maturity_age: 0,
        };
        lists.hold("JP", vec![title], Instant::now());
        lists.hold("nowhere", Vec::new(), Instant::now());
        assert!(lists.held("JP").is_some());
        assert!(lists.held("nowhere").is_none());
    }
}
