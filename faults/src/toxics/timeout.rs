//! `timeout`: bytes are swallowed; a connection on which none came for a time is
//! closed.

use std::time::{Duration, Instant};

use squall_scenario::inject::{Direction, Timeout};

use super::Decides;
use crate::{Event, Fate, Fates, Toxic};

impl Decides for Timeout {
    const LOSSY: bool = true;

    fn example() -> Self {
        Self {
            after: Duration::from_millis(5),
            direction: Direction::Both,
        }
    }

    fn toxic(&self, _seed: u64) -> Box<dyn Toxic> {
        Box::new(TimeoutToxic {
            after: self.after,
            due: None,
        })
    }
}

/// Swallows everything from the moment it is attached. Its time runs from then,
/// and anew from whatever arrives; one of no time never closes by itself. As in
/// Toxiproxy, a sender that closes ends the connection, and so does taking it away,
/// whether it swallowed anything or not.
#[derive(Debug)]
struct TimeoutToxic {
    after: Duration,
    due: Option<Instant>,
}

impl TimeoutToxic {
    fn start(&mut self, from: Instant) {
        if !self.after.is_zero() {
            self.due = Some(from + self.after);
        }
    }
}

impl Toxic for TimeoutToxic {
    fn on(&mut self, event: Event<'_>, now: Instant) -> Fates {
        match event {
            Event::Opened { .. } => self.start(now),
            Event::Chunk(chunk) => self.start(chunk.arrived),
            Event::Eof { .. } | Event::Timer => return Fate::Close.into(),
        }
        Fate::DropFromHere.into()
    }

    fn deadline(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Chain, End, Output};

    fn attached(after_ms: u64, start: Instant) -> (Chain, Output) {
        let (mut chain, mut out) = (Chain::default(), Output::default());
        let timeout = Timeout {
            after: Duration::from_millis(after_ms),
            direction: Direction::Both,
        };
        chain.attach("timeout", timeout.toxic(1), false, start, &mut out);
        (chain, out)
    }

    #[test]
    fn every_chunk_starts_the_time_anew() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (mut chain, mut out) = attached(100, start);
        assert_eq!(chain.deadline(), Some(at(100)));
        chain.push(Bytes::from_static(b"gone"), at(60), &mut out);
        assert_eq!(chain.deadline(), Some(at(160)));
        chain.advance(at(159), &mut out);
        assert_eq!(out.end, None);
        chain.advance(at(160), &mut out);
        assert_eq!(out.end, Some(End::Close));
        assert!(out.bytes.is_empty() && !out.eof);
        assert_eq!(chain.deadline(), None);
    }

    #[test]
    fn a_sender_that_closes_ends_the_connection() {
        let start = Instant::now();
        let (mut chain, mut out) = attached(0, start);
        chain.push(Bytes::from_static(b"gone"), start, &mut out);
        chain.push_eof(start, &mut out);
        assert_eq!(out.end, Some(End::Close));
        assert!(out.bytes.is_empty() && !out.eof);
    }

    #[test]
    fn with_no_time_it_hangs_until_it_is_removed() {
        let start = Instant::now();
        let (mut chain, mut out) = attached(0, start);
        chain.push(Bytes::from_static(b"gone"), start, &mut out);
        assert_eq!((chain.deadline(), out.end), (None, None));
        chain.detach("timeout", start, &mut out);
        assert_eq!(out.end, Some(End::Close));
        // One that nothing has met closes too.
        let (mut chain, mut out) = attached(0, start);
        chain.detach("timeout", start, &mut out);
        assert_eq!(out.end, Some(End::Close));
    }
}
