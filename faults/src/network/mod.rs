//! Faults on the network: names that processes look up, and packets below TCP.
//!
//! A run has a resolver of its own ([`Resolver`]) for the names of its system.
//! Processes reach it where they look for any resolver, in `/etc/resolv.conf`,
//! over which the guardian lays a file in their own mount namespace
//! ([`resolver_files`]); nothing outside them changes, and what is laid over is
//! gone with them.

pub mod lookup;
mod message;
mod names;
mod names_fault;
mod packets;
mod packets_fault;
mod resolv_conf;
mod resolver;

pub use message::{Question, Unreadable};
pub use names::{Names, Reply};
pub(crate) use names_fault::ActiveNames;
pub use names_fault::NamesFault;
pub use packets::{Counted, Filter};
pub(crate) use packets::{Filters, Met};
pub use packets_fault::PacketsFault;
pub(crate) use packets_fault::{ActivePackets, may_filter};
pub use resolv_conf::{NoOverlay, may_lay_over, resolver_files};
pub use resolver::{Resolver, ResolverError};
