//! What the store and its clients say to each other, as JSON over HTTP.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::table::Table;

/// Partitions one read may ask for.
pub(crate) const READ_PARTITIONS_MAX: usize = 256;
/// Rows of one partition a read returns at most.
pub(crate) const READ_ROWS_MAX: usize = 1_000;
/// Rows one write may carry.
pub(crate) const WRITE_ROWS_MAX: usize = 256;

/// `POST /read`: rows of several partitions of one table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadRequest {
    /// The table.
    pub(crate) table: Table,
    /// The partitions, at most [`READ_PARTITIONS_MAX`].
    pub(crate) partitions: Vec<String>,
    /// Rows wanted of each partition, from its beginning; at most [`READ_ROWS_MAX`].
    pub(crate) limit: usize,
}

/// The answer to a [`ReadRequest`]: only partitions that have rows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ReadReply {
    /// Rows by partition, in clustering order.
    pub(crate) partitions: BTreeMap<String, Vec<StoredRow>>,
}

/// `POST /scan`: the rows of a table whose partitions have one each, in the order of its keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScanRequest {
    /// The table.
    pub(crate) table: Table,
    /// The partition to go on behind; none for the beginning.
    pub(crate) after: Option<String>,
    /// Rows wanted; at most [`READ_ROWS_MAX`].
    pub(crate) limit: usize,
}

/// The answer to a [`ScanRequest`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ScanReply {
    /// The rows.
    pub(crate) rows: Vec<ScannedRow>,
    /// Where to go on; none at the end of the table.
    pub(crate) next: Option<String>,
}

/// One row of a scan.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ScannedRow {
    /// Its partition.
    pub(crate) partition: String,
    /// The value.
    pub(crate) value: Box<RawValue>,
}

/// One row as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredRow {
    /// The clustering key.
    pub(crate) clustering: String,
    /// When it was written, in microseconds since 1970, by the writer's clock.
    pub(crate) timestamp_us: u64,
    /// The value.
    pub(crate) value: Box<RawValue>,
}

/// `POST /write`: rows to write, all or none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteRequest {
    /// The rows, at most [`WRITE_ROWS_MAX`].
    pub(crate) rows: Vec<WriteRow>,
}

/// One row to write.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteRow {
    /// The table.
    pub(crate) table: Table,
    /// The partition.
    pub(crate) partition: String,
    /// The place in the partition.
    #[serde(default)]
    pub(crate) clustering: String,
    /// Decides conflicts: the later wins, whatever the order of arrival.
    pub(crate) timestamp_us: u64,
    /// The value; none deletes the row.
    pub(crate) value: Option<Box<RawValue>>,
}

/// The answer to a [`WriteRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WriteReply {
    /// Rows that took effect.
    pub(crate) applied: usize,
    /// Rows that lost against a later write.
    pub(crate) superseded: usize,
}
