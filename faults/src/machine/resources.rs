//! What keeps a target short of something.

use rustix::process::{Resource, getpid, getrlimit};

use super::{Machine, Standing};

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
