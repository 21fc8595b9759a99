//! Reading a partition through the cache: cache, then store, then write back.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use squall_resilience::Deadline;

use crate::platform::evcache::client::EvCache;
use crate::platform::host::Host;
use crate::service::ServeError;
use crate::settings::Switch;
use crate::stores::wide_column::client::StoreClient;
use crate::stores::wide_column::table::Table;

/// How long rows that seldom change stay cached.
pub(crate) const ROWS_TTL: Duration = Duration::from_secs(600);
/// Rows of a partition that are read.
const ROWS_MAX: usize = 1_000;

/// Neither the cache nor the store could say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// No cache node answers, and the store may not stand in.
    #[error("no cache node answers and store_fallback is disabled")]
    CacheOutage,
    /// It was not cached, and the store does not answer.
    #[error("not cached, and the store does not answer")]
    StoreOutage,
}

/// A cache in front of a store.
pub(crate) struct ReadThrough {
    /// The cache.
    pub(crate) cache: EvCache,
    /// The store.
    pub(crate) store: StoreClient,
    store_fallback: Switch,
}

impl ReadThrough {
    /// With the commands `evcache` and `store` of this instance.
    ///
    /// # Errors
    /// The service does not declare both as dependencies.
    pub(crate) fn new(host: &Arc<Host>) -> Result<Self, ServeError> {
        Ok(Self {
            cache: EvCache::new(host)?,
            store: StoreClient::new(host)?,
            store_fallback: host.config.settings.store_fallback,
        })
    }

    /// Whether the store may be asked after a lookup that was or was not an outage.
    pub(crate) fn may_read_store(&self, outage: bool) -> Result<(), Unreadable> {
        if outage && !self.store_fallback.is_enabled() {
            return Err(Unreadable::CacheOutage);
        }
        Ok(())
    }

    /// All rows of a partition, possibly none.
    ///
    /// # Errors
    /// Neither could say.
    pub(crate) async fn rows<T: Serialize + DeserializeOwned>(
        &self,
        table: Table,
        partition: &str,
        deadline: Deadline,
    ) -> Result<Vec<T>, Unreadable> {
        let key = format!("{}:{partition}", table.name());
        let lookup = self.cache.get(std::slice::from_ref(&key), deadline).await;
        if let Some(rows) = lookup.json(&key) {
            return Ok(rows);
        }
        self.may_read_store(lookup.outage)?;
        let partitions = [partition.to_owned()];
        let mut rows = self
            .store
            .read_or_none(table, &partitions, ROWS_MAX, deadline)
            .await
            .ok_or(Unreadable::StoreOutage)?;
        let rows: Vec<T> = rows.remove(partition).unwrap_or_default();
        if !rows.is_empty() {
            self.cache.set_later(key, ROWS_TTL, &rows);
        }
        Ok(rows)
    }
}
