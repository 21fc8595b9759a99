//! `kill`: a process is ended by a signal.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::{About, Given, Inject, OnProcess, Parameter, Surface};

/// A process is ended. It is started again after the fault's `for`, or by its
/// restart policy where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Kill {
    /// How it is ended.
    pub signal: Signal,
}

/// Signals a kill may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Signal {
    /// SIGKILL: no chance to clean up.
    #[default]
    Kill,
    /// SIGTERM: an orderly end.
    Term,
    /// SIGINT.
    Int,
}

pub(super) static ABOUT: About = About {
    keyword: "kill",
    surface: Surface::Process,
    about: "The process is ended by a signal.",
    also_called: &["restart_storm", "crash_loop", "restart"],
    noun: "a kill",
    meaning: "The process is ended by a signal.",
    reads: "kill: { signal: kill }",
    parameters: &[Parameter::word(
        "signal",
        Signal::Kill.word(),
        SIGNALS,
        "The signal; kill when absent.",
    )],
    example: "- name: payments die
  at: 15s
  inject: { kill: { signal: term } }
  into: payments
  for: 10s",
    verified: "The very process, known by its start time, must have ended.",
    undone: "With `for`, it is kept down that long and started again; without, its restart policy starts it. It must be ready again. With `every: 2s` and `times: 10` it is a storm of restarts: each injection is one more, and the window is from the first to the last.",
    read: |given| {
        let signal = signal(given)?;
        Some(Kill { signal }.into())
    },
};

/// The words for signals.
pub(super) const SIGNALS: &[(&str, &str)] = &[
    ("kill", "SIGKILL: no chance to clean up."),
    ("term", "SIGTERM: an orderly end."),
    ("int", "SIGINT."),
];

/// The signal of a fault that has one.
pub(super) fn signal(given: &Given) -> Option<Signal> {
    let word = given.word("signal")?;
    let mut signals = Signal::ALL.into_iter();
    signals.find(|signal| signal.word() == word)
}

impl Signal {
    const ALL: [Self; 3] = [Self::Kill, Self::Term, Self::Int];

    const fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Term => "term",
            Self::Int => "int",
        }
    }

    /// Its name: `SIGKILL`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "SIGKILL",
            Self::Term => "SIGTERM",
            Self::Int => "SIGINT",
        }
    }
}

impl From<Kill> for Inject {
    fn from(kill: Kill) -> Self {
        Self::Process(OnProcess::Kill(kill))
    }
}

impl Kind for Kill {
    fn details(&self) -> String {
        if self.signal == Signal::default() {
            return String::new();
        }
        format!(" with {}", self.signal.name())
    }
}
