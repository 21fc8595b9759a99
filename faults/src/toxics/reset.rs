//! `reset`: connections end with a TCP reset.

use std::time::{Duration, Instant};

use squall_scenario::inject::Reset;

use super::Decides;
use crate::{Event, Fate, Fates, Toxic};

impl Decides for Reset {
    const LOSSY: bool = true;

    fn example() -> Self {
        Self {
            after: Duration::from_millis(5),
        }
    }

    fn toxic(&self, _seed: u64) -> Box<dyn Toxic> {
        Box::new(ResetToxic::new(*self))
    }
}

/// Resets a live connection when attached and a fresh one at its first bytes
/// (or its close), each `after` that moment.
#[derive(Debug)]
struct ResetToxic {
    reset: Reset,
    due: Option<Instant>,
}

impl ResetToxic {
    const fn new(reset: Reset) -> Self {
        Self { reset, due: None }
    }

    fn start(&mut self, from: Instant) -> Fates {
        if self.reset.after.is_zero() {
            return Fate::Reset.into();
        }
        self.due.get_or_insert(from + self.reset.after);
        Fates::pass()
    }
}

impl Toxic for ResetToxic {
    fn on(&mut self, event: Event<'_>, now: Instant) -> Fates {
        match event {
            Event::Opened {
                carried_bytes: false,
                ..
            } => Fates::pass(),
            Event::Opened {
                carried_bytes: true,
                ..
            } => self.start(now),
            Event::Chunk(chunk) => self.start(chunk.arrived),
            Event::Eof { arrived } => self.start(arrived),
            Event::Timer => Fate::Reset.into(),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.due
    }
}
