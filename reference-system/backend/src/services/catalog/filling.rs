//! The index in memory, filled from the store when it is first asked for. From then on it needs
//! nobody.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use serde::de::DeserializeOwned;

use super::Record;
use super::index::Index;
use crate::dataset::model::{Availability, TITLES, Title};
use crate::platform::host::Host;
use crate::platform::read_through::ReadThrough;
use crate::stores::wide_column::client::Scanned;
use crate::stores::wide_column::table::Table;

/// An index that may not be there yet.
pub(super) struct Filling {
    host: Arc<Host>,
    data: Arc<ReadThrough>,
    index: OnceLock<Index>,
    is_under_way: AtomicBool,
}

impl Filling {
    /// An empty one.
    pub(super) fn new(host: &Arc<Host>, data: &Arc<ReadThrough>) -> Self {
        Self {
            host: Arc::clone(host),
            data: Arc::clone(data),
            index: OnceLock::new(),
            is_under_way: AtomicBool::new(false),
        }
    }

    /// The index, if it is there; otherwise it is being filled from now on. A store that fails
    /// ends the attempt, and the next question begins another.
    pub(super) fn index(self: &Arc<Self>) -> Option<&Index> {
        let index = self.index.get();
        if index.is_none() && !self.is_under_way.swap(true, Ordering::AcqRel) {
            let filling = Arc::clone(self);
            tokio::spawn(async move {
                filling.fill().await;
                filling.is_under_way.store(false, Ordering::Release);
            });
        }
        index
    }

    async fn fill(&self) {
        let titles = self.all::<Title>(Table::Titles).await;
        let availability = self.all::<Availability>(Table::Availability).await;
        let (Some(titles), Some(availability)) = (titles, availability) else {
            self.host.metrics.count("index_fills_failed");
            return;
        };
        let mut countries: HashMap<String, Availability> = availability.into_iter().collect();
        let records = titles.into_iter().filter_map(|(id, title)| {
            let countries = countries.remove(&id)?.countries;
            Some(Record { title, countries })
        });
        let index = Index::of(records.collect());
        tracing::info!(titles = index.len(), "index filled");
        // Only one is filled at a time; were there another, it would be the same.
        let _ = self.index.set(index);
    }

    /// All rows of a table, or none if the store fails once. Each part has a deadline of its own.
    async fn all<T: DeserializeOwned>(&self, table: Table) -> Option<Vec<(String, T)>> {
        let mut rows = Vec::new();
        let mut after = None;
        // More than there are of either would be a store that goes round in circles.
        while rows.len() <= TITLES as usize {
            let deadline = self.host.own_deadline(Instant::now());
            let part = self.data.store.scan_or_none(table, after, deadline).await;
            let (more, next): Scanned<T> = part?;
            rows.extend(more);
            if next.is_none() {
                return Some(rows);
            }
            after = next;
        }
        None
    }
}
