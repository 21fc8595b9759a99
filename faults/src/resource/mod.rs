//! Faults on what a target has: limits, processor, memory, disk.

mod before;
mod beside;
mod burn;
mod cgroup;
mod fill;
mod folder;
mod headroom;
mod inverse;
mod limit;
mod limits;
mod lowered;
mod memory;
mod pen;
mod pens;
mod pressure;
mod privilege;
mod processor;
mod quota;
mod ration;
mod rival;
mod rival_work;
mod soft_limit;
mod spared;
mod standstill;
mod waiting;

pub use before::Before;
pub(crate) use burn::ActiveBurn;
pub use cgroup::{Controller, Version};
pub(crate) use fill::ActiveFill;
pub(crate) use headroom::{Places, narrowest};
pub use inverse::{LimitKind, LoweredLimit, Pen};
pub(crate) use limit::ActiveLimit;
pub use limits::Limits;
pub(crate) use pressure::ActivePressure;
pub(crate) use quota::ActiveQuota;
pub(crate) use rival_work::{RIVAL, compete};
pub(crate) use spared::free_for;

/// Whether squall may put processes of its own into cgroups of others: where.
///
/// # Errors
/// It may not, or there are none.
pub(crate) fn may_join() -> std::io::Result<String> {
    let found = [Controller::Cpu, Controller::Memory].map(rival::may_join);
    let [of_processor, of_memory] = found;
    let (of_processor, of_memory) = (of_processor?, of_memory?);
    Ok(match of_processor == of_memory {
        true => of_processor,
        false => format!("{of_processor}, {of_memory}"),
    })
}

/// Where quotas of the processor can be set.
///
/// # Errors
/// They cannot, or not by this user.
pub(crate) fn processor_quotas() -> std::io::Result<String> {
    pen::may_make(Controller::Cpu, processor::Processor::FILES)
}

/// Where processes can be made to stand still.
///
/// # Errors
/// They cannot, or not by this user.
pub(crate) fn freezers() -> std::io::Result<String> {
    pen::may_make(Controller::Freezer, standstill::Standstill::FILES)
}

/// Where limits of memory can be set.
///
/// # Errors
/// They cannot, or not by this user.
pub(crate) fn memory_limits() -> std::io::Result<String> {
    pen::may_make(Controller::Memory, memory::Room::FILES)
}
