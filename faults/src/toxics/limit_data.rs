//! `limit_data`: so many bytes pass, then the connection is closed.

use std::time::Instant;

use squall_scenario::ByteCount;
use squall_scenario::inject::{Direction, LimitData};

use super::Decides;
use crate::{Event, Fate, Fates, Toxic};

impl Decides for LimitData {
    const LOSSY: bool = true;

    fn example() -> Self {
        Self {
            bytes: ByteCount(3000),
            direction: Direction::Both,
        }
    }

    fn toxic(&self, _seed: u64) -> Box<dyn Toxic> {
        Box::new(LimitDataToxic {
            limit: self.bytes.0,
            passed: 0,
        })
    }
}

/// Closes behind the last byte that passes, and not before a chunk comes: one
/// whose limit has been passed already, or is none, closes at the next.
#[derive(Debug)]
struct LimitDataToxic {
    limit: u64,
    /// Bytes that passed, under former limits as well.
    passed: u64,
}

impl Toxic for LimitDataToxic {
    fn on(&mut self, event: Event<'_>, _now: Instant) -> Fates {
        match event {
            Event::Opened { before, .. } => self.passed = before,
            Event::Eof { .. } | Event::Timer => {}
            Event::Chunk(chunk) => {
                let length = chunk.bytes.len();
                let left = self.limit.saturating_sub(self.passed);
                self.passed += length as u64;
                let Some(at) = usize::try_from(left).ok().filter(|left| *left <= length) else {
                    return Fates::pass();
                };
                let mut fates = Fates::pass();
                fates.push(Fate::Split {
                    at,
                    until: chunk.arrived,
                });
                fates.push(Fate::Close);
                return fates;
            }
        }
        Fates::pass()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Chain, End, Output};

    /// What passes of chunks of 10 bytes, and whether it is closed then.
    fn passed(limits: &[u64], chunks: usize) -> (usize, bool) {
        let (mut chain, mut out) = (Chain::default(), Output::default());
        let now = Instant::now();
        for (nth, limit) in limits.iter().enumerate() {
            let limit = LimitData {
                bytes: ByteCount(*limit),
                direction: Direction::Both,
            };
            match nth {
                0 => chain.attach("limit", limit.toxic(1), false, now, &mut out),
                _ => chain.change("limit", limit.toxic(1), true, now, &mut out),
            }
            for _ in 0..chunks {
                chain.push(Bytes::from_static(b"0123456789"), now, &mut out);
            }
        }
        let bytes: Vec<u8> = out.bytes.iter().flatten().copied().collect();
        assert!(b"0123456789".repeat(20).starts_with(&bytes));
        (bytes.len(), out.end == Some(End::Close))
    }

    #[test]
    fn exactly_so_many_bytes_pass() {
        assert_eq!(passed(&[25], 2), (20, false));
        assert_eq!(passed(&[25], 3), (25, true));
        // It closes with the last byte, not at the next.
        assert_eq!(passed(&[30], 3), (30, true));
        assert_eq!(passed(&[0], 0), (0, false));
        assert_eq!(passed(&[0], 1), (0, true));
    }

    #[test]
    fn what_has_passed_is_remembered_when_the_limit_changes() {
        assert_eq!(passed(&[100, 25], 2), (25, true));
        assert_eq!(passed(&[100, 5], 1), (10, true));
    }
}
