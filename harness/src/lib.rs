//! The engine: starts a system, loads it, breaks it, watches it.

pub mod load;
pub mod measure;
mod seed;
