//! `refuse`: the link stops listening.

use std::time::Instant;

use squall_scenario::inject::Refuse;

use super::{Admission, Admits};

impl Admits for Refuse {
    /// Whoever was accepted in the last moment is let in.
    fn admit(&self, _accepted: Instant) -> Admission {
        Admission::In
    }

    fn refuses(&self) -> bool {
        true
    }
}
