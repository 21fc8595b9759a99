//! Namespaces of the kernel.

use super::{Machine, Standing};
use crate::guardian;

/// A PID namespace for the system under test.
pub(super) fn pid_namespace(machine: &Machine) -> Standing {
    match guardian::may_have_a_namespace(&machine.guardian) {
        Ok(()) => Standing::works("used with SQUALL_NAMESPACE=on"),
        Err(error) => Standing::Fallback {
            why: error.to_string(),
            instead: "a keeper beside the guardian ends the system under test",
        },
    }
}
