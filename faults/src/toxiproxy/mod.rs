//! A server that answers as Toxiproxy 2.12 does: its API to the byte, on the
//! proxies and toxics of this crate.
//!
//! What a client can see is Toxiproxy's: paths, statuses, texts of errors, which
//! fields are echoed how, which proxies `/populate` leaves alone, that `/reset`
//! enables. What made it stumble is not: a dial or a stream that hangs holds up
//! nobody else, sizes that made it crash are refused, chance comes from the seed,
//! a half of a connection that is closed leaves the other half.
//!
//! No HTTP here: [`Toxiproxy::answer`] takes what a request says and gives what
//! is to be sent.

mod address;
mod answer;
mod api;
mod entry;
mod error;
mod input;
mod json;
mod kind;
#[cfg(test)]
mod kind_test;
mod metrics;
mod proxied;
mod route;

pub use answer::Answer;
pub use api::{NotPopulated, Request, Toxiproxy, ToxiproxyConfig};
