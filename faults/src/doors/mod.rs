//! Faults that act before the first byte, one file each: whether and when a
//! connection that was accepted is let in. What else there is to know about
//! each stands in the file of the same name in `squall-scenario`.

mod accept_reset;
mod connection_limit;
mod refuse;
mod slow_connect;
mod stall;

use std::time::Instant;

use squall_scenario::OnBytes;
pub(crate) use squall_scenario::inject::Beyond;

/// What a fault makes of a connection that wants in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is let in at once.
    In,
    /// Not before this instant.
    At(Instant),
    /// When fewer than `most` of those that the fault hits are inside.
    Room {
        /// How many fit.
        most: u64,
        /// What becomes of those beyond.
        beyond: Beyond,
    },
    /// Not while the fault is there.
    Never,
    /// It is reset.
    Reset,
}

/// A fault that decides over connections before their target is dialled:
/// implemented for its parameters, in its own file. Pure: the same connection is
/// given the same answer.
pub(crate) trait Admits: Sync {
    /// What becomes of a connection that was accepted at an instant.
    fn admit(&self, accepted: Instant) -> Admission;

    /// Whether the link does not even listen.
    fn refuses(&self) -> bool {
        false
    }
}

macro_rules! doors {
    ($($toxic:ident in $toxic_file:ident,)+ ; $($kind:ident in $file:ident,)+) => {
        /// The fault as one that decides before the first byte, if it is.
        pub(crate) const fn door(fault: &OnBytes) -> Option<&dyn Admits> {
            match fault {
                $(OnBytes::$toxic(_) => None,)+
                $(OnBytes::$kind(fault) => Some(fault),)+
            }
        }
    };
}

squall_scenario::faults_on_bytes!(doors);
