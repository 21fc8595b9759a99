//! Faults inside processes: set on a socket that the service's fault layer made
//! where squall told it to, and gone with the connection.

mod fault;
mod switch;

pub(crate) use fault::ActiveCalls;
pub use fault::{CallsFault, Inside};
