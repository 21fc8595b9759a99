//! What users and other services ask: a folder for each service, which keeps nothing itself.

pub(crate) mod catalog;
pub(crate) mod edge;
pub(crate) mod gateway;
pub(crate) mod origin;
pub(crate) mod playback;
pub(crate) mod recommendations;
pub(crate) mod user;
