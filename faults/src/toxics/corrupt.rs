//! `corrupt`: bits are flipped on the way.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use squall_scenario::inject::{Corrupt, Direction};
use squall_scenario::seed::nth;
use squall_scenario::{ByteCount, Share};

use super::Decides;
use crate::{Event, Fate, Fates, Toxic, chance};

impl Decides for Corrupt {
    const LOSSY: bool = false;
    const ALTERS: bool = true;

    fn example() -> Self {
        Self {
            chunks: Share::WHOLE,
            every: Some(ByteCount(1000)),
            direction: Direction::Both,
        }
    }

    fn toxic(&self, seed: u64) -> Box<dyn Toxic> {
        Box::new(CorruptToxic {
            corrupt: *self,
            hit_seed: nth(seed, 0),
            bit_seed: nth(seed, 1),
            chunks: 0,
            offset: 0,
        })
    }
}

/// Flips bits whose places are known before a byte has come: which of the
/// stream's stretches has which bit flipped does not depend on how its bytes
/// are cut into chunks.
#[derive(Debug)]
struct CorruptToxic {
    corrupt: Corrupt,
    /// Decides whether the nth chunk is hit.
    hit_seed: u64,
    /// Decides which bit of a stretch, or of a chunk, is flipped.
    bit_seed: u64,
    /// Chunks seen.
    chunks: u64,
    /// Bytes seen.
    offset: u64,
}

impl CorruptToxic {
    /// The chunk with its bits flipped; `None` where there is none to flip.
    fn flipped(&mut self, bytes: &Bytes) -> Option<Bytes> {
        let (chunk, from) = (self.chunks, self.offset);
        self.chunks += 1;
        self.offset += bytes.len() as u64;
        if chance::unit(self.hit_seed, chunk) >= self.corrupt.chunks.get() {
            return None;
        }
        let Some(ByteCount(every)) = self.corrupt.every else {
            let (at, bit) = self.draw(chunk, bytes.len() as u64);
            return Some(flip(bytes, [(at, bit)]));
        };
        let every = every.max(1);
        let stretches = from / every..=(self.offset - 1) / every;
        let places = stretches.filter_map(|stretch| {
            let (within, bit) = self.draw(stretch, every);
            let at = (stretch * every + within).checked_sub(from)?;
            (at < bytes.len() as u64).then_some((at, bit))
        });
        let places: Vec<_> = places.collect();
        (!places.is_empty()).then(|| flip(bytes, places))
    }

    /// A place among `length` bytes, and a bit of that byte.
    fn draw(&self, n: u64, length: u64) -> (u64, u8) {
        let value = nth(self.bit_seed, n);
        ((value >> 3) % length, 1 << (value & 7))
    }
}

fn flip(bytes: &Bytes, places: impl IntoIterator<Item = (u64, u8)>) -> Bytes {
    let mut bytes = BytesMut::from(&bytes[..]);
    for (at, bit) in places {
        bytes[at as usize] ^= bit;
    }
    bytes.freeze()
}

impl Toxic for CorruptToxic {
    fn on(&mut self, event: Event<'_>, _now: Instant) -> Fates {
        match event {
            Event::Chunk(chunk) => {
                let flipped = self.flipped(&chunk.bytes);
                flipped.map_or_else(Fates::pass, |bytes| Fate::Replace(bytes).into())
            }
            Event::Opened { .. } | Event::Eof { .. } | Event::Timer => Fates::pass(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chain, Output};

    /// Nothing but zeros, sent in chunks of these lengths.
    fn sent(chunks: f64, every: Option<u64>, seed: u64, lengths: &[usize]) -> Vec<u8> {
        let (mut chain, mut out) = (Chain::default(), Output::default());
        let now = Instant::now();
        let corrupt = Corrupt {
            chunks: Share::new(chunks).unwrap(),
            every: every.map(ByteCount),
            direction: Direction::From,
        };
        chain.attach("corrupt", corrupt.toxic(seed), false, now, &mut out);
        for length in lengths {
            chain.push(Bytes::from(vec![0; *length]), now, &mut out);
        }
        let bytes: Vec<u8> = out.bytes.iter().flatten().copied().collect();
        assert_eq!(bytes.len(), lengths.iter().sum::<usize>());
        bytes
    }

    fn bits(bytes: &[u8]) -> u32 {
        bytes.iter().map(|byte| byte.count_ones()).sum()
    }

    #[test]
    fn one_bit_is_flipped_in_each_stretch_however_it_is_cut() {
        let whole = sent(1.0, Some(100), 5, &[10_000]);
        assert!(whole.chunks(100).all(|stretch| bits(stretch) == 1));
        assert_eq!(whole, sent(1.0, Some(100), 5, &[1; 10_000]));
        assert_eq!(whole, sent(1.0, Some(100), 5, &[37, 9_900, 63]));
        assert_ne!(whole, sent(1.0, Some(100), 6, &[10_000]));
        // All places of a stretch and all bits of a byte come up.
        let places: std::collections::BTreeSet<_> = whole
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte != 0)
            .map(|(at, _)| at % 100)
            .collect();
        assert!(places.len() > 40, "{places:?}");
        assert_eq!(whole.iter().fold(0, |all, byte| all | byte), 0xff);
    }

    #[test]
    fn one_bit_is_flipped_in_a_share_of_the_chunks() {
        let bytes = sent(0.25, None, 5, &[10; 4000]);
        assert!(bytes.chunks(10).all(|chunk| bits(chunk) <= 1));
        // 1000 expected; five standard deviations are 137.
        assert!((863..1137).contains(&bits(&bytes)), "{}", bits(&bytes));
        assert_eq!(bits(&sent(1.0, None, 5, &[10; 100])), 100);
        assert_eq!(bits(&sent(0.0, None, 5, &[10; 100])), 0);
    }
}
