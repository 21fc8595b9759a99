//! The one test behind success, error rate and quantiles: is the share of bad
//! arrivals within its limit?

use squall_scenario::{Comparison, GateValue, Metric, MetricGate};

use crate::statistics::{lower_bound, samples_to_prove, upper_bound};

/// A claim about the share of bad arrivals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Claim {
    /// The limit, from 0 to 1.
    pub(crate) limit: f64,
    /// Whether the limit itself is outside.
    pub(crate) strict: bool,
    /// Whether at most (as usual) or at least so many are claimed to be bad.
    pub(crate) at_most: bool,
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trial {
    /// Bad arrivals.
    pub(super) bad: u64,
    /// Bad arrivals that the generator's lag does not explain.
    pub(super) bad_unlagged: u64,
    /// Settled arrivals.
    pub(super) n: u64,
    /// Arrivals not settled when the run was cut short.
    pub(super) unfinished: u64,
    /// How much more the failures vary from second to second than single
    /// independent failures would; at least 1.
    pub(super) dispersion: f64,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Holds,
    Violated,
    /// It holds for what settled; the rest is unknown.
    Unfinished,
    /// Without the generator's lag it would hold.
    OnlyLag,
    /// The sample proves neither; this many arrivals would, if no more fail.
    NeedsMore(Option<u64>),
}

impl Claim {
    /// Whether `bad` of `n` satisfy the claim. The tolerance is far below one
    /// arrival and only undoes the binary noise of percentages.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(crate) fn holds(&self, bad: u64, n: u64) -> bool {
        let excess = bad as f64 - self.limit * n as f64;
        let tolerance = 1e-9 * (n as f64).max(1.0);
        match (self.at_most, self.strict) {
            (true, false) => excess <= tolerance,
            (true, true) => excess < -tolerance,
            (false, false) => excess >= -tolerance,
            (false, true) => excess > tolerance,
        }
    }

    /// The most bad arrivals among `n` that satisfy an `at_most` claim.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count that is far below 2^52"
    )]
    pub(super) fn allowed(&self, n: u64) -> u64 {
        let most = (self.limit * n as f64 + 1e-9 * n as f64).floor() as u64;
        if self.strict && !self.holds(most, n) {
            return most.saturating_sub(1);
        }
        most
    }

    /// Decides the claim: by the arithmetic of this run, or, with a
    /// `confidence`, about the system that produced it.
    pub(super) fn decide(&self, trial: &Trial, confidence: Option<f64>) -> Decision {
        let arithmetic = self.holds(trial.bad, trial.n);
        let all = trial.n.saturating_add(trial.unfinished);
        if !arithmetic {
            if self.at_most && self.holds(trial.bad, all) {
                return Decision::Unfinished;
            }
            if self.at_most && self.holds(trial.bad_unlagged, trial.n) {
                return Decision::OnlyLag;
            }
        } else if trial.unfinished > 0 {
            return Decision::Unfinished;
        }
        match confidence {
            Some(confidence) => self.infer(trial, confidence),
            None if arithmetic => Decision::Holds,
            None => Decision::Violated,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn infer(&self, trial: &Trial, confidence: f64) -> Decision {
        let spread = trial.dispersion.max(1.0);
        let (bad, n) = (trial.bad as f64 / spread, trial.n as f64 / spread);
        let upper = upper_bound(bad, n, confidence);
        let lower = lower_bound(bad, n, confidence);
        let (surely_within, surely_outside) = if self.at_most {
            (upper <= self.limit, lower > self.limit)
        } else {
            (lower >= self.limit, upper < self.limit)
        };
        if surely_within {
            Decision::Holds
        } else if surely_outside {
            Decision::Violated
        } else {
            Decision::NeedsMore(if self.at_most {
                samples_to_prove(trial.bad, self.limit, confidence)
                    .filter(|needed| *needed > trial.n)
            } else {
                None
            })
        }
    }
}

/// Reads a gate as a claim about bad arrivals, and the response time above
/// which an arrival is bad. `None` for metrics that are no shares.
pub(crate) fn claim_of(gate: &MetricGate) -> Option<(Claim, Option<u64>)> {
    let strict = matches!(gate.comparison, Comparison::Below | Comparison::Above);
    let below = matches!(gate.comparison, Comparison::Below | Comparison::AtMost);
    if gate.comparison == Comparison::Equal {
        return None;
    }
    match (gate.metric, gate.value) {
        (Metric::Success, GateValue::Share(share)) => {
            let limit = 1.0 - share.get();
            Some((
                Claim {
                    limit,
                    strict,
                    at_most: !below,
                },
                None,
            ))
        }
        (Metric::ErrorRate, GateValue::Share(share)) => {
            let limit = share.get();
            Some((
                Claim {
                    limit,
                    strict,
                    at_most: below,
                },
                None,
            ))
        }
        (Metric::Quantile(q), GateValue::Duration(limit)) if below => {
            let claim = Claim {
                limit: 1.0 - q,
                strict: false,
                at_most: true,
            };
            Some((claim, Some(whole_micros(limit))))
        }
        (Metric::Max, GateValue::Duration(limit)) if below => {
            let claim = Claim {
                limit: 0.0,
                strict: false,
                at_most: true,
            };
            Some((claim, Some(whole_micros(limit))))
        }
        _ => None,
    }
}

fn whole_micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Variance of the failures per interval over that of independent failures
/// (verdict statistics for bursts); at least 1, and 1 where it cannot be told.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn dispersion(bins: &[(u64, u64)]) -> f64 {
    const BINS_MIN: usize = 20;
    let bad = bins
        .iter()
        .fold(0_u64, |sum, (bad, _)| sum.saturating_add(*bad));
    let n = bins
        .iter()
        .fold(0_u64, |sum, (_, n)| sum.saturating_add(*n));
    if bins.len() < BINS_MIN || bad == 0 || bad >= n {
        return 1.0;
    }
    let p = bad as f64 / n as f64;
    let sum: f64 = bins
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(bad, n)| (*bad as f64 - *n as f64 * p).powi(2) / (*n as f64 * p * (1.0 - p)))
        .sum();
    (sum / (bins.len() - 1) as f64).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(limit: f64) -> Claim {
        Claim {
            limit,
            strict: false,
            at_most: true,
        }
    }

    fn trial(bad: u64, n: u64) -> Trial {
        Trial {
            bad,
            bad_unlagged: bad,
            n,
            unfinished: 0,
            dispersion: 1.0,
        }
    }

    #[test]
    fn percentages_do_not_suffer_from_binary_fractions() {
        let claim = claim(1.0 - 99.9 / 100.0);
        assert!(claim.holds(3, 3000));
        assert!(!claim.holds(4, 3000));
        assert_eq!(claim.allowed(3000), 3);
        let strict = Claim {
            strict: true,
            ..claim
        };
        assert!(!strict.holds(3, 3000));
        assert_eq!(strict.allowed(3000), 2);
    }

    #[test]
    fn inference_follows_the_published_bands() {
        // 99.9 %: pass up to 6, fail from 19 bad of 12 000.
        let claim = claim(0.001);
        let decide = |bad| claim.decide(&trial(bad, 12_000), Some(0.95));
        assert_eq!(decide(6), Decision::Holds);
        assert!(matches!(decide(7), Decision::NeedsMore(Some(n)) if n > 12_000));
        assert!(matches!(decide(18), Decision::NeedsMore(_)));
        assert_eq!(decide(19), Decision::Violated);
    }

    #[test]
    fn what_is_unfinished_never_passes_and_lag_never_fails() {
        let claim = claim(0.01);
        let unfinished = Trial {
            unfinished: 1,
            ..trial(0, 1000)
        };
        assert_eq!(claim.decide(&unfinished, None), Decision::Unfinished);
        let hopeless = Trial {
            unfinished: 1,
            ..trial(100, 1000)
        };
        assert_eq!(claim.decide(&hopeless, None), Decision::Violated);
        let lagged = Trial {
            bad_unlagged: 10,
            ..trial(11, 1000)
        };
        assert_eq!(claim.decide(&lagged, None), Decision::OnlyLag);
    }

    #[test]
    fn bursts_widen_the_bounds() {
        let even: Vec<_> = (0..30).map(|_| (1, 100)).collect();
        let bursts: Vec<_> = (0..30)
            .map(|i| (if i % 10 == 0 { 10 } else { 0 }, 100))
            .collect();
        assert!((dispersion(&even) - 1.0).abs() < 1e-12);
        assert!(dispersion(&bursts) > 5.0);
    }
}
