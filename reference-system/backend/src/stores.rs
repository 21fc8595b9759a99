//! What keeps data: a folder for each role of a store.

pub(crate) mod cache;
pub(crate) mod users;
pub(crate) mod wide_column;
