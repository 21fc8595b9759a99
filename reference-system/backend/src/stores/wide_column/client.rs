//! The store as other services see it: typed rows behind the command `store`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use squall_resilience::Deadline;

use super::protocol::{
    READ_ROWS_MAX, ReadReply, ReadRequest, ScanReply, ScanRequest, WriteReply, WriteRequest,
    WriteRow,
};
use super::table::Table;
use crate::platform::clock;
use crate::platform::host::Host;
use crate::platform::remote::{Ask, CallError, Remote, RemoteError, Reply};
use crate::service::ServeError;

/// Values by partition, in clustering order.
pub(crate) type Rows<T> = BTreeMap<String, Vec<T>>;

/// Values with their partitions, and behind which to go on.
pub(crate) type Scanned<T> = (Vec<(String, T)>, Option<String>);

/// A client of the store.
pub(crate) struct StoreClient {
    remote: Remote,
}

impl StoreClient {
    /// A client with the command `store` of this instance.
    ///
    /// # Errors
    /// The service does not declare the store as a dependency.
    pub(crate) fn new(host: &Host) -> Result<Self, ServeError> {
        Ok(Self {
            remote: Remote::new(host, "store")?,
        })
    }

    /// The rows of these partitions; none if the store did not answer in time with rows of this
    /// type.
    pub(crate) async fn read_or_none<T: DeserializeOwned>(
        &self,
        table: Table,
        partitions: &[String],
        limit: usize,
        deadline: Deadline,
    ) -> Option<Rows<T>> {
        let ask = read_ask(table, partitions, limit);
        let read = |reply| typed_rows(reply).map(Some);
        let fallback = |_: &CallError| std::future::ready(Ok(None));
        self.remote
            .ask_or(&ask, deadline, read, fallback)
            .await
            .ok()
            .flatten()
    }

    /// The next rows of a table whose partitions have one each, and behind which partition to go
    /// on, which at the end is none; none at all if the store did not answer in time with rows of
    /// this type.
    pub(crate) async fn scan_or_none<T: DeserializeOwned>(
        &self,
        table: Table,
        after: Option<String>,
        deadline: Deadline,
    ) -> Option<Scanned<T>> {
        let request = ScanRequest {
            table,
            after,
            limit: READ_ROWS_MAX,
        };
        let ask = Ask::post("/scan", &request).repeatable();
        let read = |reply| scanned_rows(reply).map(Some);
        let fallback = |_: &CallError| std::future::ready(Ok(None));
        self.remote
            .ask_or(&ask, deadline, read, fallback)
            .await
            .ok()
            .flatten()
    }

    /// Writes one row with the time of now, which wins against everything written before.
    ///
    /// # Errors
    /// The store did not acknowledge in time. The row may have been written all the same.
    pub(crate) async fn write(
        &self,
        table: Table,
        partition: String,
        clustering: String,
        value: &impl Serialize,
        deadline: Deadline,
    ) -> Result<WriteReply, CallError> {
        let text = serde_json::to_string(value)
            .and_then(RawValue::from_string)
            .map_err(|error| CallError::BadRequest(RemoteError::Garbled(error.to_string())))?;
        let row = WriteRow {
            table,
            partition,
            clustering,
            timestamp_us: clock::unix_micros(),
            value: Some(text),
        };
        let ask = Ask::post("/write", &WriteRequest { rows: vec![row] });
        self.remote.ask(&ask, deadline, Reply::json).await
    }
}

fn read_ask(table: Table, partitions: &[String], limit: usize) -> Ask {
    let request = ReadRequest {
        table,
        partitions: partitions.to_vec(),
        limit,
    };
    Ask::post("/read", &request).repeatable()
}

fn scanned_rows<T: DeserializeOwned>(reply: Reply) -> Result<Scanned<T>, RemoteError> {
    let reply: ScanReply = reply.json()?;
    let rows = reply
        .rows
        .into_iter()
        .map(|row| Ok((row.partition, serde_json::from_str(row.value.get())?)))
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|error| RemoteError::Garbled(error.to_string()))?;
    Ok((rows, reply.next))
}

fn typed_rows<T: DeserializeOwned>(reply: Reply) -> Result<Rows<T>, RemoteError> {
    let reply: ReadReply = reply.json()?;
    let mut rows = Rows::new();
    for (partition, stored) in reply.partitions {
        let values = stored
            .iter()
            .map(|row| serde_json::from_str(row.value.get()))
            .collect::<Result<_, _>>()
            .map_err(|error| RemoteError::Garbled(error.to_string()))?;
        rows.insert(partition, values);
    }
    Ok(rows)
}
