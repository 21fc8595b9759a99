//! `cut`: bytes stop arriving; connections stay up, silent.

use std::time::Instant;

use crate::{Event, Fate, Fates, Toxic};

/// Swallows everything from the moment it is attached, like a network that
/// drops packets: neither side learns anything, not even of a close.
#[derive(Debug)]
pub(super) struct CutToxic;

impl Toxic for CutToxic {
    fn on(&mut self, event: Event<'_>, _now: Instant) -> Fates {
        match event {
            Event::Opened { .. } | Event::Timer => Fates::pass(),
            Event::Chunk(_) | Event::Eof { .. } => Fate::DropFromHere.into(),
        }
    }
}
