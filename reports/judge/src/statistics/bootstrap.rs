//! The block bootstrap: what chance may make of a series whose neighbours
//! resemble each other.
//!
//! Blocks of neighbours are drawn with replacement (Kuensch 1989), round the
//! end of the series (Politis and Romano 1992), so that every member is drawn
//! equally often. Draws follow from a seed alone.

use squall_scenario::seed::{nth, sub_seed};

/// Normal deviate of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// Draws of a series of `n` members in blocks.
#[derive(Debug, Clone, Copy)]
pub struct BlockBootstrap {
    stream: u64,
    n: usize,
    block: usize,
}

impl BlockBootstrap {
    /// For a series of `n` members, in blocks of the cube root of `n`. Equal
    /// seeds and names draw equally.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a run has far fewer than 2^52 seconds"
    )]
    pub fn new(seed: u64, name: &str, n: usize) -> Self {
        let block = (n as f64).cbrt().round().max(1.0) as usize;
        Self::with_block(seed, name, n, block)
    }

    /// For a series of `n` members, in blocks of `block` members.
    #[must_use]
    pub fn with_block(seed: u64, name: &str, n: usize, block: usize) -> Self {
        Self {
            stream: sub_seed(seed, name),
            n,
            block: block.clamp(1, n.max(1)),
        }
    }

    /// How many whole blocks the series has: what it is worth as a sample.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.n / self.block
    }

    /// Members of the draw `index`, `length` of them, in the order they were
    /// drawn; empty for an empty series.
    pub fn draw(&self, index: u64, length: usize) -> impl Iterator<Item = usize> + use<> {
        let Self { stream, n, block } = *self;
        let length = if n == 0 { 0 } else { length };
        let stream = nth(stream, index);
        (0..length.div_ceil(block)).flat_map(move |number| {
            // The remainder favours no start by more than n / 2^64.
            let start = usize::try_from(nth(stream, number as u64) % n as u64).unwrap_or(0);
            let members = block.min(length - number * block);
            (start..start + members).map(move |member| member % n)
        })
    }

    /// How often the draw `index`, as long as the series, holds each member.
    #[must_use]
    pub fn counts(&self, index: u64) -> Vec<u32> {
        let mut counts = vec![0_u32; self.n];
        for member in self.draw(index, self.n) {
            counts[member] += 1;
        }
        counts
    }

    /// By how much the percentile interval of the draws must be widened: draws
    /// of few blocks vary too little. Student's t over the normal deviate, and
    /// the variance of n by that of n - 1; infinite below two blocks.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a run has few blocks")]
    pub fn widening(&self) -> f64 {
        let blocks = self.blocks() as f64;
        if blocks < 2.0 {
            return f64::INFINITY;
        }
        student_over_normal(blocks - 1.0) * (blocks / (blocks - 1.0)).sqrt()
    }
}

/// The 97.5 % quantile of Student's t over that of the normal distribution, by
/// the expansion of Abramowitz and Stegun, 26.7.5.
fn student_over_normal(freedom: f64) -> f64 {
    let z = Z;
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
    ];
    let mut t = z;
    let mut power = 1.0;
    for term in terms {
        power *= freedom;
        t += term / power;
    }
    t / z
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_from_the_seed() {
        let draw = |seed, index| BlockBootstrap::new(seed, "x", 60).counts(index);
        assert_eq!(draw(1, 3), draw(1, 3));
        assert_ne!(draw(1, 3), draw(2, 3));
        assert_ne!(draw(1, 3), draw(1, 4));
        assert_eq!(draw(1, 3).iter().sum::<u32>(), 60);
        assert!(BlockBootstrap::new(1, "x", 0).counts(0).is_empty());
    }

    #[test]
    fn neighbours_are_drawn_together() {
        let bootstrap = BlockBootstrap::with_block(7, "x", 100, 5);
        let drawn: Vec<_> = bootstrap.draw(0, 100).collect();
        for block in drawn.chunks(5) {
            for pair in block.windows(2) {
                assert_eq!(pair[1], (pair[0] + 1) % 100);
            }
        }
    }

    #[test]
    fn every_member_is_drawn_equally_often() {
        let bootstrap = BlockBootstrap::new(11, "x", 20);
        let mut total = [0_u32; 20];
        for index in 0..2_000 {
            for (sum, count) in total.iter_mut().zip(bootstrap.counts(index)) {
                *sum += count;
            }
        }
        // 2000 +- five deviations of blocks of 3: sqrt(2000 * 3) is 77.
        assert!(
            total.iter().all(|count| count.abs_diff(2_000) < 390),
            "{total:?}"
        );
    }

    #[test]
    fn few_blocks_widen_as_students_t() {
        // t at 97.5 % with 4, 9 and 29 degrees of freedom: 2.776, 2.262, 2.045.
        for (freedom, t) in [(4.0, 2.776), (9.0, 2.262), (29.0, 2.045)] {
            let found = student_over_normal(freedom) * Z;
            assert!((found - t).abs() < 0.01, "{freedom}: {found}");
        }
        assert!(
            BlockBootstrap::with_block(1, "x", 1, 1)
                .widening()
                .is_infinite()
        );
    }
}
