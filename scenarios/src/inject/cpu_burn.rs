//! `cpu_burn`: work of squall's competes with a running process for the processor.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, ParameterKind};
use super::{About, Parameter, Surface};

/// More than any machine has.
const MOST: u32 = 1024;

/// Work that does nothing, as fast as it can, beside a running process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CpuBurn {
    /// Of how many processors; of all that the target may run on when absent.
    pub cores: Option<u32>,
}

pub(super) static ABOUT: About = About {
    keyword: "cpu_burn",
    surface: Surface::Resource,
    about: "Work of squall's competes with a running process for the processor.",
    also_called: &[
        "burn",
        "cpu_stress",
        "stress_cpu",
        "cpu_hog",
        "noisy_neighbour",
    ],
    noun: "a burn",
    meaning: "Threads of squall's that want all they can get run where the process may run, in its cgroup where squall may put them there, beside it otherwise.",
    reads: "cpu_burn: { cores: 2 }",
    parameters: &[Parameter::optional(
        "cores",
        ParameterKind::Count(1, MOST),
        "How many processors are wanted, a thread for each; as many as the process may run on when absent, and never more, which the evidence then says. The load generator runs on this machine too: leave it one.",
        &["threads", "cpus", "workers", "count"],
    )],
    example: "- name: noisy neighbour
  at: 15s
  inject: { cpu_burn: { cores: 2 } }
  into: payments
  for: 20s",
    verified: "Squall's threads must have run. Before they are ended, the process must have waited for a processor (/proc/PID/schedstat), for a hundredth of the time or more beside what it would have waited for, had it gone on as in the 400 ms right before the burn; a burn that kept nobody waiting proves nothing. The burn begins after these 400 ms, in which all its instances are looked at together, before squall works beside any of them; what it waited for while it started is not in them, nor what other faults add later.",
    undone: "The threads are a process of squall's own, which ends when squall does, however that ends, for its standard input ends with it. It must have ended. Its undo is on disk before it is told to begin, so the guardian and `squall recover` can end it too.",
    read: |given| {
        let cores = given.count("cores");
        Some(CpuBurn { cores }.into())
    },
};

impl Kind for CpuBurn {
    fn details(&self) -> String {
        match self.cores {
            None => String::new(),
            Some(1) => " 1 core".to_owned(),
            Some(cores) => format!(" {cores} cores"),
        }
    }

    fn brief(&self) -> String {
        self.details()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::Inject;

    #[test]
    fn a_burn_says_how_much_it_wants() {
        let of = |cores| Inject::from(CpuBurn { cores }).to_string();
        assert_eq!(of(Some(2)), "cpu_burn 2 cores");
        assert_eq!(of(Some(1)), "cpu_burn 1 core");
        assert_eq!(of(None), "cpu_burn");
    }
}
