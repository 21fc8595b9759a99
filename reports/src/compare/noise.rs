//! What chance may have made of the figures of one run.
//!
//! Two ways of looking at it, and the wider bounds of both: exact bounds of
//! the sample (order statistics, score interval) corrected for failures and
//! slow answers that come together, and a block bootstrap over seconds. The
//! first knows how little a tail of few arrivals says, the second how much one
//! second resembles the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall_judge::quantity::Quantity;
use squall_judge::statistics::{BlockBootstrap, Estimate, binomial_quantile, score_interval};
use squall_judge::{Slice, Window, dispersion, spread};
use squall_record::Record;

/// The quantiles that are compared, and their names.
pub(super) const QUANTILES: [(&str, f64); 4] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// Probability on either side of every interval here: 95 % between them.
const ONE_SIDE: f64 = 0.975;

/// Response time in microseconds that stands for a failure, which is slower
/// than any answer: eleven days. Finite, so that bounds can be worked with.
pub(super) const NEVER_US: f64 = 1e12;

/// Draws of the bootstrap: of a thousand, 25 lie beyond either bound. Long runs
/// have narrow bounds, which fewer draws find as well.
const DRAWS: [usize; 2] = [250, 1_000];

/// Buckets that all draws together visit, before there are fewer draws.
const VISITS_MAX: usize = 10_000_000;

const SECOND_US: i64 = 1_000_000;

/// A value and its bounds at 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounded {
    /// What was measured.
    pub value: Quantity,
    /// Lower bound.
    pub low: Quantity,
    /// Upper bound; `never` where the sample gives none.
    pub high: Quantity,
}

/// The figures of one run in one window with their bounds.
pub(super) struct Noise {
    pub(super) success: Option<Estimate>,
    /// One for each of [`QUANTILES`]; `None` where there are too few arrivals.
    pub(super) quantiles: Vec<Option<Estimate>>,
}

/// What happened to the arrivals of one second.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Second {
    settled: u64,
    good: u64,
    /// Response times of good answers in microseconds, to 0.8 %, and how many.
    times: BTreeMap<u64, u64>,
}

impl Noise {
    /// Looks at `window` of `record`, whose arrivals are summed up in `slice`.
    pub(super) fn of(record: &Record, window: &Window, route: Option<&str>, slice: &Slice) -> Self {
        let seconds = seconds(record, window, route);
        // Every run draws by its own seed, so that it draws alike on either
        // side of a comparison.
        let bootstrap = BlockBootstrap::new(record.manifest.seed, "compare", seconds.len());
        let drawn = Drawn::of(&seconds, &bootstrap);
        let widening = bootstrap.widening();
        let quantiles = QUANTILES.iter().enumerate().map(|(index, (_, q))| {
            let exact = order_statistics((record, window), slice, route, *q)?;
            let drawn = drawn.quantiles.get(index)?;
            Some(exact.widened_to(drawn.around_time(exact.value, widening)))
        });
        Self {
            success: success(slice)
                .map(|exact| exact.widened_to(drawn.success.around_share(exact.value, widening))),
            quantiles: quantiles.collect(),
        }
    }
}

/// The seconds of a window that hold an arrival, in order.
fn seconds(record: &Record, window: &Window, route: Option<&str>) -> Vec<Second> {
    let mut seconds: BTreeMap<i64, Second> = BTreeMap::new();
    let inside = record.intervals.iter().filter(|i| window.contains(i));
    for interval in inside {
        let second = seconds
            .entry(interval.start_us.div_euclid(SECOND_US))
            .or_default();
        let routes = interval.routes.iter();
        for entry in routes.filter(|entry| route.is_none_or(|name| name == entry.route)) {
            second.settled += entry.counts.settled();
            second.good += entry.counts.good;
            let Some(response) = &entry.response else {
                continue;
            };
            for (top_us, count) in response.iter() {
                *second.times.entry(coarse(top_us)).or_default() += count;
            }
        }
    }
    seconds
        .into_values()
        .filter(|second| second.settled > 0)
        .collect()
}

/// The upper edge of a bucket that is at most 0.8 % wide: bounds need no more,
/// and every draw visits every bucket.
fn coarse(us: u64) -> u64 {
    let shift = (u64::BITS - us.leading_zeros()).saturating_sub(8);
    us | ((1 << shift) - 1)
}

/// What the draws of a bootstrap came to.
struct Drawn {
    success: Draws,
    quantiles: Vec<Draws>,
}

/// One figure in every draw, sorted, and in the sample itself.
struct Draws {
    own: f64,
    sorted: Vec<f64>,
}

impl Drawn {
    fn of(seconds: &[Second], bootstrap: &BlockBootstrap) -> Self {
        let mut values: Vec<u64> = seconds
            .iter()
            .flat_map(|second| second.times.keys().copied())
            .collect();
        values.sort_unstable();
        values.dedup();
        let cells: Vec<Vec<(usize, u64)>> = seconds
            .iter()
            .map(|second| {
                let times = second.times.iter();
                times
                    .filter_map(|(us, count)| Some((values.binary_search(us).ok()?, *count)))
                    .collect()
            })
            .collect();
        let look = |weights: &[u32]| Look::at(seconds, &cells, &values, weights);
        let own = look(&vec![1; seconds.len()]);
        let mut success = Vec::new();
        let mut quantiles = vec![Vec::new(); QUANTILES.len()];
        let visits = cells.iter().map(Vec::len).sum::<usize>().max(1);
        let draws = (VISITS_MAX / visits).clamp(DRAWS[0], DRAWS[1]);
        for index in 0..draws {
            let drawn = look(&bootstrap.counts(index as u64));
            success.push(drawn.success);
            for (all, one) in quantiles.iter_mut().zip(drawn.quantiles) {
                all.push(one);
            }
        }
        let quantiles = quantiles.into_iter().zip(own.quantiles);
        Self {
            success: Draws::new(own.success, success),
            quantiles: quantiles.map(|(all, own)| Draws::new(own, all)).collect(),
        }
    }
}

/// The figures of one draw.
struct Look {
    success: f64,
    quantiles: [f64; QUANTILES.len()],
}

impl Look {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and times are far below 2^52"
    )]
    fn at(
        seconds: &[Second],
        cells: &[Vec<(usize, u64)>],
        values: &[u64],
        weights: &[u32],
    ) -> Self {
        let (mut settled, mut good) = (0_u64, 0_u64);
        let mut counts = vec![0_u64; values.len()];
        for ((second, cells), weight) in seconds.iter().zip(cells).zip(weights) {
            let weight = u64::from(*weight);
            if weight == 0 {
                continue;
            }
            settled += weight * second.settled;
            good += weight * second.good;
            for (at, count) in cells {
                if let Some(sum) = counts.get_mut(*at) {
                    *sum += weight * count;
                }
            }
        }
        let mut quantiles = [NEVER_US; QUANTILES.len()];
        let mut ranks = QUANTILES
            .iter()
            .map(|(_, q)| squall_record::histogram::rank(*q, settled))
            .zip(&mut quantiles)
            .peekable();
        let mut seen = 0;
        for (us, count) in values.iter().zip(counts) {
            seen += count;
            while let Some((_, found)) = ranks.next_if(|(rank, _)| *rank <= seen) {
                *found = *us as f64;
            }
        }
        Self {
            success: good as f64 / settled.max(1) as f64,
            quantiles,
        }
    }
}

impl Draws {
    fn new(own: f64, mut drawn: Vec<f64>) -> Self {
        drawn.sort_unstable_by(f64::total_cmp);
        Self { own, sorted: drawn }
    }

    /// The draws that 2.5 % lie below and above.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a thousand draws"
    )]
    fn bounds(&self) -> Option<(f64, f64)> {
        let beyond = (self.sorted.len() as f64 * (1.0 - ONE_SIDE)) as usize;
        let last = self.sorted.len().checked_sub(1 + beyond)?;
        Some((*self.sorted.get(beyond)?, *self.sorted.get(last)?))
    }

    /// Bounds of the response time `value`, by the ratio of the draws to the
    /// sample.
    fn around_time(&self, value: f64, widening: f64) -> Estimate {
        let (low, high) = self.bounds().unwrap_or((1.0, NEVER_US));
        let by = |drawn: f64| ((drawn / self.own).ln() * widening).exp();
        let bounded = |bound: f64| bound.clamp(1.0, NEVER_US);
        // No draw differs from the sample, and yet the blocks are too few.
        let (low, high) = if widening.is_finite() {
            (
                value * by(low.min(self.own)),
                value * by(high.max(self.own)),
            )
        } else {
            (1.0, NEVER_US)
        };
        Estimate {
            value,
            low: bounded(low).min(value),
            high: bounded(high).max(value),
        }
    }

    /// Bounds of the share `value`, by the difference of the draws to the
    /// sample.
    fn around_share(&self, value: f64, widening: f64) -> Estimate {
        let (low, high) = self.bounds().unwrap_or((0.0, 1.0));
        let (low, high) = if widening.is_finite() {
            (
                value - (self.own - low).max(0.0) * widening,
                value + (high - self.own).max(0.0) * widening,
            )
        } else {
            (0.0, 1.0)
        };
        Estimate {
            value,
            low: low.clamp(0.0, value),
            high: high.clamp(value, 1.0),
        }
    }
}

/// Success with its score interval; failures that come in bursts count as
/// fewer.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn success(slice: &Slice) -> Option<Estimate> {
    let value = slice.success()?;
    let n = slice.counts.settled() as f64 / spread(&slice.bins, None);
    let (low, high) = score_interval(value, n);
    Some(Estimate {
        value,
        low: low.clamp(0.0, value),
        high: high.clamp(value, 1.0),
    })
}

/// A quantile and the order statistics that it lies between at 95 %; `None`
/// where there are too few arrivals. Slow answers come together, so the
/// interval is wider by the root of their dispersion.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are positive counts far below 2^52"
)]
fn order_statistics(
    (record, window): (&Record, &Window),
    slice: &Slice,
    route: Option<&str>,
    q: f64,
) -> Option<Estimate> {
    let n = slice.counts.settled();
    let value = slice.quantile_if_known(q)?;
    let limit_us = match value {
        Quantity::Micros(us) => Some(us),
        _ => None,
    };
    let against =
        Slice::to_show()
            .against(limit_us, false)
            .gather(&record.intervals, window, route);
    let wider = dispersion(&against.bins).sqrt();
    let middle = q * n as f64;
    let above = binomial_quantile(n, q, ONE_SIDE) as f64 + 1.0;
    let below = n as f64 - binomial_quantile(n, 1.0 - q, ONE_SIDE) as f64;
    let high = (middle + (above - middle) * wider).ceil();
    let low = (middle - (middle - below) * wider).floor();
    let value = micros(value);
    Some(Estimate {
        value,
        low: if low < 1.0 {
            1.0
        } else {
            micros(slice.at_rank(low as u64)).min(value)
        },
        high: if high > n as f64 {
            NEVER_US
        } else {
            micros(slice.at_rank(high as u64)).max(value)
        },
    })
}

/// A response time that can be worked with: at least one microsecond.
#[expect(clippy::cast_precision_loss, reason = "at most an hour")]
fn micros(value: Quantity) -> f64 {
    match value {
        Quantity::Micros(us) => (us as f64).max(1.0),
        _ => NEVER_US,
    }
}

/// Response times in microseconds as they are shown.
pub(super) fn times(estimate: Estimate) -> Bounded {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and at most eleven days"
    )]
    let show = |us: f64| {
        if us >= NEVER_US {
            Quantity::Never
        } else {
            Quantity::Micros(us.round() as u64)
        }
    };
    Bounded {
        value: show(estimate.value),
        low: show(estimate.low),
        high: show(estimate.high),
    }
}

/// Shares as they are shown.
pub(super) fn shares(estimate: Estimate) -> Bounded {
    Bounded {
        value: Quantity::Share(estimate.value),
        low: Quantity::Share(estimate.low),
        high: Quantity::Share(estimate.high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_bucket_is_never_flattering_and_less_than_a_percent_wide() {
        for us in [1, 200, 255, 256, 1_000, 14_237, 999_999, 3_600_000_000] {
            let found = coarse(us);
            assert!(found >= us, "{us}: {found}");
            assert!((found - us) as f64 <= 0.008 * us as f64, "{us}: {found}");
            assert_eq!(coarse(found), found);
        }
    }

    #[test]
    fn a_draw_of_every_second_once_is_the_sample() {
        let second = |slow: u64| Second {
            settled: 100,
            good: 100,
            times: BTreeMap::from([(100, 100 - slow), (5_119, slow)]),
        };
        let seconds = vec![second(0), second(2), second(60)];
        let drawn = Drawn::of(&seconds, &BlockBootstrap::with_block(1, "x", 3, 1));
        let own: Vec<f64> = drawn.quantiles.iter().map(|draws| draws.own).collect();
        assert_eq!(own, [100.0, 5_119.0, 5_119.0, 5_119.0]);
        let (low, high) = drawn.quantiles[0].bounds().unwrap();
        assert_eq!((low, high), (100.0, 5_119.0), "three times the slow second");
    }
}
