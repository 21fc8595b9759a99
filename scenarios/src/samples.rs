//! How many samples a judgement needs. The rule stands here once: the checks
//! before a run, its plan and the judge behind it ask for the same number.

use std::time::Duration;

use crate::comparison::GateValue;
use crate::gate::{BURST_ASSUMED, Metric, MetricGate};
use crate::units::Share;

/// The shortest stretch of a sliding window: the length of an interval.
pub const STRETCH_MIN: Duration = Duration::from_secs(1);

/// Error probability of a bound on a quantile, unless a block says otherwise.
const ALPHA: f64 = 0.05;

/// Arrivals beyond a quantile that its ratio needs on either side: with fewer,
/// resampling repeats the same few arrivals and its bounds are too narrow.
const TAIL_MIN: f64 = 30.0;

/// Arrivals that the ratio of two means needs on either side.
const MEAN_MIN: f64 = 100.0;

/// How many samples a bound on the quantile `q` needs: the smallest n with
/// q^n ≤ 1 − confidence. 299 for p99 and 2 995 for p99.9 at 95 %. A statement
/// about the system, at a `confidence`, needs `burst` times as many.
#[must_use]
pub fn samples_needed(q: f64, confidence: Option<Share>, burst: Option<u64>) -> f64 {
    let alpha = confidence.map_or(ALPHA, |share| 1.0 - share.get());
    #[expect(clippy::cast_precision_loss, reason = "at most a million")]
    let together = confidence.map_or(1.0, |_| burst.unwrap_or(BURST_ASSUMED) as f64);
    (alpha.ln() / q.ln() * together).ceil()
}

impl MetricGate {
    /// Arrivals without which the gate can only end inconclusive, or only pass
    /// without a single failure; `None` where any number does. A share at a
    /// `confidence` is a quantile of good and bad, and needs as many.
    #[must_use]
    pub fn samples_needed(&self, confidence: Option<Share>, burst: Option<u64>) -> Option<f64> {
        if let GateValue::TimesBaseline(_) = self.value {
            return match self.metric {
                // 1 - 0.99 is a little more than 0.01; the millionth makes up for it.
                Metric::Quantile(q) => Some((TAIL_MIN / (1.0 - q) - 1e-6).ceil()),
                _ => Some(MEAN_MIN),
            };
        }
        let misplaced = self.every.is_some_and(|every| every < STRETCH_MIN);
        if misplaced {
            return None;
        }
        let good = match (self.metric, self.value) {
            (Metric::Quantile(q), _) => return Some(samples_needed(q, confidence, burst)),
            (Metric::Success, GateValue::Share(share)) => share.get(),
            (Metric::ErrorRate, GateValue::Share(share)) => 1.0 - share.get(),
            _ => return None,
        };
        if good <= 0.0 || good >= 1.0 {
            return None;
        }
        match (confidence, self.every) {
            (Some(_), _) => Some(samples_needed(good, confidence, burst)),
            (None, Some(_)) => Some((1.0 / (1.0 - good) - 1e-6).ceil()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_those_of_the_order_statistics() {
        let needed = |q| samples_needed(q, None, None);
        assert!((needed(0.95) - 59.0).abs() < 0.5);
        assert!((needed(0.99) - 299.0).abs() < 0.5);
        assert!((needed(0.999) - 2995.0).abs() < 0.5);
        assert!((needed(0.9999) - 29956.0).abs() < 0.5);
        assert!(samples_needed(0.99, Share::new(0.99), Some(1)) > 400.0);
        assert!((samples_needed(0.99, Share::new(0.95), None) - 2981.0).abs() < 0.5);
    }
}
