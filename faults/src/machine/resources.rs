//! What keeps a target short of something.

use rustix::process::{Resource, getpid, getrlimit};

use super::{Machine, Standing};
use crate::resource;

/// `prlimit(2)` on a process by its number.
pub(super) fn prlimit(_: &Machine) -> Standing {
    let own = getrlimit(Resource::Nofile);
    match rustix::process::prlimit(Some(getpid()), Resource::Nofile, own) {
        Ok(_) => Standing::works("soft limits of processes of the same user"),
        Err(error) => Standing::Missing {
            why: format!("prlimit: {error}"),
            help: "let seccomp pass prlimit64",
        },
    }
}

/// Cgroups of squall's own, with the freezer.
pub(super) fn freezer(_: &Machine) -> Standing {
    match resource::freezers() {
        Ok(found) => Standing::works(found),
        Err(error) => Standing::Missing {
            why: error.to_string(),
            help: "run squall as root where cgroups may be made (not in a container without \
                   its own); `pause` stops processes by a signal",
        },
    }
}

/// Processes of squall's own in cgroups of others.
pub(super) fn joined_cgroup(_: &Machine) -> Standing {
    match resource::may_join() {
        Ok(found) => Standing::works(found),
        Err(error) => Standing::Fallback {
            why: error.to_string(),
            instead: "it competes from the cgroup that squall is in",
        },
    }
}

/// Cgroups of squall's own, with the controller of memory.
pub(super) fn memory_limit(_: &Machine) -> Standing {
    match resource::memory_limits() {
        Ok(found) => Standing::works(found),
        Err(error) => Standing::Missing {
            why: error.to_string(),
            help: "run squall as root where cgroups may be made (not in a container without \
                   its own)",
        },
    }
}

/// Cgroups of squall's own, with the controller of the processor.
pub(super) fn processor_quota(_: &Machine) -> Standing {
    match resource::processor_quotas() {
        Ok(found) => Standing::works(found),
        Err(error) => Standing::Missing {
            why: error.to_string(),
            help: "run squall as root where cgroups may be made (not in a container without \
                   its own); `pause` needs none",
        },
    }
}
