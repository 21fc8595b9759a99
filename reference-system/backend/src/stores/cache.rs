//! A cache node: the memcached text protocol over a byte-bounded LRU with expiry.

pub(crate) mod codec;
pub(crate) mod lru;
pub(crate) mod server;
