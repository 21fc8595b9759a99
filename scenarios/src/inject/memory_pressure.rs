//! `memory_pressure`: a process of squall's holds what a running process may need.

use serde::{Deserialize, Serialize};

use super::kind::{Absent, Kind, Mistake, ParameterKind, Value};
use super::{About, Parameter, Surface};
use crate::units::{ByteCount, Share};

/// What is left when nothing is said.
const LEAVE: ByteCount = ByteCount(16 * 1024 * 1024);

/// So much of the memory that a running process may have is in use, by squall where
/// it is not by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPressure {
    /// Of its limit, or of the machine's memory where it has none.
    pub up_to: Share,
    /// What is left at the least.
    pub leave: ByteCount,
}

pub(super) static ABOUT: About = About {
    keyword: "memory_pressure",
    surface: Surface::Resource,
    about: "Most of the memory that a running process may have is in use already.",
    also_called: &[
        "pressure",
        "memory_hog",
        "memory_stress",
        "memory_burn",
        "stress_memory",
    ],
    noun: "memory pressure",
    meaning: "A process of squall's in the cgroup of the running process holds memory until so much is in use of the least limit of that cgroup and those above it, or of the machine where none has a limit. It gives back what others take once less than `leave` would be left on any of them, and all where that limit ends or is raised.",
    reads: "memory_pressure: { up_to: 90%, leave: 64MiB }",
    parameters: &[
        Parameter::needed(
            "up_to",
            ParameterKind::Share,
            "How much of the limit is in use, without cached files that the kernel can give up.",
            &["to", "share", "percent", "fill", "used"],
        ),
        Parameter {
            name: "leave",
            kind: ParameterKind::Size,
            absent: Absent::Means(Value::Bytes(LEAVE)),
            about: "What is left of the limit; nothing is taken below it. The machine is left 256MiB in any case.",
            otherwise: &["floor", "free", "keep", "down_to"],
        },
    ],
    example: "- name: payments hardly have memory
  at: 15s
  inject: { memory_pressure: { up_to: 90% } }
  into: payments
  for: 20s",
    verified: "As much as was asked for must have been seen in use, within 2 % of the limit; one that came to its floor before proves nothing, and one whose limit has ended or was raised meanwhile has failed. Where squall may not put a process into the cgroup of the target, and that one has a limit, it is refused.",
    undone: "What is held belongs to a process of squall's own, which ends when squall does, however that ends, for its standard input ends with it. It must have ended. Where the kernel has to end somebody for want of memory, it ends that one first. Its undo is on disk before it is told to begin, so the guardian and `squall recover` can end it too.",
    read: |given| {
        let up_to = given.share("up_to")?;
        let leave = given.bytes("leave")?;
        Some(MemoryPressure { up_to, leave }.into())
    },
};

impl Kind for MemoryPressure {
    fn details(&self) -> String {
        let left = match self.leave == LEAVE {
            true => String::new(),
            false => format!(" but {}", self.leave),
        };
        format!(" up to {}{left}", self.up_to)
    }

    fn brief(&self) -> String {
        format!(" up to {}", self.up_to)
    }

    fn mistake(&self) -> Option<Mistake> {
        (self.up_to.get() <= 0.0).then(|| {
            Mistake::out_of_range(
                "up_to",
                "nothing would be held at all",
                "more than 0%",
                "write for instance `memory_pressure: 90%`",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::Inject;

    #[test]
    fn pressure_says_how_much_is_in_use_and_what_is_left() {
        let of = |up_to, leave| MemoryPressure {
            up_to: Share::new(up_to).unwrap(),
            leave,
        };
        let inject = Inject::from(of(0.9, LEAVE));
        assert_eq!(inject.to_string(), "memory_pressure up to 90%");
        assert_eq!(inject.mistake(), None);
        let inject = Inject::from(of(0.9, ByteCount(64 << 20)));
        assert_eq!(inject.to_string(), "memory_pressure up to 90% but 64MiB");
        let mistake = of(0.0, LEAVE).mistake().map(|mistake| mistake.parameter);
        assert_eq!(mistake, Some("up_to"));
    }
}
