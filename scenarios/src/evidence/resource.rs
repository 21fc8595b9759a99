//! What was seen of a fault on what a target has.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ProcessSeen;
use crate::inject::OnResource;

/// A target that is kept short of something, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceSeen {
    /// Whose it is, and how many of its processes were seen.
    pub process: ProcessSeen,
    /// What is done.
    pub fault: OnResource,
    /// What was counted, if anything was.
    pub measured: Option<Measured>,
}

/// What was counted of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measured {
    /// Descriptors that the process with most of them has open.
    Descriptors {
        /// How many.
        open: u64,
    },
}

impl ResourceSeen {
    /// That it is in force.
    pub(super) fn in_force(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, fault, .. } = self;
        write!(f, "{} is in force on {process}", fault.in_words())?;
        self.counted(f)
    }

    /// That it is not in force any more.
    pub(super) fn put_back(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, fault, .. } = self;
        let words = fault.in_words();
        if process.processes == 0 {
            let ProcessSeen { name, pid, .. } = process;
            return write!(f, "{name} (pid {pid}) ended under {words}");
        }
        write!(f, "{words} was taken off {process}")?;
        self.counted(f)
    }

    /// That it is over, and another fault of its kind is not.
    pub(super) fn stays_short(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, fault, .. } = self;
        let ProcessSeen { name, pid, .. } = process;
        let words = fault.in_words();
        write!(
            f,
            "{words} is over, but {name} (pid {pid}) stays short by another fault"
        )
    }

    fn counted(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.measured {
            None => Ok(()),
            Some(Measured::Descriptors { open }) => {
                write!(f, "; {open} descriptors are open in the fullest")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::evidence::Sighting;
    use crate::inject::Limit;

    use super::*;

    #[test]
    fn a_lowered_limit_is_said_with_what_is_open() {
        let seen = |processes| ResourceSeen {
            process: ProcessSeen {
                name: "edge-0".to_owned(),
                pid: 7,
                processes,
            },
            fault: OnResource::Limit(Limit {
                files: Some(64),
                ..Limit::default()
            }),
            measured: Some(Measured::Descriptors { open: 31 }),
        };
        let said = |sighting: Sighting| sighting.to_string();
        assert_eq!(
            said(Sighting::Short(seen(2))),
            "limit files to 64 is in force on edge-0 (pid 7, 2 processes); \
             31 descriptors are open in the fullest"
        );
        assert_eq!(
            said(Sighting::PutBack(seen(1))),
            "limit files to 64 was taken off edge-0 (pid 7, 1 process); \
             31 descriptors are open in the fullest"
        );
        assert_eq!(
            said(Sighting::PutBack(seen(0))),
            "edge-0 (pid 7) ended under limit files to 64"
        );
        assert_eq!(
            said(Sighting::StaysShort(seen(1))),
            "limit files to 64 is over, but edge-0 (pid 7) stays short by another fault"
        );
    }
}
