//! `reset`: connections end with a TCP reset.

use std::time::{Duration, Instant};

use squall_scenario::inject::{Meanwhile, Reset};

use super::{Decides, FOREVER};
use crate::{Event, Fate, Fates, Toxic};

impl Decides for Reset {
    const LOSSY: bool = true;

    fn example() -> Self {
        Self {
            after: Duration::from_millis(5),
            ..Self::default()
        }
    }

    fn toxic(&self, _seed: u64) -> Box<dyn Toxic> {
        Box::new(ResetToxic::new(*self))
    }
}

/// Resets a live connection when attached and a fresh one at its first bytes
/// (or its close), each `after` that moment. What comes until then passes, or is
/// held and lost.
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
        let due = *self.due.get_or_insert(from + self.reset.after);
        match self.reset.meanwhile {
            Meanwhile::Pass => Fates::pass(),
            // Whoever gets to it first: the bytes must not be ahead.
            Meanwhile::Hold => Fate::Hold(due + FOREVER).into(),
        }
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use squall_scenario::inject::Direction;

    use super::*;
    use crate::{Chain, End, Output};

    fn until_the_reset(meanwhile: Meanwhile) -> Output {
        let (mut chain, mut out) = (Chain::default(), Output::default());
        let start = Instant::now();
        let reset = Reset {
            after: Duration::from_millis(50),
            meanwhile,
            direction: Direction::To,
        };
        chain.attach("rst", reset.toxic(1), false, start, &mut out);
        chain.push(Bytes::from_static(b"first"), start, &mut out);
        let later = start + Duration::from_millis(49);
        chain.push(Bytes::from_static(b"second"), later, &mut out);
        chain.advance(later, &mut out);
        assert_eq!(out.end, None);
        // Counted from the first byte.
        chain.advance(start + Duration::from_millis(50), &mut out);
        assert_eq!(out.end, Some(End::Reset));
        out
    }

    #[test]
    fn bytes_pass_until_the_reset_or_are_lost_with_it() {
        assert_eq!(until_the_reset(Meanwhile::Pass).bytes.len(), 2);
        assert_eq!(until_the_reset(Meanwhile::Hold).bytes.len(), 0);
    }
}
