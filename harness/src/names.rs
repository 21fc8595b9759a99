//! Where the names of the load's target lead, and for how long.

mod ask;
mod follow;
mod machine;

pub(crate) use follow::{Followed, follow};
pub(crate) use machine::{Lookup, is_in_hosts};
