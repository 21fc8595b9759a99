//! `cpu`: a running process gets less of the processor than it wants.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Mistake, ParameterKind};
use super::{About, Parameter, Surface};
use crate::units::Share;

/// Less is a process that stands still, which `pause` does without a cgroup.
const LEAST: f64 = 0.01;

/// A running process and all it started get so much of one processor, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// Of one processor, however many there are.
    pub share: Share,
}

pub(super) static ABOUT: About = About {
    keyword: "cpu",
    surface: Surface::Resource,
    about: "A running process gets less of the processor than it wants.",
    also_called: &["cpu_quota", "cpu_limit", "starve", "throttle_cpu"],
    noun: "starvation",
    meaning: "The running process and all it started get so much of one processor, together (a quota of cgroups, v1 or v2).",
    reads: "cpu: 20%",
    parameters: &[Parameter::needed(
        "share",
        ParameterKind::Share,
        "How much of one processor the process and all it started get together, in each 100 ms: 20% is 20 ms, then they stand still for 80 ms.",
        &["quota", "percent", "limit", "to"],
    )],
    example: "- name: payments starve
  at: 15s
  inject: { cpu: 20% }
  into: payments
  for: 20s",
    verified: "The process and everything it started must be in the cgroup that squall made, and the quota must stand there. Before it is taken away, the kernel must have held them back (nr_throttled); a quota that nobody came to, or only a lower one of another fault, proves nothing. In cgroup v2, whose cgroups with processes have none below them, a process is refused that has limits of its own (cpu.max, memory.max, io.max and the like), for it would be out of them meanwhile; its limit of tasks is kept.",
    undone: "Each goes back to the cgroup that it came from, and what was started meanwhile to that of the first; then squall's is removed. The undo is on disk before the effect, so `squall recover` can do it too.",
    read: |given| {
        let share = given.share("share")?;
        Some(Cpu { share }.into())
    },
};

impl Kind for Cpu {
    fn details(&self) -> String {
        format!(" {}", self.share)
    }

    fn brief(&self) -> String {
        self.details()
    }

    fn mistake(&self) -> Option<Mistake> {
        (self.share.get() < LEAST).then(|| {
            Mistake::out_of_range(
                "share",
                "nothing would run at all",
                "at least 1%",
                "write for instance `cpu: 20%`; `pause` stops a process",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::Inject;

    #[test]
    fn a_process_is_left_something() {
        let of = |share| Cpu {
            share: Share::new(share).unwrap(),
        };
        assert_eq!(Inject::from(of(0.2)).to_string(), "cpu 20%");
        assert_eq!(of(0.01).mistake(), None);
        let mistake = of(0.0).mistake().map(|mistake| mistake.parameter);
        assert_eq!(mistake, Some("share"));
    }
}
