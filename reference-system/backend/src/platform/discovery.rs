//! Service discovery in Eureka's manner: leases kept alive by renewals, copies kept by clients.

pub(crate) mod balancer;
pub(crate) mod client;
pub(crate) mod directory;
pub(crate) mod lease;
pub(crate) mod place;
pub(crate) mod server;
mod start;
