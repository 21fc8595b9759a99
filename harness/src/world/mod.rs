//! What the engine does to the outside.

pub(crate) mod injection;
mod reached;
