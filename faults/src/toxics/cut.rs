//! `cut`: bytes stop arriving; connections stay up, silent.

use std::time::Instant;

use squall_scenario::inject::{Cut, Direction};

use super::Decides;
use crate::{Event, Fate, Fates, Toxic};

impl Decides for Cut {
    const LOSSY: bool = true;

    fn example() -> Self {
        Self {
            direction: Direction::Both,
        }
    }

    fn toxic(&self, _seed: u64) -> Box<dyn Toxic> {
        Box::new(CutToxic)
    }
}

/// Swallows everything from the moment it is attached, like a network that
/// drops packets: neither side learns anything, not even of a close.
#[derive(Debug)]
struct CutToxic;

impl Toxic for CutToxic {
    fn on(&mut self, event: Event<'_>, _now: Instant) -> Fates {
        match event {
            Event::Opened { .. } | Event::Timer => Fates::pass(),
            Event::Chunk(_) | Event::Eof { .. } => Fate::DropFromHere.into(),
        }
    }
}
