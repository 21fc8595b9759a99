//! Which progress is shown: the dashboard where a person watches, lines where
//! a log is kept.

use std::io::{IsTerminal, stderr, stdin};

use crate::appearance::{self, Look};
use crate::args::{LookArgs, Ui};

/// How progress is shown, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// On the dashboard, looking like this.
    Dashboard(Box<Look>),
    /// In plain lines.
    Plain,
    /// As JSON lines.
    Json,
    /// Not at all.
    Nothing,
}

impl Progress {
    /// What `ui` means on this terminal.
    ///
    /// # Errors
    /// In words, when the dashboard was asked for and cannot be shown.
    pub fn choose(ui: Ui, look: &LookArgs) -> Result<Self, String> {
        let place = Place {
            terminal: stderr().is_terminal() && stdin().is_terminal(),
            foreground: in_foreground(),
            ci: set("CI"),
            dumb: std::env::var("TERM").is_ok_and(|term| term == "dumb"),
        };
        match ui {
            Ui::Plain => Ok(Self::Plain),
            Ui::Json => Ok(Self::Json),
            Ui::None => Ok(Self::Nothing),
            Ui::Auto if !place.is_watched() => Ok(Self::Plain),
            Ui::Auto => place.dashboard(look),
            Ui::Tui => {
                place.can_show()?;
                place.dashboard(look)
            }
        }
    }

    /// Whether somebody is meant to leave it once the run is over.
    pub fn stays(&self) -> bool {
        matches!(self, Self::Dashboard(look) if look.stay)
    }
}

fn set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "false")
}

/// Whether this process may change the terminal: one in the background would
/// be stopped by the terminal for trying. Read from `/proc`, as `getpgrp` and
/// `tcgetpgrp` have no answer where the group's leader is in another PID
/// namespace.
fn in_foreground() -> bool {
    procfs::process::Process::myself()
        .and_then(|own| own.stat())
        .is_ok_and(|stat| stat.pgrp == stat.tpgid)
}

/// Where squall was called.
#[derive(Debug, Clone, Copy)]
struct Place {
    terminal: bool,
    foreground: bool,
    ci: bool,
    dumb: bool,
}

impl Place {
    const fn is_watched(self) -> bool {
        self.terminal && self.foreground && !self.ci && !self.dumb
    }

    /// The dashboard; where nobody watches, it does not wait for anybody.
    fn dashboard(self, look: &LookArgs) -> Result<Progress, String> {
        let mut look = appearance::of(look)?;
        look.stay &= !self.ci;
        Ok(Progress::Dashboard(Box::new(look)))
    }

    fn can_show(self) -> Result<(), String> {
        let why = match self {
            Self {
                terminal: false, ..
            } => "standard error and input are not both a terminal",
            Self { dumb: true, .. } => "TERM=dumb says that the terminal cannot place text",
            Self {
                foreground: false, ..
            } => "squall runs in the background of its terminal",
            _ => return Ok(()),
        };
        Err(format!(
            "the dashboard cannot be shown: {why}; write `--ui plain` for lines"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_at_a_terminal_gets_the_dashboard_and_nobody_else() {
        let person = Place {
            terminal: true,
            foreground: true,
            ci: false,
            dumb: false,
        };
        assert!(person.is_watched() && person.can_show().is_ok());
        let pipe = Place {
            terminal: false,
            ..person
        };
        let dumb = Place {
            dumb: true,
            ..person
        };
        let background = Place {
            foreground: false,
            ..person
        };
        for place in [pipe, dumb, background] {
            assert!(!place.is_watched());
            assert!(place.can_show().unwrap_err().contains("--ui plain"));
        }
        let ci = Place { ci: true, ..person };
        assert!(!ci.is_watched(), "CI gets lines");
        assert!(ci.can_show().is_ok(), "unless the dashboard is asked for");
    }
}
