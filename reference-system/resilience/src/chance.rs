//! Chance that can be repeated: numbers drawn by hashing a seed, a name and a count.

use std::sync::atomic::{AtomicU64, Ordering};

/// 2⁶⁴ divided by the golden ratio, the step of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where choices come from: the same seed and name give the same choices in the same order.
#[derive(Debug)]
pub(crate) struct Chance {
    key: u64,
    asked: AtomicU64,
}

impl Chance {
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        // FNV-1a.
        let name = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self {
            key: mix(mix(seed) ^ name),
            asked: AtomicU64::new(0),
        }
    }

    /// The numbers of the next choice.
    pub(crate) fn next(&self) -> Draws {
        let nth = self.asked.fetch_add(1, Ordering::Relaxed);
        Draws(mix(self.key ^ mix(nth)))
    }
}

/// The numbers of one choice.
#[derive(Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    /// A number below `count`, each as likely as the others; 0 for a count of 0.
    pub(crate) fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let scaled = u128::from(mix(self.0)) * u128::from(count);
        u64::try_from(scaled >> 64).unwrap_or(0)
    }

    /// An index of a list that is so long.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        usize::try_from(self.below(length)).unwrap_or(0)
    }
}

/// SplitMix64's finalizer (Steele, Lea and Flood 2014).
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
