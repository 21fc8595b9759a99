//! What stands between services: finding, balancing and guarding each other's instances, the
//! client of the cache, and what every process has for its operators.

pub(crate) mod carried;
pub(crate) mod clock;
pub(crate) mod discovery;
pub(crate) mod evcache;
pub(crate) mod host;
pub(crate) mod metrics;
pub(crate) mod read_through;
pub(crate) mod remote;
pub(crate) mod reply;
pub(crate) mod token;
