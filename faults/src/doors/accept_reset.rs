//! `accept_reset`: connections are accepted and reset.

use std::time::Instant;

use squall_scenario::inject::AcceptReset;

use super::{Admission, Admits};

impl Admits for AcceptReset {
    fn admit(&self, _accepted: Instant) -> Admission {
        Admission::Reset
    }
}
