//! The engine's parts together, as another program sees them.
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod shards;
