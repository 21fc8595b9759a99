//! Data that stands in files beside the scenario.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One column of a table in a file. All columns of a table draw the same row for an
/// arrival.
#[derive(Clone, Serialize, Deserialize)]
pub struct Column {
    /// The data's name, which all columns share.
    pub table: String,
    /// As the scenario writes it, relative to its file.
    pub path: String,
    /// SHA-256 of the file, in hexadecimal digits; empty in records of versions that did
    /// not keep it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// How many rows there are.
    pub rows: u64,
    /// One row after the other, and from the front again; at random otherwise.
    pub in_turn: bool,
    /// The values, row by row. They are not recorded with the scenario; of what is sent,
    /// samples hold method and path.
    #[serde(skip)]
    pub values: Arc<[String]>,
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        // The digest stands for the values: a record does not hold them.
        let texts = (&self.table, &self.path, &self.sha256);
        texts == (&other.table, &other.path, &other.sha256)
            && (self.rows, self.in_turn) == (other.rows, other.in_turn)
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({}, {} rows)", self.path, self.rows)
    }
}
