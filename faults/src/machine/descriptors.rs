//! How many connections a process may have open.

use rustix::process::{Resource, getrlimit};

use super::{Machine, Standing};

/// What squall needs for itself, links and probes.
const ENOUGH: u64 = 1024;

/// The limit of descriptors; squall raises the soft one to the hard one.
pub(super) fn descriptors(_: &Machine) -> Standing {
    let limit = getrlimit(Resource::Nofile).maximum;
    match limit {
        Some(hard) if hard < ENOUGH => Standing::Missing {
            why: format!("at most {hard} open files"),
            help: "raise it: `ulimit -Hn 65536` as root, or LimitNOFILE of the unit",
        },
        Some(hard) => Standing::works(format!("{hard} open files, half of them connections")),
        None => Standing::works("as many open files as there is memory for"),
    }
}
