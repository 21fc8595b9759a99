//! The wide-column store: tables of partitions of sorted rows, last write wins, on an LSM tree.
//!
//! It imitates what a Cassandra client sees, in one process: a partition key finds the partition,
//! clustering keys order the rows in it, and a write carries a timestamp that decides conflicts.

pub(crate) mod client;
pub(crate) mod protocol;
pub(crate) mod server;
pub(crate) mod table;
pub(crate) mod tree;
