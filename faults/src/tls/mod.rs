//! TLS of links: a link that speaks it with its callers, by certificates of the
//! run's own authority, and the faults on that.
//!
//! What is carried in between is plain, so every fault on bytes and messages
//! works on it.

mod authority;
mod fault;
mod terminal;

pub use authority::{Authority, NoCertificate};
pub(crate) use fault::ActiveTls;
pub use fault::TlsFault;
pub use terminal::Terminal;
pub(crate) use terminal::{Side, Unsecured};
