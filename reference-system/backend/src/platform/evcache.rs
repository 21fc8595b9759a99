//! The EVCache client: rings of cache nodes by zone, writes to all zones, reads from the nearest.

pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod ring;
pub(crate) mod wire;
