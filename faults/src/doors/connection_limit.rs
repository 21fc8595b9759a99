//! `connection_limit`: so many connections, and no more.

use std::time::Instant;

use squall_scenario::inject::ConnectionLimit;

use super::{Admission, Admits};

impl Admits for ConnectionLimit {
    fn admit(&self, _accepted: Instant) -> Admission {
        Admission::Room {
            most: self.most.into(),
            beyond: self.beyond,
        }
    }
}
