//! `stall`: connections are accepted, and nothing more.

use std::time::Instant;

use squall_scenario::inject::Stall;

use super::{Admission, Admits};

impl Admits for Stall {
    fn admit(&self, _accepted: Instant) -> Admission {
        Admission::Never
    }
}
