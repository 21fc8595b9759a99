//! The engine: starts a system, loads it, breaks it, watches it, puts it back.
//!
//! [`experiment::run`] is the life of a run. It emits [`RunEvent`]s through the
//! [`EventHub`](hub::EventHub), which writes them to the record before anybody
//! else sees them; nothing outside reads the engine's state.
//!
//! [`RunEvent`]: squall_record::RunEvent

pub mod clock;
pub mod experiment;
pub mod hub;
mod names;
mod own_log;
pub mod probe;
mod redact;
pub mod system;
mod world;
