//! Faults on what a target has: limits, processor, memory, disk.

mod cgroup;
mod fill;
mod folder;
mod inverse;
mod limit;
mod limits;
mod lowered;
mod memory;
mod pen;
mod pens;
mod privilege;
mod processor;
mod quota;
mod ration;
mod soft_limit;
mod spared;

pub use cgroup::{Controller, Version};
pub(crate) use fill::ActiveFill;
pub use inverse::{LimitKind, LoweredLimit, Pen};
pub(crate) use limit::ActiveLimit;
pub use limits::Limits;
pub(crate) use quota::ActiveQuota;

/// Where quotas of the processor can be set.
///
/// # Errors
/// They cannot, or not by this user.
pub(crate) fn processor_quotas() -> std::io::Result<String> {
    pen::may_make(Controller::Cpu, processor::Processor::FILES)
}

/// Where limits of memory can be set.
///
/// # Errors
/// They cannot, or not by this user.
pub(crate) fn memory_limits() -> std::io::Result<String> {
    pen::may_make(Controller::Memory, memory::Room::FILES)
}
