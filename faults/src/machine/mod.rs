//! What this machine allows: which mechanisms of the kernel are there, which
//! faults need them, and what is done where one is missing.
//!
//! A mechanism has a function here, or beside the fault that uses it, and one row
//! in `ALL`. `squall doctor` shows them; a run asks before it starts anything.

mod descriptors;
mod journal;
mod lookups;
mod namespaces;
mod packets;
mod processes;
mod resources;

use std::ffi::OsString;

use serde::Serialize;

/// One mechanism of this machine, as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ability {
    /// Its name.
    pub name: &'static str,
    /// What squall does with it.
    pub purpose: &'static str,
    /// Keywords of the faults that need it; none where every run does, or where
    /// none does.
    pub faults: &'static [&'static str],
    /// Whether it is there.
    #[serde(flatten)]
    pub standing: Standing,
}

/// Whether a mechanism is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "kebab-case")]
pub enum Standing {
    /// It works.
    Works {
        /// What was found.
        found: String,
    },
    /// It is not there, and something else does its work.
    Fallback {
        /// Why it is not there.
        why: String,
        /// What is done instead.
        instead: &'static str,
    },
    /// It is not there, and what needs it cannot be had.
    Missing {
        /// Why it is not there.
        why: String,
        /// What somebody could do about it.
        help: &'static str,
    },
}

impl Standing {
    /// It works, as it was found.
    #[must_use]
    pub fn works(found: impl Into<String>) -> Self {
        let found = found.into();
        Self::Works { found }
    }
}

/// A mechanism, and how it is looked for.
struct Mechanism {
    name: &'static str,
    purpose: &'static str,
    faults: &'static [&'static str],
    /// Changes nothing that outlasts the look.
    look: fn(&Machine) -> Standing,
}

/// Every mechanism that squall looks for, in the order in which they are shown.
const ALL: &[Mechanism] = &[
    Mechanism {
        name: "undo journal",
        purpose: "every undo is on disk before its effect",
        faults: &[],
        look: journal::undo_journal,
    },
    Mechanism {
        name: "descriptors",
        purpose: "connections of the load and of the links",
        faults: &[],
        look: descriptors::descriptors,
    },
    Mechanism {
        name: "PID namespace",
        purpose: "the kernel itself ends the system under test",
        faults: &[],
        look: namespaces::pid_namespace,
    },
    Mechanism {
        name: "pidfd",
        purpose: "a signal reaches the process that is meant, or nobody",
        faults: &[
            "kill",
            "pause",
            "limit",
            "cpu",
            "cpu_burn",
            "freeze",
            "memory",
            "memory_pressure",
            "disk",
        ],
        look: processes::pidfd,
    },
    Mechanism {
        name: "proc",
        purpose: "finds all that an instance is made of, and sees effects",
        faults: &[
            "kill",
            "pause",
            "limit",
            "cpu",
            "cpu_burn",
            "freeze",
            "memory",
            "memory_pressure",
            "disk",
        ],
        look: processes::proc,
    },
    Mechanism {
        name: "lookups",
        purpose: "processes ask the run's own resolver for names",
        faults: &["dns"],
        look: lookups::lookups,
    },
    Mechanism {
        name: "processor quota",
        purpose: "leaves processes a part of a processor, by cgroup",
        faults: &["cpu"],
        look: resources::processor_quota,
    },
    Mechanism {
        name: "freezer",
        purpose: "lets processes stand still, which they cannot see, by cgroup",
        faults: &["freeze"],
        look: resources::freezer,
    },
    Mechanism {
        name: "joined cgroup",
        purpose: "work of squall's competes in the cgroup of its target",
        faults: &["cpu_burn", "memory_pressure"],
        look: resources::joined_cgroup,
    },
    Mechanism {
        name: "memory limit",
        purpose: "leaves processes so much memory, by cgroup",
        faults: &["memory"],
        look: resources::memory_limit,
    },
    Mechanism {
        name: "prlimit",
        purpose: "lowers and raises limits of running processes",
        faults: &["limit"],
        look: resources::prlimit,
    },
    Mechanism {
        name: "nftables",
        purpose: "drops and rejects packets of TCP between processes",
        faults: &["partition", "loss", "reject", "rate"],
        look: packets::nftables,
    },
];

/// The machine that squall runs on.
#[derive(Debug, Clone)]
pub struct Machine {
    /// What this program is called with to be a guardian: some mechanisms can
    /// only be tried by a process that may be thrown away.
    pub guardian: Vec<OsString>,
}

impl Machine {
    /// What it allows. Starts short-lived processes of squall itself.
    #[must_use]
    pub fn abilities(&self) -> Vec<Ability> {
        ALL.iter().map(|mechanism| self.look(mechanism)).collect()
    }

    /// The mechanisms that faults of these keywords need and that are missing.
    /// Looks for no others.
    #[must_use]
    pub fn missing_for(&self, keywords: &[&str]) -> Vec<Ability> {
        let needed = ALL
            .iter()
            .filter(|mechanism| keywords.iter().any(|word| mechanism.faults.contains(word)));
        needed
            .map(|mechanism| self.look(mechanism))
            .filter(|ability| matches!(ability.standing, Standing::Missing { .. }))
            .collect()
    }

    fn look(&self, mechanism: &Mechanism) -> Ability {
        Ability {
            name: mechanism.name,
            purpose: mechanism.purpose,
            faults: mechanism.faults,
            standing: (mechanism.look)(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use squall_scenario::Inject;

    use super::*;

    fn machine() -> Machine {
        let guardian = Vec::new();
        Machine { guardian }
    }

    #[test]
    fn mechanisms_have_names_of_their_own_and_serve_faults_that_exist() {
        let all = machine().abilities();
        let names: HashSet<_> = all.iter().map(|ability| ability.name).collect();
        assert_eq!(names.len(), all.len());
        let keywords: HashSet<_> = Inject::kinds().map(|about| about.keyword).collect();
        for ability in &all {
            for fault in ability.faults {
                assert!(keywords.contains(fault), "{}: {fault}", ability.name);
            }
        }
    }

    #[test]
    fn what_runs_everywhere_runs_here() {
        // The proxy needs nothing of the machine.
        assert_eq!(machine().missing_for(&["delay"]), Vec::new());
    }
}
