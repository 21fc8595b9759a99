//! Delays as they were: a histogram of fixed size.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Parts that a power of two is divided into: within 1.6 % of what was.
const PARTS: u64 = 64;
/// Powers of two above the first, exact, parts: up to two days in microseconds.
const POWERS: usize = 32;
const BUCKETS: usize = PARTS as usize * (POWERS + 1);

/// Counts delays by their length in microseconds; takes memory from the first on.
#[derive(Default)]
pub(super) struct Observed(OnceLock<Box<[AtomicU64]>>);

impl std::fmt::Debug for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Observed").field(&self.p50_us()).finish()
    }
}

impl Observed {
    pub(super) fn add(&self, delay: Duration) {
        let us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        let none = || (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        self.0.get_or_init(none)[bucket(us)].fetch_add(1, Ordering::Relaxed);
    }

    /// The median; `None` before the first.
    pub(super) fn p50_us(&self) -> Option<u64> {
        let counts = self.0.get()?.iter();
        let counts: Vec<u64> = counts.map(|count| count.load(Ordering::Relaxed)).collect();
        let half = counts.iter().sum::<u64>().div_ceil(2);
        if half == 0 {
            return None;
        }
        let mut below = 0;
        let at = counts.iter().position(|count| {
            below += count;
            below >= half
        })?;
        Some(middle(at))
    }
}

fn bucket(us: u64) -> usize {
    if us < PARTS {
        return us as usize;
    }
    let power = us.ilog2() - PARTS.ilog2();
    let part = (us >> power) - PARTS;
    let at = PARTS * (u64::from(power) + 1) + part;
    (at as usize).min(BUCKETS - 1)
}

/// The middle of what falls into a bucket.
fn middle(at: usize) -> u64 {
    let at = at as u64;
    if at < PARTS {
        return at;
    }
    let (power, part) = (at / PARTS - 1, at % PARTS);
    let low = (PARTS + part) << power;
    low + (1 << power) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_within_two_percent() {
        assert_eq!(Observed::default().p50_us(), None);
        for us in [
            0_u64,
            1,
            63,
            64,
            100,
            999,
            300_000,
            5_000_000,
            86_400_000_000,
        ] {
            let observed = Observed::default();
            observed.add(Duration::from_micros(us));
            let seen = observed.p50_us().unwrap();
            assert!(seen.abs_diff(us) * 50 <= us, "{us} {seen}");
        }
        let observed = Observed::default();
        for us in [10, 20, 30, 40, 1_000_000] {
            observed.add(Duration::from_micros(us));
        }
        assert_eq!(observed.p50_us(), Some(30));
        observed.add(Duration::MAX);
    }
}
