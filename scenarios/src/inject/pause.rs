//! `pause`: a process is stopped and continued.

use super::kind::Kind;
use super::{About, Inject, OnProcess, Surface};

/// A process is stopped (SIGSTOP) and continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pause;

pub(super) static ABOUT: About = About {
    keyword: "pause",
    surface: Surface::Process,
    about: "The process is stopped and continued.",
    also_called: &["stop"],
    noun: "a pause",
    meaning: "The process is stopped (SIGSTOP) and continued.",
    reads: "inject: pause",
    parameters: &[],
    example: "- name: payments freeze
  at: 15s
  inject: pause
  into: payments
  for: 10s",
    verified: "The system must report the process as stopped (state T).",
    undone: "SIGCONT, until the process is seen running. The undo is on disk before the effect, so `squall recover` can do it too.",
    read: |_| Some(Pause.into()),
};

impl From<Pause> for Inject {
    fn from(Pause: Pause) -> Self {
        Self::Process(OnProcess::Pause)
    }
}

impl Kind for Pause {}
