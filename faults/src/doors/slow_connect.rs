//! `slow_connect`: the target is dialled later.

use std::time::Instant;

use squall_scenario::inject::SlowConnect;

use super::{Admission, Admits};

impl Admits for SlowConnect {
    fn admit(&self, accepted: Instant) -> Admission {
        let due = accepted.checked_add(self.by);
        // Later than there are instants is never.
        due.map_or(Admission::Never, Admission::At)
    }
}
