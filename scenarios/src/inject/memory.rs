//! `memory`: a running process may have only so much memory.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Mistake, ParameterKind};
use super::{About, Parameter, Surface};
use crate::units::ByteCount;

/// Less is not a process that is short of memory but one that cannot run.
const LEAST: ByteCount = ByteCount(1024 * 1024);

/// A running process and all it started may have so much memory, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// With what they have already.
    pub limit: ByteCount,
}

pub(super) static ABOUT: About = About {
    keyword: "memory",
    surface: Surface::Resource,
    about: "A running process may have only so much memory.",
    also_called: &["memory_limit", "mem", "oom", "out_of_memory"],
    noun: "a limit of memory",
    meaning: "The running process and all it started may have so much memory, together (a limit of cgroups, v1 or v2).",
    reads: "memory: { limit: 200MiB }",
    parameters: &[Parameter::needed(
        "limit",
        ParameterKind::Size,
        "How much the process and all it started may have together, with what they have already: it has to be more than that. Beyond it the kernel gives up cached files and swaps out where it can, and then ends one of them.",
        &["max", "size", "to", "bytes"],
    )],
    example: "- name: payments run out of memory
  at: 15s
  inject: { memory: { limit: 200MiB } }
  into: payments
  for: 20s",
    verified: "The process and everything it started must be in the cgroup that squall made, and the limit must stand there. Before it is taken away, the kernel must have come to the limit (failcnt, or `max` of memory.events); a limit that nobody came to proves nothing. One that the kernel ended for it is the effect, not a loss.",
    undone: "Each goes back to the cgroup that it came from, and what was started meanwhile to that of the first; then squall's is removed. Whoever was ended is started again by its restart policy, without the limit. The undo is on disk before the effect, so `squall recover` can do it too.",
    read: |given| {
        let limit = given.bytes("limit")?;
        Some(Memory { limit }.into())
    },
};

impl Kind for Memory {
    fn details(&self) -> String {
        format!(" to {}", self.limit)
    }

    fn brief(&self) -> String {
        self.details()
    }

    fn mistake(&self) -> Option<Mistake> {
        (self.limit < LEAST).then(|| {
            Mistake::out_of_range(
                "limit",
                "nothing would run at all",
                "at least 1MiB",
                "write more than the process has, for instance `200MiB`; `kill` ends a process",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::Inject;

    #[test]
    fn a_process_is_left_enough_to_run() {
        let of = |limit| Memory {
            limit: ByteCount(limit),
        };
        let inject = Inject::from(of(200 << 20));
        assert_eq!(inject.to_string(), "memory to 200MiB");
        assert_eq!(inject.mistake(), None);
        assert_eq!(of(LEAST.0).mistake(), None);
        for less in [0, LEAST.0 - 1] {
            let mistake = of(less).mistake().map(|mistake| mistake.parameter);
            assert_eq!(mistake, Some("limit"));
        }
    }
}
