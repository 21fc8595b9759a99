//! Packets dropped or answered with a reset, by rules in the kernel's nftables.
//!
//! Every fault has a table of its own, which belongs to the netlink socket of the
//! guardian (`flags owner`): when that socket is closed, however the guardian
//! ends, the kernel takes the table away. Nothing has to be journalled, and nobody
//! else's tables are read or written.

mod attributes;
mod counted;
mod filter;
mod netlink;
mod rules;

pub use counted::Counted;
pub(crate) use counted::Met;
pub use filter::Filter;
pub(crate) use filter::Filters;
