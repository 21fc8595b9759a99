//! What a file may not decide by itself: the person who runs it has to allow it.

use squall_scenario::{Existing, quoted};

use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::remote::{RemoteTarget, remote_diagnostics};

/// What somebody allowed, on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Hosts that are not this machine.
    pub hosts: Vec<String>,
    /// Processes that squall did not start, by their names in the file.
    pub processes: Vec<String>,
}

/// What a file needs to be allowed, and where that stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needs {
    pub(crate) remote: Vec<(RemoteTarget, Place)>,
    /// Processes that faults are aimed at and squall did not start.
    pub(crate) existing: Vec<(Existing, Place)>,
}

impl Needs {
    /// An error for all that is not among `allowed`.
    pub(crate) fn refused(&self, allowed: &Allowed) -> Vec<Diagnostic> {
        let mut refused = remote_diagnostics(&self.remote, &allowed.hosts);
        let not_allowed =
            |(existing, _): &&(Existing, Place)| !allowed.processes.contains(&existing.name);
        let existing = self.existing.iter().filter(not_allowed);
        refused.extend(existing.map(|(existing, place)| refusal(existing, *place)));
        refused
    }
}

fn refusal(existing: &Existing, place: Place) -> Diagnostic {
    let name = &existing.name;
    let title = format!("squall did not start {}", quoted(name));
    Diagnostic::error(codes::FOREIGN_PROCESS, title)
        .at(place, format!("found by its {}", existing.find))
        .help(format!(
            "if it may be broken, pass `--allow-process {name}`"
        ))
}
