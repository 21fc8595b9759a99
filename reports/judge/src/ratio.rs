//! The one test behind success, error rate and quantiles: is the share of bad
//! arrivals within its limit?

use squall_scenario::{BURST_ASSUMED, Comparison, GateValue, Metric, MetricGate};

use crate::statistics::{samples_to_prove, surely_above, surely_at_most};

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

/// What a block with `confidence` asks for: a statement about the system, as
/// against the arithmetic of this run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Inference {
    /// How sure a pass must be, from 0 to 1.
    pub(crate) confidence: f64,
    /// Failures that come together, as far as the scenario says.
    pub(crate) burst: Option<u64>,
}

impl Inference {
    /// How sure a failure must be. A false alarm costs more trust than a
    /// question left open, so it is five times as rare as a false pass.
    pub(super) fn confidence_to_fail(self) -> f64 {
        1.0 - (1.0 - self.confidence) / 5.0
    }

    /// The same error shared out over so many `looks` at the data.
    #[expect(clippy::cast_precision_loss, reason = "one look per second of a run")]
    pub(super) fn shared(self, looks: u64) -> Self {
        Self {
            confidence: 1.0 - (1.0 - self.confidence) / looks.max(1) as f64,
            ..self
        }
    }

    /// Failures taken to come together before any were seen.
    pub(super) fn together(self) -> u64 {
        self.burst.unwrap_or(BURST_ASSUMED).max(1)
    }
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
    /// How many failures count as one, because they come in bursts; at least 1.
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
    pub(super) fn decide(&self, trial: &Trial, inference: Option<Inference>) -> Decision {
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
        match inference {
            Some(inference) => self.infer(trial, inference),
            None if arithmetic => Decision::Holds,
            None => Decision::Violated,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn infer(&self, trial: &Trial, inference: Inference) -> Decision {
        let (to_pass, to_fail) = (inference.confidence, inference.confidence_to_fail());
        let spread = trial.dispersion.max(1.0);
        let (bad, n) = (trial.bad as f64 / spread, trial.n as f64 / spread);
        let (surely_within, surely_outside) = if self.at_most {
            (
                surely_at_most(bad, n, self.limit, to_pass),
                surely_above(bad, n, self.limit, to_fail),
            )
        } else {
            (
                self.limit <= 0.0 || surely_above(bad, n, self.limit, to_pass),
                bad < n && surely_at_most(bad, n, self.limit, to_fail),
            )
        };
        if surely_within {
            Decision::Holds
        } else if surely_outside {
            Decision::Violated
        } else {
            Decision::NeedsMore(if self.at_most {
                samples_to_prove(trial.bad, self.limit, to_pass, spread)
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
        // 99.9 %: at 95 % pass up to 6 bad of 12 000, at 99 % fail from 22.
        let claim = claim(0.001);
        let inference = Inference {
            confidence: 0.95,
            burst: Some(1),
        };
        let decide = |bad| claim.decide(&trial(bad, 12_000), Some(inference));
        assert_eq!(decide(6), Decision::Holds);
        assert!(matches!(decide(7), Decision::NeedsMore(Some(n)) if n > 12_000));
        assert!(matches!(decide(21), Decision::NeedsMore(_)));
        assert_eq!(decide(22), Decision::Violated);
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
}
