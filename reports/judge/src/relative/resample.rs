//! The seconds of a window, and resampling them.
//!
//! Adding up the histograms of every resample would be slow. All answers are
//! sorted once by their time instead, the slowest first, each with its second;
//! a quantile of a resample is found by walking from the slowest until enough
//! are seen, counting every second as often as it was drawn.

use squall_record::Interval;
use squall_record::histogram::rank;
use squall_scenario::Metric;
use squall_scenario::seed::{nth, sub_seed, unit_interval};

use crate::dispersion::Bin;
use crate::slice::Slice;
use crate::window::Window;

const SECOND_US: i64 = 1_000_000;

/// Answers of one response time in one second.
#[derive(Debug, Clone, Copy)]
struct Answers {
    us: u64,
    block: usize,
    count: u64,
}

/// One second.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    start_us: i64,
    settled: u64,
    failed: u64,
    good: u64,
    /// Sum of the response times of good answers.
    sum_us: f64,
}

/// A window by the second.
#[derive(Debug, Clone)]
pub(super) struct Side {
    blocks: Vec<Block>,
    /// The slowest first.
    answers: Vec<Answers>,
}

impl Side {
    pub(super) fn of(intervals: &[Interval], window: &Window, route: Option<&str>) -> Self {
        let mut side = Self {
            blocks: Vec::new(),
            answers: Vec::new(),
        };
        let mut slot = None;
        let mut slice = Slice::to_show();
        for interval in intervals
            .iter()
            .filter(|interval| window.contains(interval))
        {
            let second = interval.start_us.div_euclid(SECOND_US);
            if slot.is_some_and(|slot| slot != second) {
                side.take(&std::mem::replace(&mut slice, Slice::to_show()));
            }
            slot = Some(second);
            slice.add(interval, route);
        }
        side.take(&slice);
        side.answers
            .sort_by_key(|answers| std::cmp::Reverse(answers.us));
        side
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn take(&mut self, slice: &Slice) {
        let settled = slice.counts.settled();
        if settled == 0 {
            return;
        }
        let block = self.blocks.len();
        for step in slice.response.iter_recorded() {
            self.answers.push(Answers {
                us: slice.response.highest_equivalent(step.value_iterated_to()),
                block,
                count: step.count_since_last_iteration(),
            });
        }
        self.blocks.push(Block {
            start_us: slice.bins.first().map_or(0, |bin| bin.start_us),
            settled,
            failed: slice.counts.failed(),
            good: slice.response.len(),
            sum_us: slice.response.mean() * slice.response.len() as f64,
        });
    }

    /// Number of seconds with arrivals.
    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Settled arrivals.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn arrivals(&self) -> f64 {
        self.sum(|block| block.settled) as f64
    }

    fn sum(&self, part: fn(&Block) -> u64) -> u64 {
        let parts = self.blocks.iter().map(part);
        parts.fold(0, u64::saturating_add)
    }

    /// The metric in microseconds, of the window as it was or of the resample
    /// that a seed and a number name. Failures are infinitely slow.
    pub(super) fn value(&self, metric: Metric, resample: Option<(u64, u64)>) -> f64 {
        let weights = match resample {
            Some((seed, index)) => self.draw(seed, index),
            None => vec![1; self.blocks.len()],
        };
        match metric {
            Metric::Quantile(q) => self.quantile(q, &weights),
            _ => self.mean(&weights),
        }
    }

    /// How often each second is drawn when as many are drawn as there are.
    fn draw(&self, seed: u64, index: u64) -> Vec<u64> {
        let stream = sub_seed(nth(seed, index), "blocks");
        let count = self.blocks.len();
        let mut weights = vec![0; count];
        for draw in 0..count as u64 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a number from 0 to the count of seconds"
            )]
            let block = (unit_interval(nth(stream, draw)) * count as f64) as usize;
            if let Some(weight) = weights.get_mut(block) {
                *weight += 1;
            }
        }
        weights
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "response times are far below 2^52"
    )]
    fn quantile(&self, q: f64, weights: &[u64]) -> f64 {
        let sum = |part: fn(&Block) -> u64| -> u64 {
            self.blocks
                .iter()
                .zip(weights)
                .fold(0, |sum, (block, weight)| {
                    sum.saturating_add(part(block).saturating_mul(*weight))
                })
        };
        let n = sum(|block| block.settled);
        if n == 0 {
            return f64::INFINITY;
        }
        let beyond = n - rank(q, n);
        let mut seen = sum(|block| block.failed);
        if seen > beyond {
            return f64::INFINITY;
        }
        for answers in &self.answers {
            let weight = weights.get(answers.block).copied().unwrap_or(0);
            seen = seen.saturating_add(answers.count.saturating_mul(weight));
            if seen > beyond {
                return answers.us as f64;
            }
        }
        0.0
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn mean(&self, weights: &[u64]) -> f64 {
        let (mut sum, mut good) = (0.0, 0.0);
        for (block, weight) in self.blocks.iter().zip(weights) {
            sum += block.sum_us * *weight as f64;
            good += block.good.saturating_mul(*weight) as f64;
        }
        if good > 0.0 {
            sum / good
        } else {
            f64::INFINITY
        }
    }

    /// Arrivals that failed or took longer than the limit.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn slower(&self, limit_us: f64) -> f64 {
        let failed = self.sum(|block| block.failed);
        let slow = self
            .answers
            .iter()
            .take_while(|answers| answers.us as f64 > limit_us)
            .fold(0, |sum: u64, answers| sum.saturating_add(answers.count));
        failed.saturating_add(slow) as f64
    }

    /// The slowest response time with enough arrivals at or beyond it.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn slowest(&self, enough: impl Fn(f64) -> bool) -> Option<f64> {
        let mut seen = self.sum(|block| block.failed);
        if enough(seen as f64) {
            return Some(f64::INFINITY);
        }
        self.answers.iter().find_map(|answers| {
            seen = seen.saturating_add(answers.count);
            enough(seen as f64).then_some(answers.us as f64)
        })
    }

    /// The fastest response time with few enough arrivals beyond it.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn fastest(&self, few: impl Fn(f64) -> bool) -> Option<f64> {
        let mut seen = self.sum(|block| block.failed);
        if !few(seen as f64) {
            return None;
        }
        self.answers.iter().find_map(|answers| {
            seen = seen.saturating_add(answers.count);
            (!few(seen as f64)).then_some(answers.us as f64)
        })
    }

    /// Arrivals beyond a limit by the second, for the dispersion.
    #[expect(
        clippy::cast_precision_loss,
        reason = "response times are far below 2^52"
    )]
    pub(super) fn bins(&self, limit_us: f64) -> Vec<Bin> {
        let mut bins: Vec<Bin> = self
            .blocks
            .iter()
            .map(|block| Bin {
                start_us: block.start_us,
                bad: block.failed,
                n: block.settled,
            })
            .collect();
        for answers in self
            .answers
            .iter()
            .take_while(|answers| answers.us as f64 > limit_us)
        {
            if let Some(bin) = bins.get_mut(answers.block) {
                bin.bad = bin.bad.saturating_add(answers.count);
            }
        }
        bins
    }
}

/// The percentile to read a bound at, for an error of `alpha`: that of the
/// normal deviate which is as wide as Student's t and unbiased in variance
/// (Hesterberg 2015, the expanded percentile interval).
#[expect(clippy::cast_precision_loss, reason = "a number of seconds")]
pub(super) fn widened(alpha: f64, blocks: usize) -> f64 {
    let freedom = blocks.saturating_sub(1).max(1) as f64;
    let z = -normal_quantile(alpha);
    // Student's t from the normal deviate (Cornish and Fisher 1938).
    let t = z
        + (z.powi(3) + z) / (4.0 * freedom)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom * freedom);
    normal(-t * (blocks.max(2) as f64 / freedom).sqrt())
}

/// Distribution function of the normal distribution, to 1e-7 (Abramowitz and
/// Stegun 1964, 26.2.17).
fn normal(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * series;
    if z > 0.0 { 1.0 - tail } else { tail }
}

/// The z with `normal(z) = p`, by bisection.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-10.0_f64, 10.0_f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if normal(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_widens_with_few_blocks_as_scipy_says() {
        // scipy.stats: norm.cdf(t.ppf(0.05, B - 1) * sqrt(B / (B - 1))).
        for (blocks, expected) in [
            (10, 0.026_65),
            (20, 0.038_02),
            (60, 0.045_97),
            (1000, 0.049_76),
        ] {
            let found = widened(0.05, blocks);
            assert!((found - expected).abs() < 5e-4, "{blocks}: {found}");
        }
    }
}
