//! Calling a dependency that may fail: circuit breaker, bulkhead, timeout, retry and fallback as
//! tower layers, with the semantics, names and defaults of Hystrix 1.5.18.
#![doc = include_str!("../README.md")]

pub mod adaptive;
pub mod balance;
pub mod breaker;
pub mod bulkhead;
pub mod collapser;
pub mod dynamic;
pub mod event;
pub mod hystrix_stream;
pub mod layers;
pub mod metrics;
pub mod prometheus;
pub mod request_context;
pub mod retry_budget;
pub mod single_flight;
pub mod stale_cache;

#[cfg(test)]
mod bulkhead_test;
mod cached;
mod call;
mod chance;
mod clock;
mod command;
mod deadline;
mod error;
mod execute;
mod execute_kept;
mod hedge;
mod priority;
mod promise;
mod properties;
mod registry;
mod retry_after;
mod shared;
mod snapshot;
mod sync;
mod threads;
mod tried;

pub use breaker::BreakerState;
pub use cached::Cached;
pub use call::{Attempt, Call, CallOptions};
pub use clock::{Clock, SystemClock};
pub use command::Command;
pub use deadline::{DEADLINE_MS_MAX, Deadline, DeadlineError};
pub use error::{Classification, Classify, CommandError, FailureType};
pub use event::{BreakerTransition, CommandEvent, Happening, Notice};
pub use layers::{CommandLayer, CommandService};
pub use priority::Priority;
pub use properties::{Properties, PropertiesBuilder, PropertiesError};
pub use registry::Registry;
pub use request_context::RequestContext;
pub use retry_after::retry_after;
pub use snapshot::CommandSnapshot;
pub use tried::Tried;
