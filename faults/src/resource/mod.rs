//! Faults on what a target has: limits, processor, memory, disk.

mod inverse;
mod limit;
mod limits;
mod lowered;
mod privilege;
mod soft_limit;

pub use inverse::{LimitKind, LoweredLimit};
pub(crate) use limit::ActiveLimit;
pub use limits::Limits;
