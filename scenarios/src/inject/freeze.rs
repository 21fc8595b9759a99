//! `freeze`: a running process stands still, and cannot tell.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::{About, Surface};

/// A running process and all it started get no processor at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Freeze {}

pub(super) static ABOUT: About = About {
    keyword: "freeze",
    surface: Surface::Resource,
    about: "A running process stands still, and neither it nor its parent can tell.",
    also_called: &["freezer", "suspend", "hibernate"],
    noun: "a freeze",
    meaning: "The running process and all it started stand still at once (the freezer of cgroups, v1 or v2). Unlike `pause`, which sends a signal, nobody is told: the parent is not woken, the process is in no state of its own. While it lasts, no signal is acted on either; in cgroup v1 not even SIGKILL.",
    reads: "inject: freeze",
    parameters: &[],
    example: "- name: payments stand still
  at: 15s
  inject: freeze
  into: payments
  for: 10s",
    verified: "The process and everything it started must be in the cgroup that squall made, and the kernel must say that all of it is frozen.",
    undone: "The cgroup is thawed, each goes back to the one that it came from, and squall's is removed. The undo is on disk before the effect; what has to be ended (by the guardian of a squall that was killed, or by `squall recover`) is thawed before.",
    read: |_| Some(Freeze {}.into()),
};

impl Kind for Freeze {}
