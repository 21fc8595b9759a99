//! `slicer`: chunks are halved until they are small, with a pause behind each
//! piece.

use std::ops::Range;
use std::time::{Duration, Instant};

use squall_scenario::ByteCount;
use squall_scenario::inject::{Direction, Slicer};

use super::Decides;
use crate::{Chunk, Event, Fate, Fates, Toxic, chance};

impl Decides for Slicer {
    const LOSSY: bool = false;

    fn example() -> Self {
        Self {
            size: ByteCount(700),
            variation: ByteCount(300),
            pause: Duration::from_micros(100),
            direction: Direction::Both,
        }
    }

    fn toxic(&self, seed: u64) -> Box<dyn Toxic> {
        Box::new(SlicerToxic::new(*self, seed))
    }
}

/// Each piece goes on by itself; what follows waits for the pause behind the
/// last piece.
#[derive(Debug)]
struct SlicerToxic {
    size: usize,
    variation: usize,
    pause: Duration,
    seed: u64,
    /// Cuts made; the index of the next decision.
    cuts: u64,
    /// When the pause behind the last piece is over.
    free_at: Option<Instant>,
}

impl SlicerToxic {
    fn new(slicer: Slicer, seed: u64) -> Self {
        let size = usize::try_from(slicer.size.0).unwrap_or(usize::MAX).max(1);
        let variation = usize::try_from(slicer.variation.0).unwrap_or(usize::MAX);
        Self {
            size,
            variation: variation.min(size - 1),
            pause: slicer.pause,
            seed,
            cuts: 0,
            free_at: None,
        }
    }

    /// The lengths of the pieces of so many bytes.
    fn pieces(&mut self, length: usize) -> Vec<usize> {
        let mut pieces = Vec::new();
        // What is to be cut still, the first last.
        let mut left: Vec<Range<usize>> = std::iter::once(0..length).collect();
        while let Some(Range { start, end }) = left.pop() {
            let length = end - start;
            if length.saturating_sub(self.size) <= self.variation {
                pieces.push(length);
                continue;
            }
            // Longer than both together, so half of it is longer than the
            // variation: no side is ever empty.
            let draw = chance::unit(self.seed, self.cuts);
            self.cuts += 1;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and twice the variation"
            )]
            let shift = (draw * (2 * self.variation + 1) as f64) as usize;
            let middle = start + length / 2 + shift - self.variation;
            left.push(middle..end);
            left.push(start..middle);
        }
        pieces
    }

    fn cut(&mut self, chunk: &Chunk) -> Fates {
        let mut at = self
            .free_at
            .map_or(chunk.arrived, |free| free.max(chunk.arrived));
        let mut fates = Fates::pass();
        for length in self.pieces(chunk.bytes.len()) {
            fates.push(Fate::Split {
                at: length,
                until: at,
            });
            at += self.pause;
        }
        self.free_at = Some(at);
        fates
    }
}

impl Toxic for SlicerToxic {
    fn on(&mut self, event: Event<'_>, _now: Instant) -> Fates {
        match event {
            Event::Chunk(chunk) => self.cut(chunk),
            // The pause is behind the last piece, too.
            Event::Eof { arrived } => {
                let free = self.free_at.filter(|free| *free > arrived);
                free.map_or_else(Fates::pass, |free| Fate::Hold(free).into())
            }
            Event::Opened { .. } | Event::Timer => Fates::pass(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn slicer(size: u64, variation: u64, seed: u64) -> SlicerToxic {
        let slicer = Slicer {
            size: ByteCount(size),
            variation: ByteCount(variation),
            pause: Duration::from_micros(10),
            direction: Direction::From,
        };
        SlicerToxic::new(slicer, seed)
    }

    #[test]
    fn pieces_are_about_as_long_as_asked_for() {
        let mut toxic = slicer(512, 256, 1);
        let pieces = toxic.pieces(65_536);
        assert_eq!(pieces.iter().sum::<usize>(), 65_536);
        assert!(
            pieces.iter().all(|piece| (1..=768).contains(piece)),
            "{pieces:?}"
        );
        let shortest = pieces.iter().min().unwrap();
        assert!(*shortest < 300, "nothing varies: {pieces:?}");
        assert_eq!(pieces, slicer(512, 256, 1).pieces(65_536));
        assert_ne!(pieces, slicer(512, 256, 2).pieces(65_536));
        assert_eq!(slicer(100, 0, 1).pieces(100), [100]);
        assert_eq!(slicer(100, 0, 1).pieces(400), [100; 4]);
        assert_eq!(slicer(1, 0, 1).pieces(9), [1; 9]);
    }

    #[test]
    fn nothing_that_is_asked_for_makes_it_go_on_for_ever() {
        for (size, variation) in [
            (0, 0),
            (0, u64::MAX),
            (1, 1),
            (5, 500),
            (u64::MAX, u64::MAX),
        ] {
            let pieces = slicer(size, variation, 3).pieces(65_536);
            assert_eq!(pieces.iter().sum::<usize>(), 65_536);
            assert!(pieces.iter().all(|piece| *piece > 0));
        }
    }

    #[test]
    fn a_pause_is_behind_every_piece_the_last_included() {
        let now = Instant::now();
        let us = |us| now + Duration::from_micros(us);
        let mut toxic = slicer(2, 0, 1);
        let mut times = Vec::new();
        for _ in 0..2 {
            let chunk = Chunk {
                bytes: Bytes::from_static(b"1234"),
                arrived: now,
            };
            for fate in toxic.on(Event::Chunk(&chunk), now) {
                match fate {
                    Fate::Split { at: 2, until } => times.push(until),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(times, [us(0), us(10), us(20), us(30)]);
        let end = toxic.on(Event::Eof { arrived: now }, now);
        assert_eq!(end, Fate::Hold(us(40)).into());
    }
}
