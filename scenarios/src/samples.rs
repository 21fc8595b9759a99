//! How many samples a judgement needs. The rule stands here once: the checks
//! before a run, its plan and the judge behind it ask for the same number.

use std::time::Duration;

use crate::comparison::GateValue;
use crate::gate::{BURST_ASSUMED, Metric, MetricGate};
use crate::units::Share;

/// The shortest stretch of a sliding window: the length of an interval.
pub const STRETCH_MIN: Duration = Duration::from_secs(1);

/// Confidence of a bound, unless a block says otherwise.
pub const CONFIDENCE: f64 = 0.95;

/// Arrivals beyond a quantile that its ratio needs on either side: with fewer,
/// resampling repeats the same few arrivals and its bounds are too narrow.
const TAIL_MIN: f64 = 30.0;

/// Arrivals that the ratio of two means needs on either side.
const MEAN_MIN: u64 = 100;

/// The fewest samples at which the quantile `q` has an upper bound at
/// `confidence`: the smallest n with q^n ≤ 1 − confidence. 299 for p99 and 2 995
/// for p99.9 at 95 %.
#[must_use]
pub fn samples_for_quantile(q: f64, confidence: f64) -> u64 {
    whole(until_one_beyond(q, confidence))
}

/// The fewest samples of which one may be bad while a share `good` of them, below
/// 1, is good.
#[must_use]
pub fn samples_for_a_failure(good: f64) -> u64 {
    // 1 - 0.9 is a little less than 0.1; the millionth makes up for it.
    whole(1.0 / (1.0 - good) - 1e-6)
}

/// How many samples have one beyond the quantile `q` at `confidence`, not
/// rounded.
fn until_one_beyond(q: f64, confidence: f64) -> f64 {
    if q <= 0.0 {
        return 1.0;
    }
    (1.0 - confidence).ln() / q.ln()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number is positive, and a quantile of 1 saturates"
)]
fn whole(samples: f64) -> u64 {
    samples.ceil().max(1.0) as u64
}

impl MetricGate {
    /// Arrivals without which the gate can only end inconclusive, or only pass
    /// without a single failure; `None` where any number does. A share at a
    /// `confidence` is a quantile of good and bad, and needs as many.
    #[must_use]
    pub fn samples_needed(&self, confidence: Option<Share>, burst: Option<u64>) -> Option<u64> {
        if let GateValue::TimesBaseline(_) = self.value {
            return match self.metric {
                Metric::Quantile(q) => Some(whole(TAIL_MIN / (1.0 - q) - 1e-6)),
                _ => Some(MEAN_MIN),
            };
        }
        let misplaced = self.every.is_some_and(|every| every < STRETCH_MIN);
        if misplaced {
            return None;
        }
        let good = match (self.metric, self.value) {
            (Metric::Quantile(q), _) => return Some(bounded(q, confidence, burst)),
            (Metric::Success, GateValue::Share(share)) => share.get(),
            (Metric::ErrorRate, GateValue::Share(share)) => 1.0 - share.get(),
            _ => return None,
        };
        if good <= 0.0 || good >= 1.0 {
            return None;
        }
        match (confidence, self.every) {
            (Some(_), _) => Some(bounded(good, confidence, burst)),
            (None, Some(_)) => Some(samples_for_a_failure(good)),
            // Whether this run kept its budget is arithmetic on any number.
            (None, None) => None,
        }
    }

    /// Arrivals that one judgement has, of so many in a window of this length.
    #[must_use]
    pub fn samples_per_stretch(&self, arrivals: f64, length: Duration) -> f64 {
        match self.every {
            Some(every) if !length.is_zero() => {
                arrivals * (every.as_secs_f64() / length.as_secs_f64()).min(1.0)
            }
            _ => arrivals,
        }
    }
}

/// Samples for a bound on the quantile `q`; a statement about the system, at a
/// `confidence`, needs `burst` times as many.
fn bounded(q: f64, confidence: Option<Share>, burst: Option<u64>) -> u64 {
    let Some(confidence) = confidence else {
        return samples_for_quantile(q, CONFIDENCE);
    };
    #[expect(clippy::cast_precision_loss, reason = "at most a million")]
    let together = burst.unwrap_or(BURST_ASSUMED) as f64;
    whole(until_one_beyond(q, confidence.get()) * together)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_those_of_the_order_statistics() {
        for (q, n) in [(0.95, 59), (0.99, 299), (0.999, 2_995), (0.9999, 29_956)] {
            assert_eq!(samples_for_quantile(q, CONFIDENCE), n, "p{}", q * 100.0);
            assert_eq!(bounded(q, None, Some(7)), n, "arithmetic of this run");
        }
        assert_eq!(samples_for_quantile(0.0, CONFIDENCE), 1);
        assert_eq!(bounded(0.99, Share::new(0.99), Some(1)), 459);
        assert_eq!(bounded(0.99, Share::new(0.95), None), 2_981);
    }

    #[test]
    fn one_failure_is_within_the_share_of_that_many() {
        for (good, n) in [
            (0.0, 1),
            (0.5, 2),
            (0.9, 10),
            (0.95, 20),
            (0.99, 100),
            (0.999, 1_000),
        ] {
            assert_eq!(samples_for_a_failure(good), n, "{good}");
        }
    }
}
